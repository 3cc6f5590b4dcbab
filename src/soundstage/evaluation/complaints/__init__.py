"""What people complain of in stereo made from mono: the rows of the fitness table."""

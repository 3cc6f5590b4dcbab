"""hrtf."""

"""Networks: no input or output, no training, no audio."""

"""Networks: layers and shapes only; they know no files, no training and no sound in a file."""

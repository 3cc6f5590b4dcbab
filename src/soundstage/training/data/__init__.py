"""Training data: datasets, batches and augmentation, one file a kind of example."""

"""Training tasks, one file a family: network, data, loss and validation score."""

"""The networks, one file a model: its config, its blocks, the model."""

"""The upmix methods, one file each; every file has `load`, and `registry.py` lists them."""

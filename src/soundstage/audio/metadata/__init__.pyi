from .model import Block, Chapter, Lost, Marker, Metadata, Picture
from .reading import read_metadata
from .receipt import Receipt

__all__ = [
    "Block",
    "Chapter",
    "Lost",
    "Marker",
    "Metadata",
    "Picture",
    "Receipt",
    "read_metadata",
]

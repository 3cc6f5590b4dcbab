"""Source separation: sources that add up to the input, and rules that give each of them a place."""

from lazy_loader import attach_stub

__getattr__, __dir__, __all__ = attach_stub(__name__, __file__)

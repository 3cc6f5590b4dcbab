"""Restyling: old stereo mixes, hard-panned to left and right, get a modern stage."""

from lazy_loader import attach_stub

__getattr__, __dir__, __all__ = attach_stub(__name__, __file__)

"""Listening to results: pages that switch between versions of one sound."""

from lazy_loader import attach_stub

__getattr__, __dir__, __all__ = attach_stub(__name__, __file__)

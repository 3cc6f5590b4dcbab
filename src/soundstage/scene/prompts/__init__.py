"""Sentences to scene descriptions: a grammar of events, places, motion, order and rooms."""

from lazy_loader import attach_stub

__getattr__, __dir__, __all__ = attach_stub(__name__, __file__)

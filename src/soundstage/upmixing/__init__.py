"""Mono to stereo: the public face, the engine, the methods, files and jobs."""

from lazy_loader import attach_stub

__getattr__, __dir__, __all__ = attach_stub(__name__, __file__)

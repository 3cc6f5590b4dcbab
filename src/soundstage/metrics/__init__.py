"""Metrics of stereo and binaural sound, one function each; `docs/metrics.md` defines them all."""

from lazy_loader import attach_stub

__getattr__, __dir__, __all__ = attach_stub(__name__, __file__)

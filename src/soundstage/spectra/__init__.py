"""Spectra: short-time Fourier transforms, perceptual filter banks and streaming convolution."""

from lazy_loader import attach_stub

__getattr__, __dir__, __all__ = attach_stub(__name__, __file__)

"""Ambisonics: spherical harmonics, encoding, rotation and decoding, in AmbiX (ACN, SN3D)."""

from lazy_loader import attach_stub

__getattr__, __dir__, __all__ = attach_stub(__name__, __file__)

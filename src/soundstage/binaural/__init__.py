"""Binaural rendering: trajectories, HRTF sets, rooms and renderers for headphones.

Coordinates are those of SOFA (AES69): x ahead, y to the left, z up, in meters; azimuth in degrees
counter-clockwise from ahead; the left ear first.
"""

from lazy_loader import attach_stub

__getattr__, __dir__, __all__ = attach_stub(__name__, __file__)

"""Ambisonics: spherical harmonics, encoding, rotation and decoding, in AmbiX (ACN, SN3D)."""

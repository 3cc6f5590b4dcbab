"""spaudiopy, the reference of ambisonics, in AmbiX; newer SciPy has renamed a function of it."""

import numpy as np
import scipy.special
from scipy.special import sph_harm_y

if not hasattr(scipy.special, "sph_harm"):
    scipy.special.sph_harm = lambda m, n, azimuth, zenith: sph_harm_y(n, m, zenith, azimuth)

from spaudiopy import decoder, sph


def n3d_over_sn3d(order):
    """√(2l + 1) of every channel."""
    return np.sqrt(2 * np.sqrt(np.arange((order + 1) ** 2)).astype(int) + 1)


def angles(directions):
    """Azimuth and zenith angle, in radians."""
    x, y, z = np.moveaxis(directions, -1, 0)
    return np.arctan2(y, x), np.arccos((z / np.linalg.norm(directions, axis=-1)).clip(-1, 1))


def ambix_harmonics(directions, order):
    """Harmonics in SN3D."""
    orthonormal = sph.sh_matrix(order, *angles(directions), "real")
    return np.sqrt(4 * np.pi) * orthonormal / n3d_over_sn3d(order)


def ambix_rotation(yaw, pitch, roll, order):
    """The matrix of a head rotation, in degrees, for SN3D."""
    turned = -np.radians(yaw), np.radians(pitch), -np.radians(roll)
    matrix = sph.sh_rotation_matrix(order, *turned, sh_type="real")
    gains = n3d_over_sn3d(order)
    return matrix * gains / gains[:, None]


def ambix_epad(layout_directions, order):
    """EPAD of spaudiopy for SN3D, without weights and up to one gain."""
    hull = decoder.LoudspeakerSetup(*layout_directions.T)
    identity = np.diag(n3d_over_sn3d(order))
    return decoder.epad(identity, hull, order)

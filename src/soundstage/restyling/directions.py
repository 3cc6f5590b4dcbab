"""Directions of a hard-panned mix: its left, its center and its right, bin by bin.

A switched mix has three directions, L = 2·l + c and R = 2·r + c, and its mid is M = l + c + r. In
every tile the second moments of L and R give the three powers at once,

    P_c = ⟨L, R⟩,    P_l = (⟨L, L⟩ − P_c)/4,    P_r = (⟨R, R⟩ − P_c)/4

and the Wiener filter of this mixture, which reproduces L and R exactly, becomes

    C = P_c·(P_r·L + P_l·R)/(4·P_l·P_r + P_c·(P_l + P_r)),    l = (L − C)/2,    r = (R − C)/2

So the three add up to M and l − r to S, whatever the powers are. Chance makes independent sources
seem to have something in common over few bins; only a coherence above `CHANCE` counts as such. In a
song without a center C is 0, and l and r are the channels themselves.

A tile with one source at a moderate pan, coherent and louder on one side, belongs to no direction:
it stays where it is. It is left out of the three, which then add up to the rest of M.
"""

import torch
from jaxtyping import Complex, Float
from torch import Tensor
from torch.nn import functional as F  # noqa: N812

from soundstage.spectra import SampleQueue
from soundstage.stereo import TRANSFORM

DIRECTIONS = ("left", "center", "right")
PANS = (1.0, 0.0, -1.0)
"""Gain of each direction in the side."""
CHANCE = 0.35  # coherence that independent sources have in a tile
ONE_SOURCE = (0.9, 0.97)  # coherence of a tile, from several sources to one
OFF_CENTER = (0.08, 0.2)  # |pan| from the center to a source beside it: 1.4 to 3.5 dB
MODERATE = (0.6, 0.72)  # |pan| from where a source stays to where it is hard-panned: 12 to 16 dB
BINS, FRAMES = 5, 3  # of a tile, around each bin
FLOOR = 1e-6  # of the power in a tile, in which a silent direction has a share
TINY = 1e-12


class DirectionStream:
    """Splits the spectrogram of a stereo signal, block by block.

    Args:
        has_center: whether the song has a center.
    """

    def __init__(self, *, has_center: bool) -> None:
        self._has_center = has_center
        self._waiting = SampleQueue((2, TRANSFORM.bins))
        self._moments = torch.zeros(3, TRANSFORM.bins, FRAMES // 2)  # and of neighbors before

    def push(
        self, spectrogram: Complex[Tensor, "2 bins frames"]
    ) -> Complex[Tensor, "3 bins ready"]:
        """Left, center and right of the oldest frames whose neighbors are complete."""
        self._waiting.push(spectrogram)
        return self._split(_moments(spectrogram))

    def finish(self) -> Complex[Tensor, "3 bins rest"]:
        """The remaining frames."""
        return self._split(torch.zeros(3, TRANSFORM.bins, FRAMES // 2))

    def _split(self, moments: Float[Tensor, "3 bins frames"]) -> Complex[Tensor, "3 bins ready"]:
        self._moments = torch.cat([self._moments, moments], dim=-1)
        count = max(self._moments.shape[-1] - 2 * (FRAMES // 2), 0)
        left, right = self._waiting.pop(count)
        center = torch.zeros_like(left)
        if count and self._has_center:
            means = F.avg_pool2d(self._moments, (BINS, FRAMES), 1, (BINS // 2, 0))
            moved = 1 - _between(means)
            left, right = moved * left, moved * right
            center = _center(left, right, moved**2 * means)
        self._moments = self._moments[..., count:]
        return torch.stack([(left - center) / 2, center, (right - center) / 2])


def _moments(spectrogram: Complex[Tensor, "2 bins frames"]) -> Float[Tensor, "3 bins frames"]:
    """|L|², |R|² and Re L·R*."""
    left, right = spectrogram
    power = spectrogram.real.square() + spectrogram.imag.square()
    cross = left.real * right.real + left.imag * right.imag
    return torch.cat([power, cross[None]])


def _between(moments: Float[Tensor, "3 bins frames"]) -> Float[Tensor, "bins frames"]:
    """Share of a tile that one source at a moderate pan has, 0 to 1."""
    left, right, cross = moments
    coherence = cross / (left * right).sqrt().clamp(min=TINY)
    ratio = (left.minimum(right) / left.maximum(right).clamp(min=TINY)).sqrt()
    pan = (1 - ratio) / (1 + ratio)
    return _ramp(coherence, ONE_SOURCE) * _ramp(pan, OFF_CENTER) * (1 - _ramp(pan, MODERATE))


def _ramp(values: Float[Tensor, "*shape"], ends: tuple[float, float]) -> Float[Tensor, "*shape"]:
    start, end = ends
    return ((values - start) / (end - start)).clamp(0, 1)


def _center(
    left: Complex[Tensor, "bins frames"],
    right: Complex[Tensor, "bins frames"],
    moments: Float[Tensor, "3 bins frames"],
) -> Complex[Tensor, "bins frames"]:
    """C, by the Wiener filter."""
    left_power, right_power, cross = moments
    coherence = cross / (left_power * right_power).sqrt().clamp(min=TINY)
    common = cross * ((coherence - CHANCE) / (1 - CHANCE)).clamp(0, 1).sqrt()
    floor = FLOOR * (left_power + right_power) + TINY
    at_left = ((left_power - common) / 4).clamp(min=0) + floor
    at_right = ((right_power - common) / 4).clamp(min=0) + floor
    whole = 4 * at_left * at_right + common * (at_left + at_right)
    share = common / whole.clamp(min=TINY**2)
    return share * (at_right * left + at_left * right)

"""Reverberation beside hard-panned sources: where the left and the right parts are a diffuse field.

A plate or a chamber in stereo sounds in both channels alike, without coherence, and its level falls
after each sound. With the powers P_l, P_r and the coherence γ of the two parts in a band, over
moving means of `FRAMES` frames, the share that stays where it is rises from 0 to 1 with

    (1 − γ)·min(P_l, P_r)/max(P_l, P_r)    and with the fall of both levels over `LAG` frames

Two instruments that play at once meet the first condition now and then, but rarely the second.
"""

import torch
from jaxtyping import Complex, Float
from torch import Tensor
from torch.nn import functional as F  # noqa: N812

from soundstage.stereo.encoding import TRANSFORM, band_sums, spread

FRAMES = 9  # of a moving mean, 0.21 s
LAG = 5  # frames over which levels fall, 0.12 s
ALIKE = (0.35, 0.6)  # from none to all; a diffuse field has 0.6 in such a mean
FALL_DB = (0.6, 2.0)  # from none to all; 2 dB over the lag are a decay of 3.5 s
TINY = 1e-9
_AHEAD = FRAMES // 2
_BEFORE = FRAMES // 2 + LAG


class ReverberationStream:
    """Share of the left and the right part that is reverberation, block by block."""

    def __init__(self) -> None:
        self._moments: Tensor | None = None

    def push(self, sides: Complex[Tensor, "2 bins frames"]) -> Float[Tensor, "bins ready"]:
        """The shares, 0 to 1, of the oldest frames whose neighbors are complete."""
        return self._advance(_moments(sides))

    def finish(self) -> Float[Tensor, "bins rest"]:
        """The shares of the remaining frames."""
        if self._moments is None:
            return torch.zeros(TRANSFORM.bins, 0)
        return self._advance(self._moments.new_zeros(*self._moments.shape[:-1], _AHEAD))

    def _advance(self, moments: Float[Tensor, "3 bands frames"]) -> Float[Tensor, "bins ready"]:
        if self._moments is None:
            self._moments = moments.new_zeros(*moments.shape[:-1], _BEFORE)
        self._moments = torch.cat([self._moments, moments], dim=-1)
        count = self._moments.shape[-1] - _BEFORE - _AHEAD
        if count <= 0:
            return torch.zeros(TRANSFORM.bins, 0)
        means = F.avg_pool1d(self._moments, FRAMES, 1)
        self._moments = self._moments[..., count:]
        return spread(_share(means[..., LAG:], means[..., :-LAG]))


def _moments(sides: Complex[Tensor, "2 bins frames"]) -> Float[Tensor, "3 bands frames"]:
    """Powers of both, and Re⟨l, r⟩, in every band."""
    left, right = sides
    power = sides.real.square() + sides.imag.square()
    cross = left.real * right.real + left.imag * right.imag
    return band_sums(torch.cat([power, cross[None]]))


def _share(
    now: Float[Tensor, "3 bands frames"], before: Float[Tensor, "3 bands frames"]
) -> Float[Tensor, "bands frames"]:
    """The share from two moving means, `LAG` frames apart."""
    left, right, cross = now
    low, high = torch.minimum(left, right), torch.maximum(left, right)
    coherence = cross.abs() / (left * right).sqrt().clamp(min=TINY)
    alike = (1 - coherence) * low / high.clamp(min=TINY)
    fall = 10 * torch.log10((before[:2] + TINY) / (now[:2] + TINY)).amin(dim=0)
    return _ramp(alike, ALIKE) * _ramp(fall, FALL_DB)


def _ramp(values: Float[Tensor, "*shape"], ends: tuple[float, float]) -> Float[Tensor, "*shape"]:
    start, end = ends
    return ((values - start) / (end - start)).clamp(0, 1)

"""Constraints to the widths and the balance of a style, by gains on the side and panning.

A network follows a style on average over many sampled tiles, and a balance of 2 dB moves each tile
by so little that it hardly changes a token. Both can be met exactly over the signal so far. With e
the energy of the mid, a width w needs a gain g on the side of its bands,

    g² = Σ e·(w/2)² / Σ e·(α² + β²)

first in low, mid and high bands; then one gain on those of them without a requested width gives the
overall width. A balance is met by adding t·M to the side,

    L = (1 + t)·M + S,   R = (1 − t)·M − S

With E, A and Q the sums of e, e·α and e·(α² + β²), left has r times the energy of right for

    E·(1 − r)·t² + 2·(E·(1 + r) + A·(1 − r))·t + (E + Q)·(1 − r) + 2·A·(1 + r) = 0

From one segment to the next g and t are interpolated linearly. Decoding reduces a width, since
gains change from tile to tile; the target compensates for it: on validation music a factor of
`DECODED` remains, ± 0.04, whatever the width.
"""

import math

import torch
from jaxtyping import Float
from torch import Tensor

from soundstage.stereo import Parameters
from soundstage.stereo.descriptors import DESCRIPTORS, REGIONS
from soundstage.stereo.prediction import parameters_from_gains, prediction_gains

MAX_PANNING = 0.5  # |t|; 9.5 dB for a mono sound
MAX_GAIN = 2.0  # of the side; the inverse is the minimum
DECODED = 0.82  # width after decoding over the width of the parameters
WIDTHS = ("width", "width_low", "width_mid", "width_high")


class StageConstraint:
    """One take of a signal, segment by segment.

    Args:
        requested: values of `DESCRIPTORS`; NaN for no constraint.
        decoded: width after decoding over the width of the parameters.
    """

    def __init__(self, requested: Float[Tensor, " descriptors"], decoded: float = DECODED) -> None:
        values = dict(zip(DESCRIPTORS, requested.tolist(), strict=True))
        self._widths = _WidthConstraint(values, decoded)
        balance = values["balance"]
        self._balance = None if math.isnan(balance) else _BalanceConstraint(balance)

    def apply(self, parameters: Parameters, energy: Float[Tensor, "bands frames"]) -> Parameters:
        """The same stage with the requested widths and balance.

        Args:
            parameters: of the next frames, (bands, frames).
            energy: of their mid, in any unit.
        """
        if not energy.shape[1]:
            return parameters
        alpha, beta = (gain.double() for gain in prediction_gains(*parameters))
        scale, panning = self.gains(alpha, alpha.square() + beta.square(), energy)
        alpha, beta = scale * alpha + panning, scale * beta
        return Parameters(*(each.float() for each in parameters_from_gains(alpha, beta)))

    def gains(
        self,
        alpha: Float[Tensor, "bands frames"],
        side: Float[Tensor, "bands frames"],
        energy: Float[Tensor, "bands frames"],
    ) -> tuple[Float[Tensor, "bands frames"], Float[Tensor, " frames"]]:
        """The gain g of the side and the panning t of the next frames, at least one.

        Args:
            alpha: mean gain of the mid in the side of every band.
            side: energy of the side over that of the mid.
            energy: of the mid, in any unit.
        """
        alpha, side, weight = alpha.double(), side.double(), energy.double()
        scale = self._widths.gains(weight, side)
        if not self._balance:
            return scale, torch.zeros(weight.shape[1], dtype=torch.double)
        return scale, self._balance.panning(weight, scale * alpha, scale.square() * side)


class _WidthConstraint:
    """Gains g of the side.

    Args:
        requested: descriptors by name.
        decoded: part of a width that decoding leaves.
    """

    def __init__(self, requested: dict[str, float], decoded: float) -> None:
        overall, *regions = (requested[name] / decoded for name in WIDTHS)
        self._overall, self._requested = overall, torch.tensor(regions).double()
        self._regions = REGIONS.double()
        self._energy, self._side = torch.zeros(2, len(REGIONS)).double()
        self._ramp = _Ramp()

    def gains(
        self, energy: Float[Tensor, "bands frames"], side: Float[Tensor, "bands frames"]
    ) -> Float[Tensor, "bands frames"]:
        """Of the next frames, with the energy of the mid and the ratio of side to mid energy."""
        self._energy += self._regions @ energy.sum(dim=1)
        self._side += self._regions @ (energy * side).sum(dim=1)
        return self._regions.T @ self._ramp.to(self._current(), energy.shape[1])

    def _current(self) -> Float[Tensor, " regions"]:
        """The gains that give the signal so far its widths."""
        free = self._requested.isnan()
        gains = _gain(self._energy * (self._requested / 2).square(), self._side)
        gains[free] = 1.0
        if math.isnan(self._overall):
            return gains
        sides = gains.square() * self._side
        rest = self._energy.sum() * (self._overall / 2) ** 2 - sides[~free].sum()
        gains[free] = _gain(rest, sides[free].sum())
        return gains


class _BalanceConstraint:
    """Panning t of the mid.

    Args:
        balance: level of left over right in dB.
    """

    def __init__(self, balance: float) -> None:
        self._ratio = 10 ** (balance / 10)
        self._energy = self._direct = self._side = 0.0
        self._ramp = _Ramp()

    def panning(
        self,
        energy: Float[Tensor, "bands frames"],
        alpha: Float[Tensor, "bands frames"],
        side: Float[Tensor, "bands frames"],
    ) -> Float[Tensor, " frames"]:
        """T of the next frames."""
        self._energy += float(energy.sum())
        self._direct += float((energy * alpha).sum())
        self._side += float((energy * side).sum())
        return self._ramp.to(torch.tensor(self._current(), dtype=torch.double), energy.shape[1])

    def _current(self) -> float:
        """The t that gives the signal so far its balance."""
        ratio, energy, direct = self._ratio, self._energy, self._direct
        if energy <= 0:
            return 0.0
        square = energy * (1 - ratio)
        middle = energy * (1 + ratio) + direct * (1 - ratio)
        rest = (energy + self._side) * (1 - ratio) + 2 * direct * (1 + ratio)
        discriminant = max(middle * middle - square * rest, 0.0)
        panning = -rest / (middle + math.copysign(math.sqrt(discriminant), middle))
        return min(max(panning, -MAX_PANNING), MAX_PANNING)


def _gain(target: Float[Tensor, "*sums"], side: Float[Tensor, "*sums"]) -> Float[Tensor, "*sums"]:
    """From the energy of a side to a target, within its limits; 1 without a side."""
    gain = (target.clamp(min=0) / side).sqrt().clamp(1 / MAX_GAIN, MAX_GAIN)
    return torch.where(side > 0, gain, 1.0)


class _Ramp:
    """Linear interpolation from the last value to the current one; constant at first."""

    def __init__(self) -> None:
        self._last: Tensor | None = None

    def to(self, value: Float[Tensor, "*values"], frames: int) -> Float[Tensor, "*values frames"]:
        start = value if self._last is None else self._last
        self._last = value
        part = torch.arange(1, frames + 1).double() / frames
        return start[..., None] + (value - start)[..., None] * part

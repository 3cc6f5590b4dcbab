"""Holds the widths and the balance that a style asks for: scales the side, turns the stage.

A network that is told a style obeys it in the mean of many tiles, each drawn by chance, and a
balance of 2 dB moves every tile a little, which is next to nothing of what tells one token from
another, so that it hardly listens. Both can be had exactly, over all that was made so far. With e
the energy of the mid, a width w is had by a gain g on the side of its bands,

    g² = Σ e·(w/2)² / Σ e·(α² + β²)

of low, mid and high bands first; then one gain on those among them that are not asked for gives
the overall width. A balance is had by adding t·M to the side,

    L = (1 + t)·M + S,   R = (1 − t)·M − S

which changes nothing else. With E, A and Q the sums of e, e·α and e·(α² + β²), left is r times
right where

    E·(1 − r)·t² + 2·(E·(1 + r) + A·(1 − r))·t + (E + Q)·(1 − r) + 2·A·(1 + r) = 0

From one stretch to the next both go in a straight line. What decoding takes off a width, as gains
go from tile to tile, is asked for on top: on validation music `DECODED` is left of it, by 0.04 more
or less, whatever the width.
"""

import math

import torch
from jaxtyping import Float
from torch import Tensor

from soundstage.stereo import Parameters
from soundstage.stereo.descriptors import DESCRIPTORS, REGIONS
from soundstage.stereo.prediction import parameters_from_gains, prediction_gains

FURTHEST_TURN = 0.5  # 9.5 dB of a mono sound
LARGEST_GAIN = 2.0  # of the side; its inverse is the smallest
DECODED = 0.82  # of a width
WIDTHS = ("width", "width_low", "width_mid", "width_high")


class StageHold:
    """One signal on its way, stretch after stretch.

    Args:
        asked: values of `DESCRIPTORS`; NaN leaves a number as it is.
    """

    def __init__(self, asked: Float[Tensor, " descriptors"]) -> None:
        values = dict(zip(DESCRIPTORS, asked.tolist(), strict=True))
        self._widths = _WidthHold(values)
        balance = values["balance"]
        self._balance = None if math.isnan(balance) else _BalanceHold(balance)

    def held(self, parameters: Parameters, energy: Float[Tensor, "bands frames"]) -> Parameters:
        """The same stage with the widths and the balance that are asked for.

        Args:
            parameters: of the next frames.
            energy: of their mid, in any unit.
        """
        if not energy.shape[1]:
            return parameters
        alpha, beta = (gain.double() for gain in prediction_gains(*parameters))
        weight = energy.double()
        gains = self._widths.gains(weight, alpha.square() + beta.square())
        alpha, beta = gains * alpha, gains * beta
        if self._balance:
            alpha = alpha + self._balance.turns(weight, alpha, beta)
        return Parameters(*(each.float() for each in parameters_from_gains(alpha, beta)))


class _WidthHold:
    """Gains of the side, band by band.

    Args:
        asked: values of descriptors by name.
    """

    def __init__(self, asked: dict[str, float]) -> None:
        overall, *regions = (asked[name] / DECODED for name in WIDTHS)
        self._overall, self._asked = overall, torch.tensor(regions).double()
        self._regions = REGIONS.double()
        self._energy, self._side = torch.zeros(2, len(REGIONS)).double()
        self._line = _Line()

    def gains(
        self, energy: Float[Tensor, "bands frames"], side: Float[Tensor, "bands frames"]
    ) -> Float[Tensor, "bands frames"]:
        """Of the next frames, whose mid has an energy and whose side has `side` times as much."""
        self._energy += self._regions @ energy.sum(dim=1)
        self._side += self._regions @ (energy * side).sum(dim=1)
        return self._regions.T @ self._line.to(self._now(), energy.shape[1])

    def _now(self) -> Float[Tensor, " regions"]:
        """By which all that was made so far would have the widths."""
        free = self._asked.isnan()
        gains = _gain(self._energy * (self._asked / 2).square(), self._side)
        gains[free] = 1.0
        if math.isnan(self._overall):
            return gains
        sides = gains.square() * self._side
        rest = self._energy.sum() * (self._overall / 2) ** 2 - sides[~free].sum()
        gains[free] = _gain(rest, sides[free].sum())
        return gains


class _BalanceHold:
    """Turns of the stage.

    Args:
        balance: in dB, left over right.
    """

    def __init__(self, balance: float) -> None:
        self._ratio = 10 ** (balance / 10)
        self._energy = self._direct = self._side = 0.0
        self._line = _Line()

    def turns(
        self,
        energy: Float[Tensor, "bands frames"],
        alpha: Float[Tensor, "bands frames"],
        beta: Float[Tensor, "bands frames"],
    ) -> Float[Tensor, " frames"]:
        """Turns t of the next frames."""
        self._energy += float(energy.sum())
        self._direct += float((energy * alpha).sum())
        self._side += float((energy * (alpha.square() + beta.square())).sum())
        return self._line.to(torch.tensor(self._now(), dtype=torch.double), energy.shape[1])

    def _now(self) -> float:
        """t, by which all that was made so far would have the balance."""
        ratio, energy, direct = self._ratio, self._energy, self._direct
        if energy <= 0:
            return 0.0
        square = energy * (1 - ratio)
        middle = energy * (1 + ratio) + direct * (1 - ratio)
        rest = (energy + self._side) * (1 - ratio) + 2 * direct * (1 + ratio)
        discriminant = max(middle * middle - square * rest, 0.0)
        turn = -rest / (middle + math.copysign(math.sqrt(discriminant), middle))
        return min(max(turn, -FURTHEST_TURN), FURTHEST_TURN)


def _gain(wanted: Float[Tensor, "*sums"], side: Float[Tensor, "*sums"]) -> Float[Tensor, "*sums"]:
    """That makes the energy of a side what is wanted, as far as it may; 1 where there is none."""
    gain = (wanted.clamp(min=0) / side).sqrt().clamp(1 / LARGEST_GAIN, LARGEST_GAIN)
    return torch.where(side > 0, gain, 1.0)


class _Line:
    """From what was to what is, frame by frame; from the beginning, what is."""

    def __init__(self) -> None:
        self._last: Tensor | None = None

    def to(self, now: Float[Tensor, "*values"], frames: int) -> Float[Tensor, "*values frames"]:
        before = now if self._last is None else self._last
        self._last = now
        part = torch.arange(1, frames + 1).double() / frames
        return before[..., None] + (now - before)[..., None] * part

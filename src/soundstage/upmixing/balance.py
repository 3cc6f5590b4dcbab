"""Holds the balance that a style asks for, by turning the whole stage.

A balance of 2 dB moves every tile a little, which is next to nothing of what tells one token from
another, so that networks hardly listen to it. It can be had exactly: adding t·M to the side,

    L = (1 + t)·M + S,   R = (1 − t)·M − S

changes nothing but the balance. With E, A and Q the sums of e, e·α and e·(α² + β²) over all that
was made so far, left is r times right where

    E·(1 − r)·t² + 2·(E·(1 + r) + A·(1 − r))·t + (E + Q)·(1 − r) + 2·A·(1 + r) = 0

and from one stretch to the next t goes in a straight line.
"""

import math

import torch
from jaxtyping import Float
from torch import Tensor

from soundstage.stereo import Parameters
from soundstage.stereo.prediction import gains_parameters, prediction_gains

FURTHEST_TURN = 0.5  # 9.5 dB of a mono sound


class BalanceHold:
    """One signal on its way, stretch after stretch.

    Args:
        balance: that is asked, in dB, left over right.
    """

    def __init__(self, balance: float) -> None:
        self._ratio = 10 ** (balance / 10)
        self._energy = self._direct = self._side = 0.0
        self._turn: float | None = None

    def turned(self, parameters: Parameters, energy: Float[Tensor, "bands frames"]) -> Parameters:
        """The same stage, turned.

        Args:
            parameters: of the next frames.
            energy: of their mid, in any unit.
        """
        frames = energy.shape[1]
        if not frames:
            return parameters
        alpha, beta = (gain.double() for gain in prediction_gains(*parameters))
        weight = energy.double()
        self._energy += float(weight.sum())
        self._direct += float((weight * alpha).sum())
        self._side += float((weight * (alpha.square() + beta.square())).sum())
        wanted = self._wanted()
        start = wanted if self._turn is None else self._turn
        turn = start + (wanted - start) * torch.arange(1, frames + 1).double() / frames
        self._turn = wanted
        return Parameters(*(each.float() for each in gains_parameters(alpha + turn, beta)))

    def _wanted(self) -> float:
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

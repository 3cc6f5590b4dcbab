"""Fractional delay line, for propagation delay and Doppler shift.

The sound of a moving source arrives as y(n) = x(p) at fractional positions p = n − d(n). Between
samples it is interpolated with a Kaiser-windowed sinc,

    x(p) = Σ_k x(⌊p⌋ + k)·w(k − f)·sinc(k − f),    f = p − ⌊p⌋,   −TAPS/2 < k ≤ TAPS/2

Each weight is a polynomial in f within −128 dB, with coefficients c_m, so that the sum over k is
computed only once for any number of reads (Farrow 1988):

    x(p) = Σ_m (2f − 1)^m · v_m(⌊p⌋),    v_m(i) = Σ_k c_m(k)·x(i + k)
"""

from functools import cache

import numpy as np
from jaxtyping import Float, Float32, Float64
from numpy.lib.stride_tricks import sliding_window_view

TAPS = 48
DEGREE = 7
KAISER = 9.0  # side lobes below −90 dB; flat to 0.9 of half the rate
AFTER = TAPS // 2
"""Samples after a position that are needed to read it."""
_FIT = 64  # fractions for fitting the polynomials


class DelayLine:
    """A growing signal that can forget its past; silent before its start."""

    def __init__(self) -> None:
        self._context = np.zeros(TAPS - 1, np.float32)  # last samples, for the next sums
        self._sums = np.zeros((DEGREE + 1, 0), np.float32)
        self._first = -AFTER  # sample of the first sum

    @property
    def end(self) -> int:
        """First sample that cannot be read yet; `AFTER` less than the number pushed."""
        return self._first + self._sums.shape[1]

    def push(self, samples: Float[np.ndarray, " frames"]) -> None:
        """Append samples."""
        extended = np.concatenate([self._context, samples.astype(np.float32, copy=False)])
        self._context = extended[len(extended) - (TAPS - 1) :]
        if len(samples):
            sums = _polynomials() @ sliding_window_view(extended, TAPS).T
            self._sums = np.concatenate([self._sums, sums], axis=1)

    def read(self, positions: Float64[np.ndarray, "*points"]) -> Float32[np.ndarray, "*points"]:
        """The signal at fractional positions, in samples from its start.

        Raises:
            ValueError: a position is not available yet, or has been dropped.
        """
        whole = np.floor(positions)
        argument = (2 * (positions - whole) - 1).astype(np.float32)
        column = whole.astype(np.int64) - self._first
        outside = column < 0
        if column.size and (column.max() >= self._sums.shape[1] or self._lacks(column.min())):
            raise ValueError("position not on the delay line: dropped or not yet available")
        column[outside] = 0
        signal = self._sums[DEGREE].take(column)
        for sums in self._sums[DEGREE - 1 :: -1]:
            signal *= argument
            signal += sums.take(column)
        signal[outside] = 0
        return signal

    def forget(self, before: float) -> None:
        """Forget the samples that positions from `before` on do not need."""
        unneeded = min(int(np.floor(before)) - self._first, self._sums.shape[1])
        if unneeded > 0:
            self._sums = self._sums[:, unneeded:].copy()
            self._first += unneeded

    def _lacks(self, column: int) -> bool:
        """Whether a column has been dropped, rather than silence before the start."""
        return column < 0 and self._first > -AFTER


@cache
def _polynomials() -> Float32[np.ndarray, "coefficients taps"]:
    """c_m(k), from m = 0."""
    argument = np.cos(np.pi * (np.arange(_FIT) + 0.5) / _FIT)  # Chebyshev nodes: equiripple error
    distance = np.arange(1 - AFTER, AFTER + 1) - (argument[:, None] + 1) / 2
    inside = np.clip(1 - (distance / AFTER) ** 2, 0, None)
    weights = np.sinc(distance) * np.i0(KAISER * np.sqrt(inside)) / np.i0(KAISER)
    return np.polynomial.polynomial.polyfit(argument, weights, DEGREE).astype(np.float32)

"""A signal read anywhere between its samples: what distance and Doppler are made of.

What a moving source sends is heard later the farther it is away, y(n) = x(p), at places
p = n − d(n) that are no whole numbers and change all the time. Between samples a signal is told by
a sinc under a Kaiser window,

    x(p) = Σ_k x(⌊p⌋ + k)·w(k − f)·sinc(k − f),    f = p − ⌊p⌋,   −TAPS/2 < k ≤ TAPS/2

and each of its weights is a polynomial in f to within −128 dB. So the sum over k comes first, once
for any number of readers (Farrow 1988): with its polynomials c_m,

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
"""Samples after a place that must be there to read it."""
_FIT = 64  # fractions that the polynomials are fitted to


class DelayLine:
    """A signal from its beginning on, of which the past is let go when it is no longer needed.

    Before its beginning there is silence.
    """

    def __init__(self) -> None:
        self._context = np.zeros(TAPS - 1, np.float32)  # samples that the next sums begin with
        self._sums = np.zeros((DEGREE + 1, 0), np.float32)
        self._first = -AFTER  # sample that the first of the sums belongs to

    @property
    def end(self) -> int:
        """The first sample at which it cannot be read yet; `AFTER` less than were pushed."""
        return self._first + self._sums.shape[1]

    def push(self, samples: Float[np.ndarray, " frames"]) -> None:
        """Add the next ones."""
        known = np.concatenate([self._context, samples.astype(np.float32, copy=False)])
        self._context = known[len(known) - (TAPS - 1) :]
        if len(samples):
            sums = _polynomials() @ sliding_window_view(known, TAPS).T
            self._sums = np.concatenate([self._sums, sums], axis=1)

    def read(self, places: Float64[np.ndarray, "*points"]) -> Float32[np.ndarray, "*points"]:
        """The signal at places in samples from its beginning.

        Raises:
            ValueError: a place is not there yet, or let go.
        """
        whole = np.floor(places)
        argument = (2 * (places - whole) - 1).astype(np.float32)
        column = whole.astype(np.int64) - self._first
        outside = column < 0
        if column.size and (column.max() >= self._sums.shape[1] or self._lacks(column.min())):
            raise ValueError("a place that is not on the line any more, or not yet")
        column[outside] = 0
        signal = self._sums[DEGREE].take(column)
        for sums in self._sums[DEGREE - 1 :: -1]:
            signal *= argument
            signal += sums.take(column)
        signal[outside] = 0
        return signal

    def forget(self, before: float) -> None:
        """Let go of what no place from `before` on needs."""
        unneeded = min(int(np.floor(before)) - self._first, self._sums.shape[1])
        if unneeded > 0:
            self._sums = self._sums[:, unneeded:].copy()
            self._first += unneeded

    def _lacks(self, column: int) -> bool:
        """Whether a column before the first holds more than the silence before the beginning."""
        return column < 0 and self._first > -AFTER


@cache
def _polynomials() -> Float32[np.ndarray, "coefficients taps"]:
    """c_m(k), from the constant one on."""
    argument = np.cos(np.pi * (np.arange(_FIT) + 0.5) / _FIT)  # Chebyshev's points: an even error
    distance = np.arange(1 - AFTER, AFTER + 1) - (argument[:, None] + 1) / 2
    inside = np.clip(1 - (distance / AFTER) ** 2, 0, None)
    weights = np.sinc(distance) * np.i0(KAISER * np.sqrt(inside)) / np.i0(KAISER)
    return np.polynomial.polynomial.polyfit(argument, weights, DEGREE).astype(np.float32)

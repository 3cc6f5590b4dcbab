"""Clicks are taken out of what a method gets, so that none gets into its side.

The samples of a click are replaced by those that go best with their surroundings: the ones with the
smallest error of an autoregressive model of the sound on both sides (Janssen, Veldhuis and Vries
1986). With the prediction error e = a * x, the least Σe² is the solution of a Toeplitz system whose
matrix is the autocorrelation of a.
"""

import numpy as np
from jaxtyping import Float, Int
from scipy.linalg import solve_toeplitz

CONTEXT = 1024  # samples on each side that the model is fitted to
ORDER = 100  # of the model: 2 ms, for low notes
NOISE_SHARE = 1e-7  # white noise in the model, −70 dB, for the condition of its equations
SILENCE = 1e-20  # energy of the context, below which a click becomes silence


class ClickRemover:
    """Replaces clicks in a signal block by block; the rest of the signal stays as it is.

    Args:
        clicks: first sample of each click and first sample after it.
    """

    def __init__(self, clicks: Int[np.ndarray, "clicks 2"]) -> None:
        self._clicks = _merged(clicks)
        self._next, self._start = 0, 0  # `_start` is the place of the first held sample
        self._past = np.zeros(CONTEXT)  # the last samples given out
        self._held = np.zeros(0, np.float32)

    def push(self, block: Float[np.ndarray, " length"]) -> Float[np.ndarray, " ready"]:
        """The samples up to a click that does not end, with its context, within them."""
        samples = np.concatenate([self._held, block]) if self._held.size else np.array(block)
        return self._give(samples, self._start + samples.size - CONTEXT)

    def finish(self) -> Float[np.ndarray, " rest"]:
        """The rest; the signal is zero beyond its end."""
        return self._give(self._held, self._start + self._held.size)

    def _give(self, samples: np.ndarray, known: int) -> np.ndarray:
        """Samples up to the first click that ends after the place `known`."""
        while self._next < len(self._clicks) and self._clicks[self._next][1] <= known:
            self._bridge(samples, *self._clicks[self._next])
            self._next += 1
        ready = samples.size
        if self._next < len(self._clicks):
            ready = min(ready, max(self._clicks[self._next][0] - self._start, 0))
        self._held = samples[ready:]
        self._start += ready
        self._past = np.concatenate([self._past, samples[:ready]])[-CONTEXT:]
        return samples[:ready]

    def _bridge(self, samples: np.ndarray, first: int, end: int) -> None:
        start, stop = first - self._start, end - self._start
        after = samples[stop : stop + CONTEXT]
        if self._next + 1 < len(self._clicks):
            after = after[: self._clicks[self._next + 1][0] - end]
        before = np.concatenate([self._past, samples[:start]])[-CONTEXT:]
        samples[start:stop] = _between(before, stop - start, after)


def _between(
    before: Float[np.ndarray, " past"], count: int, after: Float[np.ndarray, " future"]
) -> Float[np.ndarray, " count"]:
    """The `count` samples that go best between two parts of a signal."""
    past, future = (
        np.pad(part.astype(np.float64), (0, max(ORDER - part.size, 0))) for part in (before, after)
    )
    lags = _autocorrelation(_faded(past)) + _autocorrelation(_faded(future))
    if lags[0] < SILENCE:
        return np.zeros(count)
    lags[0] *= 1 + NOISE_SHARE
    model = np.concatenate([[1.0], -solve_toeplitz(lags[:-1], lags[1:])])
    kernel = _autocorrelation(model)
    around = np.concatenate([past[-ORDER:], np.zeros(count), future[:ORDER]])
    known = np.convolve(around, np.concatenate([kernel[:0:-1], kernel]), mode="valid")
    column = np.pad(kernel, (0, max(count - kernel.size, 0)))[:count]
    return np.asarray(solve_toeplitz(column, -known))


def _faded(values: Float[np.ndarray, " length"]) -> Float[np.ndarray, " length"]:
    return values * np.hanning(values.size + 2)[1:-1]


def _autocorrelation(values: Float[np.ndarray, " length"]) -> Float[np.ndarray, " lags"]:
    """At lags of 0 to `ORDER`."""
    power = np.abs(np.fft.rfft(values, values.size + ORDER)) ** 2
    return np.fft.irfft(power, values.size + ORDER)[: ORDER + 1]


def _merged(clicks: Int[np.ndarray, "clicks 2"]) -> list[tuple[int, int]]:
    """In order, with clicks that leave less than the order of the model between them as one."""
    merged: list[tuple[int, int]] = []
    for first, end in sorted(map(tuple, clicks.tolist())):
        if merged and first < merged[-1][1] + ORDER:
            merged[-1] = (merged[-1][0], max(end, merged[-1][1]))
        else:
            merged.append((max(first, 0), end))
    return merged

"""Level: true peak after ITU-R BS.1770-4, and the gain that keeps a result from clipping.

The true peak is the highest level between the samples: four-fold oversampling with the 48-tap
interpolator of Annex 2, at every sample rate (the annex would allow less from 96 kHz on). Each row
of a banded matrix holds the filter shifted by one sample, so that one matrix product gives the four
phases of many samples at once.

A result in an integer or lossy format should not pass full scale, not even between its samples. If
it would, one gain is applied to the whole of it and reported. An input with a true peak above full
scale does not cause such a gain: its samples are legal, and the fold-down stays bit-exact.
"""

import math

import numpy as np
from jaxtyping import Float

# The annex prints four phases of 12 taps; the last two mirror the first two
_PHASES = np.array(
    [
        *(0.0017089843750, 0.0109863281250, -0.0196533203125, 0.0332031250000),
        *(-0.0594482421875, 0.1373291015625, 0.9721679687500, -0.1022949218750),
        *(0.0476074218750, -0.0266113281250, 0.0148925781250, -0.0083007812500),
        *(-0.0291748046875, 0.0292968750000, -0.0517578125000, 0.0891113281250),
        *(-0.1665039062500, 0.4650878906250, 0.7797851562500, -0.2003173828125),
        *(0.1015625000000, -0.0582275390625, 0.0330810546875, -0.0189208984375),
    ]
).reshape(2, 12)
_TAPS = np.concatenate([_PHASES, _PHASES[::-1, ::-1]])

_HOP = 8  # samples per row of the product
# Frames per product: fixed, so that its rounding is the same for any blocks; and few enough that
# the product of two channels stays on one thread, since waking others costs more, and on a busy
# machine a hundred times more
_PIECE = 1536
_CHANNELS = 2  # per product


def _banded() -> Float[np.ndarray, "window outputs"]:
    phases, length = _TAPS.shape
    matrix = np.zeros((_HOP + length - 1, _HOP * phases), np.float32)
    for phase, taps in enumerate(_TAPS):
        for sample in range(_HOP):
            matrix[sample : sample + length, phase * _HOP + sample] = taps[::-1]
    return matrix


_MATRIX = _banded()


class TruePeakMeter:
    """Sample peak and true peak over all channels of a signal, linear; 1 is full scale.

    Results do not depend on how the signal is cut into blocks. Both are final after `finish`; the
    sample peak is never above the true peak.

    Args:
        rate: sample rate in Hz.
        channels: number of channels.
    """

    def __init__(self, rate: int, channels: int) -> None:
        self.rate = rate
        self.sample_peak = 0.0
        self.true_peak = 0.0
        self._history = _TAPS.shape[1] - 1
        self._held = np.zeros((channels, self._history + _PIECE), np.float32)
        self._filled = self._history

    def push(self, block: Float[np.ndarray, "channels frames"]) -> None:
        """Measure the next frames."""
        if not block.size:
            return
        self.sample_peak = max(self.sample_peak, float(block.max()), -float(block.min()))
        self._fill(block)

    def finish(self) -> None:
        """Measure the tail of the filter after the last frame; nothing may be pushed after."""
        tail = self._history + (-self._filled) % _PIECE
        self._fill(np.zeros((self._held.shape[0], tail), np.float32))
        self.true_peak = max(self.true_peak, self.sample_peak)

    def _fill(self, block: Float[np.ndarray, "channels frames"]) -> None:
        taken = 0
        while taken < block.shape[1]:
            part = block[:, taken : taken + self._held.shape[1] - self._filled]
            self._held[:, self._filled : self._filled + part.shape[1]] = part
            self._filled += part.shape[1]
            taken += part.shape[1]
            if self._filled == self._held.shape[1]:
                self._measure()

    def _measure(self) -> None:
        for first in range(0, len(self._held), _CHANNELS):
            held = self._held[first : first + _CHANNELS]
            windows = np.lib.stride_tricks.sliding_window_view(held, _MATRIX.shape[0], axis=1)
            between = windows[:, ::_HOP].reshape(-1, _MATRIX.shape[0]) @ _MATRIX
            self.true_peak = max(self.true_peak, float(between.max()), -float(between.min()))
        self._held[:, : self._history] = self._held[:, -self._history :]
        self._filled = self._history


def true_peak(samples: Float[np.ndarray, "channels frames"], rate: int) -> float:
    """True peak of a whole signal, linear; 1 is full scale."""
    meter = TruePeakMeter(rate, samples.shape[0])
    meter.push(samples)
    meter.finish()
    return meter.true_peak


def largest_gain(result: TruePeakMeter, source: TruePeakMeter | None, bits: int | None) -> float:
    """The largest gain that keeps a result from clipping and under its source's true peak.

    Args:
        result: of all channels that are written, finished.
        source: of the input, finished; None where the result does not contain the input.
        bits: integer bits of the target; None for lossy formats, which get 0.5 dB of headroom.
    """
    largest = 1 - 2.0 ** (2 - bits) if bits else 10 ** (-0.5 / 20)
    true_ceiling, sample_ceiling = 1.0, largest
    if source and source.sample_peak <= 1:  # only a float file holds more
        true_ceiling = max(1.0, source.true_peak)
        if result.sample_peak <= source.sample_peak:
            sample_ceiling = 1.0
    return min(
        true_ceiling / max(result.true_peak, 1e-9), sample_ceiling / max(result.sample_peak, 1e-9)
    )


def safe_gain(result: TruePeakMeter, source: TruePeakMeter | None, bits: int | None) -> float:
    """`largest_gain`, but at most 1: a result is never turned up."""
    return min(1.0, largest_gain(result, source, bits))


def decibels(gain: float) -> float:
    """Amplitude ratio in dB; −∞ for 0."""
    return 20 * math.log10(gain) if gain > 0 else -math.inf

"""Integrated loudness after ITU-R BS.1770-4, block by block, so that any length is measured.

Every channel passes the K-weighting: a shelf of +4 dB for the head, and a high-pass at 38 Hz, both
second-order filters that are specified at 48 kHz and designed here for every rate from their analog
prototypes (which departs by 0.2 LU at 8 kHz). Their response is convolved by FFT, cut at 100 ms,
where it has fallen by 200 dB. The power of blocks of 400 ms, one every 100 ms, is averaged over
those above −70 LUFS, and then over those less than 10 LU under that average.
"""

import math

import numpy as np
from jaxtyping import Float

HOP = 0.1  # seconds; a gating block has four
_SEGMENT = 8  # hops that are filtered at a time
_ABSOLUTE, _RELATIVE = -70.0, -10.0  # gates, in LUFS and LU
_OFFSET = -0.691  # dB: a sine of 997 Hz at full scale in one channel has −3.01 LUFS
_SHELF = (1681.974450955533, 3.999843853973347, 0.7071752369554196)  # Hz, dB, Q
_HIGH_PASS = (38.13547087602444, 0.5003270373238773)  # Hz, Q


class LoudnessMeter:
    """Loudness of a signal; the result does not depend on how it is cut into blocks.

    Args:
        rate: sample rate in Hz.
        channels: number of channels, all with a weight of 1: mono, or left, right and center.
    """

    def __init__(self, rate: int, channels: int) -> None:
        self._hop = round(HOP * rate)
        self._length = (_SEGMENT + 1) * self._hop
        self._response = _k_weighting(rate, self._length, self._hop)
        self._held = np.zeros((channels, self._length))  # one hop of the past, then the segment
        self._filled = self._hop
        self._powers: list[float] = []  # of the complete hops, summed over the channels

    def push(self, block: Float[np.ndarray, "channels frames"]) -> None:
        """Measure the next frames."""
        taken = 0
        while taken < block.shape[1]:
            part = block[:, taken : taken + self._length - self._filled]
            self._held[:, self._filled : self._filled + part.shape[1]] = part
            self._filled += part.shape[1]
            taken += part.shape[1]
            if self._filled == self._length:
                self._powers += self._measured(_SEGMENT)
                self._held[:, : self._hop] = self._held[:, -self._hop :]
                self._filled = self._hop

    def integrated(self) -> float:
        """In LUFS; −∞ if every block lies under the gate, NaN for less than one block of 400 ms."""
        powers = self._powers + self._measured(self._filled // self._hop - 1)
        if len(powers) < 4:
            return math.nan
        blocks = np.convolve(powers, np.full(4, 0.25), "valid")
        blocks = blocks[blocks > 10 ** ((_ABSOLUTE - _OFFSET) / 10)]
        if not blocks.size:
            return -math.inf
        blocks = blocks[blocks > blocks.mean() * 10 ** (_RELATIVE / 10)]
        return _OFFSET + 10 * math.log10(blocks.mean())

    def _measured(self, hops: int) -> list[float]:
        """Powers of the first hops of the segment, by overlap-save."""
        spectrum = np.fft.rfft(self._held, axis=1) * self._response
        weighted = np.fft.irfft(spectrum, self._length, axis=1)[:, self._hop :]
        power = np.einsum("ct,ct->t", weighted, weighted)[: hops * self._hop]
        return (power.reshape(hops, self._hop).sum(axis=1) / self._hop).tolist()


def _k_weighting(rate: int, length: int, taps: int) -> np.ndarray:
    """Response over frequency of the filters, cut to `taps` samples, for a transform of `length`.

    Both are bilinear transforms of analog prototypes.
    """
    size = 1 << (8 * taps).bit_length()
    delay = np.exp(-2j * np.pi * np.arange(size // 2 + 1) / size)
    frequency, decibels, q = _SHELF
    k, high = math.tan(math.pi * frequency / rate), 10 ** (decibels / 20)
    band = high**0.4996667741545416
    shelf = _biquad(
        (high + band * k / q + k * k, 2 * (k * k - high), high - band * k / q + k * k), k, q, delay
    )
    frequency, q = _HIGH_PASS
    k = math.tan(math.pi * frequency / rate)
    # The standard's filter has 0.04 dB of gain, as it leaves out the division by a0 at 48 kHz
    gain = _a0(math.tan(math.pi * frequency / 48_000), q)
    high_pass = _biquad((gain, -2 * gain, gain), k, q, delay)
    return np.fft.rfft(np.fft.irfft(shelf * high_pass, size)[:taps], length)


def _a0(k: float, q: float) -> float:
    return 1 + k / q + k * k


def _biquad(
    numerator: tuple[float, float, float], k: float, q: float, delay: np.ndarray
) -> np.ndarray:
    """Response of the numerator over the poles that both kinds of filter share."""
    above = numerator[0] + delay * (numerator[1] + delay * numerator[2])
    return above / (_a0(k, q) + delay * (2 * (k * k - 1) + delay * (1 - k / q + k * k)))

"""Integrated loudness after ITU-R BS.1770-4, block by block, so that any length is measured.

Every channel passes the K-weighting: a shelf of +4 dB for the head, and a high-pass at 38 Hz, both
second-order filters that are specified at 48 kHz and designed here for every rate from their analog
prototypes (which departs by 0.2 LU at 8 kHz). The power of blocks of 400 ms, one every 100 ms, is
averaged over those above −70 LUFS, and then over those less than 10 LU under that average.
"""

import math

import numpy as np
from jaxtyping import Float

HOP = 0.1  # seconds; a gating block has four
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
        self._sections = _k_weighting(rate)
        self._state = np.zeros((2, channels, 2))
        self._hop = round(HOP * rate)
        self._powers: list[float] = []  # of the complete hops, summed over the channels
        self._sum, self._filled = 0.0, 0

    def push(self, block: Float[np.ndarray, "channels frames"]) -> None:
        """Measure the next frames."""
        from scipy.signal import sosfilt  # takes a second to import, and few runs measure loudness

        weighted, self._state = sosfilt(self._sections, block, axis=1, zi=self._state)
        power = np.einsum("ct,ct->t", weighted, weighted)
        first = self._hop - self._filled
        if power.size < first:
            self._sum += float(power.sum())
            self._filled += power.size
            return
        self._powers.append((self._sum + float(power[:first].sum())) / self._hop)
        whole = (power.size - first) // self._hop
        hops = power[first : first + whole * self._hop].reshape(whole, self._hop)
        self._powers += (hops.sum(axis=1) / self._hop).tolist()
        rest = power[first + whole * self._hop :]
        self._sum, self._filled = float(rest.sum()), rest.size

    def integrated(self) -> float:
        """In LUFS; −∞ if every block lies under the gate, NaN for less than one block of 400 ms."""
        if len(self._powers) < 4:
            return math.nan
        blocks = np.convolve(self._powers, np.full(4, 0.25), "valid")
        blocks = blocks[blocks > _power(_ABSOLUTE)]
        if not blocks.size:
            return -math.inf
        blocks = blocks[blocks > blocks.mean() * 10 ** (_RELATIVE / 10)]
        return _OFFSET + 10 * math.log10(blocks.mean())


def _power(loudness: float) -> float:
    return float(10 ** ((loudness - _OFFSET) / 10))


def _k_weighting(rate: int) -> Float[np.ndarray, "2 6"]:
    """Second-order sections, by the bilinear transform of shelf and high-pass."""
    frequency, gain, q = _SHELF
    k = math.tan(math.pi * frequency / rate)
    high = 10 ** (gain / 20)
    band = high**0.4996667741545416
    a0 = 1 + k / q + k * k
    shelf = [
        (high + band * k / q + k * k) / a0,
        2 * (k * k - high) / a0,
        (high - band * k / q + k * k) / a0,
        1.0,
        2 * (k * k - 1) / a0,
        (1 - k / q + k * k) / a0,
    ]
    frequency, q = _HIGH_PASS
    k = math.tan(math.pi * frequency / rate)
    a0 = 1 + k / q + k * k
    # The standard's filter has 0.04 dB of gain, as it leaves out the division by a0 at 48 kHz
    k48 = math.tan(math.pi * frequency / 48_000)
    gain = (1 + k48 / q + k48 * k48) / a0
    high_pass = [gain, -2 * gain, gain, 1.0, 2 * (k * k - 1) / a0, (1 - k / q + k * k) / a0]
    return np.array([shelf, high_pass])

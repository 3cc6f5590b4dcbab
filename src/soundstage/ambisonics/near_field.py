"""Near sources: the wavefronts of degree l of a source at r, for loudspeakers at R.

A point source at the distance r has in degree l, relative to one at R, the spectrum

    H_l(s; r) = Σ_k b_lk·(c/sr)^k / Σ_k b_lk·(c/sR)^k,   b_lk = (l+k)!/((l−k)!·k!·2^k),   k = 0 … l

(Daniel 2003, "Spatial sound encoding including near field effect", eq. 14–17). It is stable and
tends to 1 at high and to (R/r)^l at low frequencies. With the fixed filters

    F_lk(s) = b_lk·s^(l−k)·(c/R)^k / Σ_j b_lj·s^(l−j)·(c/R)^j,   Σ_k F_lk = 1

it is a sum with weights that follow a moving source:

    H_l(s; r) = Σ_k (R/r)^k·F_lk(s) = 1 + Σ_{k>0} ((R/r)^k − 1)·F_lk(s)

r counts as no less than 0.5 m, so that the gain of degree 3 is at most 28.6 dB. Beyond R the
weights are those of R: plane and distant waves differ below some 50 Hz alone.
"""

import math

import numpy as np
from jaxtyping import Float

REFERENCE = 1.5  # m, as of HRTF sets; also the distance of the gain 1
NEAREST = 0.5  # m
SPEED_OF_SOUND = 343.0  # m/s


class NearField:
    """The fixed filters of one source, block by block, and weights by distance.

    Args:
        order: 1 to 3.
        rate: in Hz.
        reference: R, in meters.
    """

    def __init__(self, order: int, rate: int, reference: float = REFERENCE) -> None:
        from scipy.signal import bilinear

        self._order, self._reference = order, reference
        self._terms = [(n, k) for n in range(1, order + 1) for k in range(1, n + 1)]
        pole = SPEED_OF_SOUND / reference
        self._filters = []
        for n, k in self._terms:
            bessel = [_bessel(n, j) * pole**j for j in range(n + 1)]  # from s^n down
            numerator = np.zeros(n + 1)
            numerator[k] = bessel[k]
            self._filters.append(bilinear(numerator, bessel, rate))
        self._states = [np.zeros(n) for n, _ in self._terms]

    def push(self, mono: Float[np.ndarray, " frames"]) -> Float[np.ndarray, "terms frames"]:
        """The sound itself, then F_lk of it, for k up to l, l up to the order."""
        from scipy.signal import lfilter

        copies = [mono]
        for number, (numerator, denominator) in enumerate(self._filters):
            copy, self._states[number] = lfilter(
                numerator, denominator, mono, zi=self._states[number]
            )
            copies.append(copy.astype(mono.dtype))
        return np.stack(copies)

    def weights(
        self, distances: Float[np.ndarray, "*points"]
    ) -> Float[np.ndarray, "*points terms"]:
        """(R/r)^k − 1 of every filter, and 1 for the sound itself.

        Args:
            distances: in meters.
        """
        ratio = self._reference / np.clip(distances, NEAREST, self._reference)
        powers = [ratio**k - 1 for _, k in self._terms]
        return np.stack([np.ones_like(ratio), *powers], axis=-1)

    def degrees(
        self, copies: Float[np.ndarray, "terms frames"], weights: Float[np.ndarray, "terms _"]
    ) -> Float[np.ndarray, "degrees frames"]:
        """The sound in each degree.

        Args:
            copies: out of `push`.
            weights: of every frame, or of all.
        """
        sums = np.repeat(copies[:1], self._order + 1, axis=0)
        for number, (n, _) in enumerate(self._terms, start=1):
            sums[n] += weights[number] * copies[number]
        return sums


def _bessel(n: int, k: int) -> float:
    """Coefficient of the reverse Bessel polynomial."""
    return math.factorial(n + k) / (math.factorial(n - k) * math.factorial(k) * 2**k)

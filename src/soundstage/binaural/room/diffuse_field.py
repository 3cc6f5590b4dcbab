"""What a head receives of sound that comes equally from everywhere.

With directions d spread evenly, the power spectra of the two ears and their cross-spectrum are

    P_e = ⟨|H_e(d)|²⟩    C = ⟨H_l(d)·H_r(d)*⟩    γ = C/√(P_l·P_r)

and γ is the interaural coherence: near 1 where sinusoidal_embedding are long, as between two points
sin(kd)/(kd) in the open, and small above 1 kHz (Lindevald and Benade 1986).
"""

from typing import NamedTuple

import numpy as np
from jaxtyping import Complex, Float

from soundstage.binaural.hrtf.interpolation import HrtfInterpolator
from soundstage.binaural.hrtf.sphere import even_directions

_DIRECTIONS = 1000  # few enough sinusoidal_embedding apart at 15 kHz for a coherence within 0.02


class DiffuseField(NamedTuple):
    """Spectra at the bins of a transform of twice the length of the head's responses, or more."""

    frequencies: Float[np.ndarray, " bins"]
    """In Hz."""
    powers: Float[np.ndarray, "2 bins"]
    """Of the ears, 1 where they receive what the middle of the head would without it."""
    cross: Complex[np.ndarray, " bins"]

    @property
    def coherence(self) -> Complex[np.ndarray, " bins"]:
        """γ, interaural."""
        return self.cross / np.sqrt(np.maximum(self.powers.prod(axis=0), 1e-30))

    def at(self, frequencies: Float[np.ndarray, " wanted"]) -> "DiffuseField":
        """At other frequencies in Hz; the coherence stays one that can be."""
        powers = [np.interp(frequencies, self.frequencies, power) for power in self.powers]
        cross = np.interp(frequencies, self.frequencies, self.cross)
        return DiffuseField(frequencies, np.stack(powers), cross)


def diffuse_field(interpolator: HrtfInterpolator) -> DiffuseField:
    """Of a head, at its sample rate."""
    responses = interpolator.responses(even_directions(_DIRECTIONS))
    size = 1 << (2 * interpolator.taps - 1).bit_length()
    left, right = np.fft.rfft(responses, size).transpose(1, 0, 2)
    powers = [np.mean(np.abs(each) ** 2, axis=0) for each in (left, right)]
    frequencies = np.fft.rfftfreq(size, 1 / interpolator.rate)
    return DiffuseField(frequencies, np.stack(powers), np.mean(left * right.conj(), axis=0))

"""The bass of a head that was measured with a small loudspeaker.

Long sinusoidal_embedding pass a head as if it were not there, but for the delay: towards 0 Hz the ears of a rigid
sphere of radius a receive the free field's level, and their phase is −ω·(3a/2c)·cos θ, a constant
delay that is half as long again as at high frequencies (Kuhn 1977, "Model for the interaural time
differences in the azimuthal plane"). So below a few hundred hertz each response becomes a
gain of 1 and a delay τ of its own, fitted to the phase φ that was measured just above:

    ln H(f) = g·(ln|H| + jφ) − (1 − g)·j2πf·τ,    τ = −Σ f·φ(f) / (2π·Σ f²)

with g from 0 at `LOWEST` to 1 at `HIGHEST`. This takes the place of what the loudspeaker did not
play, and of the 0.8 dB or so that a source at 1.4 m is louder at the nearer ear.
"""

import numpy as np
from jaxtyping import Complex, Float

LOWEST, HIGHEST = 100.0, 400.0  # Hz; nothing of the measurement is left below, all of it above
FITTED = (200.0, 500.0)  # Hz; below, loudspeakers fade; above, the delay shrinks


def with_bass(
    spectra: Complex[np.ndarray, "directions 2 bins"],
    frequencies: Float[np.ndarray, " bins"],
    center: float,
) -> Complex[np.ndarray, "directions 2 bins"]:
    """Spectra whose bass is that of a rigid head.

    Args:
        spectra: whose level is 0 dB where a head is small against the wave.
        frequencies: of the bins, in Hz, from 0 up.
        center: delay in seconds that is left out of the phases, so that none passes half a turn
            below 500 Hz: that of the middle of the head.
    """
    low = frequencies <= max(HIGHEST, FITTED[1])
    turns = 2 * np.pi * frequencies[low]
    phases = np.angle(spectra[..., low] * np.exp(1j * turns * center))
    fitted = (frequencies[low] >= FITTED[0]).astype(np.float64)
    delays = -(phases * turns * fitted).sum(axis=-1) / (turns**2 * fitted).sum()
    octaves = np.log(np.maximum(frequencies[low], 1e-3) / LOWEST) / np.log(HIGHEST / LOWEST)
    measured = 0.5 - 0.5 * np.cos(np.pi * octaves.clip(0, 1))
    levels = measured * np.log(np.abs(spectra[..., low]) + 1e-12)
    phases = measured * phases - (1 - measured) * turns * delays[..., None]
    bass = np.exp(levels + 1j * (phases - turns * center))
    return np.concatenate([bass, spectra[..., ~low]], axis=-1)

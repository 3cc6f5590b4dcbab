"""`comb`: complementary phase perturbation, the kind of effect sold as a mono-to-stereo plug-in.

    S = j·tan(φ(f))·M    so that    L = M·e^{+jφ}/cos φ,    R = M·e^{−jφ}/cos φ

Left and right have the same magnitude everywhere and opposite phases, which swing to and fro along
frequency, φ = A·sin ψ, once every equivalent rectangular bandwidth but no faster than every 120 Hz:
a comb whose echoes lie within 8.3 ms. Both are loudest where they agree least; over a period

    ρ = ⟨cos 2φ/cos² φ⟩/⟨1/cos² φ⟩ = 2/⟨1/cos² φ⟩ − 1

and A is solved for the mean coherence of music in that band. The method places nothing and costs
next to nothing; it is what DiffStereo (2025) compares with, made to fold down.
"""

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from soundstage.stereo import RATE, TRANSFORM
from soundstage.stereo.encoding import spread
from soundstage.upmixing.filtering import FilterUpmixer

TAPS = 8_191  # 186 ms; the response has died away long before
SIZE = 16_384  # of the transform in which it is designed
CENTER = TAPS // 2
SLOWEST_PERIOD_HZ = 120.0
MAX_PHASE = 1.1  # radians: tan is 2 there, and ρ = −0.18 is less coherent than any band of music


class Comb(FilterUpmixer):
    """The method; the seed moves the teeth of the comb."""

    advance = CENTER
    keep_transients = False

    def response(self, *, seed: int) -> Float[Tensor, " taps"]:
        """`side_response` of the table."""
        return side_response(self._coherence, seed=seed)


def phase_swing(coherence: np.ndarray) -> np.ndarray:
    """Amplitude A in radians that gives the wanted coherence, at most `MAX_PHASE`."""
    amplitudes = np.linspace(0, MAX_PHASE, 1_000)
    phases = amplitudes[:, None] * np.sin(2 * np.pi * np.arange(64) / 64)
    reached = 2 / np.mean(1 / np.cos(phases) ** 2, axis=1) - 1
    return np.interp(-coherence, -reached, amplitudes)


def side_response(coherence: Float[Tensor, " bands"], *, seed: int) -> Float[Tensor, " taps"]:
    """Antisymmetric impulse response from mid to side, with its time zero at `CENTER`."""
    start = torch.rand(1, generator=torch.Generator().manual_seed(seed)).item()
    frequency = np.fft.rfftfreq(SIZE, 1 / RATE)
    bandwidth = 24.7 * (1 + 0.00437 * frequency)  # ERB in Hz (Glasberg and Moore 1990, Eq. 3)
    turns = np.cumsum(frequency[1] / np.maximum(bandwidth, SLOWEST_PERIOD_HZ))
    bins = np.fft.rfftfreq(TRANSFORM.frame, 1 / RATE)
    wanted = np.interp(frequency, bins, spread(coherence[:, None])[:, 0].numpy())
    phase = phase_swing(wanted) * np.sin(2 * np.pi * (turns + start))
    side = 1j * np.tan(phase)
    side[[0, -1]] = 0  # a quarter turn does not exist at 0 Hz and at Nyquist
    response = np.roll(np.fft.irfft(side, SIZE), CENTER)[:TAPS]
    return torch.from_numpy(response * np.hanning(TAPS + 2)[1:-1]).float()

"""`comb`: complementary comb filters, the effect of many mono-to-stereo plug-ins.

    S = j·tan(φ(f))·M    so that    L = M·e^{+jφ}/cos φ,    R = M·e^{−jφ}/cos φ

Left and right have the same magnitude everywhere and opposite phases, which oscillate along
frequency, φ = A·sin ψ, with a period of one equivalent rectangular bandwidth, but of 120 Hz or
more: a comb with echoes within 8.3 ms. Over a period the coherence is

    ρ = ⟨cos 2φ/cos² φ⟩/⟨1/cos² φ⟩ = 2/⟨1/cos² φ⟩ − 1

and A is solved for the mean coherence of music in each band. There is no panning and hardly any
cost; DiffStereo (2025) compares with this type of plug-in, here with an exact fold-down.
"""

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from soundstage.stereo import RATE, TRANSFORM
from soundstage.stereo.encoding import spread
from soundstage.upmixing.generative.style import Style
from soundstage.upmixing.methods.decorrelate import FilterMethod, load_coherence

TAPS = 8_191  # 186 ms; the response has decayed long before
SIZE = 16_384  # FFT size of the design
CENTER = TAPS // 2
MIN_PERIOD_HZ = 120.0
MAX_PHASE = 1.1  # radians: tan is 2 there, and ρ = −0.18 is less coherent than any band of music


class Comb(FilterMethod):
    """The method; the seed shifts the comb along frequency."""

    advance = CENTER
    keep_transients = False

    def response(self, seed: int) -> Float[Tensor, " taps"]:
        """The comb of this take."""
        return comb_response(self._coherence, seed=seed)


def phase_amplitude(coherence: Float[np.ndarray, " values"]) -> Float[np.ndarray, " values"]:
    """Amplitude A in radians that gives a coherence, at most `MAX_PHASE`."""
    amplitudes = np.linspace(0, MAX_PHASE, 1_000)
    phases = amplitudes[:, None] * np.sin(2 * np.pi * np.arange(64) / 64)
    obtained = 2 / np.mean(1 / np.cos(phases) ** 2, axis=1) - 1
    return np.interp(-coherence, -obtained, amplitudes)


def comb_response(coherence: Float[Tensor, " bands"], *, seed: int) -> Float[Tensor, " taps"]:
    """Antisymmetric impulse response from mid to side, with its time zero at `CENTER`."""
    start = torch.rand(1, generator=torch.Generator().manual_seed(seed)).item()
    frequency = np.fft.rfftfreq(SIZE, 1 / RATE)
    bandwidth = 24.7 * (1 + 0.00437 * frequency)  # ERB in Hz (Glasberg and Moore 1990, Eq. 3)
    periods = np.cumsum(frequency[1] / np.maximum(bandwidth, MIN_PERIOD_HZ))
    bins = np.fft.rfftfreq(TRANSFORM.frame, 1 / RATE)
    target = np.interp(frequency, bins, spread(coherence[:, None])[:, 0].numpy())
    phase = phase_amplitude(target) * np.sin(2 * np.pi * (periods + start))
    side = 1j * np.tan(phase)
    side[[0, -1]] = 0  # a phase of 90° does not exist at 0 Hz and at Nyquist
    response = np.roll(np.fft.irfft(side, SIZE), CENTER)[:TAPS]
    return torch.from_numpy(response * np.hanning(TAPS + 2)[1:-1]).float()


def load(
    weights: str,
    *,
    style: Style | None = None,
    decoder: str = "prediction",
    device: torch.device | str = "cpu",
) -> Comb:
    """The method with the table of coherences of `decorrelate`; filters run on the CPU.

    Raises:
        WeightsError: the table is missing, damaged, or of another family.
    """
    return Comb(load_coherence(weights))

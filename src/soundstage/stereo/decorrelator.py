"""The decorrelator: a copy of the mid with the same spectrum and another waveform.

Four Schroeder all-pass filters in a row, H(z) = Π (−g + z^−d)/(1 − g·z^−d), with delays of 5 to 13
ms: long enough to decorrelate down to low notes, short enough not to be heard as an echo. The seed
moves the delays, which gives another take. The cascade is applied as one long filter.

All-pass filters keep the energy of the whole but not of a band in a frame, and in a narrow band of
a steady note the copy is just the note with another phase, correlated with the mid by its cosine.
`match` therefore removes from every band and frame what correlates with the mid, and gives the rest
the mid's energy: then the decoders' equations, which assume exactly that, hold.
"""

import torch
from jaxtyping import Complex, Float
from torch import Tensor

from soundstage.stereo.bands import spread
from soundstage.stereo.parameters import RATE, band_energy, cross_energy

FEEDBACK = 0.5
DELAYS_MS = ((5.0, 6.0), (7.0, 8.5), (9.5, 10.5), (12.0, 13.5))  # where each delay is drawn from
TAPS = 12_288  # 279 ms; what is cut off is under −100 dB
MAX_MATCHING_GAIN = 2.0  # +6 dB: before an attack the copy is much weaker than the mid, rightly


def allpass_response(*, seed: int, feedback: float = FEEDBACK) -> Float[Tensor, " taps"]:
    """Impulse response of the cascade at 44.1 kHz.

    Args:
        seed: draws the four delays.
        feedback: g of every section, between −1 and 1; the nearer to 1 the longer it rings.
    """
    generator = torch.Generator().manual_seed(seed)
    size = 4 * TAPS  # room for what a circular transform would fold back: −400 dB at g = 0.5
    omega = 2 * torch.pi * torch.arange(size // 2 + 1, dtype=torch.float64) / size
    response = torch.ones(size // 2 + 1, dtype=torch.complex128)
    for low, high in DELAYS_MS:
        place = torch.rand(1, generator=generator, dtype=torch.float64).item()
        delay = round((low + place * (high - low)) * RATE / 1000)
        turn = torch.polar(torch.ones_like(omega), -omega * delay)
        response = response * (turn - feedback) / (1 - feedback * turn)
    return torch.fft.irfft(response, n=size)[:TAPS].float()


def match(
    decorrelated: Complex[Tensor, "bins frames"], mid: Complex[Tensor, "bins frames"]
) -> Complex[Tensor, "bins frames"]:
    """The part of `decorrelated` at right angles to `mid`, with the energy of `mid`, band by band.

    At right angles means Re⟨D, M⟩ = 0 in every band of every frame; the ramps between bands leave
    a correlation of about 0.03, where the unmatched copy has 0.2 to 0.3. The gain that restores the
    energy is limited to `MAX_MATCHING_GAIN`.
    """
    mid_energy = band_energy(mid)
    common = cross_energy(decorrelated, mid) / mid_energy
    apart = decorrelated - spread(common) * mid
    gain = (mid_energy / band_energy(apart)).sqrt().clamp(max=MAX_MATCHING_GAIN)
    return spread(gain) * apart

"""The decorrelator: a copy of the mid with the same spectrum and another waveform, and its attacks.

Four Schroeder all-pass filters in series, H(z) = Π (−g + z^−d)/(1 − g·z^−d), with delays of 5 to 13
ms: long enough to decorrelate down to low notes, short enough to be inaudible as an echo. The seed
chooses the delays, which gives another take. The cascade is applied as one long filter.

All-pass filters keep the energy of the whole signal but not of a band in a frame, and in a narrow
band of a steady note the copy is the note with another phase, correlated with the mid by its
cosine. `match` therefore removes the part that correlates with the mid from every band and frame,
and restores the mid's energy, as the decoder's equations assume.

`TransientStream` protects attacks from smearing: the energy of the pre-emphasized mid in blocks of
5.8 ms is compared with its mean over the eight blocks before. Between rises of 6 and 12 dB the
diffuse part fades out, within the block before, and returns over the 35 ms after. Only the ratio
counts, not the level of the recording. Serrà et al. (2023, §2.2) mention "transient detection and
preservation" without details.
"""

import torch
from jaxtyping import Complex, Float
from torch import Tensor

from soundstage.spectra import SampleQueue
from soundstage.stereo.encoding import RATE, band_energy, cross_energy, spread

FEEDBACK = 0.5
DELAYS_MS = ((5.0, 6.0), (7.0, 8.5), (9.5, 10.5), (12.0, 13.5))  # range of each delay
TAPS = 12_288  # 279 ms; the rest of the response is under −100 dB
MAX_MATCHING_GAIN = 2.0  # +6 dB: before an attack the copy is much weaker than the mid, rightly

BLOCK = 256  # samples, 5.8 ms at 44.1 kHz
HISTORY = 8  # blocks of background, 46 ms
RECOVERY = 6  # blocks until the diffuse part is back, 35 ms
RISE_DB = (6.0, 12.0)  # from no attack to a full one
FLOOR = 1e-9  # mean square of the pre-emphasized mid, −90 dB: below it there are no attacks


def allpass_response(*, seed: int, feedback: float = FEEDBACK) -> Float[Tensor, " taps"]:
    """Impulse response of the cascade at 44.1 kHz.

    Args:
        seed: of the four delays.
        feedback: g of every section, between −1 and 1; the nearer to 1 the longer it rings.
    """
    generator = torch.Generator().manual_seed(seed)
    size = 4 * TAPS  # circular aliasing is then at −400 dB for g = 0.5
    omega = 2 * torch.pi * torch.arange(size // 2 + 1, dtype=torch.float64) / size
    response = torch.ones(size // 2 + 1, dtype=torch.complex128)
    for low, high in DELAYS_MS:
        place = torch.rand(1, generator=generator, dtype=torch.float64).item()
        delay = round((low + place * (high - low)) * RATE / 1000)
        turn = torch.polar(torch.ones_like(omega), -omega * delay)
        response = response * (turn - feedback) / (1 - feedback * turn)
    return torch.fft.irfft(response, n=size)[:TAPS].float()


def match(
    decorrelated: Complex[Tensor, "*batch bins frames"], mid: Complex[Tensor, "*batch bins frames"]
) -> Complex[Tensor, "*batch bins frames"]:
    """The part of `decorrelated` orthogonal to `mid`, with the energy of `mid`, band by band.

    Orthogonal means Re⟨D, M⟩ = 0 in every band of every frame; the ramps between bands leave a
    correlation of about 0.03, where the unmatched copy has 0.2 to 0.3. The gain that restores the
    energy is limited to `MAX_MATCHING_GAIN`.
    """
    mid_energy = band_energy(mid)
    common = cross_energy(decorrelated, mid) / mid_energy
    orthogonal = decorrelated - spread(common) * mid
    gain = (mid_energy / band_energy(orthogonal)).sqrt().clamp(max=MAX_MATCHING_GAIN)
    return spread(gain) * orthogonal


class TransientStream:
    """Gain of the diffuse part, 0 to 1 per sample, from the samples of a mid."""

    def __init__(self) -> None:
        self._incoming = SampleQueue()
        self._last_sample = torch.zeros(1)
        self._energies = torch.zeros(HISTORY)
        self._attacks = torch.zeros(RECOVERY)  # strength of the attacks of the last blocks
        self._gain = 1.0  # of the last block, for which the next is still unknown
        self._knot = 1.0  # gain at the start of that block
        self._started = False
        self._owed = 0

    def push(self, mid: Float[Tensor, " length"]) -> Float[Tensor, " ready"]:
        """Gains of the samples up to the last complete block but one."""
        self._owed += mid.shape[0]
        self._incoming.push(mid)
        count = len(self._incoming) // BLOCK
        if not count:
            return torch.zeros(0)
        return self._gains(self._incoming.pop(count * BLOCK).reshape(count, BLOCK))

    def finish(self) -> Float[Tensor, " rest"]:
        """The remaining gains, with silence after the end."""
        padding = -len(self._incoming) % BLOCK
        self._incoming.push(torch.zeros(padding + BLOCK))
        blocks = self._incoming.pop(len(self._incoming)).reshape(-1, BLOCK)
        return self._gains(blocks)

    def _gains(self, blocks: Float[Tensor, "count block"]) -> Float[Tensor, " ready"]:
        samples = torch.cat([self._last_sample, blocks.flatten()])
        self._last_sample = samples[-1:]
        emphasized = (samples[1:] - samples[:-1]).reshape(blocks.shape)
        energies = torch.cat([self._energies, emphasized.square().mean(dim=1)])
        self._energies = energies[-HISTORY:]
        background = energies.unfold(0, HISTORY, 1)[:-1].mean(dim=1)
        rise = 10 * torch.log10((energies[HISTORY:] + FLOOR) / (background + FLOOR))
        attacks = ((rise - RISE_DB[0]) / (RISE_DB[1] - RISE_DB[0])).clamp(0, 1)
        held = torch.cat([self._attacks, attacks])
        self._attacks = held[-RECOVERY:]
        fading = torch.arange(1, RECOVERY + 2) / (RECOVERY + 1)  # the latest counts in full
        return self._interpolate(1 - (held.unfold(0, RECOVERY + 1, 1) * fading).amax(dim=1))

    def _interpolate(self, gains: Float[Tensor, " count"]) -> Float[Tensor, " ready"]:
        """Linear ramps between block borders, each border at the lower of its two blocks."""
        blocks = torch.cat([torch.tensor([self._gain]), gains])
        knots = torch.cat([torch.tensor([self._knot]), torch.minimum(blocks[1:], blocks[:-1])])
        self._gain, self._knot = blocks[-1].item(), knots[-1].item()
        steps = torch.arange(BLOCK) / BLOCK
        ramps = knots[:-1, None] + (knots[1:] - knots[:-1])[:, None] * steps
        if not self._started:  # the first ramp belongs to a block before the signal
            ramps = ramps[1:]
            self._started = True
        ready = ramps.flatten()[: self._owed]
        self._owed -= ready.shape[0]
        return ready

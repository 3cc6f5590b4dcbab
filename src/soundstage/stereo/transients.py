"""Where attacks are, so that the decorrelator does not smear them.

The energy of the pre-emphasized mid in blocks of 5.8 ms is compared with its mean over the eight
blocks before. A rise of 6 dB begins to count as an attack and one of 12 dB is one; the diffuse part
is then faded out within the block before, and back in over the 35 ms after. What counts is the
ratio, so the level of the recording plays no part. The paper asks for "transient detection and
preservation" (Serrà et al. 2023, §2.2) and leaves the rest open.
"""

import torch
from jaxtyping import Float
from torch import Tensor

from soundstage.spectra import SampleQueue

BLOCK = 256  # samples, 5.8 ms at 44.1 kHz
HISTORY = 8  # blocks of background, 46 ms
RECOVERY = 6  # blocks until the diffuse part is back, 35 ms
RISE_DB = (6.0, 12.0)  # from no attack to a full one
FLOOR = 1e-9  # mean square of the pre-emphasized mid under which nothing counts, −90 dB


class TransientStream:
    """From the samples of a mid to the gain, 0 to 1 a sample, of what is diffuse."""

    def __init__(self) -> None:
        self._incoming = SampleQueue()
        self._last_sample = torch.zeros(1)
        self._energies = torch.zeros(HISTORY)
        self._attacks = torch.zeros(RECOVERY)  # how much of an attack the last blocks were
        self._gain = 1.0  # of the last block whose neighbor is not known yet
        self._knot = 1.0  # of the border at which that block begins
        self._begun = False
        self._owed = 0

    def push(self, mid: Float[Tensor, " length"]) -> Float[Tensor, " ready"]:
        """Gains of the samples whose following block is known."""
        self._owed += mid.shape[0]
        self._incoming.push(mid)
        count = len(self._incoming) // BLOCK
        if not count:
            return torch.zeros(0)
        return self._gains(self._incoming.pop(count * BLOCK).reshape(count, BLOCK))

    def finish(self) -> Float[Tensor, " rest"]:
        """The remaining gains, as if silence followed."""
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
        """Straight lines between block borders, each border at the lower of its two blocks."""
        blocks = torch.cat([torch.tensor([self._gain]), gains])
        knots = torch.cat([torch.tensor([self._knot]), torch.minimum(blocks[1:], blocks[:-1])])
        self._gain, self._knot = blocks[-1].item(), knots[-1].item()
        steps = torch.arange(BLOCK) / BLOCK
        ramps = knots[:-1, None] + (knots[1:] - knots[:-1])[:, None] * steps
        if not self._begun:  # the first ramp belongs to a block before the signal
            ramps = ramps[1:]
            self._begun = True
        ready = ramps.flatten()[: self._owed]
        self._owed -= ready.shape[0]
        return ready

"""Band energies: the embedding that needs no network, to hold the others against.

In every window of 1.02 s, for each of the coder's 34 bands, the mean and the standard deviation
over time of

    10·log10(⟨X, X⟩ + floor)     in dB; a full-scale sine has 60 to 62

where ⟨X, X⟩ sums |X|² over a band of a frame. 68 numbers: how bright and how lively a sound is. The
square root of a distance over them reads in dB. What sounds alike to a listener may lie far apart
here, and the reverse; an embedding that learned something has to say more than this.
"""

import torch
from jaxtyping import Float
from torch import Tensor

from soundstage.metrics.embeddings.windows import at_least, windows
from soundstage.stereo.parameters import BANDS, RATE, TRANSFORM, band_sums

FLOOR = 1e-2  # 80 dB under a full-scale sine, so that the noise of 16 bits makes no difference
WINDOW_HOPS = 44  # 1.02 s
STEP_HOPS = WINDOW_HOPS // 2
WINDOW = WINDOW_HOPS * TRANSFORM.hop
AT_ONCE = 256  # frames, to save memory
WINDOW_FRAMES = (WINDOW - TRANSFORM.frame) // TRANSFORM.hop + 1  # that lie inside the window


class BandEmbedding:
    """Mean and standard deviation over time of the log band energies, in dB."""

    name = "bands"
    rate = RATE
    size = 2 * BANDS

    def embed(self, sound: Float[Tensor, "batch frames"]) -> Float[Tensor, "batch windows 68"]:
        """34 means, then 34 deviations, of windows of 45,056 samples every 22,528."""
        frames = windows(at_least(sound.float(), WINDOW), TRANSFORM.frame, TRANSFORM.hop)
        levels = [_levels(part) for part in frames.split(AT_ONCE, dim=1)]
        cut = windows(torch.cat(levels, dim=-1), WINDOW_FRAMES, STEP_HOPS)
        statistics = [cut.mean(dim=-1), cut.std(dim=-1, correction=0)]
        return torch.cat(statistics, dim=1).transpose(1, 2)


def _levels(frames: Float[Tensor, "batch frames samples"]) -> Float[Tensor, "batch bands frames"]:
    """Of every frame, in dB."""
    spectra = torch.fft.rfft(frames * TRANSFORM.window)
    power = spectra.real.square() + spectra.imag.square()
    return 10 * torch.log10(band_sums(power.transpose(1, 2)) + FLOOR)

"""A discriminator of sound: patches of its spectrograms in several resolutions.

The sound itself is judged, not its mel bands: magnitudes of windows of several lengths depend on
the phases of a spectrogram of any one length, so that buzz, smeared onsets and missing noise are
seen without phases as an input (UnivNet, Jang et al. 2021, §2.3).
"""

import torch
from jaxtyping import Float
from torch import Tensor, nn

from soundstage.networks.models.patch_discriminator import PatchDiscriminator
from soundstage.spectra.dual_spectra import normalized_log

OVERLAP = 4  # hops of a window
TINY = 1e-12  # of a power, so that the root has a gradient


class WaveformDiscriminator(nn.Module):
    """One `PatchDiscriminator` for each resolution.

    Args:
        resolutions: number of spectrograms of a sound.
        channels: of the layers of each discriminator.
    """

    def __init__(self, resolutions: int, channels: tuple[int, ...]) -> None:
        super().__init__()
        self.patches = nn.ModuleList(PatchDiscriminator(1, channels) for _ in range(resolutions))

    def forward(self, *spectrograms: Float[Tensor, "batch bins frames"]) -> list[Tensor]:
        """Logits of the patches of each resolution, (batch, 1, rows, frames).

        Args:
            spectrograms: `magnitudes` of the sound in each of the windows.
        """
        return [
            patches(normalized_log(each)[:, None, :-1])
            for each, patches in zip(spectrograms, self.patches, strict=True)
        ]


def magnitudes(
    sound: Float[Tensor, "batch samples"], window: int
) -> Float[Tensor, "batch bins frames"]:
    """Magnitudes in centered Hann windows of a length; a sine at full scale has 1."""
    with torch.autocast(sound.device.type, enabled=False):
        hann = torch.hann_window(window, device=sound.device)
        hop = window // OVERLAP
        spectrum = torch.stft(sound.float(), window, hop, window=hann, return_complex=True)
        power = spectrum.real.square() + spectrum.imag.square()
        return (power + TINY).sqrt() / (window / 4)

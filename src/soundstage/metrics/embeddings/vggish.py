"""VGGish as an embedding: what the Fréchet audio distance was defined with.

Windows of 1 s every 0.5 s at 16 kHz, as in the code of Kilgour et al. (2019). Of each, 96 frames of
25 ms every 10 ms, unpadded, Hann windowed and zero-padded to 512 samples; 64 HTK mel bands from 125
to 7500 Hz of the *magnitudes*, ln(x + 0.01). The embedding is the network's 128 numbers before
any activation, before principal components and quantization. Unlike that code, the level is left
as it is: the quietness of a side signal is part of what is measured.
"""

from pathlib import Path

import torch
from jaxtyping import Float
from torch import Tensor

from soundstage.metrics.embeddings.windows import embed_windows, windows
from soundstage.networks.models.vggish import PATCH_BANDS, PATCH_FRAMES, VGGish
from soundstage.spectra.mel import htk_mel_filters
from soundstage.weights.external import load_foreign_network

RATE = 16_000  # Hz
WINDOW = RATE
STEP = RATE // 2
FRAME, HOP, TRANSFORM = 400, 160, 512  # samples: 25 ms, 10 ms, and the next power of two
LOWEST, HIGHEST = 125.0, 7500.0  # Hz
LOG_OFFSET = 0.01
AT_ONCE = 64  # windows, so that memory stays under 0.5 GB


def log_mel_patches(
    sound: Float[Tensor, "*batch frames"],
) -> Float[Tensor, "*batch 96 64"]:
    """The first 0.975 s of sounds at 16 kHz as the network sees them, frames by mel bands."""
    frames = windows(sound, FRAME, HOP)[..., :PATCH_FRAMES, :]
    magnitudes = torch.fft.rfft(frames * torch.hann_window(FRAME), n=TRANSFORM).abs()
    filters = htk_mel_filters(PATCH_BANDS, TRANSFORM, RATE, LOWEST, HIGHEST)
    return torch.log(magnitudes @ filters.T + LOG_OFFSET)


class VGGishEmbedding:
    """The embedding layer of VGGish, before its activation.

    Args:
        network: with trained weights.
    """

    name = "vggish"
    rate = RATE

    def __init__(self, network: VGGish) -> None:
        self.size = network.size
        self._network = network.eval()

    @classmethod
    def load(cls, path: Path) -> "VGGishEmbedding":
        """With weights in the layout of torchvggish, as safetensors.

        Raises:
            WeightsError: the file is missing or damaged, or holds something else.
        """
        return cls(load_foreign_network(path, "vggish", VGGish, "features.0.weight"))

    def embed(self, sound: Float[Tensor, "batch frames"]) -> Float[Tensor, "batch windows size"]:
        """Embeddings of windows of 1 s every 0.5 s of sound at 16 kHz."""
        cut = windows(sound.float(), WINDOW, STEP)
        return embed_windows(lambda some: self._network(log_mel_patches(some)), cut, AT_ONCE)

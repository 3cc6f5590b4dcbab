"""PANNs as an embedding: Cnn14, trained to tell the 527 classes of AudioSet apart.

At 32 kHz, frames of 1024 samples every 320, centered, reflected at the ends; 64 Slaney mel bands
from 50 to 14,000 Hz of the powers, 10·log10(max(x, 1e−10)). The embedding is the last hidden layer,
after its ReLU. Windows are 1 s every 0.5 s, as for VGGish, though the network was trained on 10 s
(Kong et al., 2020): its pooling over time takes any length, and 2048 numbers need many windows.
"""

from pathlib import Path

import torch
from jaxtyping import Float
from torch import Tensor

from soundstage.metrics.embeddings.windows import embed_windows, windows
from soundstage.networks.models.panns import MEL_BANDS, Cnn14
from soundstage.spectra.mel import slaney_mel_filters
from soundstage.weights.external import load_foreign_network

RATE = 32_000  # Hz
WINDOW = RATE
STEP = RATE // 2
FRAME, HOP = 1024, 320  # samples
LOWEST, HIGHEST = 50.0, 14_000.0  # Hz
POWER_FLOOR = 1e-10
AT_ONCE = 32  # windows, so that memory stays under 0.5 GB

# Tables of the transform that the published file carries. The networks for 16 and 8 kHz have all
# other tensors of the same shape, and give themselves away here alone.
TABLES = {
    "spectrogram_extractor.stft.conv_real.weight": (FRAME // 2 + 1, 1, FRAME),
    "spectrogram_extractor.stft.conv_imag.weight": (FRAME // 2 + 1, 1, FRAME),
    "logmel_extractor.melW": (FRAME // 2 + 1, MEL_BANDS),
}


def log_mel_spectrogram(
    sound: Float[Tensor, "batch length"],
) -> Float[Tensor, "batch frames 64"]:
    """Sounds at 32 kHz, longer than 512 samples, as the network sees them, in dB."""
    spectrogram = torch.stft(
        sound,
        FRAME,
        hop_length=HOP,
        window=torch.hann_window(FRAME),
        center=True,
        pad_mode="reflect",
        return_complex=True,
    )
    power = spectrogram.real.square() + spectrogram.imag.square()
    filters = slaney_mel_filters(MEL_BANDS, FRAME, RATE, LOWEST, HIGHEST)
    return 10 * torch.log10((power.transpose(1, 2) @ filters.T).clamp(min=POWER_FLOOR))


class PannsEmbedding:
    """The last hidden layer of Cnn14.

    Args:
        network: with trained weights.
    """

    name = "panns"
    rate = RATE

    def __init__(self, network: Cnn14) -> None:
        self.size = network.size
        self._network = network.eval()

    @classmethod
    def load(cls, path: Path) -> "PannsEmbedding":
        """With weights in the layout of `Cnn14_mAP=0.431.pth`, as safetensors.

        Raises:
            WeightsError: the file is missing or damaged, or holds something else.
        """
        return cls(load_foreign_network(path, "panns", Cnn14, "conv_block1.conv1.weight", TABLES))

    def embed(self, sound: Float[Tensor, "batch frames"]) -> Float[Tensor, "batch windows size"]:
        """Embeddings of windows of 1 s every 0.5 s of sound at 32 kHz."""
        cut = windows(sound.float(), WINDOW, STEP)
        return embed_windows(lambda some: self._network(log_mel_spectrogram(some)), cut, AT_ONCE)

"""Embeddings of published AudioSet networks: VGGish and PANNs Cnn14.

**vggish**, the network of the original Fréchet audio distance, at 16 kHz: windows of 1 s every 0.5
s, as in the code of Kilgour et al. (2019); 96 frames of 25 ms every 10 ms, unpadded, Hann-windowed
and zero-padded to 512 samples; 64 HTK mel bands from 125 to 7500 Hz of the *magnitudes*, ln(x +
0.01). The embedding is the 128 outputs before activation, PCA and quantization. Unlike that code,
levels are not normalized: a quiet side signal should be measured as quiet.

**panns**, trained on the 527 classes of AudioSet, at 32 kHz: frames of 1024 samples every 320,
centered, reflection padding; 64 Slaney mel bands from 50 to 14,000 Hz of the powers,
10·log10(max(x, 1e−10)). The embedding is the last hidden layer, after its ReLU. Windows are 1 s
every 0.5 s as well, although the network was trained on 10 s (Kong et al., 2020): its pooling over
time accepts any length, and 2048 dimensions need many windows.
"""

from pathlib import Path

import torch
from jaxtyping import Float
from torch import Tensor

from soundstage.metrics.embeddings.windowing import embed_windows, windows
from soundstage.networks.models.cnn14 import MEL_BANDS, Cnn14
from soundstage.networks.models.vggish import PATCH_BANDS, PATCH_FRAMES, VGGish
from soundstage.spectra.filterbanks import htk_mel_filters, slaney_mel_filters
from soundstage.weights.external import load_external_network

VGGISH_RATE = 16_000  # Hz
VGGISH_FRAME, VGGISH_HOP, VGGISH_TRANSFORM = 400, 160, 512  # samples
VGGISH_RANGE_HZ = 125.0, 7500.0
LOG_OFFSET = 0.01
VGGISH_AT_ONCE = 64  # windows, so that memory stays under 0.5 GB

PANNS_RATE = 32_000  # Hz
PANNS_FRAME, PANNS_HOP = 1024, 320  # samples
PANNS_RANGE_HZ = 50.0, 14_000.0
POWER_FLOOR = 1e-10
PANNS_AT_ONCE = 32

# Shapes of the transform tables in the published file: the only difference to the networks for 16
# and 8 kHz
PANNS_TABLES = {
    "spectrogram_extractor.stft.conv_real.weight": (PANNS_FRAME // 2 + 1, 1, PANNS_FRAME),
    "spectrogram_extractor.stft.conv_imag.weight": (PANNS_FRAME // 2 + 1, 1, PANNS_FRAME),
    "logmel_extractor.melW": (PANNS_FRAME // 2 + 1, MEL_BANDS),
}


def vggish_log_mel(
    sound: Float[Tensor, "*batch frames"],
) -> Float[Tensor, "*batch 96 64"]:
    """Input of the network for the first 0.975 s of sounds at 16 kHz, frames by mel bands."""
    frames = windows(sound, VGGISH_FRAME, VGGISH_HOP)[..., :PATCH_FRAMES, :]
    magnitudes = torch.fft.rfft(frames * torch.hann_window(VGGISH_FRAME), n=VGGISH_TRANSFORM).abs()
    filters = htk_mel_filters(PATCH_BANDS, VGGISH_TRANSFORM, VGGISH_RATE, *VGGISH_RANGE_HZ)
    return torch.log(magnitudes @ filters.T + LOG_OFFSET)


class VGGishEmbedding:
    """The embedding layer of VGGish, before its activation.

    Args:
        network: with trained weights.
    """

    name = "vggish"
    rate = VGGISH_RATE

    def __init__(self, network: VGGish) -> None:
        self.size = network.embedding_dim
        self._network = network.eval()

    @classmethod
    def load(cls, path: Path) -> "VGGishEmbedding":
        """Load weights in the layout of torchvggish, as safetensors.

        Raises:
            WeightsError: the file is missing, damaged, or of another network.
        """
        return cls(load_external_network(path, "vggish", VGGish, "features.0.weight"))

    def embed(self, sound: Float[Tensor, "batch frames"]) -> Float[Tensor, "batch windows size"]:
        """Embeddings of windows of 1 s every 0.5 s of sound at 16 kHz."""
        cut = windows(sound.float(), VGGISH_RATE, VGGISH_RATE // 2)
        return embed_windows(
            lambda batch: self._network(vggish_log_mel(batch)), cut, VGGISH_AT_ONCE
        )


def panns_log_mel(
    sound: Float[Tensor, "batch length"],
) -> Float[Tensor, "batch frames 64"]:
    """Input of the network for sounds at 32 kHz longer than 512 samples, in dB."""
    spectrogram = torch.stft(
        sound,
        PANNS_FRAME,
        hop_length=PANNS_HOP,
        window=torch.hann_window(PANNS_FRAME),
        center=True,
        pad_mode="reflect",
        return_complex=True,
    )
    power = spectrogram.real.square() + spectrogram.imag.square()
    filters = slaney_mel_filters(MEL_BANDS, PANNS_FRAME, PANNS_RATE, *PANNS_RANGE_HZ)
    return 10 * torch.log10((power.transpose(1, 2) @ filters.T).clamp(min=POWER_FLOOR))


class PannsEmbedding:
    """The last hidden layer of Cnn14.

    Args:
        network: with trained weights.
    """

    name = "panns"
    rate = PANNS_RATE

    def __init__(self, network: Cnn14) -> None:
        self.size = network.embedding_dim
        self._network = network.eval()

    @classmethod
    def load(cls, path: Path) -> "PannsEmbedding":
        """Load weights in the layout of `Cnn14_mAP=0.431.pth`, as safetensors.

        Raises:
            WeightsError: the file is missing, damaged, or of another network.
        """
        return cls(
            load_external_network(path, "panns", Cnn14, "conv_block1.conv1.weight", PANNS_TABLES)
        )

    def embed(self, sound: Float[Tensor, "batch frames"]) -> Float[Tensor, "batch windows size"]:
        """Embeddings of windows of 1 s every 0.5 s of sound at 32 kHz."""
        cut = windows(sound.float(), PANNS_RATE, PANNS_RATE // 2)
        return embed_windows(lambda batch: self._network(panns_log_mel(batch)), cut, PANNS_AT_ONCE)

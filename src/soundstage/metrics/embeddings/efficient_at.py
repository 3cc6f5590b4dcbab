"""EfficientAT's MobileNets as an embedding, from a file of the user.

At 32 kHz: pre-emphasis y[t] = x[t + 1] − 0.97·x[t]; frames of 1024 samples every 320, centered,
with a symmetric Hann window of 800; power; 128 mel bands from 0 to 15,000 Hz, with triangles linear
in mels as in Kaldi; (ln(m + 1e−5) + 4.5)/5. The embedding is the mean over time and bands of the
last maps. Windows are 5 s every 2.5 s: the network was trained on 10 s and pools over any length.
"""

from pathlib import Path

import torch
from jaxtyping import Float
from torch import Tensor

from soundstage.metrics.embeddings.windowing import embed_windows, pad_to, windows
from soundstage.networks.models.mobile_net import LAST_CONVOLUTION, MEL_BANDS, MobileNet
from soundstage.spectra.filterbanks import htk_mel_filters
from soundstage.weights.external import load_checkpoint_tensors, load_external_network

RATE = 32_000  # Hz
FRAME, WINDOW, HOP = 1024, 800, 320  # samples
RANGE_HZ = 0.0, 15_000.0
EMPHASIS = 0.97
OFFSET = 1e-5
LEVEL, SPREAD = -4.5, 5.0  # about mean and deviation of a band
SECONDS = 5
AT_ONCE = 16  # windows, so that memory stays under 0.5 GB


def efficient_at_log_mel(
    sound: Float[Tensor, "batch length"],
) -> Float[Tensor, "batch 128 frames"]:
    """Input of the network for sounds at 32 kHz longer than 512 samples."""
    emphasized = sound[:, 1:] - EMPHASIS * sound[:, :-1]
    spectrogram = torch.stft(
        emphasized,
        FRAME,
        hop_length=HOP,
        win_length=WINDOW,
        window=torch.hann_window(WINDOW, periodic=False),
        center=True,
        return_complex=True,
    )
    power = spectrogram.real.square() + spectrogram.imag.square()
    filters = htk_mel_filters(MEL_BANDS, FRAME, RATE, *RANGE_HZ)
    return (torch.log(filters @ power + OFFSET) - LEVEL) / SPREAD


class EfficientATEmbedding:
    """The last maps of a MobileNet, averaged.

    Args:
        network: with trained weights.
    """

    name = "efficientat"
    rate = RATE
    classes: tuple[str, ...] = ()  # the 527 of AudioSet; a file does not name them

    def __init__(self, network: MobileNet) -> None:
        self.size = network.embedding_dim
        self._network = network.eval()

    @classmethod
    def load(cls, path: Path) -> "EfficientATEmbedding":
        """Load a published file, such as `mn04_as_mAP_432.pt`, or its tensors as safetensors.

        Raises:
            WeightsError: the file is missing, damaged, or of another network.
        """
        return cls(
            load_external_network(
                path, "efficientat", MobileNet, LAST_CONVOLUTION, read=load_checkpoint_tensors
            )
        )

    def embed(self, sound: Float[Tensor, "batch frames"]) -> Float[Tensor, "batch windows size"]:
        """Embeddings of windows of 5 s every 2.5 s of sound at 32 kHz."""
        cut = windows(sound.float(), SECONDS * RATE, SECONDS * RATE // 2)
        return embed_windows(lambda batch: self.outputs(batch)[0], cut, AT_ONCE)

    def outputs(
        self, sound: Float[Tensor, "batch frames"]
    ) -> tuple[Float[Tensor, "batch size"], Float[Tensor, "batch classes"]]:
        """Embeddings and logits of whole sounds at 32 kHz, one of each a sound."""
        with torch.inference_mode():
            return self._network(efficient_at_log_mel(pad_to(sound.float(), FRAME)))

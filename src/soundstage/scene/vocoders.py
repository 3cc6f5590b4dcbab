"""Vocoders of the generators: from the log-mel bands of an ear to its sound at 16 kHz.

Three can be chosen:

- `vocoder`, the bundled one (`networks/models/vocoder.py`), or its weights in a file;
- `griffin-lim`, without a network: magnitudes of least squares, phases by `griffin_lim`;
- `hifigan=FOLDER`, the published HiFi-GAN (`hifi_gan_vocoder.py`).
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn import functional as F  # noqa: N812

from soundstage.errors import OptionError, quoted
from soundstage.networks.models.vocoder import OUTPUT_HOP, SINE, Vocoder, VocoderConfig
from soundstage.scene.hifi_gan_vocoder import load_hifi_gan
from soundstage.spectra.dual_spectra import mel_to_magnitude
from soundstage.spectra.griffin_lim import griffin_lim
from soundstage.weights.model import load_model

BUNDLED = "vocoder"
GRIFFIN_LIM = "griffin-lim"
HIFI_GAN = "hifigan="


class MelVocoder(Protocol):
    """Sound from log-mel bands."""

    def sound(self, log_mel: Float[Tensor, "batch 64 frames"]) -> Float[Tensor, "batch samples"]:
        """Sound of (frames − 1) · 256 samples at 16 kHz, each example by itself."""


def load_vocoder(source: str = BUNDLED, device: torch.device | str = "cpu") -> MelVocoder:
    """A vocoder by its name.

    Args:
        source: "vocoder", a .safetensors file of our own, "griffin-lim", or "hifigan=PATH" with the
            path of a folder, or of one of several checkpoints in it.
        device: of the network.

    Raises:
        OptionError: there is no such vocoder.
        WeightsError: the weights are missing, damaged, or of another network.
    """
    if source == GRIFFIN_LIM:
        return GriffinLimVocoder()
    if source.startswith(HIFI_GAN):
        return load_hifi_gan(Path(source.removeprefix(HIFI_GAN)).expanduser(), device)
    if source != BUNDLED and not source.endswith(".safetensors"):
        raise OptionError(
            f"There is no vocoder {quoted(source)}: choose {BUNDLED}, {GRIFFIN_LIM}, "
            f"{HIFI_GAN}FOLDER, or a .safetensors file."
        )
    return NeuralVocoder(load_model(source, VocoderConfig, device).network)


@dataclass(frozen=True)
class NeuralVocoder:
    """The network of `networks/models/vocoder.py`."""

    network: Vocoder

    @torch.inference_mode()
    def sound(self, log_mel: Float[Tensor, "batch 64 frames"]) -> Float[Tensor, "batch samples"]:
        """Sound of log-mel bands."""
        sound: Tensor = self.network(log_mel)
        return sound


class GriffinLimVocoder:
    """Magnitudes of least squares, and phases by the Griffin-Lim algorithm.

    Frames are interpolated to the hop of the network, since the algorithm needs fourfold overlap.
    """

    @torch.inference_mode()
    def sound(self, log_mel: Float[Tensor, "batch 64 frames"]) -> Float[Tensor, "batch samples"]:
        """Sound of log-mel bands."""
        magnitudes = SINE * mel_to_magnitude(log_mel)
        size = 2 * log_mel.shape[-1] - 1
        fine = F.interpolate(magnitudes, size=size, mode="linear", align_corners=True)
        return griffin_lim(fine, OUTPUT_HOP, (size - 1) * OUTPUT_HOP)

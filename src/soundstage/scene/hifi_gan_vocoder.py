"""HiFi-GAN behind the log-mel bands of the generators.

A generator is a folder with its config.json and one file of weights: a checkpoint as published by
Kong et al. (2020), or safetensors as transformers stores the vocoder of AudioLDM. Its mel bands are
its own. They are computed from the magnitudes that least squares finds for ours, interpolated on a
logarithmic scale to its frames and bins, and its sound is resampled to 16 kHz. A window that is r
times as long raises a sine by r and a noise by √r; most events are noise, so √r is taken.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn import functional as F  # noqa: N812

from soundstage.audio import resample
from soundstage.errors import WeightsError, reason, shortened
from soundstage.networks.models.hifi_gan import HiFiGAN, HiFiGANConfig, fold_weight_norm
from soundstage.spectra.dual_spectra import FFT, HOP, RATE, mel_to_magnitude
from soundstage.spectra.filterbanks import slaney_mel_filters
from soundstage.text_files import TextKind, read_json
from soundstage.weights.external import CHECKPOINTS, load_checkpoint_tensors
from soundstage.weights.model import Weights, uninitialized

CONFIG = "config.json"
CONFIG_KIND = TextKind("a config", 100_000, WeightsError)  # bytes
ENDINGS = (".safetensors", *CHECKPOINTS, ".pth.tar")
PUBLISHED = ("generator", "g_")  # start of the names of published checkpoints
FLOOR = 1e-5  # of the mel bands of HiFi-GAN, before the logarithm
SMALLEST = 1e-6  # of magnitudes, so that silence has a logarithm
AUDIOLDM = {"n_fft": 1024, "fmin": 0, "fmax": 8000}  # what a config of transformers leaves out


@dataclass(frozen=True)
class HiFiGANVocoder:
    """A HiFi-GAN generator behind our mel bands."""

    network: HiFiGAN
    mel: "MelSettings"

    @torch.inference_mode()
    def sound(self, log_mel: Float[Tensor, "batch 64 frames"]) -> Float[Tensor, "batch samples"]:
        """Sound of log-mel bands."""
        samples = (log_mel.shape[-1] - 1) * HOP
        own = self.mel.log_bands(mel_to_magnitude(log_mel))
        sound = self.network(own).cpu().numpy()
        resampled = torch.from_numpy(resample(sound, self.mel.rate, RATE))[:, :samples]
        return F.pad(resampled, (0, samples - resampled.shape[-1])).to(log_mel.device)


@dataclass(frozen=True)
class MelSettings:
    """The mel bands of a HiFi-GAN: Slaney's, of magnitudes, as natural logarithms."""

    bands: int
    rate: int
    """In Hz."""
    fft: int
    """Samples of a transform, as long as its window."""
    hop: int
    lowest: float
    """In Hz, as `highest`."""
    highest: float

    def log_bands(
        self, magnitudes: Float[Tensor, "batch bins frames"]
    ) -> Float[Tensor, "batch bands own_frames"]:
        """Log bands from magnitudes in our frames, in which a sine at full scale has 1.

        A frame of HiFi-GAN is centered in the middle of its hop.
        """
        seconds = (magnitudes.shape[-1] - 1) * HOP / RATE
        frames = round(seconds * self.rate / self.hop)
        times = (torch.arange(frames) + 0.5) * (self.hop / self.rate * RATE / HOP)
        bins = torch.arange(self.fft // 2 + 1) * (self.rate / self.fft * FFT / RATE)
        levels = magnitudes.clamp(min=SMALLEST).log()
        fine = _interpolated(_interpolated(levels, times).transpose(1, 2), bins).transpose(1, 2)
        ratio = self.fft / self.rate * RATE / FFT  # of the windows in seconds
        scale = self.fft / 4 / ratio**0.5
        inside = (bins <= FFT // 2).to(fine.device)[:, None]
        filters = slaney_mel_filters(self.bands, self.fft, self.rate, self.lowest, self.highest)
        mel = filters.to(fine.device) @ (scale * fine.exp() * inside)
        return mel.clamp(min=FLOOR).log()


def _interpolated(
    values: Float[Tensor, "batch rows columns"], places: Float[Tensor, " places"]
) -> Float[Tensor, "batch rows places"]:
    """Values at places between columns; the ends hold beyond them."""
    places = places.clamp(0, values.shape[-1] - 1).to(values.device)
    before = places.floor().long().clamp(max=max(values.shape[-1] - 2, 0))
    after = (before + 1).clamp(max=values.shape[-1] - 1)
    return torch.lerp(values[..., before], values[..., after], places - before)


def load_hifi_gan(path: Path, device: torch.device | str = "cpu") -> HiFiGANVocoder:
    """A HiFi-GAN generator from a folder with its config.json.

    Args:
        path: the folder, or one of its checkpoints.
        device: of the network.

    Raises:
        WeightsError: a file is missing or damaged, or the two do not fit together.
    """
    weights = _checkpoint(path)
    config, mel = _config(weights.parent / CONFIG)
    tensors = fold_weight_norm(load_checkpoint_tensors(weights, "generator"))
    tensors = {name.replace("upsampler.", "ups."): each for name, each in tensors.items()}
    stored = Weights("hifigan", {}, tensors, str(weights))
    try:
        with uninitialized(sum(each.numel() for each in tensors.values())):
            network = config.build()
    except ValueError as error:
        raise WeightsError(f"{weights}: {reason(error)}, by the config beside it.") from error
    state = {
        name: stored.tensor(name, torch.float32, tuple(value.shape))
        for name, value in network.state_dict().items()
    }
    network.load_state_dict(state, assign=True)
    return HiFiGANVocoder(network.to(device).eval().requires_grad_(False), mel)


def _checkpoint(path: Path) -> Path:
    """The one file of weights in a folder, or the path itself.

    Raises:
        WeightsError: there is none, or there are several.
    """
    if not path.is_dir():
        return path
    found = sorted(
        each
        for each in path.iterdir()
        if each.name.endswith(ENDINGS) or each.name.startswith(PUBLISHED)
    )
    if len(found) != 1:
        names = ", ".join(shortened(each.name) for each in found[:5]) or "none"
        raise WeightsError(
            f"{path}: the folder of a HiFi-GAN holds one file of weights, not {len(found)} "
            f"({names}): give the path of one of them."
        )
    return found[0]


def _config(path: Path) -> tuple[HiFiGANConfig, MelSettings]:
    """Sizes of the network and settings of its mel bands.

    Raises:
        WeightsError: the file is missing, or is not the config of a supported HiFi-GAN.
    """
    if not path.is_file():
        raise WeightsError(f"{path} is missing: a HiFi-GAN needs the config that belongs to it.")
    content: Any = read_json(path, CONFIG_KIND)
    try:
        values = {"hop_size": None, **AUDIOLDM, **content}
        config = HiFiGANConfig(
            num_mels=int(values["num_mels"] if "num_mels" in values else values["model_in_dim"]),
            resblock=str(values.get("resblock", "1")),
            upsample_rates=tuple(map(int, values["upsample_rates"])),
            upsample_kernel_sizes=tuple(map(int, values["upsample_kernel_sizes"])),
            upsample_initial_channel=int(values["upsample_initial_channel"]),
            resblock_kernel_sizes=tuple(map(int, values["resblock_kernel_sizes"])),
            resblock_dilation_sizes=tuple(
                tuple(map(int, each)) for each in values["resblock_dilation_sizes"]
            ),
        )
        rate = int(values["sampling_rate"])
        highest = float(values["fmax"] or rate / 2)
        mel = MelSettings(
            config.num_mels, rate, int(values["n_fft"]), config.hop, float(values["fmin"]), highest
        )
        if values["hop_size"] not in (None, config.hop) or values.get("normalize_before"):
            raise ValueError("its hop is not the product of its upsample_rates, or it normalizes")
    except (KeyError, TypeError, ValueError) as error:
        raise WeightsError(
            f"{path}: this is not the config of a HiFi-GAN that can be used ({reason(error)})."
        ) from error
    return config, mel

"""A variant of DualSpec, ready to generate: network, text encoder, VAEs and vocoder.

    load_dualspec("dualspec").generate(["dog", "rain"], [90, 270], seeds=[0, 0])

gives both ears of a dog on the left and of rain on the right, 5.1 s at 16 kHz. Variants and their
weights are those of `networks/models/latent_unet.py`; weights of the user's own name their VAEs,
which are looked for beside them.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from jaxtyping import Float
from torch import Tensor

from soundstage.corpora.spatial_events import AZIMUTHS
from soundstage.diffusion import Denoiser
from soundstage.errors import OptionError, WeightsError
from soundstage.networks.models.latent_unet import (
    LATENTS,
    VAE_KINDS,
    Latent,
    LatentUNet,
    LatentUNetConfig,
)
from soundstage.networks.models.spectrogram_vae import SpectrogramVAE, SpectrogramVAEConfig
from soundstage.parallel import single_thread
from soundstage.precision import in_single_precision
from soundstage.scene.dualspec.assembly import Phase, sound_of_latents
from soundstage.scene.dualspec.flan_t5 import FlanT5
from soundstage.scene.dualspec.prompts import Location, prompt_for, without_location
from soundstage.scene.dualspec.sampling import Conditions, SamplingOptions, sample_latents
from soundstage.scene.vocoders import MelVocoder, load_vocoder
from soundstage.weights import weights_digest
from soundstage.weights.model import load_model

BATCH = 16  # examples at once, for bounded memory


@dataclass(frozen=True)
class DualSpec:
    """A variant with everything that it needs."""

    name: str
    config: LatentUNetConfig
    network: LatentUNet
    vaes: dict[Latent, SpectrogramVAE]
    vocoder: MelVocoder
    text: FlanT5 | None
    """The text encoder outside the network, if there is one."""
    device: torch.device

    @property
    def classes(self) -> tuple[str, ...]:
        """Events that it was trained on."""
        return self.config.classes

    @property
    def ears(self) -> int:
        """Channels of its sound: 1 for the mono model."""
        return 1 if self.config.variant == "mono-mel" else 2

    @property
    def parameters(self) -> int:
        """Parameters of all its networks but an outside text encoder and the vocoder."""
        networks = [self.network, *self.vaes.values()]
        return sum(each.numel() for network in networks for each in network.parameters())

    def generate(
        self,
        labels: Sequence[str],
        azimuths: Sequence[float] | None = None,
        *,
        seeds: Sequence[int],
        location: Location = "doa",
        options: SamplingOptions | None = None,
        phase: Phase = "interaural",
    ) -> Float[Tensor, "examples ears samples"]:
        """Sounds of events at azimuths, 5.1 s at 16 kHz each.

        The same label, azimuth and seed give the same bytes in the same batch, and the same sound
        up to rounding in another batch.

        Args:
            labels: classes, or any words for a model with an outside text encoder.
            azimuths: of `AZIMUTHS`, one for each label; None for the mono model.
            seeds: one for each label.
            location: kind of the description of the azimuth in the prompt.
            options: settings of the sampling.
            phase: see `assembly`.

        Raises:
            OptionError: a label is no class of the model, or an azimuth is not on its grid.
        """
        self._check(labels, azimuths)
        directions = [None] * len(labels) if azimuths is None else list(azimuths)
        prompts = [
            prompt_for(label, azimuth, location)
            for label, azimuth in zip(labels, directions, strict=True)
        ]
        return self.generate_prompts(prompts, seeds=seeds, options=options, phase=phase)

    @in_single_precision
    @torch.no_grad()
    def generate_prompts(
        self,
        prompts: Sequence[str],
        *,
        seeds: Sequence[int],
        options: SamplingOptions | None = None,
        phase: Phase = "interaural",
    ) -> Float[Tensor, "examples ears samples"]:
        """Sounds of prompts in the words of `prompts`, as `generate`."""
        options = options or SamplingOptions()
        parts = []
        with single_thread():  # the same result on any number of cores
            for first in range(0, len(prompts), BATCH):
                part = slice(first, first + BATCH)
                parts.append(self._batch(prompts[part], seeds[part], options, phase))
        return torch.cat(parts)

    def _batch(
        self,
        prompts: Sequence[str],
        seeds: Sequence[int],
        options: SamplingOptions,
        phase: Phase,
    ) -> Tensor:
        events = [without_location(prompt) for prompt in prompts]
        conditions = Conditions(self._text(prompts), self._text(events), self._text([""]))
        denoiser = Denoiser(self.network, self.config.parametrization, self.config.schedule)
        image = sample_latents(self.config, denoiser, conditions, seeds, options)
        kinds = LATENTS[self.config.variant]
        latents = dict(zip(kinds, self.config.unfold(image), strict=True))
        return sound_of_latents(latents, self.vaes, self.vocoder, phase=phase).cpu()

    def _text(self, prompts: Sequence[str]) -> tuple[Tensor, Tensor]:
        if self.text is not None:
            return self.text(prompts)
        encoder = self.network.prompt_encoder
        assert encoder is not None
        features, used = encoder(encoder.token_ids(prompts).to(self.device))
        return features, used

    def _check(self, labels: Sequence[str], azimuths: Sequence[float] | None) -> None:
        unknown = [label for label in labels if label not in self.classes]
        if unknown and self.text is None:
            raise OptionError(f"{self.name} has no event {unknown[0]!r}.")
        if (azimuths is None) != (self.ears == 1):
            needs = "no azimuth" if self.ears == 1 else "an azimuth for each event"
            raise OptionError(f"{self.name} needs {needs}.")
        off = [azimuth for azimuth in azimuths or () if azimuth not in AZIMUTHS]
        if off:
            raise OptionError(
                f"{self.name} generates azimuths of {AZIMUTHS[1]}° steps, not {off[0]:g}°."
            )


def load_dualspec(
    source: str | Path = "dualspec",
    device: torch.device | str = "cpu",
    *,
    vocoder: str = "vocoder",
) -> DualSpec:
    """A variant with its VAEs and the vocoder.

    Args:
        source: a pretrained variant, or a file of `soundstage train`.
        device: of all networks.
        vocoder: see `load_vocoder`.

    Raises:
        WeightsError: weights are missing or damaged, or a VAE is not the one of the training.
        OptionError: the text encoder is missing.
    """
    loaded = load_model(source, LatentUNetConfig, device)
    config = loaded.config
    vaes: dict[Latent, SpectrogramVAE] = {}
    for kind, vae, digest in zip(LATENTS[config.variant], config.vaes, config.digests, strict=True):
        place = _place(vae, Path(loaded.source).parent)
        if not weights_digest(place).hex().startswith(digest):
            raise WeightsError(
                f"{loaded.source}: was trained on the latents of another {place}; train it again, "
                "or put its own VAE beside it."
            )
        model = load_model(place, SpectrogramVAEConfig, device)
        if model.config.kind != VAE_KINDS[kind]:
            raise WeightsError(f"{model.source}: is no VAE for latents {kind!r}.")
        vaes[kind] = model.network
    text = FlanT5(config.text_encoder, config.max_tokens, device) if config.text_encoder else None
    return DualSpec(
        Path(source).stem,
        config,
        loaded.network,
        vaes,
        load_vocoder(vocoder, device),
        text,
        torch.device(device),
    )


def _place(vae: str, folder: Path) -> str:
    """A pretrained VAE by its name, or a file: beside the weights, or where the recipe had it."""
    if not vae.endswith(".safetensors"):
        return vae
    beside = folder / Path(vae).name
    return str(beside if beside.is_file() else vae)

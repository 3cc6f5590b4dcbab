"""Batches of noised latents with their prompts.

An example is a class, a clip of it, a take and an azimuth, each equally likely, so that a class of
few clips is learned as well as one of many. Its prompt has one of the paper's three kinds of
location (DOA, clock, general description; DualSpec, §V-C). For classifier-free guidance some
prompts are empty; a few name the event alone, for a guidance of its own towards the direction.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Protocol

import torch
from torch import Tensor

from soundstage.corpora.spatial_events import AZIMUTHS
from soundstage.diffusion import Objective
from soundstage.networks.models.latent_unet import LatentUNetConfig
from soundstage.networks.models.prompt_encoder import PromptEncoder
from soundstage.scene.dualspec.prompts import LOCATIONS, prompt_for
from soundstage.seeding import seeded_generator
from soundstage.training.data.latents import ClipLatents


class Conditioner(Protocol):
    """Prompts to the tensors that condition the network, with the example first."""

    def __call__(self, prompts: Sequence[str]) -> tuple[Tensor, ...]:
        """Word ids of the built-in encoder, or features and mask of another one."""


@dataclass(frozen=True)
class WordIds:
    """Word ids, for the encoder inside the network."""

    encoder: PromptEncoder

    def __call__(self, prompts: Sequence[str]) -> tuple[Tensor, ...]:
        """(ids,)."""
        return (self.encoder.token_ids(prompts),)


@dataclass(frozen=True)
class FrozenText:
    """Vectors of a frozen encoder, which are computed once for each prompt and kept."""

    encoder: Callable[[Sequence[str]], tuple[Tensor, Tensor]]
    kept: dict[str, tuple[Tensor, Tensor]] = field(default_factory=dict)

    def __call__(self, prompts: Sequence[str]) -> tuple[Tensor, ...]:
        """(features, mask)."""
        new = [prompt for prompt in dict.fromkeys(prompts) if prompt not in self.kept]
        if new:
            features, used = self.encoder(new)
            self.kept.update(zip(new, zip(features.half(), used, strict=True), strict=True))
        features_, used_ = zip(*(self.kept[prompt] for prompt in prompts), strict=True)
        return torch.stack(features_).float(), torch.stack(used_)


@dataclass(frozen=True)
class Dropout:
    """Probabilities of incomplete prompts."""

    prompt: float = 0.0
    """Of an empty prompt."""
    direction: float = 0.0
    """Of a prompt without its location."""


@dataclass(frozen=True)
class LatentBatches:
    """Random batches of clips.

    Raises:
        ValueError: there is no clip.
    """

    config: LatentUNetConfig
    latents: Sequence[ClipLatents]
    """Of the variant, all of the same clips."""
    labels: Sequence[int]
    """Class of each clip, an index of `config.classes`."""
    objective: Objective
    conditioner: Conditioner
    dropout: Dropout
    batch_size: int
    seed: int

    def __post_init__(self) -> None:
        if not self.labels:
            raise ValueError("batches need a clip")

    @property
    def per_epoch(self) -> int:
        """Number of batches with as many examples as there are latents."""
        clips, takes, azimuths = self.latents[0].shape[:3]
        return max(clips * takes * azimuths // self.batch_size, 1)

    def draw(self, step: int) -> tuple[Tensor, ...]:
        """The fields of a `Noised`, and the condition; the same for every call."""
        generator = seeded_generator(self.seed, step)
        count = self.batch_size
        _, takes, azimuths = self.latents[0].shape[:3]
        clips = self._clips(count, generator)
        takes_, places, kinds = (
            torch.randint(size, (count,), generator=generator).tolist()
            for size in (takes, azimuths, len(LOCATIONS))
        )
        image = self.config.fold(
            [
                torch.stack([each[at] for at in zip(clips, takes_, places, strict=True)]).float()
                for each in self.latents
            ]
        )
        fates = torch.rand(count, generator=generator).tolist()
        prompts = [
            self._prompt(clip, place, kind, fate)
            for clip, place, kind, fate in zip(clips, places, kinds, fates, strict=True)
        ]
        return *self.objective.noised(image, generator), *self.conditioner(prompts)

    def _clips(self, count: int, generator: torch.Generator) -> list[int]:
        """Indices of clips, each class equally likely."""
        present = sorted(set(self.labels))
        members = [[i for i, each in enumerate(self.labels) if each == c] for c in present]
        classes = torch.randint(len(present), (count,), generator=generator).tolist()
        numbers = torch.rand(count, generator=generator).tolist()
        return [
            members[index][int(number * len(members[index]))]
            for index, number in zip(classes, numbers, strict=True)
        ]

    def _prompt(self, clip: int, place: int, kind: int, fate: float) -> str:
        """The prompt of an example; `fate`, from 0 to 1, decides on its dropout."""
        if fate < self.dropout.prompt:
            return ""
        event = self.config.classes[self.labels[clip]]
        alone = fate < self.dropout.prompt + self.dropout.direction
        if alone or self.config.variant == "mono-mel":
            return prompt_for(event)
        return prompt_for(event, AZIMUTHS[place], LOCATIONS[kind])

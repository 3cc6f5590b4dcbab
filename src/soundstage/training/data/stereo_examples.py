"""Stretches of records with all that a generative model is told of them, varied as recordings are.

An example is `patch` positions, one every `stride` frames, of one record; before it, where the
record has it, lies its memory. What a network hears is varied as a recording may be, which changes
no place in the mix: gain, a smooth equalizer, a band limit, hiss. Left and right are switched in
half of the examples. Some are two records played at once, since a network soon knows a few hundred
records by heart and then reads which one it hears, in place of what plays in it. In some the
network is told numbers of the style, which are measured from the example itself; in part of these
the stage is first made wider or narrower, turned or made more diffuse, region by region, so that a
style is heard and obeyed whatever the music.
"""

import math
from typing import NamedTuple

import torch
from jaxtyping import Float
from torch import Tensor

from soundstage.corpora.feature_cache import FeatureCache
from soundstage.stereo import Parameters
from soundstage.stereo.context import NUMBERS, STRETCH_FRAMES, STRETCHES, memory_vectors
from soundstage.stereo.descriptors import REGIONS, restage
from soundstage.stereo.levels import LEVELS, QUIETEST, levels_energy
from soundstage.stereo.prediction import mix_parameters
from soundstage.stereo.styles import STYLE, measured_style
from soundstage.training.data.feature_batches import FramePlaces, louder
from soundstage.training.recipes import (
    AutoregressiveRecipe,
    DiffusionRecipe,
    MaskedRecipe,
    StereoAugmentation,
)

MIXED_DB = 25  # by which the softer of two records that are mixed is softer, at most

AS_IT_IS = StereoAugmentation(gain=0, equalizer=0, limited=0, hissing=0, styled=0, forgotten=0)


class Stretch(NamedTuple):
    """Frames of a record that follow each other."""

    levels: Float[Tensor, "frames levels"]
    parameters: Parameters


class Example(NamedTuple):
    """What a network is told, and what it has to tell."""

    levels: Float[Tensor, "patch levels"]
    """What is heard, in dB."""
    parameters: Parameters
    """The true ones, (bands, patch)."""
    style: Float[Tensor, " style"]
    """NaN where it is not told."""
    memory: Float[Tensor, "stretches numbers"]
    """NaN where there is none."""


class StereoExamples:
    """Draws examples; every frame of the records is as likely as any other.

    Args:
        caches: what is learned from.
        patch: positions of an example; shorter records are passed over.
        stride: frames from one position to the next.
        augmentation: how strongly an example is varied.
        memory: whether an example is told of the time before it.

    Raises:
        InputError: no record is long enough.
    """

    def __init__(
        self,
        caches: list[FeatureCache],
        *,
        patch: int,
        stride: int,
        augmentation: StereoAugmentation,
        memory: bool,
    ) -> None:
        self.patch, self._stride = patch, stride
        self._augmentation, self._memory = augmentation, memory
        self._places = FramePlaces(caches, patch * stride)

    def batches(self, size: int) -> int:
        """How many of so many examples see all records once."""
        return max(self._places.frames // (self.patch * self._stride * size), 1)

    def draw(self, generator: torch.Generator) -> Example:
        """The next example."""
        stretch, before = self._stretch(generator, STRETCHES if self._memory else 0)
        if self._augmentation.mixed and _chance(generator, self._augmentation.mixed):
            other, _ = self._stretch(generator, before // STRETCH_FRAMES)
            stretch = at_once(stretch, other, generator)
        levels, parameters = stretch
        levels = self._recorded_anew(levels, generator)
        styled = _chance(generator, self._augmentation.styled)
        if styled and _chance(generator, self._augmentation.restaged):
            parameters = random_stage(parameters, generator)
        here = slice(before, None, self._stride)
        heard = Parameters(parameters.iid[:, here], parameters.coherence[:, here])
        told = torch.full((len(STYLE),), math.nan)
        if styled:
            measured = measured_style(heard, levels_energy(levels[here]))
            share = torch.rand((), generator=generator)  # few numbers as often as many
            shown = torch.rand(len(told), generator=generator) < share
            told = torch.where(shown, measured, told)
        memory = self._remembered(levels[:before], parameters, generator)
        return Example(levels[here], heard, told, memory)

    def _stretch(self, generator: torch.Generator, most: int) -> tuple[Stretch, int]:
        """An example with its past, left and right switched in half of the draws.

        Args:
            generator: of the draws.
            most: stretches of memory; fewer where the record has begun later.

        Returns:
            The frames, and how many of them are past.
        """
        cache, record, first = self._places.draw(generator)
        before = min(most, (first - record) // STRETCH_FRAMES) * STRETCH_FRAMES
        rows = slice(first - before, first + self.patch * self._stride)
        levels, iid, coherence = (
            part[rows].float() for part in (cache.levels, cache.iid, cache.coherence)
        )
        if _chance(generator, 0.5):
            iid = -iid
        return Stretch(levels, Parameters(iid.T, coherence.T)), before

    def _remembered(
        self, levels: Tensor, parameters: Parameters, generator: torch.Generator
    ) -> Tensor:
        if not self._memory:
            return torch.zeros(0, NUMBERS)
        count = 0 if _chance(generator, self._augmentation.forgotten) else len(levels)
        past = Parameters(parameters.iid[:, :count], parameters.coherence[:, :count])
        return memory_vectors(levels[:count], past)

    def _recorded_anew(
        self, levels: Float[Tensor, "frames levels"], generator: torch.Generator
    ) -> Float[Tensor, "frames levels"]:
        """The same music by another chain: equalizer, gain, band limit, hiss."""
        strength = self._augmentation
        curve = strength.equalizer * _smooth_curve(LEVELS, generator)
        gain = strength.gain * (2 * float(torch.rand((), generator=generator)) - 1)
        levels = louder(levels, curve + gain)
        if _chance(generator, strength.limited):
            top = int(torch.randint(LEVELS // 3, LEVELS, (), generator=generator))
            bottom = int(torch.randint(0, 16, (), generator=generator))
            levels = levels.clone()
            levels[:, top:] = QUIETEST
            levels[:, :bottom] = (levels[:, :bottom] - 30).clamp(min=QUIETEST)
        if _chance(generator, strength.hissing):
            hiss = -85 + 40 * float(torch.rand((), generator=generator))
            levels = 10 * (10 ** (levels / 10) + 10 ** (hiss / 10)).log10()
        return levels


def examples_of(
    recipe: MaskedRecipe | AutoregressiveRecipe | DiffusionRecipe,
    caches: list[FeatureCache],
    augmentation: StereoAugmentation,
) -> StereoExamples:
    """Examples as a recipe wants them, varied so much.

    Raises:
        InputError: no record is long enough.
    """
    return StereoExamples(
        caches,
        patch=recipe.patch,
        stride=recipe.stride,
        augmentation=augmentation,
        memory=getattr(recipe, "memory", False),
    )


def at_once(first: Stretch, second: Stretch, generator: torch.Generator) -> Stretch:
    """Two records played at once, the second one as loud as the first or softer.

    Every instrument keeps its place, while the whole is one that nobody knows by heart. The second
    may be shorter, and then comes in later.
    """
    energy, other_energy = (levels_energy(each.levels) for each in (first, second))
    evenly = energy.mean().clamp(min=1e-12) / other_energy.mean().clamp(min=1e-12)
    softer = MIXED_DB * float(torch.rand((), generator=generator))
    levels = louder(second.levels, 10 * evenly.log10() - softer)
    other_energy = levels_energy(levels)
    mixed = mix_parameters(
        Parameters(*(each[:, -len(levels) :] for each in first.parameters)),
        second.parameters,
        other_energy / (energy[:, -len(levels) :] + other_energy).clamp(min=1e-20),
    )
    alone = len(first.levels) - len(levels)
    powers = 10 ** (first.levels[alone:] / 10) + 10 ** (levels / 10) - 10 ** (QUIETEST / 10)
    heard = 10 * powers.clamp(min=10 ** (QUIETEST / 10)).log10()
    return Stretch(
        torch.cat([first.levels[:alone], heard]),
        Parameters(
            *(
                torch.cat([one[:, :alone], both], dim=1)
                for one, both in zip(first.parameters, mixed, strict=True)
            )
        ),
    )


def random_stage(parameters: Parameters, generator: torch.Generator) -> Parameters:
    """The same mix on another stage: regions wider or narrower, all of it turned, more diffuse."""

    def normal(*shape: int) -> Tensor:
        return torch.randn(shape, generator=generator)

    gains = (0.4 * normal(1) + 0.3 * normal(len(REGIONS))) @ REGIONS
    mixture = 0.25 * float(normal())
    turn = 0.1 * float(normal()) if _chance(generator, 0.5) else 0.0
    return restage(
        parameters,
        direct=(gains - mixture).exp()[:, None],
        diffuse=(gains + mixture).exp()[:, None],
        turn=torch.full((len(gains), 1), turn),
    )


def _smooth_curve(count: int, generator: torch.Generator) -> Float[Tensor, " count"]:
    """A random curve of unit deviation out of four slow cosines."""
    sinusoidal_embedding = torch.arange(1, 5)[:, None] * torch.linspace(0, math.pi, count)
    return torch.randn(4, generator=generator) @ sinusoidal_embedding.cos() / math.sqrt(2)


def _chance(generator: torch.Generator, probability: float) -> bool:
    return float(torch.rand((), generator=generator)) < probability

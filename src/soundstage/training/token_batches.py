"""Batches for the generative models: stretches of tokens with all that a network is told of them.

An example is `patch` positions, one every `stride` frames, of one record; before it, where the
record has it, lies its memory. What a network hears is varied as a recording may be, which changes
no place in the mix: gain, a smooth equaliser, a band limit, hiss. Left and right are switched in
half of the examples. In half of the examples the network is told some numbers of the style, which
are measured from the example itself; there the stage is first made wider or narrower, turned or
made more diffuse, region by region, so that a style is heard and obeyed whatever the music.
"""

import math
from collections.abc import Callable
from typing import NamedTuple

import torch
from jaxtyping import Bool, Float, Integer
from torch import Tensor

from soundstage.corpora.feature_cache import FeatureCache
from soundstage.stereo import BANDS, Parameters, dequantise, quantise
from soundstage.stereo.descriptors import DESCRIPTORS, REGIONS, descriptors, restage
from soundstage.stereo.features import IID_LIMIT_DB, IID_WEIGHT
from soundstage.stereo.levels import LEVELS, QUIETEST, levels_energy
from soundstage.stereo.memory import NUMBERS, STRETCH_FRAMES, STRETCHES, memory_vectors
from soundstage.stereo.style_prior import SHOWN
from soundstage.stereo.styles import style_numbers
from soundstage.training.feature_batches import FramePlaces, louder
from soundstage.training.recipes import StereoAugmentation

DrawMask = Callable[[int, torch.Generator], Bool[Tensor, "patch bands"]]
"""Which tokens of an example of so many positions are hidden."""


class TokenBatch(NamedTuple):
    """Examples; the tensors a task's `loss` is given, in this order."""

    levels: Float[Tensor, "batch patch levels"]
    """What is heard, in dB."""
    tokens: Integer[Tensor, "batch patch bands"]
    """The true ones."""
    style: Float[Tensor, "batch style"]
    """NaN where it is not told."""
    memory: Float[Tensor, "batch stretches numbers"]
    """NaN where there is none."""
    deaf: Bool[Tensor, " batch"]
    """Examples whose sound and style are withheld."""
    weights: Float[Tensor, " batch"]
    """Eq. 3 of the paper: 1 + λ·σ(IID) + σ(IC), larger for wide stages."""
    mask: Bool[Tensor, "batch patch bands"]
    """Tokens that are hidden from the network, which it has to tell."""


class TokenBatches:
    """Stretches of `patch` positions; every frame of the records is as likely as any other.

    Args:
        caches: what is learnt from.
        patch: positions of an example; shorter records are passed over.
        stride: frames from one position to the next.
        size: examples a batch.
        augmentation: how strongly an example is varied.
        deaf: share of the examples that go without the sound.
        memory: whether an example is told of the time before it.
        mask: draws which tokens are hidden.
        seed: of the draws.

    Raises:
        InputError: no record is long enough.
    """

    def __init__(
        self,
        caches: list[FeatureCache],
        *,
        patch: int,
        stride: int,
        size: int,
        augmentation: StereoAugmentation,
        deaf: float,
        memory: bool,
        mask: DrawMask,
        seed: int,
    ) -> None:
        self._patch, self._stride, self._size = patch, stride, size
        self._augmentation, self._deaf = augmentation, deaf
        self._memory, self._mask, self._seed = memory, mask, seed
        self._places = FramePlaces(caches, patch * stride)
        self.per_epoch = max(self._places.frames // (patch * stride * size), 1)
        self.tokens_per_example = patch * BANDS

    def draw(self, step: int) -> TokenBatch:
        """The batch of a step, the same whenever it is asked for."""
        generator = torch.Generator().manual_seed(self._seed * 1_000_003 + step)
        examples = [self._example(generator) for _ in range(self._size)]
        levels, tokens, style, memory = (torch.stack(each) for each in zip(*examples, strict=True))
        parameters = dequantise(tokens)
        return TokenBatch(
            levels,
            tokens,
            style,
            memory,
            torch.rand(self._size, generator=generator) < self._deaf,
            width_weights(parameters.iid, parameters.coherence),
            torch.stack([self._mask(self._patch, generator) for _ in range(self._size)]),
        )

    def _example(self, generator: torch.Generator) -> tuple[Tensor, ...]:
        cache, record, first = self._places.draw(generator)
        begin = first
        if self._memory:
            begin = max(first - STRETCHES * STRETCH_FRAMES, record)
            begin += (first - begin) % STRETCH_FRAMES  # whole stretches
        rows = slice(begin, first + self._patch * self._stride)
        levels, iid, coherence = (
            part[rows].float() for part in (cache.levels, cache.iid, cache.coherence)
        )
        if _chance(generator, 0.5):
            iid = -iid
        levels = self._recorded_anew(levels, generator)
        parameters = Parameters(iid.T, coherence.T)
        styled = _chance(generator, self._augmentation.styled)
        if styled and _chance(generator, self._augmentation.restaged):
            parameters = random_stage(parameters, generator)
        before = first - begin
        here = slice(before, None, self._stride)
        heard = Parameters(parameters.iid[:, here], parameters.coherence[:, here])
        told = torch.full((len(DESCRIPTORS),), math.nan)
        if styled:
            measured = style_numbers(descriptors(heard, levels_energy(levels[here])))
            shown = torch.rand(len(told), generator=generator) < SHOWN
            told = torch.where(shown, measured, told)
        memory = self._remembered(levels[:before], parameters, generator)
        return levels[here], quantise(heard).T, told, memory

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
        """The same music by another chain: equaliser, gain, band limit, hiss."""
        strength = self._augmentation
        curve = strength.equaliser * _smooth_curve(LEVELS, generator)
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


def width_weights(
    iid: Float[Tensor, "batch frames bands"], coherence: Float[Tensor, "batch frames bands"]
) -> Float[Tensor, " batch"]:
    """The weight w of every example (Serrà et al. 2023, Eq. 3)."""
    spread = iid.clamp(-IID_LIMIT_DB, IID_LIMIT_DB).flatten(1).std(dim=1)
    return 1 + IID_WEIGHT * spread + coherence.flatten(1).std(dim=1)


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
    waves = torch.arange(1, 5)[:, None] * torch.linspace(0, math.pi, count)
    return torch.randn(4, generator=generator) @ waves.cos() / math.sqrt(2)


def _chance(generator: torch.Generator, probability: float) -> bool:
    return float(torch.rand((), generator=generator)) < probability

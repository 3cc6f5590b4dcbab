"""Examples for the generative networks: segments of tracks with conditioning, augmented.

An example has `positions` positions, one every `stride` frames of a track, and the memory of the
time before it. Gain, a smooth equalizer, a band limit and noise vary the input as recordings vary,
without moving any source. Left and right are swapped in half of the examples. Some examples are two
tracks mixed, since a network soon recognizes a few hundred tracks and would recall their stage
instead of predicting it. Some are conditioned on parameters of their style, measured from the
example itself; part of these are first panned and widened at random, region by region, so that the
style determines the output for any music.
"""

import math
from typing import NamedTuple

import torch
from jaxtyping import Float
from torch import Tensor

from soundstage.corpora.feature_cache import FeatureCache
from soundstage.errors import InputError
from soundstage.stereo import Parameters
from soundstage.stereo.descriptors import REGIONS
from soundstage.stereo.features import (
    CONTEXT_FEATURES,
    LEVELS,
    MIN_LEVEL_DB,
    SEGMENT_FRAMES,
    SEGMENTS,
    context_vectors,
    energy_of_levels,
    level_statistics,
)
from soundstage.stereo.prediction import mix_parameters, scale_side
from soundstage.stereo.style_prior import STYLE_FEATURES, StylePrior, measured_style
from soundstage.training.data.feature_batches import SegmentSampler, apply_gain
from soundstage.training.recipes import (
    AutoregressiveRecipe,
    DiffusionRecipe,
    MaskedRecipe,
    StereoAugmentation,
)

MIX_RANGE_DB = 25  # maximum level difference of two mixed tracks

NO_AUGMENTATION = StereoAugmentation(gain_db=0, memory_dropout=0)


class Segment(NamedTuple):
    """Consecutive frames of a track."""

    levels: Float[Tensor, "frames levels"]
    parameters: Parameters


class Example(NamedTuple):
    """Conditioning and target of a network."""

    levels: Float[Tensor, "positions levels"]
    """Levels of the mid, in dB."""
    parameters: Parameters
    """The target, (bands, positions)."""
    style: Float[Tensor, " style"]
    """NaN where it is not given."""
    memory: Float[Tensor, "segments features"]
    """NaN where there is none."""


class StereoExamples:
    """Random examples, each position equally likely.

    Args:
        caches: source of the examples.
        positions: length of an example; shorter tracks are skipped.
        stride: frames from one position to the next.
        augmentation: strength of the augmentation.
        memory: whether an example has a memory.

    Raises:
        InputError: all tracks are too short.
    """

    def __init__(
        self,
        caches: list[FeatureCache],
        *,
        positions: int,
        stride: int,
        augmentation: StereoAugmentation,
        memory: bool,
    ) -> None:
        self.positions, self._stride = positions, stride
        self._augmentation, self._memory = augmentation, memory
        self._segments = SegmentSampler(caches, positions * stride)

    def batches_per_epoch(self, batch_size: int) -> int:
        """Number of batches that cover all tracks once."""
        return max(self._segments.frames // (self.positions * self._stride * batch_size), 1)

    def draw(self, generator: torch.Generator) -> Example:
        """The next example."""
        augmentation = self._augmentation
        segment, past = self._draw_segment(generator, SEGMENTS if self._memory else 0)
        if augmentation.mix_prob and _chance(generator, augmentation.mix_prob):
            other, _ = self._draw_segment(generator, past // SEGMENT_FRAMES)
            segment = mix_segments(segment, other, generator)
        levels, parameters = segment
        levels = self._vary_recording(levels, generator)
        styled = _chance(generator, augmentation.style_prob)
        if styled and _chance(generator, augmentation.pan_prob):
            parameters = random_panning(parameters, generator)
        here = slice(past, None, self._stride)
        target = Parameters(parameters.iid[:, here], parameters.coherence[:, here])
        style = torch.full((len(STYLE_FEATURES),), math.nan)
        if styled:
            measured = measured_style(target, energy_of_levels(levels[here]))
            share = torch.rand((), generator=generator)  # every number of given values is as likely
            given = torch.rand(len(style), generator=generator) < share
            style = torch.where(given, measured, style)
        memory = self._memory_of(levels[:past], parameters, generator)
        return Example(levels[here], target, style, memory)

    def _draw_segment(
        self, generator: torch.Generator, memory_segments: int
    ) -> tuple[Segment, int]:
        """An example with its past, left and right swapped with probability 0.5.

        Args:
            generator: of all random choices.
            memory_segments: length of the past; less at the start of a track.

        Returns:
            The frames, and the number of frames that are past.
        """
        cache, track, first = self._segments.draw(generator)
        past = min(memory_segments, (first - track) // SEGMENT_FRAMES) * SEGMENT_FRAMES
        frames = slice(first - past, first + self.positions * self._stride)
        levels, iid, coherence = (
            part[frames].float() for part in (cache.levels, cache.iid, cache.coherence)
        )
        if _chance(generator, 0.5):
            iid = -iid
        return Segment(levels, Parameters(iid.T, coherence.T)), past

    def _memory_of(
        self, levels: Tensor, parameters: Parameters, generator: torch.Generator
    ) -> Tensor:
        if not self._memory:
            return torch.zeros(0, CONTEXT_FEATURES)
        count = 0 if _chance(generator, self._augmentation.memory_dropout) else len(levels)
        past = Parameters(parameters.iid[:, :count], parameters.coherence[:, :count])
        return context_vectors(levels[:count], past)

    def _vary_recording(
        self, levels: Float[Tensor, "frames levels"], generator: torch.Generator
    ) -> Float[Tensor, "frames levels"]:
        """Levels of the same music after an equalizer, a gain, a band limit and noise."""
        augmentation = self._augmentation
        curve = augmentation.eq_db * _smooth_curve(LEVELS, generator)
        gain = augmentation.gain_db * (2 * float(torch.rand((), generator=generator)) - 1)
        levels = apply_gain(levels, curve + gain)
        if _chance(generator, augmentation.bandlimit_prob):
            top = int(torch.randint(LEVELS // 3, LEVELS, (), generator=generator))
            bottom = int(torch.randint(0, 16, (), generator=generator))
            levels = levels.clone()
            levels[:, top:] = MIN_LEVEL_DB
            levels[:, :bottom] = (levels[:, :bottom] - 30).clamp(min=MIN_LEVEL_DB)
        if _chance(generator, augmentation.noise_prob):
            noise = -85 + 40 * float(torch.rand((), generator=generator))
            levels = 10 * (10 ** (levels / 10) + 10 ** (noise / 10)).log10()
        return levels


def examples_of(
    recipe: MaskedRecipe | AutoregressiveRecipe | DiffusionRecipe,
    caches: list[FeatureCache],
    augmentation: StereoAugmentation,
) -> StereoExamples:
    """Examples with the lengths of a recipe and the given augmentation.

    Raises:
        InputError: all tracks are too short.
    """
    return StereoExamples(
        caches,
        positions=recipe.context_frames,
        stride=recipe.stride,
        augmentation=augmentation,
        memory=getattr(recipe, "memory", False),
    )


def mix_segments(first: Segment, second: Segment, generator: torch.Generator) -> Segment:
    """The parameters of two tracks mixed, the second at most as loud as the first.

    Every source keeps its place. The second segment may be shorter, and then starts later.
    """
    energy, other_energy = (energy_of_levels(each.levels) for each in (first, second))
    balance = energy.mean().clamp(min=1e-12) / other_energy.mean().clamp(min=1e-12)
    attenuation = MIX_RANGE_DB * float(torch.rand((), generator=generator))
    levels = apply_gain(second.levels, 10 * balance.log10() - attenuation)
    other_energy = energy_of_levels(levels)
    mixed = mix_parameters(
        Parameters(*(each[:, -len(levels) :] for each in first.parameters)),
        second.parameters,
        other_energy / (energy[:, -len(levels) :] + other_energy).clamp(min=1e-20),
    )
    alone = len(first.levels) - len(levels)
    powers = 10 ** (first.levels[alone:] / 10) + 10 ** (levels / 10) - 10 ** (MIN_LEVEL_DB / 10)
    mixed_levels = 10 * powers.clamp(min=10 ** (MIN_LEVEL_DB / 10)).log10()
    return Segment(
        torch.cat([first.levels[:alone], mixed_levels]),
        Parameters(
            *(
                torch.cat([one[:, :alone], both], dim=1)
                for one, both in zip(first.parameters, mixed, strict=True)
            )
        ),
    )


def random_panning(parameters: Parameters, generator: torch.Generator) -> Parameters:
    """The same mix with other widths of its regions, rotated, and more or less diffuse."""

    def normal(*shape: int) -> Tensor:
        return torch.randn(shape, generator=generator)

    gains = (0.4 * normal(1) + 0.3 * normal(len(REGIONS))) @ REGIONS
    mixture = 0.25 * float(normal())
    turn = 0.1 * float(normal()) if _chance(generator, 0.5) else 0.0
    return scale_side(
        parameters,
        direct=(gains - mixture).exp()[:, None],
        diffuse=(gains + mixture).exp()[:, None],
        shift=torch.full((len(gains), 1), turn),
    )


def fit_style_prior(caches: list[FeatureCache], positions: int, stride: int) -> StylePrior:
    """The distribution of styles over all consecutive examples of the tracks.

    Args:
        caches: training features.
        positions: length of an example.
        stride: frames from one position to the next.

    Raises:
        InputError: there are fewer than two examples.
    """
    frames = positions * stride
    styles, summaries = [], []
    for cache in caches:
        for start, end in zip(cache.starts.tolist(), cache.ends.tolist(), strict=True):
            for first in range(start, end - frames + 1, frames):
                part = slice(first, first + frames, stride)
                parameters = Parameters(cache.iid[part].float().T, cache.coherence[part].float().T)
                levels = cache.levels[part].float()
                styles.append(measured_style(parameters, energy_of_levels(levels)))
                summaries.append(level_statistics(levels))
    if len(styles) < 2:
        raise InputError("The tracks are too short: the style prior needs two whole examples.")
    return StylePrior.fit(torch.stack(styles), torch.stack(summaries))


def _smooth_curve(count: int, generator: torch.Generator) -> Float[Tensor, " count"]:
    """A random curve of unit deviation, the sum of four slow cosines."""
    phases = torch.arange(1, 5)[:, None] * torch.linspace(0, math.pi, count)
    return torch.randn(4, generator=generator) @ phases.cos() / math.sqrt(2)


def _chance(generator: torch.Generator, probability: float) -> bool:
    return float(torch.rand((), generator=generator)) < probability

"""Windows that a generative model fills one after the other, and the memory that joins them.

A model hears `patch` positions at once, one every `stride` frames. The first window is made as a
whole; each later one begins half a window on, its first half known from the one before (Serrà et
al. 2023, §3.3), and is also told what was placed in the 48 s before it. Between two positions
parameters go in a straight line, which frames that overlap by 75 % hardly show.

Windows lie at fixed frames, and each draws from a generator of its own that is seeded by the take
and the number of the window: the result does not depend on how a signal is cut. The take of seed 0
has the likeliest style for what is heard; every other one leans somewhere (`drawing.TakeStyle`), so
that takes differ as a whole.
"""

from typing import NamedTuple, Protocol

import torch
from jaxtyping import Complex, Float, Integer
from torch import Tensor

from soundstage.spectra import SampleQueue
from soundstage.stereo import BANDS, Parameters, dequantize
from soundstage.stereo.features import (
    FEATURES,
    LEVELS,
    SEGMENT_FRAMES,
    SEGMENTS,
    context_vectors,
    energy_of_levels,
    mid_levels,
    parameter_features,
    parameters_from_features,
)
from soundstage.upmixing.generative.sampling import TakeStyle, generator_of
from soundstage.upmixing.takes import OnlyTake


class Window(NamedTuple):
    """What a sampler is to fill."""

    levels: Float[Tensor, "positions levels"]
    """Of the mid, in dB."""
    known: Integer[Tensor, "takes known bands"]
    """Tokens of the first positions."""
    memory: Float[Tensor, "takes stretches numbers"]
    """Of the time before; NaN where there is none."""
    styles: Float[Tensor, "takes style"]
    """Numbers of `stereo.styles`, NaN where one is open."""
    generators: list[torch.Generator]
    """One a take."""


class Sampler(Protocol):
    """A generative model, ready to fill windows."""

    patch: int
    """Positions of a window."""
    stride: int
    """Frames from one position to the next; divides `SEGMENT_FRAMES`."""
    style: TakeStyle
    """What each take is told of the stage that is wanted."""

    def fill(self, window: Window) -> Integer[Tensor, "takes rest bands"]:
        """Tokens of the positions that are not known."""
        ...


class PatchPredictor:
    """Parameters by a sampler.

    Args:
        sampler: with its network.
    """

    def __init__(self, sampler: Sampler) -> None:
        self._sampler = sampler

    def stream(self, *, seed: int) -> OnlyTake[Parameters]:
        """Begin a signal."""
        return OnlyTake(self.takes([seed]))

    def takes(self, seeds: list[int]) -> "TakesStream":
        """Begin several takes of a signal, which share its analysis."""
        return TakesStream(self._sampler, seeds)


class TakesStream:
    """One signal on its way through a sampler, in several takes; up to a window is held back.

    Args:
        sampler: fills the windows.
        seeds: one a take.
    """

    def __init__(self, sampler: Sampler, seeds: list[int]) -> None:
        self._sampler, self._seeds = sampler, seeds
        self._incoming = SampleQueue((LEVELS,))  # levels of frames that are in no window yet
        self._history = _History(len(seeds))
        self._context = torch.zeros(0, LEVELS)  # levels of the positions that are known
        self._known = torch.zeros(len(seeds), 0, BANDS, dtype=torch.long)
        self._last = torch.zeros(len(seeds), FEATURES, 0)  # features of the last position
        self._windows = 0
        self._leanings = sampler.style.leanings(seeds)
        self._holds = sampler.style.holds(len(seeds))

    def push(self, spectrogram: Complex[Tensor, "bins frames"]) -> list[Parameters]:
        """Of each take, the parameters of the frames that whole windows cover."""
        if spectrogram.shape[1]:
            self._incoming.push(mid_levels(spectrogram).T)
        parts = [[Parameters(*torch.zeros(2, BANDS, 0)) for _ in self._seeds]]
        while len(self._incoming) >= self._wanted():
            new = self._incoming.pop(self._wanted())
            parts.append(self._window(new.T, held=self._sampler.stride))
        return [joined(take) for take in zip(*parts, strict=True)]

    def finish(self) -> list[Parameters]:
        """Of each take, the parameters of the rest."""
        rest = self._incoming.pop(len(self._incoming))
        if rest.shape[1]:
            return self._window(rest.T, held=0)
        return self._told(self._last.repeat(1, 1, self._sampler.stride))

    def _wanted(self) -> int:
        """New frames that the next window needs."""
        return (self._sampler.patch - self._known.shape[1]) * self._sampler.stride

    def _window(self, new: Float[Tensor, "frames levels"], *, held: int) -> list[Parameters]:
        """Of each take, the frames up to the end of the next window, less those held back.

        What lies after the last position waits for the position that comes next.
        """
        stride = self._sampler.stride
        first = self._history.frames - self._known.shape[1] * stride
        self._history.push_levels(new)
        levels = torch.cat([self._context, new[::stride]])
        made = self._sampler.fill(
            Window(
                levels,
                self._known,
                self._history.memory(first),
                self._sampler.style.of(self._leanings, levels),
                [generator_of(seed, self._windows) for seed in self._seeds],
            )
        )
        features = parameter_features(dequantize(made.transpose(1, 2)))
        points = torch.cat([self._last, features], dim=-1)
        waiting = stride if self._windows else 0
        told = self._told(frames_between(points, stride)[:, :, : waiting + len(new) - held])
        known = torch.cat([self._known, made], dim=1)
        half = self._sampler.patch // 2
        self._context, self._known, self._last = (
            levels[-half:],
            known[:, -half:],
            features[..., -1:],
        )
        self._windows += 1
        return told

    def _told(self, features: Float[Tensor, "takes features told"]) -> list[Parameters]:
        """What leaves for the decoder; a network remembers what it has made itself."""
        levels = self._history.unplaced(features.shape[-1])
        self._history.push_features(features)
        made = [parameters_from_features(take) for take in features]
        if not self._holds:
            return made
        energy = energy_of_levels(levels)
        return [hold.held(take, energy) for hold, take in zip(self._holds, made, strict=True)]


class _History:
    """Levels and features of the past, as far back as a memory goes."""

    def __init__(self, takes: int) -> None:
        self.frames = 0  # heard so far
        self._levels = torch.zeros(0, LEVELS)
        self._features = torch.zeros(takes, FEATURES, 0)
        self._dropped = 0  # frames that are no longer kept

    def push_levels(self, levels: Float[Tensor, "frames levels"]) -> None:
        self._levels = torch.cat([self._levels, levels])
        self.frames += len(levels)

    def unplaced(self, count: int) -> Float[Tensor, "frames levels"]:
        """Of the first frames that no features are known of yet."""
        first = self._features.shape[-1]
        return self._levels[first : first + count]

    def push_features(self, features: Float[Tensor, "takes features frames"]) -> None:
        self._features = torch.cat([self._features, features], dim=-1)

    def memory(self, frame: int) -> Float[Tensor, "takes stretches numbers"]:
        """Of the time before a frame, none of which is ever asked for again."""
        surplus = frame - self._dropped - SEGMENTS * SEGMENT_FRAMES
        if surplus > 0:
            self._levels, self._features = self._levels[surplus:], self._features[..., surplus:]
            self._dropped += surplus
        count = frame - self._dropped
        return torch.stack(
            [
                context_vectors(self._levels[:count], parameters_from_features(take[:, :count]))
                for take in self._features
            ]
        )


def frames_between(
    points: Float[Tensor, "*shape positions"], stride: int
) -> Float[Tensor, "*shape frames"]:
    """Frames from the first position on, in straight lines; the last position stays as it is."""
    part = torch.arange(stride) / stride
    differences = torch.cat([points.diff(dim=-1), torch.zeros_like(points[..., :1])], dim=-1)
    return (points[..., None] + part * differences[..., None]).flatten(-2)


def joined(parts: tuple[Parameters, ...]) -> Parameters:
    """Parameters one after the other."""
    return Parameters(*(torch.cat(values, dim=-1) for values in zip(*parts, strict=True)))

"""Windows that a generative model fills one after the other, and the context that joins them.

A network processes `context_frames` positions at once, one every `stride` frames. The first window
is generated whole; each later one starts half a window on, its first half known from the one before
(Serrà et al. 2023, §3.3), and is conditioned on a summary of the 48 s before. Between two positions
parameters are interpolated linearly, which hardly shows in frames that overlap by 75 %.

Windows lie at fixed frames, and each has a random generator of its own, seeded by the take and the
index of the window: the result does not depend on the block size. Seed 0 takes the most likely
style for the sound; other seeds add a random global style offset (`sampling.TakeStyle`), so that
takes differ as a whole.

Level differences of some tiles may be settled beforehand, by a plan of who stands where. A sampler
then draws their coherence alone, and all other tiles conditioned on them.
"""

from collections.abc import Sequence
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
from soundstage.upmixing.generative.sampling import TakeStyle, window_generator
from soundstage.upmixing.parametric import concatenate, stack_takes

FREE = -1  # in place of the index of a settled level difference


class Window(NamedTuple):
    """Input of a sampler."""

    levels: Float[Tensor, "positions levels"]
    """Of the mid, in dB."""
    known: Integer[Tensor, "takes known bands"]
    """Tokens of the first positions."""
    memory: Float[Tensor, "takes segments values"]
    """Summary of the time before; NaN where there is none."""
    styles: Float[Tensor, "takes style"]
    """Of every take; NaN where undefined."""
    generators: list[torch.Generator]
    """One a take."""
    settled: Integer[Tensor, "takes rest bands"] | None = None
    """Index of the settled level difference in `IID_STEPS`, `FREE` where it is to be drawn; None if
    all are."""


class Sampler(Protocol):
    """A generative model of tokens."""

    context_frames: int
    """Positions of a window."""
    stride: int
    """Frames from one position to the next; divides the frames of a memory segment."""
    style: TakeStyle
    """Styles of the takes."""

    def fill(self, window: Window) -> Integer[Tensor, "takes rest bands"]:
        """Tokens of the positions that are not known."""
        ...


class WindowedPredictor:
    """A sampler as a predictor of parametric stereo."""

    def __init__(self, sampler: Sampler) -> None:
        self._sampler = sampler

    def stream(self, seeds: Sequence[int]) -> "WindowedStream":
        """Start a signal."""
        return WindowedStream(self._sampler, seeds)


class WindowedStream:
    """One signal in windows, with all its takes; up to a window is held back.

    Args:
        sampler: fills the windows.
        seeds: one a take.
        constrained: whether the parameters are fitted to the widths of a requested style.
    """

    def __init__(self, sampler: Sampler, seeds: Sequence[int], *, constrained: bool = True) -> None:
        self._sampler, self._seeds = sampler, seeds
        self._incoming = SampleQueue((LEVELS,))  # levels of frames that are in no window yet
        self._settled = SampleQueue((len(seeds), BANDS))  # of the same frames, if there are any
        self._history = _History(len(seeds))
        self._context = torch.zeros(0, LEVELS)  # levels of the known positions
        self._known = torch.zeros(len(seeds), 0, BANDS, dtype=torch.long)
        self._last = torch.zeros(len(seeds), FEATURES, 0)  # features of the last position
        self._windows = 0
        self._offsets = sampler.style.offsets(seeds)
        self._constraints = sampler.style.constraints(len(seeds)) if constrained else []

    def push(
        self,
        spectrogram: Complex[Tensor, "bins frames"],
        /,
        settled: Integer[Tensor, "takes bands frames"] | None = None,
    ) -> Parameters:
        """Parameters of the frames that whole windows cover, (takes, bands, ready).

        Args:
            spectrogram: of the mid.
            settled: index of a level difference in `IID_STEPS`, or `FREE`; given with all frames of
                a signal, or with none.
        """
        if spectrogram.shape[1]:
            self._incoming.push(mid_levels(spectrogram).T)
            if settled is not None:
                self._settled.push(settled)
        parts = [Parameters(*torch.zeros(2, len(self._seeds), BANDS, 0))]
        while len(self._incoming) >= self._next_frames():
            new = self._incoming.pop(self._next_frames())
            parts.append(self._window(new.T, held_back=self._sampler.stride))
        return concatenate(parts)

    def finish(self) -> Parameters:
        """Parameters of the rest."""
        rest = self._incoming.pop(len(self._incoming))
        if rest.shape[1]:
            return self._window(rest.T, held_back=0)
        return self._output(self._last.repeat(1, 1, self._sampler.stride))

    def _next_frames(self) -> int:
        """New frames of the next window."""
        return (self._sampler.context_frames - self._known.shape[1]) * self._sampler.stride

    def _window(self, new: Float[Tensor, "frames levels"], *, held_back: int) -> Parameters:
        """Parameters up to the end of the next window, without the frames held back.

        The frames after the last position wait for the next position.
        """
        stride = self._sampler.stride
        first = self._history.frames - self._known.shape[1] * stride
        self._history.push_levels(new)
        levels = torch.cat([self._context, new[::stride]])
        settled = None
        if len(self._settled):
            settled = self._settled.pop(len(new))[..., ::stride].transpose(1, 2)
        tokens = self._sampler.fill(
            Window(
                levels,
                self._known,
                self._history.memory(first),
                self._sampler.style.sample(self._offsets, levels),
                [window_generator(seed, self._windows) for seed in self._seeds],
                settled,
            )
        )
        features = parameter_features(dequantize(tokens.transpose(1, 2)))
        points = torch.cat([self._last, features], dim=-1)
        waiting = stride if self._windows else 0
        frames = interpolate_positions(points, stride)[..., : waiting + len(new) - held_back]
        known, half = torch.cat([self._known, tokens], dim=1), self._sampler.context_frames // 2
        self._context, self._known = levels[-half:], known[:, -half:]
        self._last = features[..., -1:]
        self._windows += 1
        return self._output(frames)

    def _output(self, features: Float[Tensor, "takes features frames"]) -> Parameters:
        """Constrained parameters; the history keeps the sampled ones."""
        levels = self._history.next_levels(features.shape[-1])
        self._history.push_features(features)
        parameters = parameters_from_features(features)
        if not self._constraints:
            return parameters
        energy = energy_of_levels(levels)
        takes = zip(self._constraints, *parameters, strict=True)
        return stack_takes([each.apply(Parameters(*take), energy) for each, *take in takes])


class _History:
    """Levels and features of the past, over the time that the memory covers."""

    def __init__(self, takes: int) -> None:
        self.frames = 0  # number of frames so far
        self._levels = torch.zeros(0, LEVELS)
        self._features = torch.zeros(takes, FEATURES, 0)
        self._dropped = 0  # frames that are no longer kept

    def push_levels(self, levels: Float[Tensor, "frames levels"]) -> None:
        self._levels = torch.cat([self._levels, levels])
        self.frames += len(levels)

    def next_levels(self, count: int) -> Float[Tensor, "frames levels"]:
        """Levels of the first frames without features."""
        first = self._features.shape[-1]
        return self._levels[first : first + count]

    def push_features(self, features: Float[Tensor, "takes features frames"]) -> None:
        self._features = torch.cat([self._features, features], dim=-1)

    def memory(self, frame: int) -> Float[Tensor, "takes segments values"]:
        """Summary of the time before a frame, which never decreases from call to call."""
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


def interpolate_positions(
    points: Float[Tensor, "*shape positions"], stride: int
) -> Float[Tensor, "*shape frames"]:
    """Linear interpolation from positions to frames; the last position is held."""
    part = torch.arange(stride) / stride
    differences = torch.cat([points.diff(dim=-1), torch.zeros_like(points[..., :1])], dim=-1)
    return (points[..., None] + part * differences[..., None]).flatten(-2)

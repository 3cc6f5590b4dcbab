"""Stages between a method and the result that depend on the input: noise and the limit of width.

A stage takes mid and side at the rate of the method, and returns the side as far as it is complete.
"""

from collections.abc import Sequence
from typing import Protocol

import torch
from jaxtyping import Float
from torch import Tensor

from soundstage.spectra import SampleQueue
from soundstage.stereo.noise_centering import HissCentering
from soundstage.upmixing.controls import Controls
from soundstage.upmixing.downmix import Channels

SEGMENT = 65_536  # samples with one limit, 1.5 s at 44.1 kHz
SILENCE = 1e-12  # mean power of a mid below which it says nothing about the width
_MARGIN = 0.999  # for rounding, and for what a resampler takes away


class SideStage(Protocol):
    """Changes the sides of all takes block by block, with a delay."""

    def push(
        self, mid: Float[Tensor, " length"], sides: Float[Tensor, "takes length"], /
    ) -> Float[Tensor, "takes ready"]:
        """The samples that these complete."""
        ...

    def finish(self) -> Float[Tensor, "takes rest"]:
        """The rest; in all, as many samples as were pushed."""
        ...


class SideStages:
    """All stages of one input, one after the other.

    Args:
        stages: in their order.
        takes: number of sides.
    """

    def __init__(self, stages: Sequence[SideStage], takes: int) -> None:
        self._stages = list(stages)
        self._mids = [SampleQueue() for _ in self._stages]  # as each side comes later
        self._sides = SampleQueue((takes,))

    def __bool__(self) -> bool:
        return bool(self._stages)

    def push_mid(self, mid: Float[Tensor, " length"]) -> None:
        """The input of the method."""
        for queue in self._mids:
            queue.push(mid)

    def push(self, sides: Float[Tensor, "takes length"]) -> Float[Tensor, "takes ready"]:
        """The samples that the sides complete, the mid of which is there."""
        return self._through(0, sides)

    def finish(self) -> Float[Tensor, "takes rest"]:
        """The rest."""
        parts = []
        for place, stage in enumerate(self._stages):
            parts.append(self._through(place + 1, stage.finish()))
        return torch.cat(parts, dim=-1) if parts else self._sides.pop(0)

    def _through(self, first: int, sides: Tensor) -> Tensor:
        for stage, mids in zip(self._stages[first:], self._mids[first:], strict=True):
            sides = stage.push(mids.pop(sides.shape[-1]), sides)
        return sides


class WidthLimit:
    """A gain of the side that keeps 2·rms(S)/rms(M) at or below a limit.

    Each segment has the largest gain up to 1 that keeps it there. Within a segment the gain goes in
    a straight line from the smaller of the gains of both segments at its start to that at its end,
    so that it never exceeds its own, and never jumps.

    Args:
        limit: of the width.
        takes: number of sides.
        of_a_take: number of sides that have one gain, that of the first of them.
    """

    def __init__(self, limit: float, takes: int, *, of_a_take: int = 1) -> None:
        self._limit, self._of_a_take = limit * _MARGIN, of_a_take
        self._mids, self._sides = SampleQueue(), SampleQueue((takes,))
        self._held: Tensor | None = None  # the segment before, which waits for the next gain
        self._gain = torch.ones(takes)  # of the held segment
        self._start: Tensor | None = None  # gain at its start

    def push(
        self, mid: Float[Tensor, " length"], sides: Float[Tensor, "takes length"]
    ) -> Float[Tensor, "takes ready"]:
        """The samples that these complete."""
        self._mids.push(mid)
        self._sides.push(sides)
        ready = [sides[:, :0]]
        while len(self._sides) >= SEGMENT:
            ready.append(self._next(SEGMENT))
        return torch.cat(ready, dim=-1)

    def finish(self) -> Float[Tensor, "takes rest"]:
        """The rest; in all, as many samples as were pushed."""
        ready = [self._next(len(self._sides))] if len(self._sides) else [self._sides.pop(0)]
        if self._held is not None:
            ready.append(self._ramped(self._gain))
        return torch.cat(ready, dim=-1)

    def _next(self, length: int) -> Float[Tensor, "takes ready"]:
        mid, sides = self._mids.pop(length), self._sides.pop(length)
        mid_power = mid.double().square().mean()
        side_power = sides[:: self._of_a_take].double().square().mean(dim=-1)
        side_power = side_power.repeat_interleave(self._of_a_take)
        gain = self._gain
        if mid_power > SILENCE:
            width = 2 * (side_power / mid_power).sqrt()
            gain = (self._limit / width.clamp(min=1e-9)).clamp(max=1).float()
        ready = sides[:, :0]
        if self._held is not None:
            ready = self._ramped(torch.minimum(self._gain, gain))
        else:
            self._start = gain
        self._held, self._gain = sides, gain
        return ready

    def _ramped(self, end: Float[Tensor, " takes"]) -> Float[Tensor, "takes ready"]:
        """The held segment, with a gain that ends at `end`."""
        held, start = self._held, self._start
        assert held is not None
        assert start is not None
        self._start = end
        steps = torch.arange(held.shape[-1]) / held.shape[-1]
        return held * (start[:, None] + (end - start)[:, None] * steps)


def stages_of(
    controls: Controls, channels: Channels | None, rate: int, takes: int, *, of_a_take: int = 1
) -> list[SideStage]:
    """The stages of an input; none if nothing is known about it.

    Args:
        controls: of the result.
        channels: facts about the input.
        rate: of the method, in Hz.
        takes: number of sides.
        of_a_take: number of sides of each take; the first is that of the stereo image.
    """
    stages: list[SideStage] = []
    if channels is None:
        return stages
    if channels.noise and channels.noise.has_hiss and not controls.spread_noise:
        stages.append(HissCentering(channels.noise, rate, takes))
    limit = channels.content.max_width if channels.content else None
    if controls.width is None and limit is not None:
        stages.append(WidthLimit(limit, takes, of_a_take=of_a_take))
    return stages

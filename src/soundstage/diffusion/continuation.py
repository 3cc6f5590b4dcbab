"""Windows one after the other: endless sequences, each window held to what the one before has made.

A window begins with the overlap, the tail of the window before. Holding that tail to its final
values, noised to the time of every step (as RePaint does; Lugmayr et al. 2022, eq. 8), leaves a
seam: on a process of lag-one correlation 0.9, that at the joint is 0.75, since such states are not
the ones that led to those values. Here the tail is held to its *trajectory*: the clean estimates
that the window before gave of it, step by step, fade into those of the new window,

    x̂_0 = (1 − f)·x̂_0^(k−1) + f·x̂_0^(k),    f rising from 0 to 1 over the overlap

on the same noise (`noise`). At the left end of the overlap the new window retraces the old one, at
its right end it is on its own, and no later window changes an earlier one.

What is kept of a window is its tail at every step: memory does not grow with the sequence. Windows
lie at fixed frames and noise depends on the place alone, so results do not depend on how the input
was cut.
"""

from collections.abc import Callable, Sequence

import torch
from jaxtyping import Float
from torch import Tensor

from soundstage.diffusion.denoiser import CleanEstimate
from soundstage.diffusion.noise import CounterNoise, takes_window
from soundstage.diffusion.schedules import Schedule
from soundstage.diffusion.steps import StepNoise
from soundstage.diffusion.windows import fade_in

DenoiserOf = Callable[[Tensor], CleanEstimate]
"""From the condition of one window, its long axis last, a denoiser of all takes of that window."""

Sample = Callable[[CleanEstimate, Tensor, StepNoise], Tensor]
"""A sampler with all but its denoiser, first state and noise of steps; one that draws no noise
ignores the last."""


class ContinuedStream:
    """A sequence on its way through a generative model; up to a window is held back.

    Args:
        denoiser_of: prepares a window.
        sample: as in `lambda denoiser, noise, steps: dpm_solver_2m(denoiser, noise, times)`.
        noises: one a take.
        size: frames of a window.
        overlap: of neighbors, in frames.

    Raises:
        ValueError: a window does not reach beyond its overlaps, or there is no take.
    """

    def __init__(
        self,
        denoiser_of: DenoiserOf,
        sample: Sample,
        noises: Sequence[CounterNoise],
        *,
        size: int,
        overlap: int,
    ) -> None:
        if not noises or not 0 < overlap <= size // 2:
            raise ValueError(
                f"one take or more goes on in windows of {size} that overlap by half or less, "
                f"not by {overlap}"
            )
        self._denoiser_of, self._sample, self._noises = denoiser_of, sample, list(noises)
        self._size, self._hop, self._fade = size, size - overlap, fade_in(overlap)
        self._condition: Tensor | None = None  # of the frames from the next window on
        self._first = 0  # frame of the next window
        self._tail = torch.empty(len(noises), *noises[0].shape, 0)  # made, but not final yet
        self._trajectory: list[Tensor] = []

    def push(self, condition: Float[Tensor, "*rest frames"]) -> Float[Tensor, "takes *shape made"]:
        """The frames that whole windows make final.

        Args:
            condition: of the next frames, the long axis last.
        """
        waiting = condition
        if self._condition is not None:
            waiting = torch.cat([self._condition, condition], dim=-1)
        parts = [self._tail[..., :0].to(condition.device)]
        while waiting.shape[-1] >= self._size:
            parts.append(self._window(waiting[..., : self._size])[..., : self._hop])
            waiting = waiting[..., self._hop :]
        self._condition = waiting.clone()  # not a view, which would keep all that was pushed
        return torch.cat(parts, dim=-1)

    def finish(self) -> Float[Tensor, "takes *shape made"]:
        """The rest; the last window is as short as what is left."""
        waiting = self._condition
        if waiting is None or waiting.shape[-1] <= self._tail.shape[-1]:
            return self._tail
        return self._window(waiting)

    def _window(self, condition: Tensor) -> Float[Tensor, "takes *shape length"]:
        device, length = condition.device, condition.shape[-1]

        def noise(stream: int) -> Tensor:
            made = takes_window(self._noises, self._first, length, stream=stream)
            return made.to(device)

        held = _Held(self._denoiser_of(condition), self._trajectory, self._fade)
        made = self._sample(held, noise(0), lambda step: noise(1 + step))
        self._trajectory, self._first = held.trajectory, self._first + self._hop
        self._tail = made[..., self._hop :].clone()
        return made


class _Held:
    """A denoiser that begins on the trajectory of the window before."""

    def __init__(
        self, denoiser: CleanEstimate, before: list[Tensor], fade: Float[Tensor, " overlap"]
    ) -> None:
        self._denoiser, self._fade = denoiser, fade
        self._before = iter(before)
        self.trajectory: list[Tensor] = []

    @property
    def schedule(self) -> Schedule:
        return self._denoiser.schedule

    def __call__(self, state: Tensor, time: float) -> Tensor:
        clean = self._denoiser(state, time)
        overlap = len(self._fade)
        before = next(self._before, None)
        if before is not None:
            begun = torch.lerp(before, clean[..., :overlap], self._fade.to(clean))
            clean = torch.cat([begun, clean[..., overlap:]], dim=-1)
        self.trajectory.append(clean[..., -overlap:].clone())
        return clean

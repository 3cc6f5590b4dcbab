"""Endless sequences, one window after the other, each continuing the one before.

A window begins in the overlap, the tail of the window before. Holding that tail to its final
values, noised to the time of every step (RePaint; Lugmayr et al. 2022, eq. 8), leaves a seam: on a
process of lag-one correlation 0.9, the correlation at the joint is 0.75, since such states are not
those that led to the final values. Here the tail is held to its *trajectory*: the clean estimates
of the window before, step by step, fade into those of the new window,

    x̂_0 = (1 − f)·x̂_0^(k−1) + f·x̂_0^(k),    f rising from 0 to 1 over the overlap

on the same noise (`noise`). At the left end of the overlap the new window retraces the old one, at
its right end it is free, and no later window changes an earlier one.

Only the tail of a window is kept, at every step: memory does not grow with the sequence. Windows
lie at fixed frames and noise depends on the position alone, so results do not depend on how the
input was cut into blocks.
"""

from collections.abc import Callable, Sequence

import torch
from jaxtyping import Float
from torch import Tensor

from soundstage.diffusion.denoiser import CleanEstimate
from soundstage.diffusion.noise import CounterNoise
from soundstage.diffusion.samplers import StepNoise
from soundstage.diffusion.schedules import Schedule
from soundstage.diffusion.windows import fade_in

MakeDenoiser = Callable[[Tensor], CleanEstimate]
"""From the condition of a window, its long axis last, to a denoiser of all takes of it."""

Sample = Callable[[CleanEstimate, Tensor, StepNoise], Tensor]
"""A sampler of a denoiser, a first state and the noise of the steps, which deterministic samplers
ignore."""


class ContinuedStream:
    """Sampling of an endless sequence from a stream of conditions; delays it by up to a window.

    Args:
        make_denoiser: prepares a window.
        sample: such as `lambda denoiser, noise, steps: dpm_solver_2m(denoiser, noise, times)`.
        noises: one for each take.
        size: frames of a window.
        overlap: of neighbors, in frames.

    Raises:
        ValueError: the overlap is 0 or more than half a window, or there is no take.
    """

    def __init__(
        self,
        make_denoiser: MakeDenoiser,
        sample: Sample,
        noises: Sequence[CounterNoise],
        *,
        size: int,
        overlap: int,
    ) -> None:
        if not noises or not 0 < overlap <= size // 2:
            raise ValueError(
                f"windows of {size} frames overlap by up to half, not by {overlap}, and there is "
                "one take or more"
            )
        self._make_denoiser, self._sample, self._noises = make_denoiser, sample, list(noises)
        self._size, self._hop, self._fade = size, size - overlap, fade_in(overlap)
        self._condition: Tensor | None = None  # of the frames from the next window on
        self._first = 0  # frame of the next window
        self._tail = torch.empty(len(noises), *noises[0].shape, 0)  # sampled, but not final yet
        self._trajectory: list[Tensor] = []

    def push(self, condition: Float[Tensor, "*rest frames"]) -> Float[Tensor, "takes *shape made"]:
        """The frames that complete windows make final.

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
        """The remaining frames; the last window is as short as the remaining condition."""
        waiting = self._condition
        if waiting is None or waiting.shape[-1] <= self._tail.shape[-1]:
            return self._tail
        return self._window(waiting)

    def _window(self, condition: Tensor) -> Float[Tensor, "takes *shape length"]:
        device, length = condition.device, condition.shape[-1]

        def noise(stream: int) -> Tensor:
            takes = [each.stream(stream).window(self._first, length) for each in self._noises]
            return torch.stack(takes).to(device)

        held = _HeldDenoiser(self._make_denoiser(condition), self._trajectory, self._fade)
        sampled = self._sample(held, noise(0), lambda step: noise(1 + step))
        self._trajectory, self._first = held.trajectory, self._first + self._hop
        self._tail = sampled[..., self._hop :].clone()
        return sampled


class _HeldDenoiser:
    """A denoiser held to the trajectory of the previous window at its left end."""

    def __init__(
        self, denoiser: CleanEstimate, previous: list[Tensor], fade: Float[Tensor, " overlap"]
    ) -> None:
        self._denoiser, self._fade = denoiser, fade
        self._previous = iter(previous)
        self.trajectory: list[Tensor] = []

    @property
    def schedule(self) -> Schedule:
        return self._denoiser.schedule

    def __call__(self, state: Tensor, time: float) -> Tensor:
        clean = self._denoiser(state, time)
        overlap = len(self._fade)
        previous = next(self._previous, None)
        if previous is not None:
            faded = torch.lerp(previous, clean[..., :overlap], self._fade.to(clean))
            clean = torch.cat([faded, clean[..., overlap:]], dim=-1)
        self.trajectory.append(clean[..., -overlap:].clone())
        return clean

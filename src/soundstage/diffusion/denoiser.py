"""A denoiser: any model, whatever it was trained to say, as an estimate of the clean data.

    x̂_0(x_t, t) = E[x_0 | x_t]

is all that samplers ask for, so that every model meets every sampler; what changes the estimate
(guidance, windows over a long axis) is itself a denoiser around a denoiser.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Protocol

import torch
from jaxtyping import Float
from torch import Tensor

from soundstage.diffusion.parametrizations import Parametrization
from soundstage.diffusion.schedules import Schedule

Model = Callable[..., Tensor]
"""model(states, times, **condition), of which times has shape (batch,), gives its target."""


class CleanEstimate(Protocol):
    """What a sampler asks."""

    @property
    def schedule(self) -> Schedule:
        """That the states follow."""
        ...

    def __call__(
        self, state: Float[Tensor, " batch *rest"], time: float
    ) -> Float[Tensor, " batch *rest"]:
        """The clean data, as far as they can be told from a state at a time."""
        ...


@dataclass(frozen=True)
class Denoiser:
    """A model with what it hears, as a `CleanEstimate`."""

    model: Model
    parametrization: Parametrization
    schedule: Schedule
    condition: Mapping[str, Tensor] = field(default_factory=dict)
    """Keyword arguments of the model, the batch first."""
    at_once: int | None = None
    """Examples that the model takes at once, which bounds its memory; None for no limit."""

    def __call__(
        self, state: Float[Tensor, " batch *rest"], time: float
    ) -> Float[Tensor, " batch *rest"]:
        """x̂_0 of states that are all at one time.

        Raises:
            ValueError: the model predicts noise, and the schedule has no signal at this time.
        """
        level = self.schedule.level(torch.tensor(time, dtype=torch.float64))
        alpha, sigma = level.alpha.item(), level.sigma.item()
        times = torch.full(state.shape[:1], time, dtype=torch.float32, device=state.device)
        output = self._output(state, times)
        return self.parametrization.clean(state, output.to(state.dtype), alpha, sigma)

    def _output(
        self, state: Float[Tensor, " batch *rest"], times: Float[Tensor, " batch"]
    ) -> Float[Tensor, " batch *rest"]:
        if self.at_once is None or len(state) <= self.at_once:
            return self.model(state, times, **self.condition)
        parts = []
        for first in range(0, len(state), self.at_once):
            some = slice(first, first + self.at_once)
            condition = {name: heard[some] for name, heard in self.condition.items()}
            parts.append(self.model(state[some], times[some], **condition))
        return torch.cat(parts)

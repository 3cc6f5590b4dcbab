"""Denoisers: models of any parametrization as estimates of the clean data.

    x̂_0(x_t, t) = E[x_0 | x_t]

is the one interface between models and samplers. Guidance and windows are denoisers around a
denoiser. Every usual training target is a linear mix of data and noise of x_t = α·x_0 + σ·ε,

    y = a·x_0 + b·ε,    so that    x̂_0 = (b·x_t − σ·y)/d,    d = α·b − σ·a

| target | a | b | d | source |
| --- | --- | --- | --- | --- |
| noise | 0 | 1 | α | Ho et al. 2020, eq. 14 |
| clean | 1 | 0 | −σ | ibid., §3.2 |
| v | −σ | α | α² + σ² | Salimans and Ho 2022, §4 |
| flow | −1 | 1 | α + σ | Lipman et al. 2023; Liu et al. 2023 |

A noise target is undefined where there is no signal; v and flow are defined everywhere.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from enum import Enum
from typing import Protocol, TypeVar

import torch
from jaxtyping import Float
from torch import Tensor

from soundstage.diffusion.schedules import Schedule

Model = Callable[..., Tensor]
"""model(states, times, **condition), with times of shape (batch,), returns its target."""

Scale = TypeVar("Scale", float, Tensor)
"""One number for the batch, or numbers that broadcast against a state."""


class Parametrization(Enum):
    """The training target of a model."""

    NOISE = "noise"
    CLEAN = "clean"
    V = "v"
    FLOW = "flow"

    def coefficients(self, alpha: Scale, sigma: Scale) -> tuple[Scale | float, Scale | float]:
        """Shares (a, b) of data and noise in the target."""
        if self is Parametrization.NOISE:
            return 0.0, 1.0
        if self is Parametrization.CLEAN:
            return 1.0, 0.0
        if self is Parametrization.V:
            return -sigma, alpha
        return -1.0, 1.0

    def target(
        self,
        clean: Float[Tensor, "*shape"],
        noise: Float[Tensor, "*shape"],
        alpha: Scale,
        sigma: Scale,
    ) -> Float[Tensor, "*shape"]:
        """The target for given data and noise."""
        a, b = self.coefficients(alpha, sigma)
        return a * clean + b * noise

    def clean(
        self,
        state: Float[Tensor, "*shape"],
        output: Float[Tensor, "*shape"],
        alpha: float,
        sigma: float,
    ) -> Float[Tensor, "*shape"]:
        """x̂_0 from a state and a model's output.

        Raises:
            ValueError: the target is the noise and there is no signal, α = 0.
        """
        if self is Parametrization.CLEAN:  # also where σ = 0, for which d is 0
            return output
        a, b = self.coefficients(alpha, sigma)
        divisor = alpha * b - sigma * a
        if divisor == 0:
            raise ValueError(
                "a model that predicts noise cannot start where there is no signal: start a "
                "little earlier, or train it to predict v"
            )
        return torch.add(output * (-sigma / divisor), state, alpha=b / divisor)


class CleanEstimate(Protocol):
    """The interface of denoisers to samplers."""

    @property
    def schedule(self) -> Schedule:
        """The schedule of the states."""
        ...

    def __call__(
        self, state: Float[Tensor, " batch *rest"], time: float
    ) -> Float[Tensor, " batch *rest"]:
        """x̂_0 of states that are all at one time."""
        ...


@dataclass(frozen=True)
class Denoiser:
    """A model with its condition, as a `CleanEstimate`."""

    model: Model
    parametrization: Parametrization
    schedule: Schedule
    condition: Mapping[str, Tensor] = field(default_factory=dict)
    """Keyword arguments of the model, with the batch axis first."""
    max_batch: int | None = None
    """Most examples per call of the model, which bounds its memory; None for no limit."""

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
        if self.max_batch is None or len(state) <= self.max_batch:
            return self.model(state, times, **self.condition)
        parts = []
        for first in range(0, len(state), self.max_batch):
            part = slice(first, first + self.max_batch)
            condition = {name: tensor[part] for name, tensor in self.condition.items()}
            parts.append(self.model(state[part], times[part], **condition))
        return torch.cat(parts)

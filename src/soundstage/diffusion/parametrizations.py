"""What a model is trained to say, and the estimates of data and noise that follow from it.

Every usual target mixes the data and the noise of x_t = α·x_0 + σ·ε linearly,

    y = a·x_0 + b·ε,    so that    x̂_0 = (b·x_t − σ·y)/d,   ε̂ = (α·y − a·x_t)/d,   d = α·b − σ·a

| target | a | b | source |
| --- | --- | --- | --- |
| noise | 0 | 1 | Ho et al. 2020, eq. 14 |
| clean | 1 | 0 | ibid., §3.2 |
| v | −σ | α | Salimans and Ho 2022, §4 |
| flow | −1 | 1 | Lipman et al. 2023; Liu et al. 2023 |

d is α, −σ, α² + σ² and α + σ: noise alone says nothing of the data where no signal is left, and
clean data nothing of the noise where there is none; the other two hold everywhere.
"""

from enum import Enum
from typing import TypeVar

import torch
from jaxtyping import Float
from torch import Tensor

Scale = TypeVar("Scale", float, Tensor)
"""A number for the whole batch, or numbers that broadcast against a state."""


class Parametrization(Enum):
    """What a model is trained to say."""

    NOISE = "noise"
    CLEAN = "clean"
    V = "v"
    FLOW = "flow"

    def mix(self, alpha: Scale, sigma: Scale) -> tuple[Scale | float, Scale | float]:
        """Shares (a, b) of data and noise in the target."""
        if self is Parametrization.NOISE:
            return 0.0, 1.0
        if self is Parametrization.CLEAN:
            return 1.0, 0.0
        if self is Parametrization.V:
            return -sigma, alpha
        return -1.0, 1.0

    def divisor(self, alpha: Scale, sigma: Scale) -> Scale | float:
        """The divisor d = α·b − σ·a."""
        a, b = self.mix(alpha, sigma)
        return alpha * b - sigma * a

    def target(
        self,
        clean: Float[Tensor, "*shape"],
        noise: Float[Tensor, "*shape"],
        alpha: Scale,
        sigma: Scale,
    ) -> Float[Tensor, "*shape"]:
        """What a model should have said."""
        a, b = self.mix(alpha, sigma)
        return a * clean + b * noise

    def clean(
        self,
        state: Float[Tensor, "*shape"],
        output: Float[Tensor, "*shape"],
        alpha: float,
        sigma: float,
    ) -> Float[Tensor, "*shape"]:
        """x̂_0, from what a model said of a state.

        Raises:
            ValueError: noise was predicted where there is no signal, α = 0.
        """
        if self is Parametrization.CLEAN:  # also where σ = 0, for which d is 0
            return output
        _, b = self.mix(alpha, sigma)
        divisor = self.divisor(alpha, sigma)
        if divisor == 0:
            raise ValueError(
                "a model that predicts noise cannot begin where no signal is left: "
                "begin a little earlier, or train it to predict v"
            )
        return torch.add(output * (-sigma / divisor), state, alpha=b / divisor)

    def noise(
        self,
        state: Float[Tensor, "*shape"],
        output: Float[Tensor, "*shape"],
        alpha: float,
        sigma: float,
    ) -> Float[Tensor, "*shape"]:
        """ε̂, from what a model said of a state.

        Raises:
            ValueError: the data were predicted where there is no noise, σ = 0.
        """
        if self is Parametrization.NOISE:
            return output
        a, _ = self.mix(alpha, sigma)
        divisor = self.divisor(alpha, sigma)
        if divisor == 0:
            raise ValueError("a model that predicts the data cannot tell the noise where none is")
        return torch.add(output * (alpha / divisor), state, alpha=-a / divisor)

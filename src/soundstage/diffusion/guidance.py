"""Classifier-free guidance: away from what the model expects of anything, towards what was asked.

With estimates x̂_c under the condition and x̂_u without (Ho and Salimans 2022, eq. 6, whose w is ours
less 1),

    x̂ = x̂_u + w·(x̂_c − x̂_u)

The two come from one batch. At one x_t every target is an affine function of x̂_0, so this is the
same in terms of noise, v or flow.

A large w spreads the estimate too wide; Lin et al. (2024, eq. 15 and 16) give it part of the way
back the standard deviation of x̂_c,

    x̂ ← x̂·(φ·std(x̂_c)/std(x̂) + 1 − φ)

with their φ = 0.7. They do so to what the model says; here it is done to the clean estimate, which
every parametrization has.
"""

from collections.abc import Mapping
from dataclasses import replace

import torch
from jaxtyping import Float
from torch import Tensor

from soundstage.diffusion.denoiser import Denoiser
from soundstage.diffusion.schedules import Schedule


class CFGDenoiser:
    """A denoiser that is guided by its condition.

    Args:
        denoiser: with the condition.
        unconditional: what the model hears instead, under the same names; of one example, or of
            as many as the condition has. A name that is left out is heard in both cases.
        scale: w; 0 ignores the condition, 1 is no guidance and costs half.
        rescale: φ, from 0 to 1.

    Raises:
        ValueError: `rescale` is out of its range, or a name is not among the condition's.
    """

    def __init__(
        self,
        denoiser: Denoiser,
        unconditional: Mapping[str, Tensor],
        scale: float,
        rescale: float = 0.0,
    ) -> None:
        if not 0 <= rescale <= 1:
            raise ValueError(f"guidance is rescaled by 0 to 1, not {rescale}")
        if unknown := unconditional.keys() - denoiser.condition.keys():
            raise ValueError(f"the condition has no {', '.join(sorted(unknown))}")
        self.scale, self.rescale = scale, rescale
        self._denoiser = denoiser
        if scale != 1:
            both = {
                name: torch.cat([heard, unconditional.get(name, heard).expand_as(heard)])
                for name, heard in denoiser.condition.items()
            }
            self._denoiser = replace(denoiser, condition=both)

    @property
    def schedule(self) -> Schedule:
        """That of the denoiser."""
        return self._denoiser.schedule

    def __call__(
        self, state: Float[Tensor, " batch *rest"], time: float
    ) -> Float[Tensor, " batch *rest"]:
        """x̂_0 as guided."""
        if self.scale == 1:
            return self._denoiser(state, time)
        told, untold = self._denoiser(torch.cat([state, state]), time).chunk(2)
        guided = torch.lerp(untold, told, self.scale)
        if not self.rescale:
            return guided
        ratio = _deviation(told) / _deviation(guided).clamp(min=1e-8)
        return guided * (self.rescale * ratio + 1 - self.rescale)


def _deviation(estimate: Float[Tensor, " batch *rest"]) -> Float[Tensor, " batch *ones"]:
    """Of each example, over all it holds."""
    return estimate.std(dim=tuple(range(1, estimate.ndim)), keepdim=True)

"""Classifier-free guidance (Ho and Salimans 2022, eq. 6, with their w + 1 as scale w).

From estimates x̂_c with the condition and x̂_u without, in one batch,

    x̂ = x̂_u + w·(x̂_c − x̂_u)

At one x_t every target is an affine function of x̂_0, so this equals guidance of noise, v or flow.

A large w overstates the variance; Lin et al. (2024, eq. 15 and 16) restore part of the standard
deviation of x̂_c,

    x̂ ← x̂·(φ·std(x̂_c)/std(x̂) + 1 − φ)

with φ = 0.7. They rescale the output of the model; here it is the clean estimate, which every
parametrization has.
"""

from collections.abc import Mapping
from dataclasses import replace

import torch
from jaxtyping import Float
from torch import Tensor

from soundstage.diffusion.denoiser import Denoiser
from soundstage.diffusion.schedules import Schedule


class CFGDenoiser:
    """A denoiser with classifier-free guidance.

    Args:
        denoiser: with the condition.
        unconditional: replacements of entries of the condition, for one example or for as many as
            the condition has. Entries without a replacement are used in both branches.
        scale: w; 0 ignores the condition, 1 is no guidance at half the cost.
        rescale: φ, from 0 to 1.

    Raises:
        ValueError: `rescale` is out of its range, or the condition has no entry of a name.
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
                name: torch.cat([tensor, unconditional.get(name, tensor).expand_as(tensor)])
                for name, tensor in denoiser.condition.items()
            }
            self._denoiser = replace(denoiser, condition=both)

    @property
    def schedule(self) -> Schedule:
        """The schedule of the denoiser."""
        return self._denoiser.schedule

    def __call__(
        self, state: Float[Tensor, " batch *rest"], time: float
    ) -> Float[Tensor, " batch *rest"]:
        """The guided x̂_0."""
        if self.scale == 1:
            return self._denoiser(state, time)
        cond, uncond = self._denoiser(torch.cat([state, state]), time).chunk(2)
        guided = torch.lerp(uncond, cond, self.scale)
        if not self.rescale:
            return guided
        ratio = _deviation(cond) / _deviation(guided).clamp(min=1e-8)
        return guided * (self.rescale * ratio + 1 - self.rescale)


def _deviation(estimate: Float[Tensor, " batch *rest"]) -> Float[Tensor, " batch *ones"]:
    """Standard deviation of each example."""
    return estimate.std(dim=tuple(range(1, estimate.ndim)), keepdim=True)

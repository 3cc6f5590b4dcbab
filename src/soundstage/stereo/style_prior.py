"""How styles are spread over real music: what is not asked for is drawn from here.

A network that is told no style makes every record about as wide as the mean of all; real records
differ, each from end to end. So a stage is drawn in two steps, as it is mixed: first a style, then
places that go with it. The style numbers of stretches of real music are taken for Gaussian, and
those that a person asks for are held: the rest is drawn given them,

    μ_o + K·(x_a − μ_a) and Σ_oo − K·Σ_ao,   K = Σ_oa·Σ_aa⁻¹

with o the open numbers and a those that are asked.
"""

from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from soundstage.stereo.descriptors import DESCRIPTORS

SHOWN = 0.5  # of the numbers of an example, while a network learns what they mean
MOST_DEVIATIONS = 2.0  # of a drawn number, so that no take is a caricature


@dataclass(frozen=True)
class StylePrior:
    """A Gaussian over style numbers (`styles.py`)."""

    mean: Float[Tensor, " style"]
    covariance: Float[Tensor, "style style"]

    @classmethod
    def of(cls, numbers: Float[Tensor, "stretches style"]) -> "StylePrior":
        """That of many stretches; balance is made even, since left and right are alike."""
        index = DESCRIPTORS.index("balance")
        mirrored = numbers.clone()
        mirrored[:, index] *= -1
        both = torch.cat([numbers, mirrored]).double()
        return cls(both.mean(dim=0).float(), both.T.cov().float())

    def draw(
        self,
        asked: Float[Tensor, " style"],
        generator: torch.Generator,
        *,
        spread: float = 1.0,
        shown: float = SHOWN,
    ) -> Float[Tensor, " style"]:
        """A style of which some numbers may be open still.

        Args:
            asked: numbers that are held; NaN are drawn, or left open as in training.
            generator: of the take.
            spread: deviation of what is drawn, 1 as in real music.
            shown: share of what is drawn that is not left open.
        """
        mean, covariance = self.mean.double(), self.covariance.double()
        noise = torch.randn(len(mean), generator=generator).double()
        noise = noise.clamp(-MOST_DEVIATIONS, MOST_DEVIATIONS)
        given, left = ~asked.isnan(), asked.isnan()
        if not left.any():
            return asked
        if given.any():
            across = covariance[left][:, given]
            gain = torch.linalg.solve(covariance[given][:, given], across.T).T
            centre = mean[left] + gain @ (asked[given].double() - mean[given])
            rest = covariance[left][:, left] - gain @ across.T
        else:
            centre, rest = mean, covariance
        factor = torch.linalg.cholesky(rest + 1e-6 * torch.eye(len(rest)))
        drawn = asked.clone()
        drawn[left] = (centre + spread * (factor @ noise[left])).float()
        told = given | (torch.rand(len(drawn), generator=generator) < shown)
        return torch.where(told, drawn, torch.nan)

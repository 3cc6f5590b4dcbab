"""How styles are spread over real music: what is not asked for is drawn from here.

A network that is told no style makes every record about as wide as the mean of all; real records
differ, each from end to end. So a stage is drawn in two steps, as it is mixed: first a style, then
places that go with it. Style numbers of stretches of real music are taken for Gaussian, with a mean
that follows the sound (a ridge regression on `sound_summary.py`, since it has to serve music that
nobody has heard) and a covariance of what the sound does not tell. The numbers that a person asks
for are held; the rest is drawn given them,

    μ_o + K·(x_a − μ_a) and Σ_oo − K·Σ_ao,   K = Σ_oa·Σ_aa⁻¹

with o the open numbers and a those that are asked.
"""

from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from soundstage.stereo.level_statistics import sound_summary
from soundstage.stereo.styles import STYLE

MOST_DEVIATIONS = 2.0  # of what is drawn, so that no take is a caricature
FURTHEST = 3.5  # of a drawn number, about as far as real music goes
FURTHEST_SUMMARY = 3.0  # deviations; what sounds like no music at all says no more than that
LEAST_VARIANCE = 1e-4  # a few stretches alone span no whole Gaussian
RIDGE = 1.0  # pull of the slope towards nought, for each example that it is fitted to


@dataclass(frozen=True)
class StylePrior:
    """A Gaussian over the numbers of `STYLE`, given the sound (Bishop 2006, §2.3.1 and §3.1.4)."""

    mean: Float[Tensor, " style"]
    """Of music at large."""
    covariance: Float[Tensor, "style style"]
    """Of what the sound does not tell."""
    summary: Float[Tensor, "2 summary"]
    """Mean and deviation of summaries."""
    slope: Float[Tensor, "summary style"]
    """By which the mean moves, for each deviation of a summary."""

    @classmethod
    def of(
        cls,
        numbers: Float[Tensor, "stretches style"],
        summaries: Float[Tensor, "stretches summary"],
    ) -> "StylePrior":
        """That of many stretches; balance is made even, since left and right are alike."""
        index = STYLE.index("balance")
        numbers, summaries = numbers.double(), summaries.double()
        mean = numbers.mean(dim=0)
        mean[index] = 0
        summary = torch.stack(
            [summaries.mean(dim=0), summaries.std(dim=0, correction=0).clamp(min=1e-3)]
        )
        heard = _standard(summaries, summary)
        gram = heard.T @ heard + RIDGE * len(heard) * torch.eye(heard.shape[1])
        slope = torch.linalg.solve(gram, heard.T @ (numbers - mean))
        slope[:, index] = 0
        rest = numbers - mean - heard @ slope
        mirrored = rest.clone()
        mirrored[:, index] *= -1
        covariance = torch.cat([rest, mirrored]).T.cov()
        covariance = (covariance + covariance.T) / 2 + LEAST_VARIANCE * torch.eye(len(mean))
        return cls(mean.float(), covariance.float(), summary.float(), slope.float())

    def expected(self, levels: Float[Tensor, "positions levels"]) -> Float[Tensor, " style"]:
        """The likeliest style of what is heard."""
        return self.mean + _standard(sound_summary(levels), self.summary) @ self.slope

    def draw(
        self,
        asked: Float[Tensor, " style"],
        noise: Float[Tensor, "takes style"],
        levels: Float[Tensor, "positions levels"],
        *,
        spread: float = 1.0,
    ) -> Float[Tensor, "takes style"]:
        """Whole styles.

        Args:
            asked: numbers that are held; NaN are drawn.
            noise: Gaussian, of every take; the same leaning for whatever is heard.
            levels: what is heard, in dB.
            spread: deviation of what is drawn, 1 as in real music.
        """
        mean, covariance = self.expected(levels).double(), self.covariance.double()
        noise = noise.double().clamp(-MOST_DEVIATIONS, MOST_DEVIATIONS)
        given, left = ~asked.isnan(), asked.isnan()
        drawn = asked.repeat(len(noise), 1)
        if not left.any():
            return drawn
        if given.any():
            across = covariance[left][:, given]
            gain = torch.linalg.solve(covariance[given][:, given], across.T).T
            center = mean[left] + gain @ (asked[given].double() - mean[given])
            rest = covariance[left][:, left] - gain @ across.T
        else:
            center, rest = mean, covariance
        factor = torch.linalg.cholesky(rest + 1e-6 * torch.eye(len(rest)))
        free = center + spread * noise[:, left] @ factor.T
        drawn[:, left] = free.clamp(-FURTHEST, FURTHEST).float()
        return drawn


def _standard(summaries: Tensor, summary: Float[Tensor, "2 summary"]) -> Tensor:
    """In deviations from the mean, none of them far."""
    return ((summaries - summary[0]) / summary[1]).clamp(-FURTHEST_SUMMARY, FURTHEST_SUMMARY)

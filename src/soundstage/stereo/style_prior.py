"""Style features of a recording, and their distribution over real music.

A style vector holds the descriptors, near zero mean and unit deviation, and *tile means*. Widths
and the offset are logarithmic, since doubling is one step at any width. Descriptors weight a tile
by its energy, like hearing, so they hardly depend on the coherence of the many soft tiles of a mix,
in which recordings differ as much. The tile means count all tiles alike: coherence and level
difference of low, mid and high bands. They cannot be requested; they are measured in training, and
sampled for a take.

Without a style, a network gives every recording about the mean width of all, while real recordings
differ, each from beginning to end. So a stage is sampled in two steps, as in mixing: first a
style, then positions that go with it. The style vectors of segments of real music are modeled as
Gaussian, with a mean that depends on the sound (ridge regression on the level statistics, which has
to generalize to any music) and the covariance of the residuals. Requested features x_r are held,
and the others are sampled from the conditional distribution (Bishop 2006, §2.3.1 and §3.1.4),

    μ_o + K·(x_r − μ_r) and Σ_oo − K·Σ_ro,   K = Σ_or·Σ_rr⁻¹
"""

from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn import functional as F  # noqa: N812

from soundstage.errors import WeightsError
from soundstage.stereo.descriptors import DESCRIPTORS, REGIONS, descriptors
from soundstage.stereo.encoding import Parameters
from soundstage.stereo.features import IID_LIMIT_DB, STATISTICS, level_statistics
from soundstage.weights.model import Weights

TILE_MEANS = (
    "coherence_low",
    "coherence_mid",
    "coherence_high",
    "difference_low",
    "difference_mid",
    "difference_high",
)
STYLE_FEATURES = (*DESCRIPTORS, *TILE_MEANS)
_LOGARITHMIC = torch.tensor([name.startswith("width") or name == "offset" for name in DESCRIPTORS])
_REGION_MEANS = (REGIONS / REGIONS.sum(dim=1, keepdim=True)).T  # of bands
_SMALLEST, _SMALLEST_DB = 0.02, 0.1
# Of 12 s segments of real music
_MEAN = torch.tensor([0.0, -0.2, 0.35, -0.4, 0.0, 0.68, -1.6]).float()
_DEVIATION = torch.tensor([0.75, 1.0, 0.6, 0.8, 1.5, 0.12, 0.7]).float()
_MEAN_OF_TILES = torch.tensor([0.69, 0.74, 0.39, 1.66, 1.47, 0.53]).float()
_DEVIATION_OF_TILES = torch.tensor([0.18, 0.16, 0.18, 0.61, 0.45, 0.73]).float()

MAX_NOISE = 2.0  # deviations, so that no take is extreme
MAX_FEATURE = 3.5  # of a sampled feature, about the range of real music
MAX_STATISTIC = 3.0  # deviations, for sound unlike music
MIN_VARIANCE = 1e-4  # a few segments alone do not span the space
RIDGE = 1.0  # regularization of the slope, per example


def style_features(
    values: Float[Tensor, "*batch descriptors"],
) -> Float[Tensor, "*batch style"]:
    """`STYLE_FEATURES` of requested descriptors; NaN, as for all tile means, is no request."""
    return F.pad(_normalized(values), (0, len(TILE_MEANS)), value=torch.nan)


def style_descriptors(
    features: Float[Tensor, "*batch style"],
) -> Float[Tensor, "*batch descriptors"]:
    """The descriptors of style features, the inverse of `style_features`; NaN stays NaN."""
    values = features[..., : len(DESCRIPTORS)] * _DEVIATION + _MEAN
    return torch.where(_LOGARITHMIC, values.exp2(), values)


def measured_style(
    parameters: Parameters, energy: Float[Tensor, "*batch bands frames"]
) -> Float[Tensor, "*batch style"]:
    """All `STYLE_FEATURES` of a stereo sound.

    Args:
        parameters: (bands, frames) each.
        energy: of the mid in the same bands and frames, in any unit.
    """
    coherence = parameters.coherence.mean(dim=-1) @ _REGION_MEANS
    difference = (
        parameters.iid.clamp(-IID_LIMIT_DB, IID_LIMIT_DB).abs().mean(dim=-1) @ _REGION_MEANS
    )
    means = torch.cat(
        [
            (1 - coherence).clamp(min=0).sqrt(),  # a root, since many recordings are near 1
            difference.clamp(min=_SMALLEST_DB).log2(),
        ],
        dim=-1,
    )
    means = (means - _MEAN_OF_TILES) / _DEVIATION_OF_TILES
    return torch.cat([_normalized(descriptors(parameters, energy)), means], dim=-1)


def _normalized(values: Tensor) -> Tensor:
    logarithms = values.clamp(min=_SMALLEST).log2()
    return (torch.where(_LOGARITHMIC, logarithms, values) - _MEAN) / _DEVIATION


_PRIOR_FIELDS = ("mean", "covariance", "summary", "slope")


@dataclass(frozen=True)
class StylePrior:
    """A Gaussian over `STYLE_FEATURES`, with a mean that depends on the level statistics."""

    mean: Float[Tensor, " style"]
    """Over all music."""
    covariance: Float[Tensor, "style style"]
    """Of the residuals."""
    summary: Float[Tensor, "2 statistics"]
    """Mean and deviation of the level statistics."""
    slope: Float[Tensor, "statistics style"]
    """Change of the mean per deviation of a statistic."""

    @classmethod
    def fit(
        cls,
        styles: Float[Tensor, "segments style"],
        statistics: Float[Tensor, "segments statistics"],
    ) -> "StylePrior":
        """Fit to many segments; the balance is made symmetric in left and right."""
        index = STYLE_FEATURES.index("balance")
        styles, statistics = styles.double(), statistics.double()
        mean = styles.mean(dim=0)
        mean[index] = 0
        summary = torch.stack(
            [statistics.mean(dim=0), statistics.std(dim=0, correction=0).clamp(min=1e-3)]
        )
        inputs = _standardized(statistics, summary)
        gram = inputs.T @ inputs + RIDGE * len(inputs) * torch.eye(inputs.shape[1])
        slope = torch.linalg.solve(gram, inputs.T @ (styles - mean))
        slope[:, index] = 0
        residual = styles - mean - inputs @ slope
        mirrored = residual.clone()
        mirrored[:, index] *= -1
        covariance = torch.cat([residual, mirrored]).T.cov()
        covariance = (covariance + covariance.T) / 2 + MIN_VARIANCE * torch.eye(len(mean))
        return cls(mean.float(), covariance.float(), summary.float(), slope.float())

    def tensors(self) -> dict[str, Tensor]:
        """The prior as files of weights hold it."""
        return {f"style_{name}": getattr(self, name) for name in _PRIOR_FIELDS}

    @classmethod
    def load(cls, weights: Weights) -> "StylePrior":
        """The prior of a file of weights.

        Raises:
            WeightsError: it is missing, or not Gaussian.
        """
        count = len(STYLE_FEATURES)
        shapes = ((count,), (count, count), (2, STATISTICS), (STATISTICS, count))
        mean, covariance, summary, slope = (
            weights.tensor(f"style_{name}", torch.float32, shape).cpu()
            for name, shape in zip(_PRIOR_FIELDS, shapes, strict=True)
        )
        if not torch.equal(covariance, covariance.T) or torch.linalg.eigvalsh(covariance).min() < 0:
            raise WeightsError(f"{weights.source}: the style covariance is not positive.")
        if not summary[1].min() > 0:
            raise WeightsError(f"{weights.source}: the level statistics have no deviation.")
        return cls(mean, covariance, summary, slope)

    def expected(self, levels: Float[Tensor, "positions levels"]) -> Float[Tensor, " style"]:
        """Mean style of a sound with these levels."""
        return self.mean + _standardized(level_statistics(levels), self.summary) @ self.slope

    def sample(
        self,
        requested: Float[Tensor, " style"],
        noise: Float[Tensor, "takes style"],
        levels: Float[Tensor, "positions levels"],
        *,
        spread: float = 1.0,
    ) -> Float[Tensor, "takes style"]:
        """Complete style vectors.

        Args:
            requested: features to hold; NaN are sampled.
            noise: standard Gaussian, of every take; the same for all segments of a take.
            levels: of the sound, in dB.
            spread: deviation relative to real music.
        """
        mean, covariance = self.expected(levels).double(), self.covariance.double()
        noise = noise.double().clamp(-MAX_NOISE, MAX_NOISE)
        given, left = ~requested.isnan(), requested.isnan()
        styles = requested.repeat(len(noise), 1)
        if not left.any():
            return styles
        if given.any():
            across = covariance[left][:, given]
            gain = torch.linalg.solve(covariance[given][:, given], across.T).T
            center = mean[left] + gain @ (requested[given].double() - mean[given])
            rest = covariance[left][:, left] - gain @ across.T
        else:
            center, rest = mean, covariance
        factor = torch.linalg.cholesky(rest + 1e-6 * torch.eye(len(rest)))
        sampled = center + spread * noise[:, left] @ factor.T
        styles[:, left] = sampled.clamp(-MAX_FEATURE, MAX_FEATURE).float()
        return styles


def _standardized(statistics: Tensor, summary: Float[Tensor, "2 statistics"]) -> Tensor:
    """In deviations from the mean, limited."""
    return ((statistics - summary[0]) / summary[1]).clamp(-MAX_STATISTIC, MAX_STATISTIC)

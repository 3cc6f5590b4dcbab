"""Where a sound appears to come from: azimuth errors by a localization network (DualSpec, §VI-C).

With θ the true and θ' the estimated azimuth of N clips,

    ACC = N(θ' = θ) / N                                             (Eq. 21)
    MAE = mean of min(|θ' − θ|, 360° − |θ' − θ|)                    (Eq. 22)

over the 12 classes of the network. A front-back confusion is an estimate that is nearer to the
mirror image of the source in the frontal plane, 180° − θ, than to the source: both have nearly the
same time and level differences, and only the spectral shape by the pinna tells them apart.

Two measures need no class. The **Fréchet distance** of the network's embeddings compares the
spatial images of two sets of clips. **ITD and ILD errors** compare a clip with the head's responses
of its azimuth: the errors of `interaural` with the fold-down of the clip, rendered by that head, as
the truth. Differences between the ears hardly depend on the spectrum of the source, so that no dry
sound is needed.
"""

import math
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import NamedTuple

import torch
from jaxtyping import Float
from torch import Tensor

from soundstage.corpora.spatial_events import AZIMUTHS, RATE, spatialize
from soundstage.metrics.frechet import GaussianPool, embedding_pool
from soundstage.metrics.interaural import Ears, ild_error, itd_error
from soundstage.networks.models.localizer import Localizer, LocalizerConfig
from soundstage.precision import in_single_precision
from soundstage.weights.model import load_model

CLASS_WIDTH = 30.0  # degrees between two classes
AT_ONCE = 32  # clips; limits memory without effect on the result


class LocalizationScores(NamedTuple):
    """Errors of azimuths over a set of clips; NaN if there is no clip."""

    accuracy: float
    """ACC, share of clips with the right class, 0 to 1."""
    mean_error: float
    """MAE, in degrees, 0 to 180."""
    front_back: float
    """Share of front-back confusions, 0 to 1."""
    left_right: float
    """Share of clips on the wrong side, 0 to 1."""
    clips: int


class AzimuthLocalizer:
    """A trained localizer.

    Args:
        network: in evaluation mode.

    >>> from soundstage.corpora.spatial_events import horizontal_hrirs
    >>> noise = torch.randn(16_000, generator=torch.Generator().manual_seed(0))
    >>> ears = spatialize(noise.expand(12, -1), horizontal_hrirs("kemar"))
    >>> load_localizer().azimuths(ears)[1:5]
    tensor([ 30.,  60.,  90., 120.])
    """

    rate = RATE

    def __init__(self, network: Localizer) -> None:
        self._network = network

    @in_single_precision
    def probabilities(self, sound: Float[Tensor, "batch 2 samples"]) -> Float[Tensor, "batch 12"]:
        """Probability of each azimuth, 30°·k counter-clockwise from ahead.

        Args:
            sound: both ears at 16 kHz, left first, of any level; a silent one is 0.
        """
        with torch.inference_mode():
            return torch.cat(
                [
                    self._network(self._network.spectra(part.float())).softmax(dim=1)
                    for part in sound.split(AT_ONCE)
                ]
            )

    def azimuths(self, sound: Float[Tensor, "batch 2 samples"]) -> Float[Tensor, " batch"]:
        """The most likely azimuth, in degrees counter-clockwise from ahead, 0 to below 360."""
        probabilities = self.probabilities(sound)
        return probabilities.argmax(dim=1) * (360.0 / probabilities.shape[1])

    @in_single_precision
    def embed(self, sound: Float[Tensor, "batch 2 samples"]) -> Float[Tensor, "batch dim"]:
        """The embedding before the classes."""
        with torch.inference_mode():
            return torch.cat(
                [
                    self._network.embed(self._network.spectra(part.float()))
                    for part in sound.split(AT_ONCE)
                ]
            )


def load_localizer(source: str | Path = "localizer") -> AzimuthLocalizer:
    """Load a localizer.

    Args:
        source: name of a pretrained model, or weights trained with `soundstage train`.

    Raises:
        WeightsError: the weights are missing or damaged.
    """
    network: Localizer = load_model(source, LocalizerConfig).network
    return AzimuthLocalizer(network)


def angular_errors(
    estimated: Float[Tensor, "*clips"], true: Float[Tensor, "*clips"]
) -> Float[Tensor, "*clips"]:
    """Angle between azimuths of any sense and period, in degrees, 0 to 180 (Eq. 22).

    >>> angular_errors(torch.tensor([350.0, -90.0]), torch.tensor([20.0, 270.0]))
    tensor([30.,  0.])
    """
    return 180 - ((estimated - true) % 360 - 180).abs()


def localization_scores(
    estimated: Float[Tensor, " clips"], true: Float[Tensor, " clips"]
) -> LocalizationScores:
    """ACC, MAE and confusions of estimated azimuths.

    Args:
        estimated: in degrees counter-clockwise from ahead.
        true: the same.

    Raises:
        ValueError: the numbers of clips differ.
    """
    if estimated.shape != true.shape:
        raise ValueError(f"{len(estimated)} estimates do not fit {len(true)} azimuths")
    errors = angular_errors(estimated, true)
    sides = torch.sin(torch.deg2rad(torch.stack([estimated, true]))).round(decimals=4)
    return LocalizationScores(
        accuracy=_mean_of(errors < CLASS_WIDTH / 2),
        mean_error=_mean_of(errors),
        front_back=_mean_of(angular_errors(estimated, 180 - true) < errors),
        left_right=_mean_of(sides.prod(dim=0) < 0),
        clips=len(true),
    )


def _mean_of(values: Tensor) -> float:
    return values.double().mean().item()


class SpatialErrors(NamedTuple):
    """Spatial errors of a set of clips."""

    scores: LocalizationScores
    itd_error: float
    """Mean error of the interaural time difference, in µs; NaN if no clip has one."""
    ild_error: float
    """Mean error of the interaural level differences, in dB; NaN if no clip has one."""
    pool: GaussianPool
    """Embeddings of the clips, for `frechet_distance` to those of true sounds."""


def spatial_errors(
    sounds: Iterable[Ears],
    azimuths: Sequence[float],
    localizer: AzimuthLocalizer,
    responses: Float[Tensor, "azimuths 2 taps"],
) -> SpatialErrors:
    """All spatial errors of clips at 16 kHz, one clip at a time.

    Args:
        sounds: both ears, left first, of any lengths.
        azimuths: of the clips, in degrees; multiples of 30.
        localizer: from `load_localizer`.
        responses: of the head that the clips are meant for, from `horizontal_hrirs`.

    Raises:
        ValueError: there are fewer or more sounds than azimuths, an azimuth is not a multiple of
            30, or a sound is not that of two ears.
    """
    if any(azimuth % CLASS_WIDTH for azimuth in azimuths):
        raise ValueError(f"azimuths must be multiples of {CLASS_WIDTH:g} degrees, not {azimuths}")
    estimated, embeddings, itds, ilds = [], [], [], []
    for sound, azimuth in zip(sounds, azimuths, strict=True):
        estimated.append(localizer.azimuths(sound[None]))
        embeddings.append(localizer.embed(sound[None]))
        response = responses[round(azimuth / CLASS_WIDTH) % len(AZIMUTHS)]
        reference = spatialize(sound.mean(dim=0), response)
        itds.append(itd_error(sound, reference, RATE))
        ilds.append(ild_error(sound, reference, RATE))
    true = torch.tensor(azimuths, dtype=torch.float32)
    return SpatialErrors(
        localization_scores(torch.cat(estimated).cpu(), true),
        _mean(itds),
        _mean(ilds),
        embedding_pool(torch.cat(embeddings).cpu()),
    )


def _mean(values: Sequence[float]) -> float:
    """Mean of the values that are not NaN."""
    defined = [value for value in values if not math.isnan(value)]
    return math.fsum(defined) / len(defined) if defined else math.nan

"""Evaluation of generated binaural events: their content and their direction (DualSpec, §VI-C).

Prompts are all classes at all 12 azimuths, or half of these, with the three kinds of location in
equal shares. Every prompt has a reference: a recording of its class, convolved with the head's
responses of its azimuth. Clips are measured one by one into `ClipFeatures`, which are small, so
that the figures of any subset of the prompts follow without generating again:

    features = ClipMeter(taggers, localizer, responses)(sounds, azimuths)
    row = figures(features, references, prompts, namers)

Whether a clip has the requested event is judged twice: by the bundled tagger's classes, and by a
linear probe on the embeddings of another tagger, fitted on recordings.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from soundstage.corpora.spatial_events import AZIMUTHS, RATE, spatialize
from soundstage.metrics.embeddings.clip_tagging import ClipTagger, Tags
from soundstage.metrics.generation import feature_distance, inception_score, kl_divergence
from soundstage.metrics.interaural import ild_error, itd_error
from soundstage.metrics.localization import AzimuthLocalizer, localization_scores
from soundstage.scene.dualspec.prompts import LOCATIONS, Location, prompt_for

RIDGE = 10.0  # of the linear probe, for standardized embeddings; 3 and 30 change 0.5 % of names
SPREAD_FLOOR = 1e-3  # of a dimension of an embedding that hardly varies
FEWEST = 2  # clips of a set that has a covariance


@dataclass(frozen=True)
class SpatialPrompt:
    """A test prompt."""

    label: str
    azimuth: int
    """One of `AZIMUTHS`, in degrees counter-clockwise from ahead."""
    location: Location
    seed: int

    @property
    def text(self) -> str:
        """The prompt in the paper's template."""
        return prompt_for(self.label, self.azimuth, self.location)


def spatial_prompts(labels: Sequence[str], *, half: bool = False) -> list[SpatialPrompt]:
    """All classes at all azimuths; every prompt has a seed of its own.

    The kind of location rotates: each azimuth and each class has all three.

    Args:
        labels: the classes.
        half: every second azimuth only, the even ones of one class and the odd ones of the next.
    """
    places = [(i, j) for i in range(len(labels)) for j in range(len(AZIMUTHS))]
    return [
        SpatialPrompt(labels[i], AZIMUTHS[j], LOCATIONS[(i + j) % len(LOCATIONS)], seed)
        for seed, (i, j) in enumerate(places)
        if not (half and (i + j) % 2)
    ]


class ClipFeatures(NamedTuple):
    """Measurements of clips, one row each."""

    tags: dict[str, Tags]
    """By name of the tagger."""
    azimuths: Float[Tensor, " clips"]
    """Estimated, in degrees counter-clockwise from ahead."""
    spatial: Float[Tensor, "clips size"]
    """Embeddings of the localizer."""
    itd_errors: Float[Tensor, " clips"]
    """Against the head's responses of the requested azimuth, in µs; NaN if there is no ITD."""
    ild_errors: Float[Tensor, " clips"]
    """The same of level differences, in dB."""

    def select(self, kept: Bool[Tensor, " clips"]) -> "ClipFeatures":
        """The rows of some clips."""
        tags = {name: Tags(*(part[kept] for part in tags)) for name, tags in self.tags.items()}
        return ClipFeatures(tags, *(part[kept] for part in self[1:]))

    @classmethod
    def joined(cls, parts: Sequence["ClipFeatures"]) -> "ClipFeatures":
        """All rows of one or more sets."""
        tags = {
            name: Tags(*map(torch.cat, zip(*(part.tags[name] for part in parts), strict=True)))
            for name in parts[0].tags
        }
        return cls(tags, *map(torch.cat, zip(*(part[1:] for part in parts), strict=True)))

    def tensors(self) -> dict[str, Tensor]:
        """All measurements by name, for storage."""
        tags = {
            f"{name}.{field}": getattr(tags, field)
            for name, tags in self.tags.items()
            for field in Tags._fields
        }
        rest = {field: getattr(self, field) for field in self._fields[1:]}
        return {name: tensor.contiguous() for name, tensor in {**tags, **rest}.items()}

    @classmethod
    def from_tensors(cls, tensors: Mapping[str, Tensor]) -> "ClipFeatures":
        """The inverse of `tensors`."""
        names = dict.fromkeys(name.rpartition(".")[0] for name in tensors if "." in name)
        tags = {
            name: Tags(*(tensors[f"{name}.{field}"] for field in Tags._fields)) for name in names
        }
        return cls(tags, *(tensors[field] for field in cls._fields[1:]))


class ClipMeter:
    """Measures clips.

    Args:
        taggers: of whole clips.
        localizer: of azimuths.
        responses: of the head that clips are meant for, from `horizontal_hrirs`.
    """

    def __init__(
        self,
        taggers: Sequence[ClipTagger],
        localizer: AzimuthLocalizer,
        responses: Float[Tensor, "12 2 taps"],
    ) -> None:
        self._taggers = taggers
        self._localizer = localizer
        self._responses = responses

    def __call__(
        self, sounds: Float[Tensor, "clips 2 samples"], azimuths: Sequence[int]
    ) -> ClipFeatures:
        """Measure clips of one length.

        Args:
            sounds: at 16 kHz, left ear first.
            azimuths: the requested ones, of `AZIMUTHS`.
        """
        itds, ilds = [], []
        for sound, azimuth in zip(sounds, azimuths, strict=True):
            # Differences between the ears hardly depend on the source: its fold-down will do
            truth = spatialize(sound.mean(dim=0), self._responses[AZIMUTHS.index(azimuth)])
            itds.append(itd_error(sound, truth, RATE))
            ilds.append(ild_error(sound, truth, RATE))
        return ClipFeatures(
            {tagger.name: tagger(sounds, RATE) for tagger in self._taggers},
            self._localizer.azimuths(sounds).float(),
            self._localizer.embed(sounds),
            torch.tensor(itds),
            torch.tensor(ilds),
        )


class LinearProbe:
    """Names of classes from embeddings, by regularized least squares on standardized points.

    Args:
        points: embeddings of recordings.
        labels: their classes.
        classes: all classes, in the order of the result.
    """

    def __init__(
        self, points: Float[Tensor, "clips size"], labels: Sequence[str], classes: Sequence[str]
    ) -> None:
        self._mean, self._spread = points.mean(dim=0), points.std(dim=0) + SPREAD_FLOOR
        inputs = self._inputs(points)
        targets = torch.tensor([classes.index(label) for label in labels])
        scatter = inputs.T @ inputs + RIDGE * torch.eye(inputs.shape[1], dtype=torch.float64)
        wanted = inputs.T @ torch.nn.functional.one_hot(targets, len(classes)).double()
        self._weights = torch.linalg.solve(scatter, wanted)
        self._classes = tuple(classes)

    def __call__(self, points: Float[Tensor, "clips size"]) -> list[str]:
        """The most likely class of every point."""
        best = (self._inputs(points) @ self._weights).argmax(dim=1)
        return [self._classes[index] for index in best.tolist()]

    def _inputs(self, points: Float[Tensor, "clips size"]) -> Float[Tensor, "clips inputs"]:
        standardized = ((points - self._mean) / self._spread).double()
        return torch.nn.functional.pad(standardized, (0, 1), value=1.0)


def event_names(tags: Tags, classes: Sequence[str]) -> list[str]:
    """The most likely class of every clip, by a tagger with names."""
    return [classes[index] for index in tags.probabilities.argmax(dim=1).tolist()]


def figures(
    made: ClipFeatures,
    true: ClipFeatures,
    prompts: Sequence[SpatialPrompt],
    named: Mapping[str, Sequence[str]],
) -> dict[str, float]:
    """All figures of a set of clips.

    Args:
        made: generated clips.
        true: their references, in the same order.
        prompts: of the clips.
        named: by tagger, the event that it names in every generated clip.

    Returns:
        For each tagger NAME: "NAME fd", "NAME kl", "NAME is", and "NAME named", the share of clips
        whose event is the requested one; "acc" from 0 to 1, "mae" in degrees, "front_back" and
        "left_right" as shares, "itd" in µs, "ild" in dB, "spatial fd" and "clips".

    Raises:
        ValueError: there are fewer than two clips, or the numbers of clips differ.
    """
    if not FEWEST <= len(prompts) == len(made.azimuths) == len(true.azimuths):
        raise ValueError(f"{len(prompts)} prompts do not fit {len(made.azimuths)} clips")
    row: dict[str, float] = {}
    for name, tags in made.tags.items():
        row[f"{name} fd"] = feature_distance(tags.embeddings, true.tags[name].embeddings)
        row[f"{name} kl"] = kl_divergence(tags.probabilities, true.tags[name].probabilities)
        row[f"{name} is"] = inception_score(tags.probabilities)
    for name, events in named.items():
        hits = [event == prompt.label for event, prompt in zip(events, prompts, strict=True)]
        row[f"{name} named"] = sum(hits) / len(hits)
    wanted = torch.tensor([prompt.azimuth for prompt in prompts], dtype=torch.float32)
    scores = localization_scores(made.azimuths, wanted)
    return row | {
        "acc": scores.accuracy,
        "mae": scores.mean_error,
        "front_back": scores.front_back,
        "left_right": scores.left_right,
        "itd": float(made.itd_errors.nanmean()),
        "ild": float(made.ild_errors.nanmean()),
        "spatial fd": feature_distance(made.spatial, true.spatial),
        "clips": float(len(prompts)),
    }

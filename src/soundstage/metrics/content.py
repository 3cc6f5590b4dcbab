"""Content of a mono signal: speech, a single instrument, music, noise, or silence.

Each segment of six seconds has the features of `content_features.py`, and logistic regression
gives the probabilities of four classes,

    p = softmax(W·z + b),   z = (features − mean) / deviation

with W, b from recordings of the training set (`benchmarks/content.py`, which also prints the
confusions on the test set). The probabilities of a sound are means over its segments. Its first
minute is analyzed in full, a quarter of the rest.

The decisions are cautious, since a band that is narrowed by mistake is worse than a voice that is
not: speech and solo need 70 % together, noise needs 85 %. A solo is one line of notes, sung or
played; a piano with both hands counts as music.
"""

import json
from dataclasses import asdict, dataclass
from functools import cache
from importlib.resources import files
from typing import Literal

import numpy as np
from jaxtyping import Float

from soundstage.metrics.content_features import (
    FRAMES,
    LEAST_FRAMES,
    FrameAnalysis,
    Frames,
    segment_features,
)
from soundstage.spectra import PowerFrames

Kind = Literal["speech", "solo", "music", "noise", "silence", "unknown"]
CLASSES: tuple[Kind, ...] = ("speech", "solo", "music", "noise")
NARROW, NOISE = 0.7, 0.85  # least probability of speech and solo together, and of noise
NARROW_WIDTH = 0.3  # of a voice or an instrument: one source, with a little room
MUSIC_WIDTH = 0.9  # real music has a median of about 1; a result should not be wider
FULL_SEGMENTS = 10  # at the start, without gaps
SPARSE = 4  # then one segment of so many
LIMIT = 4.0  # deviations; one feature alone decides nothing
MODEL = "content.json"


@dataclass(frozen=True)
class Content:
    """Kind of a sound, with its probabilities."""

    kind: Kind
    """"unknown" is a sound shorter than 2.3 s."""
    speech: float = 0.0
    """Probability, 0 to 1, as all others."""
    solo: float = 0.0
    music: float = 0.0
    noise: float = 0.0

    @property
    def max_width(self) -> float:
        """Largest width, 2·rms(S)/rms(M), that suits the content."""
        return NARROW_WIDTH if self.kind in ("speech", "solo") else MUSIC_WIDTH

    @property
    def sentence(self) -> str:
        """Half a sentence about the width, where the content is no music."""
        if self.kind in ("speech", "solo"):
            name = "speech" if self.kind == "speech" else "a single voice or instrument"
            return f"{name}: width at most {NARROW_WIDTH:g}; use `width` 1 for the full width"
        if self.kind == "noise":
            return "noise or a field recording: nothing in it is placed, the width is ambience only"
        return ""

    def as_dict(self) -> dict[str, str | float]:
        """For JSON."""
        return asdict(self)


class ContentMeter:
    """Finds the content of a mono signal from its power spectra.

    Args:
        frames: source of the spectra.
    """

    def __init__(self, frames: PowerFrames) -> None:
        self._analysis = FrameAnalysis(frames)
        self._power: list[Float[np.ndarray, "frames bins"]] = []
        self._waiting = self._segment = 0
        self._features: list[Float[np.ndarray, " features"]] = []
        self._audible = False

    def push(self, power: Float[np.ndarray, "frames bins"]) -> None:
        """Measure the next frames."""
        while len(power):
            part = power[: FRAMES - self._waiting]
            power = power[len(part) :]
            self._waiting += len(part)
            if self._is_kept():
                self._power.append(part)
            if self._waiting == FRAMES:
                self._end_segment()

    def features(self) -> Float[np.ndarray, "segments features"]:
        """Of all segments that are not silent, once all is measured."""
        if self._waiting >= LEAST_FRAMES or not self._segment:
            self._end_segment()
        return np.array(self._features)

    def content(self) -> Content:
        """The result, once all is measured."""
        features = self.features()
        if not len(features):
            return Content("unknown" if self._audible else "silence")
        return decide(probabilities(features).mean(axis=0))

    def _is_kept(self) -> bool:
        return self._segment < FULL_SEGMENTS or self._segment % SPARSE == 0

    def _end_segment(self) -> None:
        parts, count = self._power, self._waiting
        kept = self._is_kept()
        self._power, self._waiting = [], 0
        self._segment += 1
        if not kept or not count:
            return
        frames: Frames = self._analysis(np.concatenate(parts))
        self._audible = self._audible or bool(frames.bands.max() > 0)
        features = segment_features(frames) if count >= LEAST_FRAMES else None
        if features is not None:
            self._features.append(features)


def decide(means: Float[np.ndarray, " classes"]) -> Content:
    """The content of a sound with these mean probabilities."""
    speech, solo, music, noise = map(float, means)
    kind: Kind = "music"
    if speech + solo >= NARROW:
        kind = "speech" if speech >= solo else "solo"
    elif noise >= NOISE:
        kind = "noise"
    return Content(kind, speech, solo, music, noise)


@cache
def _model() -> dict[str, np.ndarray]:
    text = files("soundstage.metrics").joinpath(MODEL).read_text(encoding="utf-8")
    return {name: np.array(values) for name, values in json.loads(text)["model"].items()}


def probabilities(
    features: Float[np.ndarray, "segments features"],
) -> Float[np.ndarray, "segments classes"]:
    """Of each segment, in the order of `CLASSES`."""
    model = _model()
    z = ((features - model["mean"]) / model["deviation"]).clip(-LIMIT, LIMIT)
    scores = z @ model["weight"].T + model["bias"]
    scores -= scores.max(axis=1, keepdims=True)
    return np.exp(scores) / np.exp(scores).sum(axis=1, keepdims=True)

"""Recordings by words: the built-in library, or a folder of the user's sounds.

The words of an event are matched with the labels of the recordings (`event_names`): the class of a
built-in clip; names, folders, tags and tagged classes of a file (`library_index`). Recordings that
match nearly as well as the best one are in an order that depends on the words only, and seeds take
them in turn: consecutive seeds give different recordings. After one round the speed varies, and of
long files the place.

The built-in library is 16 kHz mono, from recordings under CC0; `recipes/library_sounds.py` chose
them, and `sounds/credits.json` names their authors.
"""

import hashlib
import os
from collections.abc import Sequence
from functools import cache
from pathlib import Path

import numpy as np
from jaxtyping import Float

from soundstage.audio import open_sound, resample
from soundstage.errors import OptionError, WeightsError
from soundstage.scene.looping import extended
from soundstage.scene.sources.clip_analysis import (
    Segment,
    active_segment,
    cut,
    loudest_segment,
)
from soundstage.scene.sources.event_names import require_event, spoken, synonyms
from soundstage.scene.sources.recording import LOUDEST, Recording
from soundstage.scene.sources.source import MAX_SECONDS, DrySound, SourceOptions
from soundstage.text_files import TextKind, read_json

BUILT_IN = Path(__file__).with_name("sounds")
CREDITS = "credits.json"
CREDIT_FIELDS = ("title", "artist", "license", "source")
CREDITS_KIND = TextKind("the list of the built-in library", 1 << 20, WeightsError)

NEAR_BEST = 0.1  # of the score: recordings within it are takes of each other
LONG_SECONDS = 20.0  # of a file; only a part of a longer one is used
PART_SECONDS = 10.0  # of that part, if no length is wanted
LEAD_SHARE = 0.25  # of that part, before its most likely place
MAX_SPEED_CHANGE = 0.04  # of a repeated recording: a voice stays that voice


def load(name: str, options: SourceOptions) -> "Library":
    """The built-in library, or that of the folder `options.place`.

    Raises:
        InputError: the folder has no sound that can be read.
    """
    if options.place is None:
        return Library(name, "The built-in library", built_in_recordings())
    from soundstage.scene.sources.library_index import folder_recordings

    folder = Path(options.place)
    recordings = folder_recordings(folder, log=options.log, progress=options.progress)
    return Library(name, f"The library {folder}", recordings)


@cache
def built_in_recordings() -> tuple[Recording, ...]:
    """The clips of the built-in library.

    Raises:
        WeightsError: its list is missing or damaged.
    """
    path = BUILT_IN / CREDITS
    try:
        return tuple(
            Recording(
                BUILT_IN / entry["file"],
                {entry["label"]: 1.0},
                entry.get("title", entry["file"]),
                {name: entry[name] for name in CREDIT_FIELDS if name in entry},
                entry["loopable"],
                entry["seconds"],
            )
            for entry in read_json(path, CREDITS_KIND)["sounds"]
        )
    except (KeyError, TypeError) as error:
        raise WeightsError(f"{path}: is damaged; install Soundstage again.") from error


class Library:
    """A `SoundSource` of recordings.

    Args:
        name: in the registry.
        subject: of error messages, such as "The built-in library".
        recordings: at least one.
    """

    def __init__(self, name: str, subject: str, recordings: Sequence[Recording]) -> None:
        self.name, self._subject = name, subject
        self.recordings = tuple(recordings)
        self._labels = list(dict.fromkeys(label for each in recordings for label in each.labels))

    def sound(self, text: str, *, seconds: float | None, seed: int) -> DrySound:
        """A recording of the event, without the silence around it.

        A texture is cut to the wanted length, or continued by crossfades. Of an event that is
        longer, the loudest part is taken; a shorter one keeps its length.

        Args:
            text: words of the event.
            seconds: wanted length, up to 600 s; None: that of the recording.
            seed: of the take.

        Raises:
            OptionError: no recording matches, or `seconds` is out of range.
            InputError: the file cannot be read any more.
        """
        if seconds is not None and not 0 < seconds <= MAX_SECONDS:
            raise OptionError(f"`seconds` must be above 0 and at most {MAX_SECONDS:g}.")
        takes = self.takes(text)
        recording, label = takes[seed % len(takes)]
        round_number = seed // len(takes)
        random = np.random.default_rng([abs(seed), seed < 0])
        samples, rate = _read(recording, label, seconds, round_number)
        if round_number:
            speed = 1 + MAX_SPEED_CHANGE * random.uniform(-1, 1)
            samples = resample(samples[None], round(rate * speed), rate)[0]
        return DrySound(
            _fitted(samples, rate, recording.loopable, seconds, random),
            rate,
            title=recording.title,
            credit=dict(recording.credit),
            loopable=recording.loopable,
            label=spoken(label),
        )

    def takes(self, text: str) -> list[tuple[Recording, str]]:
        """The recordings of an event, each with the label that matched, in the order of the seeds.

        Raises:
            OptionError: no recording matches.
        """
        scores: dict[str, float] = {}
        known = False
        for label, score in require_event(text, self._labels, self._subject):
            # Only one known class, even of equal ones: a hand clap is no take of a clap of thunder
            if not (known and label in synonyms()):
                scores[label] = score
            known = known or label in synonyms()
        found = []
        for recording in self.recordings:
            ratings = [
                (scores[label] * weight, label)
                for label, weight in recording.labels.items()
                if label in scores
            ]
            if ratings:
                found.append((*max(ratings), recording))
        best = max(rating for rating, _, _ in found)
        words = " ".join(text.lower().split())

        def order(take: tuple[Recording, str]) -> bytes:
            return hashlib.sha256(os.fsencode(f"{words}\n{take[0].path.name}")).digest()

        near = [(recording, label) for rating, label, recording in found
                if rating >= best - NEAR_BEST]  # fmt: skip
        return sorted(near, key=order)


def _read(
    recording: Recording, label: str, seconds: float | None, round_number: int
) -> tuple[Float[np.ndarray, " frames"], int]:
    """The mean of the channels, without silence around it, and the rate; of a long file, a part."""
    sound = open_sound(recording.path)
    start, wanted = 0.0, LONG_SECONDS + 1
    if recording.seconds > LONG_SECONDS:
        wanted = PART_SECONDS if seconds is None else seconds
        places = recording.places.get(label) or recording.places.get(LOUDEST) or (0.0,)
        start = places[round_number % len(places)] - LEAD_SHARE * wanted
        start = max(min(start, recording.seconds - wanted), 0.0)
    first, frames = round(start * sound.rate), round(wanted * sound.rate)
    parts: list[Float[np.ndarray, " frames"]] = []
    held = 0
    for block in sound.blocks(sound.rate, first):
        parts.append(block.astype(np.float32).mean(axis=0))
        held += block.shape[1]
        if held >= frames:
            break
    samples = np.concatenate(parts)[:frames]
    samples = samples / max(1.0, float(np.abs(samples).max()))
    return cut(samples, active_segment(samples, sound.rate), sound.rate), sound.rate


def _fitted(
    samples: Float[np.ndarray, " frames"],
    rate: int,
    loopable: bool,
    seconds: float | None,
    random: np.random.Generator,
) -> Float[np.ndarray, " longer"]:
    """A recording of the wanted length, as far as that is possible."""
    frames = len(samples) if seconds is None else max(round(seconds * rate), 1)
    if frames < len(samples):
        segment = loudest_segment(samples, rate, frames)
        if loopable:
            start = int(random.integers(0, len(samples) - frames + 1))
            segment = Segment(start, start + frames)
        return cut(samples, segment, rate)
    if frames > len(samples) and loopable and seconds is not None:
        return extended(samples, rate, seconds, int(random.integers(2**31)))
    return samples

"""Labeled sound events: clips of one event each, in folds that share no recording.

Two layouts are read. ESC-50 as published (Piczak, ESC: Dataset for Environmental Sound
Classification, ACM MM 2015): `meta/esc50.csv` with `filename`, `fold`, `category` and `esc10`,
sounds in `audio/`. And a folder with a `manifest.csv` of `file`, `fold` and `class`, which may
also give the license and the author of every clip (`clip_license`, `clip_author`, `clip_title`,
`clip_url`): a collection's license covers what was selected and how it was labeled, a recording
has its own.
"""

import csv
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from jaxtyping import Float

from soundstage.audio import open_sound, resample
from soundstage.corpora.layouts import Credit, find_manifest, read_manifest
from soundstage.errors import InputError

OFFICIAL = Path("meta") / "esc50.csv"
CREDIT_FIELDS = {
    "clip_title": "title",
    "clip_author": "artist",
    "clip_license": "license",
    "clip_url": "source",
}
NOT_STATED = "not stated"
BLOCK_SECONDS = 10


@dataclass(frozen=True)
class EventClip:
    """One sound and what is heard in it."""

    path: Path
    fold: int
    """Clips of one recording lie in one fold: split by fold, never by clip."""
    label: str
    license: str
    """Of the recording, such as "CC0"; of the collection where a recording has none."""
    credit: Credit


def event_clips(folder: Path) -> list[EventClip]:
    """The clips of a collection of events, in the order of its list.

    The official ESC-50 states licenses for its two parts only: "CC-BY" for the ten classes of
    ESC-10, "CC-BY-NC" for the others.

    Raises:
        InputError: the folder holds no such list, or the list lacks a column or a number.
    """
    if (folder / OFFICIAL).is_file():
        clips = _official(folder)
    elif manifest := find_manifest(folder):
        clips = [_listed(manifest, path, row) for path, row in read_manifest(manifest).items()]
    else:
        raise InputError(
            f"{folder}: holds no labeled events; a manifest.csv or ESC-50's {OFFICIAL} is needed."
        )
    if not clips:
        raise InputError(f"{folder}: its list names no clip.")
    return clips


def read_event(path: Path, rate: int) -> Float[np.ndarray, " frames"]:
    """A clip as mono sound.

    Args:
        path: a sound file of any rate and any number of channels; their mean is taken.
        rate: of the result, in Hz.

    Raises:
        InputError: the file cannot be read.
    """
    with open_sound(path) as sound:
        blocks = [
            block.astype(np.float32).mean(axis=0, keepdims=True)
            for block in sound.blocks(BLOCK_SECONDS * sound.rate)
        ]
        return resample(np.concatenate(blocks, axis=1), sound.rate, rate)[0]


def recordings(clips: Iterable[EventClip]) -> list[Credit]:
    """Credits of the recordings that clips were cut from, each once, in the order of the clips."""
    credits = (clip.credit for clip in clips if clip.credit)
    return list({tuple(credit.items()): credit for credit in credits}.values())


def _listed(manifest: Path, path: Path, row: Mapping[str, str]) -> EventClip:
    label, fold = _cell(manifest, row, "class"), _fold(manifest, row)
    license = row.get("clip_license") or row.get("license") or NOT_STATED
    credit = {name: row[field] for field, name in CREDIT_FIELDS.items() if row.get(field)}
    return EventClip(path, fold, label, license, credit)


def _official(folder: Path) -> list[EventClip]:
    meta = folder / OFFICIAL
    try:
        with meta.open(encoding="utf-8", newline="") as lines:
            rows = list(csv.DictReader(lines))
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise InputError(f"{meta}: the list cannot be read ({error}).") from error
    return [
        EventClip(
            folder / "audio" / _cell(meta, row, "filename"),
            _fold(meta, row),
            _cell(meta, row, "category"),
            "CC-BY" if row.get("esc10") == "True" else "CC-BY-NC",
            {},
        )
        for row in rows
    ]


def _fold(source: Path, row: Mapping[str, str]) -> int:
    text = _cell(source, row, "fold")
    try:
        return int(text)
    except ValueError:
        raise InputError(f"{source}: the fold {text!r} is no number.") from None


def _cell(source: Path, row: Mapping[str, str], column: str) -> str:
    value = row.get(column)
    if not value:
        raise InputError(f"{source}: a line has no {column!r}, which every event needs.")
    return value

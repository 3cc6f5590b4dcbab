"""Labeled sound events: clips of one event each, in folds that share no recording.

Two layouts are supported:

- ESC-50 as published (Piczak, ESC: Dataset for Environmental Sound Classification, ACM MM 2015):
  `meta/esc50.csv` with `filename`, `fold`, `category` and `esc10`, and sounds in `audio/`;
- a `manifest.csv` of `file`, `fold` and `class`, optionally with license and author of every clip
  (`clip_license`, `clip_author`, `clip_title`, `clip_url`). The license of a collection covers its
  selection and labels; each recording has its own license.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from jaxtyping import Float

from soundstage.audio import open_sound, resample
from soundstage.corpora.layouts import MANIFEST, Credit, find_manifest, read_manifest
from soundstage.errors import InputError, quoted
from soundstage.text_files import read_table

OFFICIAL = Path("meta") / "esc50.csv"
CREDIT_FIELDS = {
    "clip_title": "title",
    "clip_author": "artist",
    "clip_license": "license",
    "clip_url": "source",
}
NOT_STATED = "not stated"
MAX_FOLD_DIGITS = 3
BLOCK_SECONDS = 10


@dataclass(frozen=True)
class EventClip:
    """One sound with its label."""

    path: Path
    fold: int
    """All clips of a recording are in the same fold."""
    label: str
    license: str
    """Of the recording, such as "CC0"; of the collection if the recording has none."""
    credit: Credit


def event_clips(folder: Path) -> list[EventClip]:
    """The clips of a collection, in the order of its list.

    ESC-50 states licenses for its two parts only: "CC-BY" for the ten classes of ESC-10,
    "CC-BY-NC" for the others.

    Raises:
        InputError: the folder has no list, or the list lacks a column or value.
    """
    if (folder / OFFICIAL).is_file():
        clips = _official(folder)
    elif manifest := find_manifest(folder):
        clips = [_listed(manifest, path, row) for path, row in read_manifest(manifest).items()]
    else:
        raise InputError(
            f"{folder}: contains no labeled events; a manifest.csv or {OFFICIAL} is required."
        )
    if not clips:
        raise InputError(f"{folder}: the list has no clip.")
    return clips


def read_event(path: Path, rate: int) -> Float[np.ndarray, " frames"]:
    """The mean of the channels of a clip.

    Args:
        path: sound file of any rate and number of channels.
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
    """Credits of the recordings of clips, each once, in the order of the clips."""
    credits = (clip.credit for clip in clips if clip.credit)
    return list({tuple(credit.items()): credit for credit in credits}.values())


def _listed(manifest: Path, path: Path, row: Mapping[str, str]) -> EventClip:
    place = f"{manifest}, {quoted(path.name)}"
    label, fold = _cell(place, row, "class"), _fold(place, row)
    license = row.get("clip_license") or row.get("license") or NOT_STATED
    credit = {name: row[field] for field, name in CREDIT_FIELDS.items() if row.get(field)}
    return EventClip(path, fold, label, license, credit)


def _official(folder: Path) -> list[EventClip]:
    meta, clips = folder / OFFICIAL, []
    for number, row in read_table(meta, MANIFEST):
        place = f"{meta}, line {number}"
        path = folder / "audio" / _cell(place, row, "filename")
        license = "CC-BY" if row.get("esc10") == "True" else "CC-BY-NC"
        clips.append(EventClip(path, _fold(place, row), _cell(place, row, "category"), license, {}))
    return clips


def _fold(place: str, row: Mapping[str, str]) -> int:
    text = _cell(place, row, "fold")
    if not (text.isascii() and text.isdigit() and len(text) <= MAX_FOLD_DIGITS):
        raise InputError(f"{place}: the fold {quoted(text)} is not an integer from 0 to 999.")
    return int(text)


def _cell(place: str, row: Mapping[str, str], column: str) -> str:
    value = row.get(column)
    if not value:
        raise InputError(f"{place}: there is no value for {column!r}.")
    return value

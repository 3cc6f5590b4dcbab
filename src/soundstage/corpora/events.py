"""Labeled sound events: clips of one event each, in folds that share no recording.

A folder is a published collection (ESC-50, UrbanSound8K, FSD50K, ARCA23K; see `event_layouts`), or
has a `manifest.csv` of `file`, `fold` and `class`, optionally with license and author of every clip
(`clip_license`, `clip_author`, `clip_title`, `clip_url`). The license of a collection covers its
selection and labels; each recording has its own license.
"""

from collections.abc import Iterable, Mapping
from pathlib import Path

import numpy as np
from jaxtyping import Float

from soundstage.audio import open_sound, resample
from soundstage.corpora.event_layouts import (
    LAYOUTS,
    NOT_STATED,
    EventClip,
    cell,
    fold_number,
    published_clips,
)
from soundstage.corpora.layouts import Credit, find_manifest, read_manifest
from soundstage.errors import InputError, quoted

CREDIT_FIELDS = {
    "clip_title": "title",
    "clip_author": "artist",
    "clip_license": "license",
    "clip_url": "source",
}
BLOCK_SECONDS = 10

__all__ = ["EventClip", "event_clips", "read_event", "recordings"]


def event_clips(folder: Path) -> list[EventClip]:
    """The clips of a collection, in the order of its list.

    The license is the one of the recording where the collection states it. ESC-50 states licenses
    for its two parts only: "CC-BY" for the ten classes of ESC-10, "CC-BY-NC" for the others;
    UrbanSound8K is "CC-BY-NC" as a whole.

    Raises:
        InputError: the folder has no list, or the list lacks a column or value.
    """
    clips = published_clips(folder)
    if clips is None:
        manifest = find_manifest(folder)
        if manifest is None:
            raise InputError(
                f"{folder}: contains no labeled events; a manifest.csv or one of "
                f"{', '.join(map(str, LAYOUTS))} is required."
            )
        clips = [_listed(manifest, path, row) for path, row in read_manifest(manifest).items()]
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
    label, fold = cell(place, row, "class"), fold_number(place, row)
    license = row.get("clip_license") or row.get("license") or NOT_STATED
    credit = {name: row[field] for field, name in CREDIT_FIELDS.items() if row.get(field)}
    return EventClip(path, fold, label, license, credit)

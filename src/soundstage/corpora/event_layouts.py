"""Published collections of labeled sound events, as their authors lay them out in folders.

- ESC-50 (Piczak, ACM MM 2015): `meta/esc50.csv`, sounds in `audio/`, five folds.
- UrbanSound8K (Salamon et al., ACM MM 2014): `metadata/UrbanSound8K.csv`, sounds in
  `audio/fold1` to `audio/fold10`, ten folds; the clips of a recording are in one fold.
- FSD50K (Fonseca et al., IEEE/ACM TASLP 30, 2022): `FSD50K.ground_truth/dev.csv` and `eval.csv`,
  sounds in `FSD50K.dev_audio` and `FSD50K.eval_audio`, the license and author of every clip in
  `FSD50K.metadata/dev_clips_info_FSD50K.json` and `eval_clips_info_FSD50K.json`.
- ARCA23K (Iqbal et al., DCASE 2021): `ARCA23K.ground_truth/train.csv`, `val.csv` and `test.csv`,
  sounds of the first in `ARCA23K.audio`. The other two list clips of FSD50K, whose folders are
  expected beside or inside the folder of ARCA23K; what is not there is left out.

Collections with splits in place of folds get folds 1 (training), 2 (validation) and 3 (test).
A clip of FSD50K has all its labels, from the most specific one up to "Animal" or "Music".
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from soundstage.corpora.layouts import MANIFEST, Credit
from soundstage.errors import InputError, quoted
from soundstage.text_files import TextKind, read_json, read_table

ESC50 = Path("meta") / "esc50.csv"
URBANSOUND8K = Path("metadata") / "UrbanSound8K.csv"
FSD50K = Path("FSD50K.ground_truth")
ARCA23K = Path("ARCA23K.ground_truth")
CLIPS_INFO = TextKind("a list of clips", 400_000_000)  # bytes; the one of FSD50K has 40 MB
NOT_STATED = "not stated"
MAX_FOLD_DIGITS = 3
MAX_NAME = 200  # characters of the name of a file
FREESOUND = "https://freesound.org/s/{}/"
TRAIN, VALID, TEST = 1, 2, 3  # folds of collections with splits


@dataclass(frozen=True)
class EventClip:
    """One sound with its label.

    >>> clip = EventClip(Path("1.wav"), 1, "Bark", "CC0", {}, ("Bark", "Dog", "Animal"))
    >>> clip.drawn_label(np.random.default_rng(1))
    'Dog'
    """

    path: Path
    fold: int
    """All clips of a recording are in the same fold."""
    label: str
    """The only label, or the most specific one."""
    license: str
    """Of the recording, such as "CC0"; of the collection if the recording has none."""
    credit: Credit
    labels: tuple[str, ...] = ()
    """All labels, the most specific one first."""

    def __post_init__(self) -> None:
        if not self.labels:
            object.__setattr__(self, "labels", (self.label,))

    def drawn_label(self, generator: np.random.Generator) -> str:
        """One of the labels at random, for a prompt (DualSpec, §V-C)."""
        return self.labels[int(generator.integers(len(self.labels)))]


def published_clips(folder: Path) -> list[EventClip] | None:
    """The clips of a published collection, in the order of its list; None for another folder.

    Raises:
        InputError: a list lacks a column or value, or a license cannot be read.
    """
    for place, read in LAYOUTS.items():
        if (folder / place).exists():
            return list(read(folder))
    return None


def license_name(text: str) -> str:
    """The short name of a Creative Commons license: "CC0", "CC-BY", "CC-BY-NC", "CC-Sampling+".

    Args:
        text: its address or name, in any version; another text is returned as it is.

    >>> license_name("http://creativecommons.org/licenses/by-nc/3.0/")
    'CC-BY-NC'
    """
    lower = text.lower()
    known = {
        "publicdomain/zero": "CC0",
        "cc0": "CC0",
        "creative commons 0": "CC0",
        "licenses/by/": "CC-BY",
        "attribution noncommercial": "CC-BY-NC",
        "licenses/sampling+": "CC-Sampling+",
        "sampling+": "CC-Sampling+",
    }
    for part, name in known.items():
        if part in lower:
            return name
    if "licenses/" in lower and "creativecommons.org" in lower:
        return "CC-" + lower.split("licenses/")[1].split("/")[0].upper()
    return "CC-BY" if lower == "attribution" else text


def cell(place: str, row: Mapping[str, str], column: str) -> str:
    """A value of a row that must be there; `place` begins the sentence of the error."""
    value = row.get(column)
    if not value:
        raise InputError(f"{place}: there is no value for {column!r}.")
    return value


def fold_number(place: str, row: Mapping[str, str]) -> int:
    """The fold of a row, from 0 to 999."""
    text = cell(place, row, "fold")
    if not (text.isascii() and text.isdigit() and len(text) <= MAX_FOLD_DIGITS):
        raise InputError(f"{place}: the fold {quoted(text)} is not an integer from 0 to 999.")
    return int(text)


def _rows(table: Path) -> Iterator[tuple[str, dict[str, str]]]:
    for number, row in read_table(table, MANIFEST):
        yield f"{table}, line {number}", row


def _file_name(place: str, row: Mapping[str, str], column: str) -> str:
    name = cell(place, row, column)
    if len(name) > MAX_NAME or Path(name).name != name:
        raise InputError(f"{place}: {quoted(name)} is not the name of a file.")
    return name


def _esc50(folder: Path) -> Iterator[EventClip]:
    """The licenses are those of the two parts: CC BY for the ten classes of ESC-10."""
    for place, row in _rows(folder / ESC50):
        path = folder / "audio" / _file_name(place, row, "filename")
        license = "CC-BY" if row.get("esc10") == "True" else "CC-BY-NC"
        yield EventClip(path, fold_number(place, row), cell(place, row, "category"), license, {})


def _urbansound8k(folder: Path) -> Iterator[EventClip]:
    """The license is that of the collection; every recording has an address at Freesound."""
    for place, row in _rows(folder / URBANSOUND8K):
        fold = fold_number(place, row)
        path = folder / "audio" / f"fold{fold}" / _file_name(place, row, "slice_file_name")
        credit = {"source": FREESOUND.format(cell(place, row, "fsID"))}
        yield EventClip(path, fold, cell(place, row, "class"), "CC-BY-NC", credit)


def _fsd50k(folder: Path) -> Iterator[EventClip]:
    for part in ("dev", "eval"):
        table = folder / FSD50K / f"{part}.csv"
        if not table.is_file():
            continue
        info = _clips_info(folder / "FSD50K.metadata" / f"{part}_clips_info_FSD50K.json")
        for place, row in _rows(table):
            name = _file_name(place, row, "fname")
            labels = tuple(filter(None, cell(place, row, "labels").split(",")))
            if not labels:
                raise InputError(f"{place}: there is no value for 'labels'.")
            fold = TEST if part == "eval" else VALID if row.get("split") == "val" else TRAIN
            path = folder / f"FSD50K.{part}_audio" / f"{name}.wav"
            license, credit = _freesound_credit(name, info)
            yield EventClip(path, fold, labels[0], license, credit, labels)


def _arca23k(folder: Path) -> Iterator[EventClip]:
    info: dict[str, Any] = {}
    for path in sorted((folder / "ARCA23K.metadata").glob("*.json")):
        info.update(_clips_info(path))
    for part, fold, audio in (
        ("train", TRAIN, "ARCA23K.audio"),
        ("val", VALID, "FSD50K.dev_audio"),
        ("test", TEST, "FSD50K.eval_audio"),
    ):
        table = folder / ARCA23K / f"{part}.csv"
        sounds = _existing(folder, audio)
        if not table.is_file() or sounds is None:
            continue
        for place, row in _rows(table):
            name = _file_name(place, row, "fname")
            license, credit = _freesound_credit(name, info)
            yield EventClip(
                sounds / f"{name}.wav", fold, cell(place, row, "label"), license, credit
            )


def _existing(folder: Path, audio: str) -> Path | None:
    """A folder of sounds inside a collection, beside it, or inside FSD50K beside it."""
    parent = folder.resolve().parent
    places = (folder / audio, parent / audio, parent / "FSD50K" / audio)
    return next((place for place in places if place.is_dir()), None)


def _clips_info(path: Path) -> dict[str, Any]:
    """Facts by clip, with the keys of FSD50K: title, license, uploader; empty without a file."""
    if not path.is_file():
        return {}
    content = read_json(path, CLIPS_INFO)
    if not isinstance(content, dict):
        raise InputError(f"{path}: is not a table of clips.")
    return content


def _freesound_credit(name: str, info: Mapping[str, Any]) -> tuple[str, Credit]:
    """License and credit of a clip of Freesound, whose file has its number as its name."""
    facts = info.get(name)
    credit = {"source": FREESOUND.format(name)}
    if not isinstance(facts, dict):
        return NOT_STATED, credit
    found = {"title": facts.get("title"), "artist": facts.get("uploader")}
    license = license_name(str(facts.get("license") or NOT_STATED))
    named = {key: value for key, value in found.items() if isinstance(value, str) and value}
    return license, {**named, "license": license, **credit}


LAYOUTS: dict[Path, Callable[[Path], Iterator[EventClip]]] = {
    ESC50: _esc50,
    URBANSOUND8K: _urbansound8k,
    ARCA23K: _arca23k,
    FSD50K: _fsd50k,
}
"""Readers by a file or folder that only this collection has."""

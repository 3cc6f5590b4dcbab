"""Band levels of separate stems, and of a whole collection of them in one file.

A collection has a `manifest.csv` with the columns `file`, `song`, `stem` and `kind`. The kind is
that of a separator's source: one of `KINDS`, or `accompaniment` for a mix that holds no voice. A
stem takes 160 bytes a frame, 25 MB an hour: the level of every narrow band in steps of half a
decibel. Mixes are made of such levels in training, so that no waveform is read again.
"""

import hashlib
import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Float, Int64, UInt8
from torch import Tensor

from soundstage.audio import StreamResampler, open_sound
from soundstage.corpora.layouts import CREDIT_COLUMNS, Credit, read_manifest
from soundstage.errors import InputError, WeightsError, quoted
from soundstage.spectra import AnalysisStream
from soundstage.stereo import RATE, TRANSFORM
from soundstage.stereo.fine_bands import FINE_BANDS, fine_levels, fine_powers
from soundstage.text_files import parse_json
from soundstage.weights.model import load_weights, save_weights

FAMILY = "stem-levels"
KINDS = ("lead", "voice", "drums", "bass", "object")
"""Lead voice, other voices, drums, bass, and any other instrument."""
ACCOMPANIMENT = "accompaniment"
LOWEST_DB, STEP_DB = -40.0, 0.5  # of the stored levels; a sine at full scale has about 60 dB
SILENT = 0  # the stored level of an empty band
BLOCK_SECONDS = 10
COLUMNS = ("file", "song", "stem", "kind")


@dataclass(frozen=True)
class StemRow:
    """A stem of a collection."""

    path: Path
    collection: str
    """Name of its folder."""
    song: str
    """Unique: COLLECTION/SONG."""
    stem: str
    kind: str
    split: str
    """"train", "valid" or "test"."""
    credit: Credit


@dataclass(frozen=True)
class StemCache:
    """A collection; the frames of all stems one after the other."""

    levels: UInt8[Tensor, "frames bands"]
    ends: Int64[Tensor, " stems"]
    """One past the last frame of each stem."""
    songs: list[str]
    kinds: list[str]
    credits: list[Credit]
    """Of every stem; empty if none is known."""
    fingerprint: bytes
    """SHA-256 of the source files."""

    @property
    def starts(self) -> Int64[Tensor, " stems"]:
        """The first frame of each stem."""
        return torch.cat([self.ends.new_zeros(1), self.ends[:-1]])


def is_stem_collection(folder: Path) -> bool:
    """Whether a folder or one below it holds a collection of stems with kinds."""
    return any(True for _ in _manifests(folder))


def stem_rows(folder: Path) -> list[StemRow]:
    """The stems of all collections in a folder and below it.

    Raises:
        InputError: there is none; a manifest cannot be read, names a file that is missing, or has
            an unknown kind.
    """
    rows = []
    for manifest, entries in _manifests(folder):
        place = manifest.parent.relative_to(folder).as_posix()
        collection = folder.resolve().name if place == "." else place.replace("/", "-")
        for path, row in entries.items():
            kind = row["kind"]
            if kind not in (*KINDS, ACCOMPANIMENT):
                raise InputError(
                    f"{manifest}: {quoted(kind)} is no kind of stem: use one of "
                    f"{', '.join((*KINDS, ACCOMPANIMENT))}."
                )
            if not path.is_file():
                raise InputError(f"{manifest}: {path} does not exist.")
            credit = {name: row[name] for name in (*CREDIT_COLUMNS, "source") if row.get(name)}
            song, split = f"{collection}/{row['song']}", row.get("split") or "train"
            rows.append(StemRow(path, collection, song, row["stem"], kind, split, credit))
    if not rows:
        raise InputError(f"{folder}: has no manifest with the columns {', '.join(COLUMNS)}.")
    return rows


def _manifests(folder: Path) -> Iterator[tuple[Path, dict[Path, dict[str, str]]]]:
    """The manifests of stems with kinds, and their rows by path."""
    for manifest in sorted(folder.rglob("manifest.csv")):
        rows = read_manifest(manifest)
        if rows and all(set(COLUMNS[1:]) <= row.keys() for row in rows.values()):
            yield manifest, rows


def stem_levels(path: Path) -> UInt8[np.ndarray, "frames bands"]:
    """Levels of a file of any rate; channels are averaged.

    Raises:
        InputError: the file cannot be read.
    """
    with open_sound(path) as sound, torch.inference_mode():
        resampler, analysis = StreamResampler(sound.rate, RATE, 1), AnalysisStream(TRANSFORM)
        parts = []
        for block in sound.blocks(BLOCK_SECONDS * sound.rate):
            mono = block.mean(axis=0, keepdims=True, dtype=np.float32)
            parts.append(analysis.push(torch.from_numpy(resampler.push(mono)[0])))
        parts.append(analysis.push(torch.from_numpy(resampler.finish()[0])))
        parts.append(analysis.finish())
        levels = fine_levels(fine_powers(torch.cat(parts, dim=-1))).T
    steps = ((levels - LOWEST_DB) / STEP_DB).round().clamp(0, 255)
    return steps.to(torch.uint8).numpy()


def powers_of(levels: UInt8[Tensor, "*shape"]) -> Float[Tensor, "*shape"]:
    """Powers of stored levels; 0 where a band is empty."""
    return _POWERS[levels.int()]


_POWERS = (10 ** ((LOWEST_DB + STEP_DB * torch.arange(256, dtype=torch.float64)) / 10)).float()
_POWERS[SILENT] = 0


def rows_fingerprint(rows: Sequence[StemRow]) -> bytes:
    """SHA-256 over names, kinds, sizes and modification times of stems."""
    facts = [FAMILY, str(FINE_BANDS)]
    for row in rows:
        status = row.path.stat()
        facts.append(f"{row.song} {row.stem} {row.kind} {status.st_size} {status.st_mtime_ns}")
    return hashlib.sha256("\n".join(facts).encode()).digest()


def save_stems(
    path: Path,
    rows: Sequence[StemRow],
    levels: Sequence[UInt8[np.ndarray, "frames bands"]],
    fingerprint: bytes,
) -> None:
    """Write the levels of stems.

    Raises:
        OutputError: the file cannot be written.
    """
    about = {
        "songs": [row.song for row in rows],
        "kinds": [row.kind for row in rows],
        "credits": [row.credit for row in rows],
    }
    tensors = {
        "levels": torch.from_numpy(np.concatenate(levels)),
        "ends": torch.tensor([len(each) for each in levels]).cumsum(0),
        "about": torch.tensor(list(json.dumps(about).encode()), dtype=torch.uint8),
        "fingerprint": torch.tensor(list(fingerprint), dtype=torch.uint8),
    }
    save_weights(path, FAMILY, tensors)


def load_stems(path: Path) -> StemCache:
    """Read a file of `save_stems`.

    Raises:
        WeightsError: the file is missing or damaged, or its tensors are inconsistent.
    """
    weights = load_weights(path, FAMILY)
    levels = weights.tensor("levels", torch.uint8, (None, FINE_BANDS))
    ends = weights.tensor("ends", torch.int64, (None,))
    try:
        content = bytes(weights.tensor("about", torch.uint8, (None,)).tolist())
        about = parse_json(content, f"{path}, songs and kinds", WeightsError)
        songs, kinds = list(map(str, about["songs"])), list(map(str, about["kinds"]))
        credits = list(map(dict, about["credits"]))
    except (ValueError, KeyError, TypeError) as error:
        raise WeightsError(f"{path}: songs and kinds of the stems are damaged.") from error
    ordered = int(ends[0]) > 0 and bool((ends.diff() > 0).all()) and int(ends[-1]) == len(levels)
    known = set(kinds) <= {*KINDS, ACCOMPANIMENT}
    if not (ordered and known and len(ends) == len(songs) == len(kinds) == len(credits)):
        raise WeightsError(f"{path}: the frames and stems are inconsistent.")
    fingerprint = bytes(weights.tensor("fingerprint", torch.uint8, (32,)).tolist())
    return StemCache(levels, ends, songs, kinds, credits, fingerprint)

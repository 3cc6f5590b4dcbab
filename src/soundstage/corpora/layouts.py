"""Collections of stereo sound: published layouts, manifests, and excerpts of tracks.

- MUSDB18-HQ (Rafii et al. 2019): `train` and `test`, a folder per track with `mixture.wav` and the
  stems `drums.wav`, `bass.wav`, `other.wav`, `vocals.wav`.
- stems with a `manifest.csv`, whose columns `song` and `stem` group them: there is no mix, so that
  one can be rendered at known places (`placed_mixes`). A column `kind` may say what each one is.
- tracks with a `manifest.csv` of the columns `file` and `split`.
- plain folder: every sound file below it.

A manifest also names title, artist, license and source of each track. A model trained on the tracks
carries these credits in its card.
"""

import os
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from jaxtyping import Float

from soundstage.audio import expand_inputs, open_sound
from soundstage.audio.resampling import resample
from soundstage.errors import InputError, SoundstageError, quoted, shortened
from soundstage.text_files import TextKind, read_table

MIXTURE = "mixture.wav"
MAX_NAME = 1000  # characters of the name of a file
MANIFEST = TextKind("a manifest", 100_000_000)  # bytes
MUSDB_STEMS = ("drums.wav", "bass.wav", "other.wav", "vocals.wav")
CREDIT_COLUMNS = ("title", "artist", "license", "source_repository", "source_path")
SPELLINGS = {"licence": "license", "clip_licence": "clip_license"}  # columns with two spellings
BLOCK_SECONDS = 5  # of an excerpt, decoded at a time

Credit = dict[str, str]


@dataclass(frozen=True)
class Clip:
    """One item of a collection."""

    name: str
    """Unique in the collection: the path without suffix, or the name of the song."""
    mix: Path | None
    """None if there are only stems."""
    stems: tuple[Path, ...] = ()
    """Separate instruments, if there are any."""
    kinds: tuple[str, ...] = ()
    """What each of them is, such as "lead", "drums" or "object"; empty if no manifest says so."""


@dataclass(frozen=True)
class Corpus:
    """A collection."""

    folder: Path
    layout: str
    clips: tuple[Clip, ...]
    skipped: tuple[str, ...]
    """A message for every file that cannot be used."""


def open_corpus(folder: Path, *, split: str | None = None, channels: int = 2) -> Corpus:
    """Open a collection; its layout is detected.

    Args:
        folder: of the collection, or of one of its splits.
        split: part of the collection, such as "test", if the layout has parts.
        channels: required number of channels: 2 for stereo, 1 for mono recordings.

    Raises:
        InputError: the folder or split does not exist, or has no usable file.
    """
    if not folder.is_dir():
        raise InputError(f"{folder}: there is no such folder.")
    if split and (folder / split).is_dir():
        folder, split = folder / split, None
    mixtures = sorted(folder.rglob(MIXTURE))
    manifest = find_manifest(folder)
    rows = read_manifest(manifest) if manifest else {}
    if mixtures and not split:
        layout, clips = "MUSDB18-HQ", [_musdb_clip(folder, path) for path in mixtures]
    elif any("song" in row and "stem" in row for row in rows.values()) and not split:
        layout, clips = "stems with a manifest", _songs(folder, rows)
    elif split:
        layout, clips = "tracks with a manifest", _tracks_of_split(folder, rows, split)
    else:
        layout = "tracks with a manifest" if rows else "plain folder"
        clips = [_track(folder, path) for path in expand_inputs([folder])]
    kept, skipped = _usable(clips, channels)
    if not kept:
        reason = skipped[0] if skipped else "there is no sound file."
        kind = "stereo" if channels == 2 else "mono"
        raise InputError(f"{folder}: contains no usable {kind} track; {reason}")
    return Corpus(folder, layout, tuple(kept), tuple(skipped))


def stereo_tracks(folder: Path) -> tuple[list[Path], list[str]]:
    """All stereo files below a folder, sorted, and a message for every other file.

    Raises:
        InputError: the folder does not exist, or has no stereo file.
    """
    if not folder.is_dir():
        raise InputError(f"{folder}: there is no such folder.")
    clips, skipped = _usable([_track(folder, path) for path in expand_inputs([folder])], 2)
    if not clips:
        raise InputError(f"{folder}: contains no stereo file that can be read.")
    return [clip.mix for clip in clips if clip.mix], skipped


def _track(folder: Path, path: Path) -> Clip:
    return Clip(path.relative_to(folder).with_suffix("").as_posix(), path)


def _musdb_clip(folder: Path, mixture: Path) -> Clip:
    place = mixture.parent.relative_to(folder).as_posix()
    stems = tuple(mixture.with_name(stem) for stem in MUSDB_STEMS)
    name = folder.resolve().name if place == "." else place
    return Clip(name, mixture, tuple(stem for stem in stems if stem.is_file()))


def _songs(folder: Path, rows: dict[Path, dict[str, str]]) -> list[Clip]:
    songs: dict[str, dict[Path, str]] = {}
    for path, row in sorted(rows.items()):
        if os.path.isfile(path) and path.is_relative_to(folder.resolve()):
            songs.setdefault(row["song"], {})[path] = row.get("kind", "")
    return [
        Clip(song, None, tuple(stems), tuple(stems.values()) if all(stems.values()) else ())
        for song, stems in sorted(songs.items())
    ]


def _tracks_of_split(folder: Path, rows: dict[Path, dict[str, str]], split: str) -> list[Clip]:
    """The files of a split according to the manifest."""
    below = [path for path in rows if path.is_relative_to(folder.resolve())]
    known = sorted({rows[path].get("split", "") for path in below} - {""})
    if split not in known:
        there = f"the splits are {', '.join(known)}" if known else "the collection has no splits"
        raise InputError(f"{folder}: has no split {quoted(split)}; {shortened(there)}.")
    chosen = [path for path in below if rows[path].get("split") == split]
    return [_track(folder.resolve(), path) for path in sorted(chosen)]


def _usable(clips: Iterable[Clip], channels: int) -> tuple[list[Clip], list[str]]:
    """Clips with readable files of the right channels, and a message for every other clip."""
    kept, skipped = [], []
    for clip in clips:
        try:
            for stem in clip.stems:
                _check_channels(stem, (1, 2))
            if clip.mix:
                _check_channels(clip.mix, (channels,))
            kept.append(clip)
        except SoundstageError as error:
            skipped.append(str(error))
    return kept, skipped


def _check_channels(path: Path, channels: tuple[int, ...]) -> None:
    with open_sound(path) as sound:
        if sound.channels not in channels:
            expected = " or ".join(map(str, channels))
            raise InputError(f"{path}: has {sound.channels} channels, not {expected}.")


def find_manifest(folder: Path) -> Path | None:
    """The manifest of a collection, in its folder or the parent folder."""
    for place in (folder, folder.resolve().parent):
        if (place / "manifest.csv").is_file():
            return place / "manifest.csv"
    return None


def read_manifest(manifest: Path) -> dict[Path, dict[str, str]]:
    """Rows of a manifest by the absolute path of their file, in order; columns as in `SPELLINGS`.

    Raises:
        InputError: the manifest cannot be read, or has no column `file`; a line has more or fewer
            values than there are columns, or names no file, or one that another line names.
    """
    rows: dict[Path, dict[str, str]] = {}
    folder = manifest.resolve().parent
    for number, cells in read_table(manifest, MANIFEST):
        if "file" not in cells:
            hint = "; separate the columns by commas" if len(cells) == 1 else ""
            raise InputError(f"{manifest}: the manifest has no column 'file'{hint}.")
        name = cells["file"]
        path = _resolved(folder, name)
        if not 0 < len(name) <= MAX_NAME or path is None:
            raise InputError(f"{manifest}, line {number}: {quoted(name)} is not a file.")
        if path in rows:
            raise InputError(f"{manifest}, line {number}: {quoted(name)} is listed twice.")
        rows[path] = {SPELLINGS.get(column, column): cell for column, cell in cells.items()}
    return rows


def _resolved(folder: Path, name: str) -> Path | None:
    """The absolute path of a file; None if its links lead in a circle."""
    try:
        return (folder / name).resolve()
    except (OSError, RuntimeError):
        return None


def read_credits(manifest: Path, tracks: Sequence[Path]) -> list[Credit]:
    """Credits of the tracks that the manifest lists, in the order of `tracks`.

    Raises:
        InputError: the manifest has no column `file`, or cannot be read.
    """
    rows = read_manifest(manifest)
    found = [rows.get(track.resolve()) for track in tracks]
    return [
        {column: row[column] for column in CREDIT_COLUMNS if row.get(column)}
        for row in found
        if row
    ]


def read_excerpt(path: Path, rate: int, seconds: float = 0) -> Float[np.ndarray, "channels frames"]:
    """The middle `seconds` of a file, or all of a shorter file.

    The file is decoded from its start, without a seek, which would change the samples of a lossy
    format.

    Args:
        path: of the file.
        rate: of the result, in Hz.
        seconds: length; 0 for the whole file.

    Raises:
        InputError: the file cannot be read, is empty, or has samples that are not finite.
    """
    with open_sound(path) as sound:
        step = BLOCK_SECONDS * sound.rate
        length = round(seconds * sound.rate)
        start, stop = 0, None
        if length:
            frames = sound.frames
            if frames is None:  # known only after decoding
                frames = sum(block.shape[1] for block in sound.blocks(step))
            start = max((frames - length) // 2, 0)
            stop = start + length
        parts, position = [], 0
        for block in sound.blocks(step):
            end = None if stop is None else max(stop - position, 0)
            parts.append(block[:, max(start - position, 0) : end].astype(np.float32))
            position += block.shape[1]
            if stop is not None and position >= stop:
                break
        samples = np.concatenate(parts, axis=1) if parts else np.zeros((sound.channels, 0))
        if not samples.shape[1]:
            raise InputError(f"{path} is empty, its length is 0.")
        return resample(samples, sound.rate, rate)

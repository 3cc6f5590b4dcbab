"""Collections of true stereo, in the layouts they are published in.

- MUSDB18-HQ (Rafii et al. 2019): `train` and `test`, a folder a track, in it `mixture.wav` and the
  stems `drums.wav`, `bass.wav`, `other.wav`, `vocals.wav`.
- stems with a `manifest.csv` whose columns `song` and `stem` say what belongs together: there is no
  mix, so that it can be rendered at known places (`placed_mixes`).
- records with a `manifest.csv` that names a `file` and its `split`.
- a plain folder: every file below it.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from soundstage.audio import expand_inputs, open_sound
from soundstage.corpora.manifest import find_manifest, read_manifest
from soundstage.errors import InputError, SoundstageError

MIXTURE = "mixture.wav"
MUSDB_STEMS = ("drums.wav", "bass.wav", "other.wav", "vocals.wav")


@dataclass(frozen=True)
class Clip:
    """One piece of a collection."""

    name: str
    """Unique in the collection: the path without its ending, or the song's name."""
    record: Path | None
    """The whole sound; None where there are only its sources."""
    sources: tuple[Path, ...] = ()
    """The separate instruments, where they are known."""


@dataclass(frozen=True)
class Corpus:
    """A collection."""

    folder: Path
    layout: str
    clips: tuple[Clip, ...]
    left_out: tuple[str, ...]
    """A sentence for every file that does not fit."""


def open_corpus(folder: Path, *, split: str | None = None, channels: int = 2) -> Corpus:
    """The collection in a folder, its layout recognized by what lies there.

    Args:
        folder: of the collection, or of one of its splits.
        split: which part to take, such as "test", where the layout has parts.
        channels: what a record must have: 2 for true stereo, 1 for mono recordings.

    Raises:
        InputError: there is no such folder, no such split, or nothing usable in it.
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
        layout, clips = "records with a manifest", _of_split(folder, rows, split)
    else:
        layout = "records with a manifest" if rows else "plain folder"
        clips = [_record(folder, path) for path in expand_inputs([folder])]
    kept, left_out = _sorted_out(clips, channels)
    if not kept:
        reason = left_out[0] if left_out else "there is no sound file."
        kind = "stereo" if channels == 2 else "mono"
        raise InputError(f"{folder}: holds no {kind} record that can be used; {reason}")
    return Corpus(folder, layout, tuple(kept), tuple(left_out))


def _record(folder: Path, path: Path) -> Clip:
    return Clip(path.relative_to(folder).with_suffix("").as_posix(), path)


def _musdb_clip(folder: Path, mixture: Path) -> Clip:
    place = mixture.parent.relative_to(folder).as_posix()
    stems = tuple(mixture.with_name(stem) for stem in MUSDB_STEMS)
    name = folder.resolve().name if place == "." else place
    return Clip(name, mixture, tuple(stem for stem in stems if stem.is_file()))


def _songs(folder: Path, rows: dict[Path, dict[str, str]]) -> list[Clip]:
    songs: dict[str, list[Path]] = {}
    for path, row in rows.items():
        if path.is_file() and path.is_relative_to(folder.resolve()):
            songs.setdefault(row["song"], []).append(path)
    return [Clip(song, None, tuple(sorted(paths))) for song, paths in sorted(songs.items())]


def _of_split(folder: Path, rows: dict[Path, dict[str, str]], split: str) -> list[Clip]:
    """The files that the manifest puts into a split."""
    below = [path for path in rows if path.is_relative_to(folder.resolve())]
    known = sorted({rows[path].get("split", "") for path in below} - {""})
    if split not in known:
        there = f"there are {', '.join(known)}" if known else "the collection has none"
        raise InputError(f"{folder}: has no split {split!r}; {there}.")
    chosen = [path for path in below if rows[path].get("split") == split]
    return [_record(folder.resolve(), path) for path in sorted(chosen)]


def _sorted_out(clips: Iterable[Clip], channels: int) -> tuple[list[Clip], list[str]]:
    """Clips whose every file can be opened, and a sentence for each of the others."""
    kept, left_out = [], []
    for clip in clips:
        try:
            for source in clip.sources:
                _check(source, (1, 2))
            if clip.record:
                _check(clip.record, (channels,))
            kept.append(clip)
        except SoundstageError as error:
            left_out.append(str(error))
    return kept, left_out


def _check(path: Path, channels: tuple[int, ...]) -> None:
    with open_sound(path) as sound:
        if sound.channels not in channels:
            wanted = " or ".join(map(str, channels))
            raise InputError(f"{path}: has {sound.channels} channels, not {wanted}.")

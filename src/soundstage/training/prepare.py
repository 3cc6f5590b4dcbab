"""From a collection of records to the features that networks are trained on.

A collection that lies in folders `train`, `valid` and `test` gives a file each; any other gives one
that is named after its folder. A file that was made of the same records is left as it is. Records
that are learned from can be heard at other speeds as well, each speed in a file of its own: the same
mix with other notes and at another pace, which a network cannot know by heart as easily.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from soundstage.corpora import find_manifest, read_credits, stereo_tracks
from soundstage.corpora.feature_cache import (
    RecordColumns,
    files_fingerprint,
    load_features,
    record_columns,
    save_features,
)
from soundstage.errors import InputError, OptionError, OutputError, WeightsError
from soundstage.training.data.tracks import Progress, over_records

SPLITS = ("train", "valid", "test")
HELD_OUT = ("valid", "test")  # never learned from
SLOWEST, FASTEST = 0.5, 2.0


@dataclass(frozen=True)
class Prepared:
    """One file of features."""

    path: Path
    records: int
    frames: int
    left_out: list[str]
    """A sentence for every file that could not be used."""
    fresh: bool
    """False where the file was there already, made of the same records."""


def prepare(
    data: Path,
    output: Path,
    *,
    speeds: Sequence[float] = (),
    workers: int = 1,
    progress: Progress | None = None,
) -> list[Prepared]:
    """Write the features of a collection.

    Args:
        data: folder of stereo records, searched with its subfolders.
        output: a folder, made where there is none; gets NAME.safetensors for every part.
        speeds: other speeds, 0.5 to 2, at which what is learned from is heard as well; each gives
            a file NAME-SPEED.safetensors.
        workers: processes that read records at the same time.
        progress: called after each record of a part.

    Raises:
        InputError: a part holds no record that can be used.
        OptionError: a speed is out of its range.
        OutputError: the folder cannot be written.
    """
    for speed in speeds:
        if not SLOWEST <= speed <= FASTEST:
            raise OptionError(f"A speed goes from {SLOWEST} to {FASTEST:g}, and is {speed:g}.")
    if not data.is_dir():
        raise InputError(f"{data}: there is no such folder.")
    try:
        output.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise OutputError(f"{output} cannot be made ({error.strerror}).") from error
    jobs = [(folder, f"{name}.safetensors", 1.0) for name, folder in _parts(data)]
    jobs += [
        (folder, f"{name}-{speed:g}.safetensors", speed)
        for name, folder in _parts(data)
        if name not in HELD_OUT
        for speed in speeds
        if speed != 1
    ]
    return [
        _prepare_part(folder, output / name, speed, workers, progress)
        for folder, name, speed in jobs
    ]


def _parts(data: Path) -> Iterator[tuple[str, Path]]:
    splits = [name for name in SPLITS if (data / name).is_dir()]
    if not splits:
        yield data.resolve().name or "records", data
    for name in splits:
        yield name, data / name


def _prepare_part(
    folder: Path, path: Path, speed: float, workers: int, progress: Progress | None
) -> Prepared:
    records, left_out = stereo_tracks(folder)
    fingerprint = files_fingerprint(records, speed=speed)
    if path.exists():
        try:
            found = load_features(path)
        except WeightsError as error:
            raise OutputError(f"{path} exists and holds no features: move it away.") from error
        if found.fingerprint == fingerprint:
            return Prepared(path, len(found.names), len(found.tokens), left_out, fresh=False)
    named, unused = over_records(
        partial(_named_columns, speed=speed), records, workers=workers, progress=progress
    )
    used, columns = [record for record, _ in named], [each for _, each in named]
    manifest = find_manifest(folder)
    save_features(
        path,
        columns,
        names=[record.relative_to(folder).as_posix() for record in used],
        credits=read_credits(manifest, used) if manifest else [],
        fingerprint=fingerprint,
    )
    frames = sum(len(each.tokens) for each in columns)
    return Prepared(path, len(used), frames, left_out + unused, fresh=True)


def _named_columns(record: Path, *, speed: float) -> tuple[Path, RecordColumns]:
    return record, record_columns(record, speed=speed)

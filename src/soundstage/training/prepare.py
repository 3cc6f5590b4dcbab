"""Features of a collection of tracks, for the training of networks.

A collection in the folders `train`, `valid` and `test` gives a file for each; any other collection
gives one file with the name of its folder. A file that is up to date is not made again. Training
tracks can also be analyzed at other speeds, each in a file of its own: the same mix at another
pitch and tempo, a form of augmentation. Collections of stems have levels of their own
(`prepare_stems`).
"""

from collections.abc import Iterator, Sequence
from functools import partial
from pathlib import Path

from soundstage.corpora import find_manifest, read_credits, stereo_tracks
from soundstage.corpora.feature_cache import (
    TrackColumns,
    files_fingerprint,
    load_features,
    save_features,
    track_columns,
)
from soundstage.corpora.stem_cache import is_stem_collection
from soundstage.errors import InputError, OptionError, OutputError, WeightsError
from soundstage.parallel import Progress
from soundstage.training.data.feature_batches import HELD_OUT
from soundstage.training.data.tracks import TRAIN, map_tracks
from soundstage.training.prepare_stems import Prepared, prepare_stems

MIN_SPEED, MAX_SPEED = 0.5, 2.0


def prepare(
    data: Path,
    output: Path,
    *,
    speeds: Sequence[float] = (),
    jobs: int = 1,
    progress: Progress | None = None,
) -> list[Prepared]:
    """Write the features of a collection.

    Args:
        data: folder of stereo tracks, or of stems with kinds, searched with its subfolders.
        output: folder for NAME.safetensors of every part; created if missing.
        speeds: further speeds of the training tracks, 0.5 to 2; each gives a file
            NAME-SPEED.safetensors.
        jobs: number of processes.
        progress: called after each track.

    Raises:
        InputError: a part has no track that can be used.
        OptionError: a speed is out of range.
        OutputError: the folder cannot be written.
    """
    for speed in speeds:
        if not MIN_SPEED <= speed <= MAX_SPEED:
            raise OptionError(f"`speeds` must be from {MIN_SPEED} to {MAX_SPEED:g}, not {speed:g}.")
    if not data.is_dir():
        raise InputError(f"{data}: there is no such folder.")
    try:
        output.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise OutputError(f"{output} cannot be created: {error.strerror}.") from error
    if is_stem_collection(data):
        if speeds:
            raise OptionError("`speeds` are for stereo tracks, not for stems.")
        return prepare_stems(data, output, jobs=jobs, progress=progress)
    parts = [(folder, f"{name}.safetensors", 1.0) for name, folder in _parts(data)]
    parts += [
        (folder, f"{name}-{speed:g}.safetensors", speed)
        for name, folder in _parts(data)
        if name not in HELD_OUT
        for speed in speeds
        if speed != 1
    ]
    prepared: list[Prepared] = []
    for folder, name, speed in parts:

        def report(fraction: float) -> None:
            if progress:
                progress((len(prepared) + fraction) / len(parts))

        prepared.append(_prepare_part(folder, output / name, speed, jobs, report))
        report(0.0)
    return prepared


def _parts(data: Path) -> Iterator[tuple[str, Path]]:
    splits = [name for name in (TRAIN, *HELD_OUT) if (data / name).is_dir()]
    if not splits:
        yield data.resolve().name or "tracks", data
    for name in splits:
        yield name, data / name


def _prepare_part(
    folder: Path, path: Path, speed: float, jobs: int, progress: Progress
) -> Prepared:
    tracks, skipped = stereo_tracks(folder)
    fingerprint = files_fingerprint(tracks, speed=speed)
    if path.exists():
        try:
            existing = load_features(path)
        except WeightsError as error:
            raise OutputError(f"{path} exists and is not a file of features: move it.") from error
        if existing.fingerprint == fingerprint:
            count, frames = len(existing.names), len(existing.tokens)
            return Prepared(path, count, frames, skipped, is_new=False)
    analyzed, unusable = map_tracks(
        partial(_columns, speed=speed), tracks, jobs=jobs, progress=progress
    )
    used, columns = [track for track, _ in analyzed], [each for _, each in analyzed]
    manifest = find_manifest(folder)
    save_features(
        path,
        columns,
        names=[track.relative_to(folder).as_posix() for track in used],
        credits=read_credits(manifest, used) if manifest else [],
        fingerprint=fingerprint,
    )
    frames = sum(len(each.tokens) for each in columns)
    return Prepared(path, len(used), frames, skipped + unusable, is_new=True)


def _columns(track: Path, *, speed: float) -> tuple[Path, TrackColumns]:
    return track, track_columns(track, speed=speed)

"""Levels of separate stems, for the training of `stems`.

Every collection below a folder gives a file of its training stems; the validation stems of all
collections are one file, `valid.safetensors`; test stems are left alone. A file that is up to date
is not made again.
"""

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from soundstage.corpora.stem_cache import (
    StemRow,
    load_stems,
    rows_fingerprint,
    save_stems,
    stem_levels,
    stem_rows,
)
from soundstage.errors import OutputError, WeightsError
from soundstage.parallel import Progress
from soundstage.training.data.tracks import VALID, map_tracks


@dataclass(frozen=True)
class Prepared:
    """One file of features."""

    path: Path
    recordings: int
    frames: int
    skipped: list[str]
    """A message for every file that cannot be used."""
    is_new: bool
    """False if the file was up to date."""


def prepare_stems(
    data: Path, output: Path, *, jobs: int = 1, progress: Progress | None = None
) -> list[Prepared]:
    """Write the levels of all collections in a folder and below it.

    Args:
        data: folder with manifests of the columns file, song, stem, kind and, if wanted, split.
        output: existing folder for NAME.safetensors of every collection.
        jobs: number of processes.
        progress: called after each stem.

    Raises:
        InputError: there is no such collection, or none of its stems can be read.
        OutputError: a file cannot be written, or is in the way.
    """
    parts: dict[str, list[StemRow]] = {}
    for row in stem_rows(data):
        if row.split == "train":
            parts.setdefault(row.collection, []).append(row)
        elif row.split == VALID:
            parts.setdefault(VALID, []).append(row)
    prepared: list[Prepared] = []
    for name, rows in parts.items():

        def report(fraction: float) -> None:
            if progress:
                progress((len(prepared) + fraction) / len(parts))

        prepared.append(_prepare_part(rows, output / f"{name}.safetensors", jobs, report))
        report(0.0)
    return prepared


def _prepare_part(rows: list[StemRow], path: Path, jobs: int, progress: Progress) -> Prepared:
    fingerprint = rows_fingerprint(rows)
    if path.exists():
        try:
            existing = load_stems(path)
        except WeightsError as error:
            raise OutputError(f"{path} exists and holds no levels of stems: move it.") from error
        if existing.fingerprint == fingerprint:
            return Prepared(path, len(existing.kinds), len(existing.levels), [], is_new=False)
    found, skipped = map_tracks(_levels, [row.path for row in rows], jobs=jobs, progress=progress)
    levels = dict(found)
    used = [row for row in rows if row.path in levels]
    save_stems(path, used, [levels[row.path] for row in used], fingerprint)
    frames = sum(len(levels[row.path]) for row in used)
    return Prepared(path, len(used), frames, skipped, is_new=True)


def _levels(path: Path) -> tuple[Path, np.ndarray]:
    return path, stem_levels(path)

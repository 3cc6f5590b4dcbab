"""The same work on every record of a collection, over several processes, in a fixed order."""

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path
from typing import TypeVar

import torch

from soundstage.errors import SoundstageError

T = TypeVar("T")
Progress = Callable[[int, int], None]
"""Told how many records are done, and of how many."""


def over_records(
    work: Callable[[Path], T],
    records: Sequence[Path],
    *,
    workers: int = 1,
    progress: Progress | None = None,
) -> Iterator[tuple[Path, T | SoundstageError]]:
    """`work` done on every record; one that fails gives its error, and the others go on.

    Args:
        work: a function that can be sent to another process.
        records: files.
        workers: processes; results come in the order of `records` whatever their number.
        progress: called after each record.
    """
    jobs = [(work, record) for record in records]
    if workers <= 1:
        results: Iterator[T | SoundstageError] = map(_attempt, jobs)
        yield from _told(records, results, progress)
        return
    # "spawn": a process forked while torch holds its thread pool may never wake
    with ProcessPoolExecutor(
        workers, mp_context=get_context("spawn"), initializer=torch.set_num_threads, initargs=(1,)
    ) as pool:
        yield from _told(records, pool.map(_attempt, jobs), progress)


def _attempt(job: tuple[Callable[[Path], T], Path]) -> T | SoundstageError:
    work, record = job
    try:
        return work(record)
    except SoundstageError as error:
        return error


def _told(
    records: Sequence[Path], results: Iterator[T], progress: Progress | None
) -> Iterator[tuple[Path, T]]:
    for done, (record, result) in enumerate(zip(records, results, strict=True), start=1):
        if progress:
            progress(done, len(records))
        yield record, result

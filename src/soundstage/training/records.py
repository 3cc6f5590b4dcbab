"""The same work on every record of a collection, over several processes, in a fixed order."""

from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import TypeVar

from soundstage.corpora import parallel_map
from soundstage.errors import InputError, SoundstageError

T = TypeVar("T")
Progress = Callable[[int, int], None]
"""Told how many records are done, and of how many."""


def over_records(
    work: Callable[[Path], T],
    records: Sequence[Path],
    *,
    workers: int = 1,
    progress: Progress | None = None,
) -> tuple[list[T], list[str]]:
    """`work` done on every record; one that fails is left out, and the others go on.

    Args:
        work: a function that can be sent to another process.
        records: files.
        workers: processes; results come in the order of `records` whatever their number.
        progress: called after each record.

    Returns:
        The results, and a sentence for every record that was left out.

    Raises:
        InputError: no record could be used.
    """
    jobs = [(work, record) for record in records]
    with parallel_map(workers) as each:
        outcomes = _told(each(_attempt, jobs), len(jobs), progress)
    results = [outcome for outcome in outcomes if not isinstance(outcome, SoundstageError)]
    left_out = [str(outcome) for outcome in outcomes if isinstance(outcome, SoundstageError)]
    if not results:
        raise InputError(f"No record could be used; the first says: {left_out[0]}")
    return results, left_out


def _attempt(job: tuple[Callable[[Path], T], Path]) -> T | SoundstageError:
    work, record = job
    try:
        return work(record)
    except SoundstageError as error:
        return error


def _told(outcomes: Iterable[T], total: int, progress: Progress | None) -> list[T]:
    gathered = []
    for done, outcome in enumerate(outcomes, start=1):
        if progress:
            progress(done, total)
        gathered.append(outcome)
    return gathered

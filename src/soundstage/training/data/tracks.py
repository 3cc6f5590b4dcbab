"""The same work on every record of a collection, in a fixed order, and what a card says of them."""

from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import TypeVar

from soundstage.corpora import Credit, find_manifest, parallel_map, read_credits
from soundstage.errors import InputError, SoundstageError
from soundstage.weights import Card

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


def record_facts(folder: Path, records: Sequence[Path], *, used: int) -> Card:
    """What a card says of the records that a model is made from, with their credits.

    Args:
        folder: where a manifest may lie.
        records: of the folder.
        used: how many of them were.

    Raises:
        InputError: the manifest cannot be read.
    """
    manifest = find_manifest(folder)
    credits = read_credits(manifest, records) if manifest else []
    return {
        "data": _data_sentence(used, credits),
        "records": used,
        "licenses": dict(Counter(credit.get("license", "not stated") for credit in credits)),
        "credits": credits,
    }


def _data_sentence(records: int, credits: list[Credit]) -> str:
    if not credits:
        return f"{records} stereo records, without a manifest that credits them"
    artists = len({credit.get("artist", "") for credit in credits})
    return f"{records} stereo records by {artists} artists; see licenses and credits"

"""Tracks of a collection: parallel processing, the split into training and validation, credits."""

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from soundstage.corpora import Credit, find_manifest, open_corpus, read_credits
from soundstage.errors import InputError, SoundstageError
from soundstage.parallel import Progress, parallel_map
from soundstage.weights import Card

TRAIN, VALID = "train", "valid"  # subfolders of a collection

T = TypeVar("T")


def map_tracks(
    function: Callable[[Path], T],
    tracks: Sequence[Path],
    *,
    jobs: int = 1,
    progress: Progress | None = None,
) -> tuple[list[T], list[str]]:
    """Apply a function to every track; a track that fails is skipped.

    Args:
        function: can be pickled.
        tracks: files.
        jobs: number of processes; the results are in the order of `tracks` for any number.
        progress: called after each track.

    Returns:
        The results, and a message for every skipped track.

    Raises:
        InputError: no track could be used.
    """
    outcomes: list[T | SoundstageError] = []
    with parallel_map(jobs) as each:
        for outcome in each(_attempt, [(function, track) for track in tracks]):
            outcomes.append(outcome)
            if progress:
                progress(len(outcomes) / len(tracks))
    results = [outcome for outcome in outcomes if not isinstance(outcome, SoundstageError)]
    skipped = [str(outcome) for outcome in outcomes if isinstance(outcome, SoundstageError)]
    if not results:
        raise InputError(f"None of the {len(tracks)} tracks can be used. {skipped[0]}")
    return results, skipped


def _attempt(job: tuple[Callable[[Path], T], Path]) -> T | SoundstageError:
    function, track = job
    try:
        return function(track)
    except SoundstageError as error:
        return error


@dataclass(frozen=True)
class TrackSplit:
    """Stereo tracks for training and validation."""

    train: list[Path]
    valid: list[Path]
    """Empty if the collection has no such part."""
    skipped: list[str]
    """A message for every file that cannot be used."""


def split_tracks(folder: Path) -> TrackSplit:
    """The training and validation tracks of a collection.

    A folder with the subfolders `train` and `valid` is split accordingly; of any other, all tracks
    are for training. From MUSDB18-HQ the mixtures are taken, not the stems.

    Raises:
        InputError: the folder does not exist, or has no stereo track.
    """
    if not (folder / TRAIN).is_dir():
        train, skipped = _tracks(folder)
        return TrackSplit(train, [], skipped)
    train, skipped = _tracks(folder / TRAIN)
    if not (folder / VALID).is_dir():
        return TrackSplit(train, [], skipped)
    valid, unusable = _tracks(folder / VALID)
    return TrackSplit(train, valid, skipped + unusable)


def _tracks(folder: Path) -> tuple[list[Path], list[str]]:
    corpus = open_corpus(folder)
    tracks = [clip.mix for clip in corpus.clips if clip.mix]
    if not tracks:
        raise InputError(f"{folder}: contains {corpus.layout} without mixes to train on.")
    return tracks, list(corpus.skipped)


def track_facts(folder: Path, tracks: Sequence[Path], *, used: int) -> Card:
    """Card entries on the data of a model, with the credits of its manifest.

    Args:
        folder: where a manifest may lie.
        tracks: of the folder.
        used: number of tracks that were used.

    Raises:
        InputError: the manifest cannot be read.
    """
    manifest = find_manifest(folder)
    credits = read_credits(manifest, tracks) if manifest else []
    return credit_facts(used, credits)


def credit_facts(tracks: int, credits: Sequence[Credit]) -> Card:
    """Card entries on stereo tracks and their credits."""
    artists = len({credit.get("artist", "") for credit in credits})
    credited = f" by {artists} artists; see licenses and credits" if credits else ", not credited"
    return {
        "data": f"{tracks} stereo tracks{credited}",
        "recordings": tracks,
        "licenses": dict(Counter(credit.get("license", "not stated") for credit in credits)),
        "credits": list(credits),
    }

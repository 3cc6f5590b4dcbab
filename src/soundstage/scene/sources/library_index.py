"""The index of a folder of sounds: labels of each file from its names, its tags and the tagger.

A file is described by its name, by its folders, by its tags (title, comment, keywords, ...) and by
the classes of the bundled tagger in windows of 1.92 s, at most `MAX_WINDOWS` of them, evenly spread
over the file. Files are read in blocks, so that memory does not depend on their length.

The index is a JSON file in the user's cache, one for each folder. An entry holds as long as size
and time of its file do; new and changed files are analyzed, by several processes if there are many.
A damaged index is made again. Files that cannot be read are named, and left out.
"""

import hashlib
import json
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Float

from soundstage.atomic_files import write_atomically
from soundstage.audio import expand_inputs, open_sound, read_metadata, resample
from soundstage.cache_folder import cache_folder
from soundstage.errors import (
    InputError,
    OutputError,
    SoundstageError,
    printable,
    reason,
    shortened,
)
from soundstage.parallel import default_jobs, parallel_map
from soundstage.scene.sources.clip_analysis import (
    MIN_TEXTURE_SECONDS,
    TEXTURE_SPREAD_DB,
    level_spread,
)
from soundstage.scene.sources.event_classifier import (
    RATE,
    TAGGER,
    WINDOW,
    class_names,
    class_probabilities,
)
from soundstage.scene.sources.recording import LOUDEST, Recording
from soundstage.text_files import TextKind, read_json
from soundstage.weights import model_card

FORMAT = 1
"""Of an index; one of another format, or of another tagger, is made again."""
INDEX_KIND = TextKind("an index of sounds", 1 << 28)
MAX_WINDOWS = 64  # analyzed of a file; those of a longer one are farther apart
WINDOW_SECONDS = WINDOW / RATE
MIN_PROBABILITY = 0.5  # of a class that a file is listed under
CLASS_WEIGHT = 0.8  # of a class against a name: the tagger has 50 classes, and errs
TAG_WEIGHT = 0.9  # of a tag: comments name places and equipment, too
PLACES = 4  # kept of each class
SHORTEST = 4_800  # samples at 16 kHz for the tagger, 0.3 s
TAGS = ("title", "comment", "description", "keywords", "subject", "genre")
CREDIT_TAGS = {"title": "title", "artist": "artist", "license": "license", "copyright": "license"}
MAX_TAG = 200  # characters
MANY_FILES = 100  # to be analyzed: several processes pay for their start
SILENT_PEAK = 1e-4  # −80 dB
NAMED_FILES = 5  # in the message about those that cannot be read


@dataclass(frozen=True)
class IndexedFile:
    """What the index keeps of a file."""

    size: int
    """In bytes."""
    time: int
    """Of its last change, in ns."""
    seconds: float
    spread: float
    """Standard deviation of its level, in dB."""
    tags: Mapping[str, str]
    places: Mapping[str, Sequence[Sequence[float]]]
    """By class, and for the loudest windows: (start in s, probability), the best first."""


def folder_recordings(
    folder: Path,
    *,
    log: Callable[[str], None],
    progress: Callable[[int, int], None] | None = None,
) -> list[Recording]:
    """The recordings of a folder and of its subfolders, from its index.

    Args:
        folder: with sound files.
        log: called with the names of files that cannot be read.
        progress: called with the numbers of files done and to do.

    Raises:
        InputError: the folder does not exist, or has no sound that can be read.
    """
    if not folder.is_dir():
        raise InputError(f"{folder} is not a folder of sounds: name one.")
    paths = {str(path.relative_to(folder)): path for path in expand_inputs([folder])}
    cached = index_path(folder)
    index = _read_index(cached)
    current = {name: index[name] for name, path in paths.items() if _is_current(index, name, path)}
    missing = [name for name in paths if name not in current]
    failed: list[str] = []
    try:
        for done, (name, result) in enumerate(_analyzed(paths, missing), start=1):
            if isinstance(result, IndexedFile):
                current[name] = result
            else:
                failed.append(f"{shortened(name)} ({result})")
            if progress:
                progress(done, len(missing))
    finally:  # an interrupted run goes on from here
        if missing or len(current) < len(index):
            _write_index(cached, current)
    if failed:
        more = f", and {len(failed) - NAMED_FILES} more" if len(failed) > NAMED_FILES else ""
        log(f"Left out, since they cannot be read: {'; '.join(failed[:NAMED_FILES])}{more}.")
    if not current:
        raise InputError(f"{folder} has no sound that can be read: name another folder.")
    return [
        _recording(path, name, current[name]) for name, path in paths.items() if name in current
    ]


def index_path(folder: Path) -> Path:
    """The index of a folder, in the user's cache."""
    key = hashlib.sha256(str(folder.resolve()).encode(errors="surrogateescape")).hexdigest()
    return cache_folder() / "library" / f"{key[:32]}.json"


def analyze_file(path: Path) -> IndexedFile:
    """Read a file once, a window at a time.

    Raises:
        InputError: it cannot be read, or is silent.
    """
    rate = open_sound(path).rate
    windows, starts, frames = _windows(path)
    if max(np.abs(window).max() for window in windows) < SILENT_PEAK:
        raise InputError(f"{path} is silent.")
    levels = np.array([10 * np.log10(np.square(w).mean() + 1e-10) for w in windows])
    pieces = [
        np.pad(piece, (0, max(SHORTEST - len(piece), 0)))
        for piece in (resample(window[None], rate, RATE)[0] for window in windows)
    ]
    whole = [piece for piece in pieces if len(piece) == WINDOW]
    probabilities = class_probabilities(np.stack(whole)) if whole else np.zeros((0, 0))
    if len(whole) < len(pieces):  # the last window, or the only one
        last = class_probabilities(pieces[-1][None])
        probabilities = np.concatenate([probabilities, last]) if whole else last
    places: dict[str, list[tuple[float, float]]] = defaultdict(list)
    for start, row in zip(starts, probabilities, strict=True):
        if row.max() >= MIN_PROBABILITY:
            places[class_names()[int(row.argmax())]].append((start, round(float(row.max()), 3)))
    loudest = np.argsort(-levels, kind="stable")[:PLACES]
    kept = {
        name: sorted(found, key=lambda place: (-place[1], place[0]))[:PLACES]
        for name, found in places.items()
    }
    kept[LOUDEST] = [(starts[index], 1.0) for index in loudest]
    status = path.stat()
    return IndexedFile(
        status.st_size,
        status.st_mtime_ns,
        round(frames / rate, 3),
        round(level_spread(np.concatenate(windows), rate), 2),
        _tags(path),
        kept,
    )


def _windows(path: Path) -> tuple[list[Float[np.ndarray, " samples"]], list[float], int]:
    """Windows of the mean of the channels, their starts in s, and the length of the file in frames.

    As soon as there are too many, every second one is dropped, and of those to come, too.
    """
    sound = open_sound(path)
    size = round(WINDOW_SECONDS * sound.rate)
    windows: list[Float[np.ndarray, " samples"]] = []
    starts: list[float] = []
    step, frames = 1, 0
    for number, block in enumerate(sound.blocks(size)):
        if number % step == 0 and (block.shape[1] == size or not windows):
            windows.append(block.astype(np.float32).mean(axis=0))
            starts.append(round(frames / sound.rate, 3))
        frames += block.shape[1]
        if len(windows) > MAX_WINDOWS:
            windows, starts, step = windows[::2], starts[::2], 2 * step
    return windows, starts, frames


def _tags(path: Path) -> dict[str, str]:
    with suppress(InputError):
        metadata = read_metadata(path)
        names = (*TAGS, *CREDIT_TAGS)
        return {name: text[:MAX_TAG] for name in names if (text := metadata.tag(name))}
    return {}


def _attempt(paths: Mapping[str, Path], name: str) -> tuple[str, IndexedFile | str]:
    """The analysis of a file, or the reason why there is none."""
    try:
        return name, analyze_file(paths[name])
    except (SoundstageError, OSError) as error:
        return name, reason(error).replace(str(paths[name]), "it")


def _analyzed(
    paths: Mapping[str, Path], names: Sequence[str]
) -> Iterator[tuple[str, IndexedFile | str]]:
    jobs = default_jobs(len(names)) if len(names) >= MANY_FILES else 1
    with parallel_map(jobs) as each:
        yield from each(partial(_attempt, {name: paths[name] for name in names}), names)


def _recording(path: Path, name: str, file: IndexedFile) -> Recording:
    """The labels of a file: its name, alone and with its folders, its tags and classes."""
    stem, folder = printable(path.stem), Path(printable(name)).parent
    labels = {stem: 1.0}
    if folder.name:
        labels.setdefault(f"{folder} {stem}", 1.0)
        labels.setdefault(folder.name, 1.0)
    for tag in TAGS:
        if text := file.tags.get(tag):
            labels.setdefault(text, TAG_WEIGHT)
    for label, found in file.places.items():
        if label != LOUDEST:
            labels.setdefault(label, round(CLASS_WEIGHT * found[0][1], 3))
    credit = {field: file.tags[tag] for tag, field in CREDIT_TAGS.items() if tag in file.tags}
    steady = file.spread < TEXTURE_SPREAD_DB and file.seconds >= MIN_TEXTURE_SECONDS
    places = {label: [start for start, _ in found] for label, found in file.places.items()}
    return Recording(path, labels, name, {"title": stem, **credit}, steady, file.seconds, places)


def _is_current(index: Mapping[str, IndexedFile], name: str, path: Path) -> bool:
    try:
        status = path.stat()
    except OSError:
        return False
    known = index.get(name)
    return known is not None and (known.size, known.time) == (status.st_size, status.st_mtime_ns)


def _version() -> str:
    return f"{FORMAT} {model_card(TAGGER)['sha256']}"


def _read_index(path: Path) -> dict[str, IndexedFile]:
    """The entries of an index; none if it is missing, damaged or of another version."""
    try:
        content: Any = read_json(path, INDEX_KIND)
        if content["version"] != _version():
            return {}
        return {name: _entry(**entry) for name, entry in content["files"].items()}
    except (SoundstageError, OSError, ValueError, KeyError, TypeError, AttributeError):
        return {}


def _entry(
    size: int,
    time: int,
    seconds: float,
    spread: float,
    tags: dict[str, str],
    places: dict[str, list[list[float]]],
) -> IndexedFile:
    """An entry from JSON, whose types are checked.

    Raises:
        ValueError, TypeError: a value is of another type.
    """
    pairs = {
        label: [(float(start), float(value)) for start, value in found]
        for label, found in places.items()
    }
    texts = {str(name): str(text) for name, text in tags.items()}
    return IndexedFile(int(size), int(time), float(seconds), float(spread), texts, pairs)


def _write_index(path: Path, files: Mapping[str, IndexedFile]) -> None:
    """Write an index; a cache that cannot be written is done without."""
    content = {"version": _version(), "files": {name: asdict(file) for name, file in files.items()}}
    with suppress(OutputError):
        write_atomically(path, json.dumps(content))

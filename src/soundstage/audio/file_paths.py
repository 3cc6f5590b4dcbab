"""Input files of a command: sound files, and folders of them."""

import os
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import NamedTuple

from soundstage.audio.formats import READABLE_SUFFIXES
from soundstage.errors import InputError


class FoundFile(NamedTuple):
    """An input file, and where it was found. Files of one folder share all texts but the name."""

    place: str
    """Its folder, as given."""
    name: str
    real: str
    """The real path of its folder."""
    folder: str | None = None
    """The input folder that holds it; None for a file named by itself."""
    subfolder: str = ""
    """Of that folder; empty at its top."""

    @property
    def path(self) -> Path:
        """The file."""
        return Path(self.place, self.name)


def expand_inputs(paths: Iterable[str | Path], recursive: bool = True) -> list[Path]:
    """The sound files among files and folders, each once, in the order given.

    A folder stands for its files with a suffix of sound, sorted by name, without hidden and
    unfinished ones. A file named by itself may have any suffix.

    Args:
        paths: files and folders.
        recursive: whether to include subfolders.

    Raises:
        InputError: a path does not exist, or a folder has no sound in it or cannot be listed.
    """
    return [found.path for found in find_inputs(paths, recursive)]


def find_inputs(paths: Iterable[str | Path], recursive: bool = True) -> list[FoundFile]:
    """As `expand_inputs`, with the place where each file was found.

    A subfolder that cannot be listed is in the list itself, so that it is reported as a file that
    cannot be read.

    Raises:
        InputError: a path does not exist, or a folder has no sound in it or cannot be listed.
    """
    found: dict[str, FoundFile] = {}
    for path in map(Path, paths):
        if _is_folder(path):
            empty = True
            for key, file in _sound_files(str(path), recursive):
                empty = False
                found.setdefault(key, file)
            if empty:
                raise InputError(f"{path} has no sound files in it: name another folder.")
        elif os.path.lexists(path):
            place, name = os.path.split(path)
            file = FoundFile(place, name, os.path.realpath(place))
            found.setdefault(os.path.realpath(path), file)
        else:
            raise InputError(f"{path} does not exist: check its name and folder.")
    return list(found.values())


def is_same_file(source: Path | None, target: Path) -> bool:
    """Whether both paths lead to one file, also through links; None is no file."""
    if source is None:
        return False
    try:
        return source.samefile(target)
    except OSError:
        return os.path.realpath(source) == os.path.realpath(target)


def _is_folder(path: Path) -> bool:
    try:
        return path.is_dir()
    except (OSError, ValueError) as error:  # a name too long for the system, or with a null byte
        text = error.strerror if isinstance(error, OSError) else error
        raise InputError(f"{path} cannot be an input: {text}.") from error


def _sound_files(folder: str, recursive: bool) -> Iterator[tuple[str, FoundFile]]:
    """The real path of every sound file, and the file, sorted by the parts of their paths."""
    listings = [_listing(folder, "")]
    while listings:
        found = next(listings[-1], None)
        if found is None:
            listings.pop()
        elif isinstance(found, tuple):
            yield found
        elif recursive:
            try:
                listings.append(_listing(folder, found))
            except InputError:
                place, name = os.path.split(os.path.join(folder, found))
                real = os.path.realpath(place)
                file = FoundFile(place, name, real, folder, os.path.dirname(found))
                yield os.path.join(real, name), file


def _listing(folder: str, subfolder: str) -> "Iterator[tuple[str, FoundFile] | str]":
    """Sound files and subfolders of a folder."""
    place = os.path.join(folder, subfolder) if subfolder else folder
    try:
        with os.scandir(place) as listing:
            entries = sorted(listing, key=lambda entry: entry.name)
    except OSError as error:
        raise InputError(f"{place} cannot be listed: {error.strerror}.") from error
    return _entries(entries, os.path.realpath(place), place, folder, subfolder)


def _entries(
    entries: "list[os.DirEntry[str]]", real: str, place: str, folder: str, subfolder: str
) -> "Iterator[tuple[str, FoundFile] | str]":
    for entry in entries:
        name = entry.name
        if name.startswith("."):
            continue
        if _leads_to_folder(entry):
            if not entry.is_symlink():
                yield os.path.join(subfolder, name)
        elif os.path.splitext(name)[1].lower() in READABLE_SUFFIXES:
            path = f"{real}{os.sep}{name}"
            key = os.path.realpath(path) if entry.is_symlink() else path
            yield key, FoundFile(place, name, real, folder, subfolder)


def _leads_to_folder(entry: "os.DirEntry[str]") -> bool:
    try:
        return entry.is_dir()
    except OSError:  # its links lead in a circle
        return False

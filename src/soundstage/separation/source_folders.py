"""Folders that hold the sources of a sound: names of the files, and what an earlier run left.

A file counts as a source of an earlier run if its tags say that Soundstage made it and its name is
one that a separator gives; a result of another command in the same folder is left alone.
"""

import re
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

from soundstage.audio import READABLE_SUFFIXES, read_metadata
from soundstage.errors import InputError, OutputError

LONGEST_NAME = 80  # characters
_NAMES = (
    *("lead", "voice", "backing", "vocals", "drums", "bass", "other", "object", "ambience"),
    *("residual",),
    *("harmonic", "percussive", "accompaniment", "guitar", "piano"),
)
_OWN = re.compile(rf"({'|'.join(_NAMES)})(-\d+)?")


def file_names(names: Sequence[str], suffix: str) -> list[str]:
    """Distinct file names of sources, on any file system.

    >>> file_names(["lead", "AC/DC", "Lead"], ".wav")
    ['lead.wav', 'AC_DC.wav', 'Lead-2.wav']
    """
    taken: set[str] = set()
    found = []
    for name in names:
        safe = re.sub(r"[^\w .()+&',-]", "_", name)[:LONGEST_NAME].strip(" .") or "source"
        candidate, number = safe, 1
        while candidate.casefold() in taken:
            number += 1
            candidate = f"{safe}-{number}"
        taken.add(candidate.casefold())
        found.append(candidate + suffix)
    return found


def check_folder(folder: Path, *, overwrite: bool) -> None:
    """Refuse a folder that is a file, or that sources of an earlier run are in.

    Raises:
        OutputError: with the remedy.
    """
    if folder.exists() and not folder.is_dir():
        raise OutputError(f"{folder} is a file: name a folder for the sources.")
    if not overwrite and (found := own_files(folder)):
        raise OutputError(
            f"{folder} holds sources already, such as {found[0].name}: choose another folder, or "
            "use `skip_existing` or `overwrite`."
        )


def own_files(folder: Path) -> list[Path]:
    """The sources of an earlier run in a folder, in order; none if there is no such folder."""
    found = []
    if folder.is_dir():
        for path in sorted(folder.iterdir()):
            known = path.suffix.lower() in READABLE_SUFFIXES and _OWN.fullmatch(path.stem)
            if known and path.is_file():
                with suppress(InputError):
                    if read_metadata(path).made_by_soundstage:
                        found.append(path)
    return found

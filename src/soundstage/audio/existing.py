"""What an earlier run left: results that exist already, and results among the inputs."""

import os
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from soundstage.atomic_files import check_target
from soundstage.audio.file_paths import is_same_file
from soundstage.audio.inputs import open_sound
from soundstage.errors import InputError, OutputError

EXISTS = "its result exists"
OWN_RESULT = "it is a result of Soundstage"


class Skipped(NamedTuple):
    """An input that needs no work."""

    source: str
    targets: list[str]
    reason: str


def missing_targets(targets: Sequence[Path]) -> list[Path]:
    """Those of the targets that do not exist.

    Raises:
        OutputError: a target exists, but is not a complete sound file.
    """
    for target in targets:
        if os.path.lexists(target):
            try:
                with open_sound(target):
                    pass
            except InputError as error:
                raise OutputError(
                    f"{target} exists, but is not a complete sound file: remove it, or use "
                    "`overwrite`."
                ) from error
    return [target for target in targets if not os.path.lexists(target)]


def check_replaceable(
    source: Path, targets: Sequence[Path], *, overwrite: bool, inputs: Sequence[Path] = ()
) -> None:
    """Refuse targets that cannot be written, or should not be replaced.

    Args:
        source: the input.
        targets: its outputs.
        overwrite: whether existing targets may be replaced.
        inputs: targets that were among the inputs of the command: these are replaced only if they
            say that they are results.

    Raises:
        OutputError: a target is the source, another input, exists, or cannot be written.
    """
    for target in targets:
        if is_same_file(source, target):
            raise OutputError(f"{target} is the source itself: choose another name or folder.")
        if not overwrite and os.path.lexists(target):
            raise OutputError(
                f"{target} exists: choose another name, or use `skip_existing` or `overwrite`."
            )
        check_target(target, overwrite=overwrite)
        if target in inputs and os.path.lexists(target) and not is_own_result(target):
            raise OutputError(
                f"{target} is one of the inputs, and does not say that Soundstage made it: choose "
                "another name or folder."
            )


def is_own_result(path: Path) -> bool:
    """Whether the tags of a file with several channels say that Soundstage made it."""
    from soundstage.audio.metadata import read_metadata

    try:
        if not read_metadata(path).made_by_soundstage:
            return False
        with open_sound(path) as sound:
            return sound.channels > 1
    except InputError:
        return False

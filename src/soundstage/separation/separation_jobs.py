"""Files to separate in one run: planned and checked first, then made, in any process.

Planning imports neither torch nor a separator.
"""

import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from functools import cache, partial
from pathlib import Path
from typing import TYPE_CHECKING

from soundstage.audio import READABLE_SUFFIXES, read_metadata
from soundstage.audio.existing import EXISTS, OWN_RESULT, Skipped
from soundstage.audio.formats import container_of
from soundstage.audio.output_names import plan_outputs
from soundstage.errors import InputError, OptionError
from soundstage.parallel import Progress
from soundstage.separation.registry import DEFAULT_SEPARATOR, check_separator, load_separator
from soundstage.separation.source_folders import check_folder, own_files
from soundstage.separation.source_options import SourceOptions

if TYPE_CHECKING:
    from soundstage.separation.separation_report import SeparationReport
    from soundstage.separation.separator import Separator, SongSeparator

NAME = "{stem}"
NAME_BESIDE = "{stem}-stems"
"""Of the folder of an input, in an output folder and beside the input."""


@dataclass(frozen=True, slots=True)
class Job:
    """One input, with the folder of its sources."""

    source: Path
    folder: Path
    in_folder: bool = False
    """Whether the source was found in a folder, and not named by itself."""


def plan_jobs(inputs: Sequence[Path], output: str | os.PathLike[str] | None) -> list[Job]:
    """One job for every input; reads no sound.

    Args:
        inputs: files and folders.
        output: a folder, in which every input gets a folder named after it; None makes the folder
            beside the input.

    Raises:
        InputError: an input does not exist.
        OptionError: the output is a file.
    """
    if output is not None:
        is_file = Path(output).suffix.lower() in READABLE_SUFFIXES or os.path.isfile(output)
        if is_file and not os.path.isdir(output):
            raise OptionError(f"{output} is a file, and the sources are several: name a folder.")
        output = os.path.join(output, "")  # a folder, whatever its name
    name = NAME_BESIDE if output is None else NAME
    plan = plan_outputs(inputs, output, name=None, default_name=name)
    return [
        Job(found.path, folder, in_folder=found.folder is not None)
        for found, (folder,) in zip(plan.found, plan.targets, strict=True)
    ]


@dataclass(frozen=True)
class SeparationWork:
    """Options of all jobs of a run; it can be pickled and loaded in every process.

    Raises:
        OptionError: an option is unknown, or the separator does not have it.
    """

    method: str = DEFAULT_SEPARATOR
    weights: str | None = None
    device: str = "auto"
    options: SourceOptions = field(default_factory=SourceOptions)
    """Of the files; `load` fills in the method."""
    skip_existing: bool = False
    """Whether inputs that have been separated are left alone, without an error."""

    def __post_init__(self) -> None:
        check_separator(self.method, weights=self.weights)
        if self.options.suffix is not None:
            container_of(self.options.suffix)
        if self.skip_existing and self.options.overwrite:
            raise OptionError("`skip_existing` and `overwrite` exclude each other: choose one.")

    def check(self, job: Job) -> Skipped | None:
        """What can be said about a job without loading a separator.

        Returns:
            Why there is nothing to do, or None.

        Raises:
            OutputError: the folder cannot be used.
        """
        if self.skip_existing and (found := own_files(job.folder)):
            return Skipped(str(job.source), list(map(str, found)), EXISTS)
        if job.in_folder and _is_result(job.source):
            return Skipped(str(job.source), [], OWN_RESULT)
        check_folder(job.folder, overwrite=self.options.overwrite)
        return None

    def load(self) -> "Callable[[Job, Progress], SeparationReport]":
        """The function that does a job; weights are loaded with the first usable input."""
        from soundstage.separation.separation_files import separate_to_files

        loaded: Callable[[], Separator | SongSeparator] = cache(
            partial(load_separator, self.method, weights=self.weights, device=self.device)
        )
        options = replace(self.options, method=self.method)

        def work(job: Job, progress: Progress | None = None) -> "SeparationReport":
            return separate_to_files(job.source, job.folder, loaded, options, progress)

        return work


def _is_result(path: Path) -> bool:
    try:
        return read_metadata(path).made_by_soundstage
    except InputError:
        return False

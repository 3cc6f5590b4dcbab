"""Songs to restyle in one run: planned and checked first, then made, in any process.

Planning imports neither torch nor a separator.
"""

import os
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from soundstage.errors import OptionError
from soundstage.parallel import Progress
from soundstage.restyling.options import METHOD, RestyleOptions
from soundstage.upmixing.file_options import FileOptions
from soundstage.upmixing.jobs import Job, Plan, TakesWork, Work, plan_takes

NAME = "{stem}-restyled{ext}"
TAKE_NAME = "{stem}-restyled-{take}{ext}"
OWN_NAMES = r"(.+)-restyled(?:-\d+)?"


def plan_restyles(
    inputs: Sequence[Path],
    output: str | os.PathLike[str] | None,
    *,
    seeds: Sequence[int],
    name: str | None = None,
    suffix: str | None = None,
    sheet: bool = False,
    page: bool = False,
) -> Plan:
    """One job for every song; see `soundstage.upmixing.plan_jobs`."""
    return plan_takes(
        inputs,
        output,
        method=METHOD,
        method_in_names=METHOD,
        seeds=seeds,
        name=name,
        default_name=NAME if len(seeds) == 1 else TAKE_NAME,
        own_names=OWN_NAMES,
        suffix=suffix,
        sheet=sheet,
        page=page,
    )


@dataclass(frozen=True)
class RestyleWork(TakesWork):
    """Options of all jobs of restyling; it can be pickled and loaded in every process.

    Raises:
        OptionError: the files are to hold anything but left and right.
    """

    restyling: RestyleOptions = field(default_factory=RestyleOptions)
    style: str | None = None
    """The text of the style, for the reports."""

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.options.outputs != "stereo":
            raise OptionError("Restyling writes left and right: leave `outputs` out.")

    @property
    def reported_options(self) -> FileOptions:
        """Those of the files, with the method and the style for the reports."""
        return replace(self.options, method=METHOD, style=self.style)

    def load(self) -> Work:
        """The function that does a job."""
        from soundstage.restyling.restyle_files import restyle_to_files

        options = self.reported_options

        def work(job: Job, progress: Progress | None = None) -> Any:
            return restyle_to_files(job.source, self.due(job), self.restyling, options, progress)

        return work

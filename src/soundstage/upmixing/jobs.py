"""Files to upmix in one run: planned and checked first, then made, in any process.

Planning imports neither torch nor a method.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from functools import cache, partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from soundstage.audio import check_collisions, expand_inputs, output_path
from soundstage.parallel import Progress
from soundstage.upmixing.file_options import FileOptions
from soundstage.upmixing.registry import (
    DEFAULT_METHOD,
    METHODS,
    Method,
    check_method,
    find_method,
    load_method,
)

if TYPE_CHECKING:
    from soundstage.upmixing.upmix_files import UpmixResult

NAME = "{stem}-stereo{ext}"
TAKE_NAME = "{stem}-stereo-{take}{ext}"
SHEET_NAME = "{stem}-takes.png"


@dataclass(frozen=True)
class Take:
    """One result."""

    seed: int
    target: Path


@dataclass(frozen=True)
class Job:
    """One input with all its takes."""

    source: Path
    method: str
    takes: tuple[Take, ...]
    sheet: Path | None = None
    """Where the contact sheet of the takes goes."""

    def as_dicts(self) -> list[dict[str, str | int]]:
        """For JSON, one a take."""
        return [
            {
                "source": str(self.source),
                "target": str(take.target),
                "method": self.method,
                "seed": take.seed,
            }
            for take in self.takes
        ]


def plan_jobs(
    inputs: Sequence[Path],
    output: str | None,
    *,
    method: str,
    seeds: Sequence[int],
    name: str | None = None,
    suffix: str | None = None,
    sheet: bool = False,
) -> list[Job]:
    """One job for every input.

    Args:
        inputs: files and folders.
        output: a file, a folder, or None for the folder of each input.
        method: name of the method.
        seeds: one a take.
        name: template with {stem}, {method}, {seed}, {take} and {ext}.
        suffix: of the results; by default the suffix of each input.
        sheet: whether each input gets a contact sheet beside its first take.

    Raises:
        InputError: an input does not exist.
        OptionError: the template has an unknown field, or two results would have one name.
        OutputError: a result would replace its own source.
    """
    template = name or (NAME if len(seeds) == 1 else TAKE_NAME)
    jobs = []
    for source in expand_inputs(inputs):
        takes = []
        for take, seed in enumerate(seeds, start=1):
            fields = {"method": find_method(method).name, "seed": seed, "take": take}
            takes.append(Take(seed, output_path(source, output, template, suffix, fields=fields)))
        jobs.append(Job(source, method, tuple(takes)))
    check_collisions([(job.source, take.target) for job in jobs for take in job.takes])
    return _with_sheets(jobs) if sheet else jobs


def _with_sheets(jobs: list[Job]) -> list[Job]:
    """Inputs that differ in their suffix alone keep it in the name of the sheet."""
    plain = [_sheet(job, job.source.stem) for job in jobs]
    return [
        Job(
            job.source,
            job.method,
            job.takes,
            path if plain.count(path) == 1 else _sheet(job, job.source.name),
        )
        for job, path in zip(jobs, plain, strict=True)
    ]


def _sheet(job: Job, stem: str) -> Path:
    return job.takes[0].target.with_name(SHEET_NAME.format(stem=stem))


Work = Callable[[Job, Progress], "UpmixResult"]


@dataclass(frozen=True)
class UpmixWork:
    """Options of all jobs of a run; it can be pickled and loaded in every process.

    Raises:
        OptionError: an option is unknown, or the method does not have it.
    """

    method: str = DEFAULT_METHOD
    weights: str | None = None
    style: str | None = None
    decoder: str = "prediction"
    device: str = "auto"
    options: FileOptions = field(default_factory=FileOptions)
    """Of the files; `load` fills in the method and the style."""
    registered: Method | None = field(init=False, default=None)
    """The method, if the program has registered it: worker processes do so too."""

    def __post_init__(self) -> None:
        check_method(self.method, weights=self.weights, decoder=self.decoder, style=self.style)
        object.__setattr__(self, "registered", METHODS.registered.get(self.method))

    def load(self) -> Work:
        """The function that does a job; weights are loaded with the first usable input."""
        from soundstage.upmixing.upmix_files import upmix_to_files

        if self.registered:
            METHODS.registered[self.method] = self.registered
        options = replace(self.options, method=self.method, style=self.style)
        loaded = cache(
            partial(
                load_method,
                self.method,
                weights=self.weights,
                decoder=self.decoder,
                style=self.style,
                device=self.device,
            )
        )

        def work(job: Job, progress: Progress | None = None) -> Any:
            targets = {take.seed: take.target for take in job.takes}
            return upmix_to_files(job.source, targets, loaded, options, progress)

        return work

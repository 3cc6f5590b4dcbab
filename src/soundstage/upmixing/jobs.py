"""Files to upmix in one run: planned and checked first, then made, in any process.

Planning imports neither torch nor a method.
"""

import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from functools import cache, partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from soundstage.atomic_files import check_target
from soundstage.audio.existing import (
    EXISTS,
    OWN_RESULT,
    Skipped,
    check_replaceable,
    is_own_result,
    missing_targets,
)
from soundstage.audio.name_templates import file_names
from soundstage.audio.output_names import OutputPlan, distinct_paths, plan_outputs
from soundstage.errors import OptionError
from soundstage.parallel import Progress
from soundstage.upmixing.file_options import FileOptions, field_order, plan_path
from soundstage.upmixing.registry import (
    DEFAULT_METHOD,
    METHODS,
    Method,
    check_method,
    find_method,
    load_method,
)
from soundstage.upmixing.stage_options import StageOptions

if TYPE_CHECKING:
    from soundstage.upmixing.engine import UpmixMethod
    from soundstage.upmixing.take_files import TakesResult

NAME = "{stem}-stereo{ext}"
TAKE_NAME = "{stem}-stereo-{take}{ext}"
FIELD_NAME = "{{stem}}.{outputs}{{ext}}"
FIELD_TAKE_NAME = "{{stem}}-{{take}}.{outputs}{{ext}}"
OWN_NAMES = r"(.+)(?:-(?:stereo(?:-\d+)?|binaural)|\.(?:ambix|n3d|fuma)[1-3])"
SHEET_NAME = "{stem}-takes.png"
PAGE_NAME = "{stem}-listen.html"
STEMS_NAME = "{stem}"


@dataclass(frozen=True, slots=True)
class Take:
    """One result."""

    seed: int
    target: Path


@dataclass(frozen=True, slots=True)
class Job:
    """One input with all its takes."""

    source: Path
    method: str
    takes: tuple[Take, ...]
    sheet: Path | None = None
    """Path of the contact sheet of the takes."""
    page: Path | None = None
    """Path of the listening page."""
    stems: Path | None = None
    """Folder for the sources that the method places."""
    in_folder: bool = False
    """Whether the source was found in a folder, and not named by itself."""
    replaced_inputs: tuple[Path, ...] = ()
    """Targets that are among the inputs."""

    @property
    def targets(self) -> list[Path]:
        """One a take."""
        return [take.target for take in self.takes]

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


@dataclass(frozen=True)
class Plan:
    """The jobs of a run."""

    jobs: list[Job]
    skipped: list[Skipped]
    """Files among the inputs that are results of an earlier run."""


def plan_jobs(
    inputs: Sequence[Path],
    output: str | os.PathLike[str] | None,
    *,
    method: str,
    seeds: Sequence[int],
    name: str | None = None,
    suffix: str | None = None,
    sheet: bool = False,
    page: bool = False,
    stems: Path | None = None,
    outputs: str = "stereo",
) -> Plan:
    """One upmix job for every input; `soundstage.audio.output_names` says how results are named.

    Args:
        inputs: files and folders.
        output: a file, a folder, or None for the folder of each input.
        method: name of the method.
        seeds: one a take.
        name: template with {stem}, {method}, {seed}, {take} and {ext}.
        suffix: of the results; by default the suffix of each input.
        sheet: whether each input gets a contact sheet beside its first take.
        page: whether each input gets a listening page, likewise.
        stems: a folder, in which each input gets a folder for its sources.
        outputs: what the files hold; a sound field has its convention and order in the name.

    Raises:
        InputError: an input does not exist.
        OptionError: the template is not understood, results would have one name, or the output is
            one file for several inputs.
    """
    return plan_takes(
        inputs,
        output,
        method=method,
        method_in_names=find_method(method).name,
        seeds=seeds,
        name=name,
        default_name=_default_name(outputs, len(seeds)),
        own_names=OWN_NAMES,
        suffix=suffix,
        sheet=sheet,
        page=page,
        stems=stems,
    )


def plan_takes(
    inputs: Sequence[Path],
    output: str | os.PathLike[str] | None,
    *,
    method: str,
    method_in_names: str,
    seeds: Sequence[int],
    name: str | None,
    default_name: str,
    own_names: str,
    suffix: str | None = None,
    sheet: bool = False,
    page: bool = False,
    stems: Path | None = None,
) -> Plan:
    """One job for every input, whatever makes its takes; see `plan_jobs`.

    Args:
        inputs: see there.
        output: see there.
        method: see there.
        method_in_names: what {method} is in the template.
        seeds: see there.
        name: see there.
        default_name: template if `name` is None.
        own_names: pattern of the stems of results, as for `plan_outputs`.
        suffix: see there.
        sheet: see there.
        page: see there.
        stems: see there.
    """
    fields = [
        {"method": method_in_names, "seed": seed, "take": n} for n, seed in enumerate(seeds, 1)
    ]
    plan = plan_outputs(
        inputs,
        output,
        name=name,
        default_name=default_name,
        suffix=suffix,
        fields=fields,
        own_names=own_names,
    )
    sheets = _beside(plan, SHEET_NAME if sheet else None)
    pages = _beside(plan, PAGE_NAME if page else None)
    folders = [None] * len(plan.found) if stems is None else _in_folder(plan, stems)
    results = {*plan.results}
    jobs = [
        Job(
            found.path,
            method,
            tuple(map(Take, seeds, targets)),
            sheet_path,
            page_path,
            stems_path,
            in_folder=found.folder is not None,
            replaced_inputs=tuple(each for each in targets if each in results) if results else (),
        )
        for found, targets, sheet_path, page_path, stems_path in zip(
            plan.found, plan.targets, sheets, pages, folders, strict=True
        )
    ]
    return Plan(jobs, [Skipped(str(path), [], OWN_RESULT) for path in plan.results])


def _default_name(outputs: str, takes: int) -> str:
    if field_order(outputs):
        return (FIELD_NAME if takes == 1 else FIELD_TAKE_NAME).format(outputs=outputs)
    return NAME if takes == 1 else TAKE_NAME


def _beside(plan: OutputPlan, name: str | None) -> Sequence[Path | None]:
    """A path of that name beside the first take of every input; None without a name."""
    if name is None:
        return [None] * len(plan.found)
    folders = [str(targets[0].parent) for targets in plan.targets]
    return [path for (path,) in distinct_paths(plan.found, folders, file_names(name))]


def _in_folder(plan: OutputPlan, folder: Path) -> Sequence[Path]:
    """A folder in `folder` for every input, named after it."""
    places = [str(folder)] * len(plan.found)
    return [path for (path,) in distinct_paths(plan.found, places, file_names(STEMS_NAME))]


Work = Callable[[Job, Progress], "TakesResult"]


@dataclass(frozen=True, kw_only=True)
class TakesWork:
    """Options of all jobs of a run, whatever makes their takes; it can be pickled.

    Raises:
        OptionError: results are to be left and replaced.
    """

    options: FileOptions = field(default_factory=FileOptions)
    """Of the files."""
    skip_existing: bool = False
    """Whether results that exist are left as they are, without an error."""

    def __post_init__(self) -> None:
        if self.skip_existing and self.options.overwrite:
            raise OptionError("`skip_existing` and `overwrite` exclude each other: choose one.")

    @property
    def reported_options(self) -> FileOptions:
        """Those of the files, with the method and the style for the reports."""
        raise NotImplementedError

    def load(self) -> Work:
        """The function that does a job; weights are loaded with the first usable input."""
        raise NotImplementedError

    def check(self, job: Job) -> Skipped | None:
        """What can be said about a job without loading weights.

        Returns:
            Why there is nothing to do, or None.

        Raises:
            OutputError: a result cannot be written, or an existing one is damaged.
        """
        targets = self.missing(job)
        if not targets:
            return Skipped(str(job.source), list(map(str, job.targets)), EXISTS)
        if job.in_folder and is_own_result(job.source):
            return Skipped(str(job.source), [], OWN_RESULT)
        check_replaceable(
            job.source,
            targets,
            overwrite=self.options.overwrite,
            inputs=job.replaced_inputs,
        )
        if self.options.write_plan:
            for target in targets:
                check_target(plan_path(target), overwrite=self.options.overwrite)
        return None

    def missing(self, job: Job) -> list[Path]:
        """The targets of a job that have to be made.

        Raises:
            OutputError: an existing one is damaged.
        """
        return missing_targets(job.targets) if self.skip_existing else job.targets

    def due(self, job: Job) -> dict[int, Path]:
        """The same by seed."""
        missing = {*self.missing(job)}
        return {take.seed: take.target for take in job.takes if take.target in missing}


@dataclass(frozen=True)
class UpmixWork(TakesWork):
    """Options of all jobs of an upmix; it can be pickled and loaded in every process.

    Raises:
        OptionError: an option is unknown, or the method does not have it.
    """

    method: str = DEFAULT_METHOD
    weights: str | None = None
    style: str | None = None
    decoder: str = "prediction"
    device: str = "auto"
    stage: StageOptions = field(default_factory=StageOptions)
    """Places, plan and stems, of methods that place sources."""
    registered: Method | None = field(init=False, default=None)
    """The method, if the program has registered it: worker processes do so too."""

    def __post_init__(self) -> None:
        super().__post_init__()
        check_method(
            self.method,
            weights=self.weights,
            decoder=self.decoder,
            style=self.style,
            stage=self.stage,
        )
        if (self.options.write_plan or self.options.write_stems) and not self._places_sources:
            option = "write_plan" if self.options.write_plan else "write_stems"
            raise OptionError(
                f"{self.method} gives nothing a place, so it has no `{option}`; these methods do: "
                f"{', '.join(each.name for each in METHODS.values() if each.places_sources)}."
            )
        object.__setattr__(self, "registered", METHODS.registered.get(self.method))

    @property
    def _places_sources(self) -> bool:
        return find_method(self.method).places_sources

    @property
    def reported_options(self) -> FileOptions:
        """Those of the files, with the method and the style for the reports."""
        return replace(self.options, method=self.method, style=self.style)

    def check_jobs(self, jobs: Sequence[Job]) -> None:
        """Check what all jobs together must be.

        Raises:
            OptionError: there are stems, but several inputs.
        """
        if self.stage.stems and len(jobs) > 1:
            raise OptionError(
                f"`stems` are of one recording, but there are {len(jobs)} inputs: give one."
            )

    def check(self, job: Job) -> Skipped | None:
        """What can be said about a job without loading a method; see `TakesWork.check`."""
        skipped = super().check(job)
        if skipped is None and (folder := self._stems_due(job)):
            from soundstage.separation.source_folders import check_folder

            check_folder(folder, overwrite=self.options.overwrite)
        return skipped

    def load(self) -> Work:
        """The function that does a job; weights are loaded with the first usable input."""
        from soundstage.upmixing.upmix_files import upmix_to_files

        loaded, options = self._loader()

        def work(job: Job, progress: Progress | None = None) -> Any:
            own = replace(options, write_stems=self._stems_due(job))
            return upmix_to_files(job.source, self.due(job), loaded, own, progress)

        return work

    def load_gain(self) -> Callable[[Job, Progress], float]:
        """The function that measures the largest gain of a job without clipping, in dB."""
        from soundstage.upmixing.upmix_files import measure_gain

        loaded, options = self._loader()

        def measure(job: Job, progress: Progress | None = None) -> float:
            targets = {take.seed: take.target for take in job.takes}
            return measure_gain(job.source, targets, loaded, options, progress)

        return measure

    def _loader(self) -> tuple[Callable[[], "UpmixMethod"], FileOptions]:
        """The function that loads the method once, and the options of the files."""
        if self.registered:
            METHODS.registered[self.method] = self.registered
        load = partial(
            load_method,
            self.method,
            weights=self.weights,
            decoder=self.decoder,
            style=self.style,
            device=self.device,
            stage=self.stage,
        )
        return cache(load), self.reported_options

    def _stems_due(self, job: Job) -> Path | None:
        """The folder for the sources, unless it holds some that are left as they are."""
        if not self.skip_existing or job.stems is None:
            return job.stems
        from soundstage.separation.source_folders import own_files

        return None if own_files(job.stems) else job.stems

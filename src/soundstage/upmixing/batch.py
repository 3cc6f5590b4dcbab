"""Many files in one call: found and named together, upmixed in any number of processes.

Nothing stops a batch: a file that fails is in the list of results with its sentence, and the others
are made. With one gain for all, the batch is upmixed twice, once to measure.
"""

import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import fields, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple, SupportsIndex

from soundstage.audio.existing import Skipped
from soundstage.errors import OptionError, SoundstageError, quoted
from soundstage.parallel import run_jobs
from soundstage.upmixing.controls import Controls, as_seeds
from soundstage.upmixing.file_options import FileOptions
from soundstage.upmixing.jobs import Job, UpmixWork, plan_jobs
from soundstage.upmixing.registry import method_for
from soundstage.upmixing.stage_options import stage_options

if TYPE_CHECKING:
    from soundstage.upmixing.comparison import TakesComparison
    from soundstage.upmixing.plan import Plan
    from soundstage.upmixing.report import Report

ONE_GAIN = "same"
AnyPath = str | os.PathLike[str]


class FileResult(NamedTuple):
    """What became of an input."""

    source: str
    status: str
    """"done", "skipped" or "failed"."""
    reason: str = ""
    """Why it was skipped, or the sentence of its error."""
    reports: "Sequence[Report]" = ()
    """One a take."""
    comparison: "TakesComparison | None" = None
    """Differences of several takes."""


def upmix_batch(
    inputs: AnyPath | Sequence[AnyPath],
    output: AnyPath | None = None,
    *,
    method: str | None = None,
    seed: SupportsIndex | Sequence[SupportsIndex] = 0,
    name: str | None = None,
    suffix: str | None = None,
    place: str | None = None,
    plan: "Plan | AnyPath | None" = None,
    stems: AnyPath | None = None,
    separator: str | None = None,
    style: str | None = None,
    weights: AnyPath | None = None,
    decoder: str = "prediction",
    device: str = "auto",
    jobs: int = 1,
    skip_existing: bool = False,
    gain_db: float | str | None = None,
    each: Callable[[FileResult], None] | None = None,
    **options: Any,
) -> list[FileResult]:
    """Upmix files and folders; `soundstage upmix` does the same.

    Args:
        inputs: a file or a folder, or several of them.
        output: a folder, in which the subfolders of the input folders are made again; None for
            beside each input; or a file, for a single input.
        method: a name of `soundstage models`; None is that of the weights, or the default.
        seed: of the take; several seeds, several takes.
        name: template of the names, with {stem}, {method}, {seed}, {take} and {ext}.
        suffix: format of the results, such as "flac"; by default that of each input.
        place: as for `Upmixer.from_pretrained`, as the seven that follow.
        plan: see there.
        stems: see there; they are of a single input.
        separator: see there.
        style: see there.
        weights: see there.
        decoder: see there.
        device: see there.
        jobs: number of processes. More than one start the program again: call this function below
            `if __name__ == "__main__":`.
        skip_existing: leave results that exist, without an error.
        gain_db: gain of all results in dB; "same" is the smallest that any of them needs, which
            keeps the balance of stems; None gives each its own.
        each: called with the result of a file as soon as it ends.
        options: further ones of `Upmixer.file`.

    Returns:
        One result for each file found, in order; then those of files that are results themselves.

    Raises:
        InputError: an input does not exist.
        OptionError: an option is unknown or out of its range, or results would have one name.
        WeightsError: the weights are missing, damaged, or of another family.
    """
    fixed, same = parse_gain(gain_db)
    path = None if weights is None else os.fspath(weights)
    method = method_for(method, path)
    work = UpmixWork(
        method=method,
        weights=path,
        style=style,
        decoder=decoder,
        device=device,
        stage=stage_options(place=place, plan=plan, stems=stems, separator=separator),
        options=replace(_file_options(options), gain_db=fixed),
        skip_existing=skip_existing,
    )
    paths = [inputs] if isinstance(inputs, str | os.PathLike) else list(inputs)
    planned = plan_jobs(
        list(map(Path, paths)),
        output,
        method=method,
        seeds=as_seeds(seed),
        name=name,
        suffix=suffix,
        stems=work.options.write_stems,
    )
    work.check_jobs(planned.jobs)
    if same:
        work = with_one_gain(work, planned.jobs, jobs=jobs)
    results: dict[int, FileResult] = {}
    for index, result in run_jobs(work.load, planned.jobs, jobs=jobs, check=work.check):
        results[index] = _file_result(planned.jobs[index], result)
        if each:
            each(results[index])
    skipped = [FileResult(source, "skipped", reason) for source, _, reason in planned.skipped]
    return [results[index] for index in sorted(results)] + skipped


def with_one_gain(
    work: UpmixWork,
    planned: Sequence[Job],
    *,
    jobs: int = 1,
    progress: Callable[[Mapping[int, float]], None] | None = None,
) -> UpmixWork:
    """The work with the gain that all results of a batch can have without clipping.

    Results that exist count too, so that a resumed batch has the same gain. Files that fail do not.

    Args:
        work: of the batch.
        planned: the whole batch.
        jobs: number of processes.
        progress: as for `run_jobs`.
    """
    measured = run_jobs(work.load_gain, planned, jobs=jobs, progress=progress)
    gains = [gain for _, gain in measured if not isinstance(gain, SoundstageError)]
    return replace(work, options=replace(work.options, gain_db=min(gains, default=0.0)))


def parse_gain(gain: float | str | None) -> tuple[float | None, bool]:
    """A gain in dB or None, and whether it is one for a whole batch, to be measured.

    Raises:
        OptionError: it is neither a number nor "same".
    """
    if gain == ONE_GAIN:
        return None, True
    try:
        return (float(gain) if isinstance(gain, str) else gain), False
    except ValueError:
        raise OptionError(
            f"`gain_db` must be a number of dB, such as -6, or {ONE_GAIN}, not {quoted(gain)}."
        ) from None


def _file_options(options: dict[str, Any]) -> FileOptions:
    """The options of `Upmixer.file`, sorted into those of the sound and those of the file."""
    of_sound = {field.name for field in fields(Controls)}
    of_file = {field.name for field in fields(FileOptions)} - {"controls", "method", "style"}
    unknown = options.keys() - of_sound - of_file
    if unknown:
        raise OptionError(
            f"There is no option {quoted(min(unknown))}: use those of `soundstage.Upmixer.file`."
        )
    values = {key: value for key, value in options.items() if key in of_file}
    if "codec_checks" in values:
        values["codec_checks"] = tuple(values["codec_checks"])
    if values.get("write_stems") is not None:
        values["write_stems"] = Path(values["write_stems"])
    controls = Controls(**{key: value for key, value in options.items() if key in of_sound})
    return FileOptions(controls=controls, **values)


def _file_result(job: Job, result: Any) -> FileResult:
    source = str(job.source)
    if isinstance(result, SoundstageError):
        return FileResult(source, "failed", str(result))
    if isinstance(result, Skipped):
        return FileResult(source, "skipped", result.reason)
    return FileResult(source, "done", "", result.reports, result.comparison)

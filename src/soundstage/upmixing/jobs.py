"""Several inputs and takes in one run: what is to be written where, planned before anything is."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path

from soundstage.audio import check_collisions, expand_inputs, output_path
from soundstage.upmixing.controls import Controls
from soundstage.upmixing.report import Report
from soundstage.upmixing.upmix_files import Progress, Takes, upmix_file, upmix_takes
from soundstage.upmixing.upmixer import Upmixer

NAME = "{stem}-stereo{ext}"
NAME_OF_TAKE = "{stem}-stereo-{take}{ext}"
NAME_OF_SHEET = "{stem}-takes.png"


@dataclass(frozen=True)
class Job:
    """One file to be written."""

    source: Path
    target: Path
    method: str
    seed: int

    def as_dict(self) -> dict[str, str | int]:
        """For JSON."""
        return {
            "source": str(self.source),
            "target": str(self.target),
            "method": self.method,
            "seed": self.seed,
        }


def plan_batch(
    inputs: Sequence[Path],
    output: str | None,
    *,
    method: str,
    seeds: Iterable[int],
    name: str | None = None,
    suffix: str | None = None,
) -> list[Job]:
    """The jobs, one for every input and seed.

    Args:
        inputs: files and folders.
        output: a file, a folder, or None for beside each input.
        method: name of the method.
        seeds: one a take.
        name: template with {stem}, {method}, {seed}, {take} and {ext}.
        suffix: of the results; by default that of each input.

    Raises:
        InputError: an input does not exist.
        OptionError: the template has an unknown field, or two results would have one name.
        OutputError: a result would replace its own source.
    """
    takes = list(enumerate(seeds, start=1))
    template = name or (NAME if len(takes) == 1 else NAME_OF_TAKE)
    jobs = [
        Job(
            source,
            output_path(
                source,
                output,
                template,
                suffix,
                fields={"method": method, "seed": seed, "take": take},
            ),
            method,
            seed,
        )
        for source in expand_inputs(inputs)
        for take, seed in takes
    ]
    check_collisions([(job.source, job.target) for job in jobs])
    return jobs


def by_source(jobs: Iterable[Job]) -> list[list[Job]]:
    """The takes of each input, in the order of the plan."""
    return [list(takes) for _, takes in groupby(jobs, key=lambda job: job.source)]


def plan_sheets(sources: Sequence[Sequence[Job]]) -> list[Path]:
    """Where the contact sheet of each input goes: beside its first take.

    Args:
        sources: out of `by_source`. Inputs that differ in their suffix alone keep it in the name.
    """
    plain = [_sheet(takes[0], takes[0].source.stem) for takes in sources]
    return [
        path if plain.count(path) == 1 else _sheet(takes[0], takes[0].source.name)
        for path, takes in zip(plain, sources, strict=True)
    ]


def _sheet(first: Job, stem: str) -> Path:
    return first.target.with_name(NAME_OF_SHEET.format(stem=stem))


def run_job(
    job: Job,
    upmixer: Upmixer,
    *,
    controls: Controls,
    downmix: bool = False,
    bit_depth: str | None = None,
    overwrite: bool = False,
    style: str | None = None,
    progress: Progress | None = None,
) -> Report:
    """Do one job; see `upmix_file`."""
    return upmix_file(
        job.source,
        job.target,
        upmixer,
        method=job.method,
        controls=controls,
        seed=job.seed,
        downmix=downmix,
        bit_depth=bit_depth,
        overwrite=overwrite,
        style=style,
        progress=progress,
    )


def run_takes(
    jobs: Sequence[Job],
    upmixer: Upmixer,
    *,
    controls: Controls,
    downmix: bool = False,
    bit_depth: str | None = None,
    overwrite: bool = False,
    style: str | None = None,
    progress: Progress | None = None,
) -> Takes:
    """Do the jobs of one source at once; see `upmix_takes`."""
    return upmix_takes(
        jobs[0].source,
        {job.seed: job.target for job in jobs},
        upmixer,
        method=jobs[0].method,
        controls=controls,
        downmix=downmix,
        bit_depth=bit_depth,
        overwrite=overwrite,
        style=style,
        progress=progress,
    )

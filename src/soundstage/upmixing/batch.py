"""Several inputs and takes in one run: what is to be written where, planned before anything is."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from soundstage.audio import check_collisions, expand_inputs, output_path
from soundstage.upmixing.controls import Controls
from soundstage.upmixing.files import Progress, Report, upmix_file
from soundstage.upmixing.upmixer import Upmixer

NAME = "{stem}-stereo{ext}"
NAME_OF_TAKE = "{stem}-stereo-{take}{ext}"


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


def run_job(
    job: Job,
    upmixer: Upmixer,
    *,
    controls: Controls,
    downmix: bool = False,
    bit_depth: str | None = None,
    overwrite: bool = False,
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
        progress=progress,
    )

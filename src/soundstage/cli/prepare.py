"""`soundstage prepare`: features of a collection, for `soundstage train`."""

from pathlib import Path
from typing import Annotated

import typer

from soundstage.cli.options import Jobs, NoProgress, split_list


def prepare(
    data: Annotated[Path, typer.Argument(help="Folder of stereo tracks, or of their splits.")],
    output: Annotated[
        Path, typer.Option("--output", "-o", help="Folder for NAME.safetensors of every part.")
    ],
    speeds: Annotated[
        str | None, typer.Option(help="Further playback speeds for training, such as 0.9,1.1.")
    ] = None,
    jobs: Jobs = 1,
    quiet: NoProgress = False,
) -> None:
    """Compute the features that networks are trained on: 66 MB per hour of music."""
    from soundstage.cli.console import progress_bar, report_skipped, say
    from soundstage.errors import OptionError, missing_extra

    try:
        from soundstage.training.prepare import prepare as run
    except ModuleNotFoundError as error:
        raise missing_extra("train", str(error.name), "Preparing") from error

    try:
        factors = [float(part) for part in split_list(speeds)]
    except ValueError as error:
        raise OptionError(f"`speeds` is a list such as 0.9,1.1, not {speeds!r}.") from error
    with progress_bar("preparing", shown=not quiet) as progress:
        parts = run(data, output, speeds=factors, jobs=jobs, progress=progress)
    for part in parts:
        report_skipped(part.skipped)
        note = "" if part.is_new else ", up to date"
        say(f"{part.path}: {part.recordings} tracks, {part.frames} frames{note}")

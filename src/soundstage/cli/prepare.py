"""`soundstage prepare`: features of a collection, for `soundstage train`."""

from pathlib import Path
from typing import Annotated

import typer


def prepare(
    data: Annotated[Path, typer.Argument(help="Folder of stereo records, or of their splits.")],
    output: Annotated[
        Path, typer.Option("--output", "-o", help="Folder for NAME.safetensors of every part.")
    ],
    speeds: Annotated[
        str | None,
        typer.Option(help="Other speeds to learn from too, with commas between, such as 0.9,1.1."),
    ] = None,
    jobs: Annotated[int, typer.Option(min=1, help="Processes that read tracks.")] = 1,
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="No progress.")] = False,
) -> None:
    """Listen to records once, and keep what networks learn from: 66 MB an hour of music."""
    import sys

    from soundstage.cli.console import progress_bar
    from soundstage.errors import OptionError

    try:
        from soundstage.training.prepare import prepare as run
    except ModuleNotFoundError as error:
        raise OptionError(
            f'Preparing needs {error.name}: pip install "soundstage[train]" brings it.'
        ) from error

    try:
        chosen = [float(part) for part in (speeds or "").split(",") if part.strip()]
    except ValueError as error:
        raise OptionError(f"speeds is a list such as 0.9,1.1, and not {speeds!r}.") from error
    with progress_bar("preparing", shown=not quiet) as tell:
        parts = run(
            data,
            output,
            speeds=chosen,
            jobs=jobs,
            progress=tell,
        )
    for part in parts:
        for reason in part.skipped:
            print(f"skipped: {reason}", file=sys.stderr)
        note = "" if part.is_new else ", up to date"
        print(f"{part.path}: {part.recordings} tracks, {part.frames} frames{note}")

"""`soundstage multitracks`: rendered songs of which every stem is known."""

from pathlib import Path
from typing import Annotated

import typer

from soundstage.cli.options import Jobs, NoProgress, Seed


def multitracks(
    output: Annotated[Path, typer.Argument(help="Folder; songs that it has are kept.")],
    hours: Annotated[float, typer.Option(help="Duration of all songs, 0.001 to 1000 hours.")] = 1.0,
    seed: Seed = 0,
    split: Annotated[
        str, typer.Option(help="train, valid or test: each has songs of its own.")
    ] = "train",
    soundfont: Annotated[
        list[Path] | None,
        typer.Option(help="SF2 or SF3 file; may be repeated. By default those of the system."),
    ] = None,
    jobs: Jobs = 1,
    quiet: NoProgress = False,
) -> None:
    """Compose and render songs with separate stems, to train and test separators."""
    from soundstage.cli.console import progress_bar, say
    from soundstage.corpora.multitracks.rendering import render_multitracks

    with progress_bar("rendering", shown=not quiet) as progress:
        result = render_multitracks(
            output,
            hours=hours,
            seed=seed,
            split=split,
            soundfonts=soundfont or (),
            jobs=jobs,
            progress=progress,
        )
    say(
        f"{result.folder}: {result.songs} songs, {result.stems} stems, "
        f"{result.seconds / 3600:.2f} hours"
    )

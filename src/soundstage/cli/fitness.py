"""`soundstage fitness`: what people complain of, measured for every method."""

from pathlib import Path
from typing import Annotated

import typer

from soundstage.cli.options import Device, Json, NoProgress, split_list


def fitness(
    methods: Annotated[
        str | None,
        typer.Option(
            help="List with commas, your own methods too. By default all with pretrained weights, "
            "and FFmpeg's filters."
        ),
    ] = None,
    stems: Annotated[
        Path | None,
        typer.Option(help="Folder of songs as stems, one a lead. By default a band made by code."),
    ] = None,
    speech: Annotated[
        Path | None,
        typer.Option(help="File or folder of one voice. By default a voice made by code."),
    ] = None,
    markdown: Annotated[bool, typer.Option("--markdown", help="Print tables in Markdown.")] = False,
    json_output: Json = False,
    device: Device = "auto",
    quiet: NoProgress = False,
) -> None:
    """Test every method for what people complain of in stereo made from mono.

    Each row is a complaint or wish, with a measured value and a threshold; see docs/fitness.md.
    """
    import json

    from soundstage.cli.console import progress_bar, say
    from soundstage.evaluation.complaints.api import fitness as measure

    with progress_bar("measuring", shown=not quiet) as progress:
        table = measure(
            None if methods is None else split_list(methods),
            stems=stems,
            speech=speech,
            device=device,
            progress=progress,
        )
    if json_output:
        say(*json.dumps(table.as_dict(), indent=2, ensure_ascii=False).splitlines())
    else:
        say(*(table.markdown() if markdown else table.text()).splitlines())

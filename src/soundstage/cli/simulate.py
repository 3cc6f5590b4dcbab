"""`soundstage simulate`: a data set of binaural speech, in the layout of the published one."""

from pathlib import Path
from typing import Annotated

import typer


def simulate(
    speech: Annotated[Path, typer.Option(help="Folder of mono speech.")],
    heads: Annotated[Path, typer.Option(help="Folder of measured heads (.sofa).")],
    output: Annotated[Path, typer.Option("--output", "-o", help="A folder that is not there yet.")],
    subjects: Annotated[
        tuple[int, int, int], typer.Option(help="Recordings to train, to choose and to test.")
    ] = (8, 1, 2),
    minutes: Annotated[float, typer.Option(help="Of each recording, 0.01 to 120.")] = 5.0,
    seed: Annotated[int, typer.Option(help="One gives one data set.")] = 0,
    bits: Annotated[int, typer.Option(help="Of the sound files, 16 or 24.")] = 24,
    workers: Annotated[int, typer.Option(min=1, help="Processes.")] = 1,
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="No progress.")] = False,
) -> None:
    """Walk talkers around measured heads in rooms: data for neural binaural renderers."""
    import sys

    from soundstage.cli.console import progress_bar
    from soundstage.corpora.binaural_simulation import simulate as run

    with progress_bar("simulating", shown=not quiet) as tell:
        made = run(
            speech,
            heads,
            output,
            subjects=subjects,
            minutes=minutes,
            seed=seed,
            bits=bits,
            jobs=workers,
            progress=lambda done, of: tell(done / of),
        )
    for reason in made.skipped:
        print(f"left out: {reason}", file=sys.stderr)
    for subject in made.subjects:
        x, y, z = subject.room.size
        print(f"{subject.name}: {subject.hrtf.path.name}, room of {x:g} x {y:g} x {z:g} m")
    print(f"{made.folder}: {made.seconds:g} s each, gain {made.gain_db:.1f} dB")

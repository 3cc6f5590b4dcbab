"""`soundstage simulate`: a simulated data set of binaural speech."""

from pathlib import Path
from typing import Annotated

import typer

from soundstage.cli.options import Jobs, NoProgress, Seed


def simulate(
    speech: Annotated[Path, typer.Option(help="Folder of mono speech.")],
    hrtfs: Annotated[Path, typer.Option(help="Folder of HRTF sets (.sofa).")],
    output: Annotated[Path, typer.Option("--output", "-o", help="A new or empty folder.")],
    subjects: Annotated[
        tuple[int, int, int],
        typer.Option(help="Number of recordings for training, validation and test."),
    ] = (8, 1, 2),
    minutes: Annotated[
        float, typer.Option(help="Duration of each recording, 0.01 to 120 minutes.")
    ] = 5.0,
    seed: Seed = 0,
    bits: Annotated[int, typer.Option(help="Bit depth of the sound files, 16 or 24.")] = 24,
    jobs: Jobs = 1,
    quiet: NoProgress = False,
) -> None:
    """Simulate talkers that walk around HRTF sets in rooms, to train neural renderers."""
    from soundstage.cli.console import progress_bar, report_skipped, say
    from soundstage.corpora.binaural_simulation import simulate as run

    with progress_bar("simulating", shown=not quiet) as progress:
        result = run(
            speech,
            hrtfs,
            output,
            subjects=subjects,
            minutes=minutes,
            seed=seed,
            bits=bits,
            jobs=jobs,
            progress=progress,
        )
    report_skipped(result.skipped)
    for subject in result.subjects:
        x, y, z = subject.room.size
        say(f"{subject.name}: {subject.hrtf.path.name}, room of {x:g} x {y:g} x {z:g} m")
    say(f"{result.folder}: {result.seconds:g} s each, gain {result.gain_db:.1f} dB")

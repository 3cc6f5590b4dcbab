"""`soundstage train`: weights from a recipe and a folder of training data."""

from pathlib import Path
from typing import Annotated

import typer

from soundstage.cli.options import Device, Jobs, NoProgress, Overwrite


def train(
    recipe: Annotated[
        str, typer.Argument(help="A recipe: a name such as masked, or a .yaml file.")
    ],
    data: Annotated[
        Path, typer.Option(help="Folder of tracks, or of features for a network (see prepare).")
    ],
    output: Annotated[Path, typer.Option("--output", "-o", help="NAME.safetensors to write.")],
    pairs: Annotated[
        int | None, typer.Option(help="nearest: number of pairs, instead of the recipe's.")
    ] = None,
    jobs: Jobs = 1,
    processes: Annotated[
        int, typer.Option(min=1, help="Processes that train a network together, one per GPU.")
    ] = 1,
    device: Device = "auto",
    tensorboard: Annotated[
        Path | None, typer.Option(metavar="FOLDER", help="Log a network to FOLDER/NAME as well.")
    ] = None,
    overwrite: Overwrite = False,
    quiet: NoProgress = False,
) -> None:
    """Train a model on your own data; an interrupted training of a network is resumed."""
    from functools import partial

    from soundstage.cli.console import progress_bar, report_skipped, say
    from soundstage.errors import missing_extra

    try:
        from soundstage.training import load_recipe
        from soundstage.training import train as run
        from soundstage.training.distributed import is_rank_zero
    except ModuleNotFoundError as error:
        raise missing_extra("train", str(error.name), "Training") from error

    loaded = load_recipe(recipe, **({"pairs": pairs} if pairs is not None else {}))
    shown = not quiet and is_rank_zero()
    with progress_bar(f"training {loaded.family}", shown=shown) as progress:
        result = run(
            loaded,
            data,
            output,
            jobs=jobs,
            processes=processes,
            device=device,
            tensorboard=tensorboard,
            overwrite=overwrite,
            progress=progress,
            log=None if quiet else partial(say, error=True),
        )
    if not is_rank_zero():
        return
    report_skipped(result.skipped)
    say(f"{result.weights}: {result.recordings} recordings in {result.seconds:.0f} s")
    say(f"{result.card}: model card")

"""`soundstage train`: weights from a recipe and a folder of sounds."""

from pathlib import Path
from typing import Annotated

import typer


def train(
    recipe: Annotated[Path, typer.Argument(help="A recipe, such as recipes/nearest.yaml.")],
    data: Annotated[
        Path, typer.Option(help="Folder of records, with subfolders; of features for a network.")
    ],
    output: Annotated[Path, typer.Option("--output", "-o", help="NAME.safetensors to write.")],
    pairs: Annotated[
        int | None, typer.Option(help="nearest: pairs in all, in place of the recipe's.")
    ] = None,
    jobs: Annotated[int, typer.Option(min=1, help="Processes that read tracks.")] = 1,
    processes: Annotated[
        int, typer.Option(min=1, help="Processes that train a network together; one a GPU.")
    ] = 1,
    device: Annotated[
        str, typer.Option(help="Of a network: auto (a GPU where there is one), cpu or cuda.")
    ] = "auto",
    tensorboard: Annotated[
        Path | None,
        typer.Option(metavar="FOLDER", help="Of a network: log to FOLDER/NAME as well."),
    ] = None,
    overwrite: Annotated[bool, typer.Option(help="Replace an existing file.")] = False,
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="No progress.")] = False,
) -> None:
    """Train a model on your own records; a network goes on where it was interrupted."""
    import sys
    from functools import partial

    from soundstage.cli.console import progress_bar
    from soundstage.errors import OptionError

    try:
        from soundstage.training import load_recipe
        from soundstage.training import train as run
        from soundstage.training.distributed import is_rank_zero
    except ModuleNotFoundError as error:
        raise OptionError(
            f'Training needs {error.name}: pip install "soundstage[train]" brings it.'
        ) from error

    loaded = load_recipe(recipe, **({"pairs": pairs} if pairs is not None else {}))
    with progress_bar(f"training {loaded.family}", shown=not quiet and is_rank_zero()) as tell:
        result = run(
            loaded,
            data,
            output,
            jobs=jobs,
            processes=processes,
            device=device,
            tensorboard=tensorboard,
            overwrite=overwrite,
            progress=tell,
            log=None if quiet else partial(print, file=sys.stderr, flush=True),
        )
    if not is_rank_zero():
        return
    for reason in result.skipped:
        print(f"skipped: {reason}", file=sys.stderr)
    print(f"{result.weights}: {result.recordings} recordings in {result.seconds:.0f} s")
    print(f"{result.card}: its card")

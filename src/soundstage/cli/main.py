"""The `soundstage` command. Nothing here imports torch: `--help` answers at once."""

import atexit
import os
import signal
import sys
from collections.abc import Callable
from typing import Annotated, Any

import typer

from soundstage import interruption
from soundstage.cli.analyze import analyze
from soundstage.cli.binaural import binaural
from soundstage.cli.console import say, with_messages
from soundstage.cli.docs import docs
from soundstage.cli.evaluate import evaluate
from soundstage.cli.fitness import fitness
from soundstage.cli.generate import generate
from soundstage.cli.help_sections import SectionedCommand
from soundstage.cli.models import models
from soundstage.cli.multitracks import multitracks
from soundstage.cli.prepare import prepare
from soundstage.cli.restyle import restyle
from soundstage.cli.separate import separate
from soundstage.cli.simulate import simulate
from soundstage.cli.streams import BROKEN_PIPE, Streams
from soundstage.cli.styles import styles
from soundstage.cli.train import train
from soundstage.cli.upmix import upmix
from soundstage.open_files import allow_open_files

app = typer.Typer(
    name="soundstage",
    help="Mono to stereo that folds down to the original, mono to binaural, and text to binaural.",
    no_args_is_help=True,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
)


def _print_version(wanted: bool) -> None:
    if wanted:
        from importlib.metadata import version

        print(f"soundstage {version('soundstage')}")
        raise typer.Exit


@app.callback()
def _options(
    version: Annotated[
        bool,
        typer.Option(
            "--version", callback=_print_version, is_eager=True, help="Print the version."
        ),
    ] = False,
) -> None:
    pass


COMMANDS: list[Callable[..., None]] = [upmix, restyle, separate, binaural, generate, analyze]
COMMANDS += [evaluate, fitness, models, styles, prepare, simulate, multitracks, train, docs]
for command in COMMANDS:
    kind = SectionedCommand if command in (upmix, restyle, separate, binaural, generate) else None
    app.command(name=command.__name__, cls=kind)(with_messages(command))


def main() -> None:
    """Run the command line in this process; raises SystemExit unless the exit code is 0."""
    try:
        app()
        interruption.check()
    except interruption.Interrupted as stop:
        if stop.number != BROKEN_PIPE:  # the reader of the output is gone, as with `head`
            say("soundstage: interrupted; no unfinished file was left behind.", error=True)
        raise


def run_and_exit() -> None:
    """Run the command line and end the process, without half a second to take torch apart."""
    interruption.install()
    allow_open_files()
    streams = Streams()
    code: Any = 0
    number = None
    try:
        main()
    except interruption.Interrupted as stop:
        code, number = stop.code, stop.number
    except SystemExit as stop:
        code = stop.code
    if not isinstance(code, int | None):
        sys.exit(code)  # a message, which Python prints
    atexit._run_exitfuncs()
    code = streams.close() or code
    if number == signal.SIGINT and os.name == "posix":
        # A shell ends its loop over files only if the signal itself ends the process
        signal.signal(number, signal.SIG_DFL)
        os.kill(os.getpid(), number)
    os._exit(code or 0)

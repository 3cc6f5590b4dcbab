"""The `soundstage` command. Nothing here imports torch: `--help` answers at once."""

import atexit
import contextlib
import os
import signal
import sys
from typing import Annotated, Any

import typer

from soundstage.cli.analyze import analyze
from soundstage.cli.binaural import binaural
from soundstage.cli.console import with_messages
from soundstage.cli.evaluate import evaluate
from soundstage.cli.models import models
from soundstage.cli.prepare import prepare
from soundstage.cli.simulate import simulate
from soundstage.cli.train import train
from soundstage.cli.upmix import upmix

app = typer.Typer(
    name="soundstage",
    help="Mono to stereo that folds down to the original, and mono to binaural.",
    no_args_is_help=True,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
)


class Interrupted(BaseException):
    """Raised by a signal, so that unfinished files are removed on the way out."""


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


for command in (upmix, binaural, analyze, evaluate, models, prepare, simulate, train):
    app.command(name=command.__name__)(with_messages(command))


def main() -> None:
    """Run the command line in this process; raises SystemExit unless the exit code is 0."""
    from soundstage.worker_processes import raising_handler

    signal.signal(signal.SIGINT, raising_handler(Interrupted))
    signal.signal(signal.SIGTERM, raising_handler(Interrupted))
    try:
        app()
    except Interrupted:
        print("soundstage: interrupted; no unfinished file was left behind.", file=sys.stderr)
        sys.exit(2)
    except BrokenPipeError:  # the reader of the output is gone, as with `head`
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(2)


def run_and_exit() -> None:
    """Run the command line and end the process, without half a second to take torch apart."""
    code: Any = 0
    try:
        main()
    except SystemExit as stop:
        code = stop.code
    if not isinstance(code, int | None):
        sys.exit(code)  # a message, which Python prints
    atexit._run_exitfuncs()
    with contextlib.suppress(BrokenPipeError):
        sys.stdout.flush()
        sys.stderr.flush()
    os._exit(code or 0)

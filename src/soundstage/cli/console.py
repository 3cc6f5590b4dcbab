"""What all commands share on the terminal: progress, printing, error messages."""

import functools
import inspect
import re
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

import typer
from typer.models import OptionInfo

from soundstage.errors import SYSTEM_ERRORS, SoundstageError, of_system, printable

if TYPE_CHECKING:
    from rich.progress import Progress as Bars

    from soundstage.parallel import Progress


_flags: ContextVar[Mapping[str, str]] = ContextVar("flags", default=MappingProxyType({}))
"""The flag of each parameter of the running command."""


def with_messages(command: Callable[..., None]) -> Callable[..., None]:
    """The command, with errors of a user as one sentence and exit code 2."""
    flags = {}
    for name, parameter in inspect.signature(command).parameters.items():
        for option in getattr(parameter.annotation, "__metadata__", ()):
            if isinstance(option, OptionInfo):
                given = map(str, (option.default, *(option.param_decls or ())))
                named = [flag.split("/")[0] for flag in given if flag.startswith("--")]
                flags[name] = named[0] if named else "--" + name.replace("_", "-")

    @functools.wraps(command)
    def run(**arguments: Any) -> None:
        token = _flags.set(flags)
        try:
            command(**arguments)
        except SoundstageError as error:
            say(f"soundstage: {message(error)}", error=True)
            raise typer.Exit(2) from error
        except SYSTEM_ERRORS as error:
            say(f"soundstage: {of_system(error)}", error=True)
            raise typer.Exit(2) from error
        finally:
            _flags.reset(token)

    return run


def say(*lines: str, error: bool = False) -> None:
    """Print lines, on standard output or standard error; control characters are escaped."""
    for line in lines:
        print(printable(line), file=sys.stderr if error else sys.stdout)


def in_flags(text: str) -> str:
    """The text in the words of the command line: parameters in backticks become options."""
    return re.sub(r"`(\w+)`", lambda found: _flags.get().get(found[1], found[1]), text)


def message(error: SoundstageError) -> str:
    """The sentence of an error in the words of the command line."""
    return in_flags(str(error))


def report_skipped(reasons: Sequence[str]) -> None:
    """Name inputs that were skipped, on standard error."""
    for reason in reasons:
        say(f"skipped: {reason}", error=True)


@contextmanager
def progress_bar(label: str, *, shown: bool = True) -> Iterator["Progress"]:
    """A progress bar on standard error; yields the callback.

    Args:
        label: text before the bar.
        shown: whether to show it at all. It is never shown where standard error is no terminal.
    """
    if not shown or not sys.stderr.isatty():
        yield lambda fraction: None
        return
    with bars() as display:
        task = display.add_task(label, total=1.0)
        yield lambda fraction: display.update(task, completed=fraction)


def bars() -> "Bars":
    """An empty progress display on standard error."""
    from rich.console import Console
    from rich.progress import (
        BarColumn,
        Progress,
        TaskProgressColumn,
        TextColumn,
        TimeRemainingColumn,
    )

    return Progress(
        TextColumn("{task.description}", markup=False),
        BarColumn(),
        TaskProgressColumn(),
        TimeRemainingColumn(),
        console=Console(stderr=True),
        transient=True,
        redirect_stdout=False,  # a result goes to standard output even if that is no terminal
        redirect_stderr=False,
    )

"""What all commands share on the terminal: progress, batches of files, failures, error messages."""

import functools
import inspect
import re
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, NamedTuple, TypeVar

import typer
from typer.models import OptionInfo

from soundstage.errors import SoundstageError

if TYPE_CHECKING:
    from rich.progress import Progress as Bars
    from rich.progress import TaskID

    from soundstage.parallel import Progress, Work

T = TypeVar("T")
R = TypeVar("R")


class Failure(NamedTuple):
    """A file that could not be processed."""

    source: str
    error: str
    """One sentence."""


_flags: ContextVar[Mapping[str, str]] = ContextVar("flags", default=MappingProxyType({}))
"""The flag of each parameter of the running command."""


def with_messages(command: Callable[..., None]) -> Callable[..., None]:
    """The command, with errors of a user as one sentence and exit code 2."""
    flags = {}
    for name, parameter in inspect.signature(command).parameters.items():
        for option in getattr(parameter.annotation, "__metadata__", ()):
            if isinstance(option, OptionInfo):
                named = [flag for flag in option.param_decls or () if flag.startswith("--")]
                flags[name] = named[0] if named else "--" + name.replace("_", "-")

    @functools.wraps(command)
    def run(**arguments: Any) -> None:
        token = _flags.set(flags)
        try:
            command(**arguments)
        except SoundstageError as error:
            print(f"soundstage: {message(error)}", file=sys.stderr)
            raise typer.Exit(2) from error
        finally:
            _flags.reset(token)

    return run


def message(error: SoundstageError) -> str:
    """The error in the words of the command line: parameters in backticks become options."""
    return re.sub(r"`(\w+)`", lambda found: _flags.get().get(found[1], found[1]), str(error))


def end(failures: Sequence[Failure], total: int, *, listed: bool) -> None:
    """Exit with 2 if there are failures; name them on standard error if `listed`."""
    if not failures:
        return
    if listed:
        print(f"{len(failures)} of {total} failed:", file=sys.stderr)
        for failure in failures:
            print(f"  {failure.error}", file=sys.stderr)
    raise typer.Exit(2)


def report_skipped(reasons: Sequence[str]) -> None:
    """Name inputs that were skipped, on standard error."""
    for reason in reasons:
        print(f"skipped: {reason}", file=sys.stderr)


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
    with _bars() as bars:
        task = bars.add_task(label, total=1.0)
        yield lambda fraction: bars.update(task, completed=fraction)


def run_files(
    load: "Callable[[], Work[T, R]]",
    items: Sequence[T],
    sources: Sequence[Path],
    *,
    jobs: int | None,
    device: str = "cpu",
    progress_shown: bool,
    json_output: bool,
    show: Callable[[R], None] | None,
    check: Callable[[T], None] | None = None,
) -> tuple[list[R], list[Failure]]:
    """Process files in worker processes, with one progress display.

    A failure leaves the other files alone; of a single file without JSON, it is raised.

    Args:
        load: as for `run_jobs`.
        items: one for each file.
        sources: the file of each item.
        jobs: number of processes, or None for `default_jobs`.
        device: where the work is done.
        progress_shown: whether to show the progress, on a terminal.
        json_output: whether the caller prints failures as JSON.
        show: prints the result of a file; called as the results arrive, in order.
        check: as for `run_jobs`.
    """
    from soundstage.parallel import default_jobs, resolve_device, run_jobs

    if device not in ("auto", "cpu"):
        resolve_device(device)
    done: list[R] = []
    failed: list[Failure] = []
    jobs = jobs or default_jobs(len(items), device)
    with _file_bars([source.name for source in sources], shown=progress_shown) as bars:
        results = run_jobs(load, items, jobs=jobs, check=check, progress=bars.update)
        for source, result in zip(sources, results, strict=True):
            if isinstance(result, SoundstageError):
                if len(items) == 1 and not json_output:
                    raise result
                failed.append(Failure(str(source), message(result)))
                continue
            done.append(result)
            if show:
                with bars.hidden():
                    show(result)
    return done, failed


class _FileBars:
    """One bar for all files, and one for each file in work."""

    def __init__(self, names: Sequence[str], bars: "Bars | None") -> None:
        self._names, self._bars = names, bars
        self._tasks: dict[int, TaskID] = {}
        self._all = bars.add_task("", total=float(len(names))) if bars and len(names) > 1 else None

    def update(self, fractions: Sequence[float]) -> None:
        """Show the finished fraction of every file."""
        if not self._bars:
            return
        for index, fraction in enumerate(fractions):
            working = 0 < fraction < 1
            if working and index not in self._tasks:
                self._tasks[index] = self._bars.add_task(self._names[index], total=1.0)
            if working:
                self._bars.update(self._tasks[index], completed=fraction)
            elif index in self._tasks:
                self._bars.remove_task(self._tasks.pop(index))
        if self._all is not None:
            finished = sum(fraction == 1 for fraction in fractions)
            label = f"{finished} of {len(self._names)} files"
            self._bars.update(self._all, completed=sum(fractions), description=label)

    @contextmanager
    def hidden(self) -> Iterator[None]:
        """Standard output is free for text meanwhile."""
        if not self._bars:
            yield
            return
        self._bars.stop()
        yield
        sys.stdout.flush()
        self._bars.start()


@contextmanager
def _file_bars(names: Sequence[str], *, shown: bool) -> Iterator[_FileBars]:
    if not shown or not sys.stderr.isatty():
        yield _FileBars(names, None)
        return
    with _bars() as bars:
        yield _FileBars(names, bars)


def _bars() -> "Bars":
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

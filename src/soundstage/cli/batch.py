"""Many files on the terminal: one progress display, what became of each file, and a summary.

With `--json` every file gives lines of its own as it ends, each one JSON object with a `status`:
"done", "skipped" or "failed", and the last line has the status "summary" and the counts.
"""

import json
import sys
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import typer

from soundstage.audio.existing import Skipped
from soundstage.cli.console import bars, in_flags, message, say
from soundstage.errors import SoundstageError, printable

if TYPE_CHECKING:
    from rich.progress import Progress as Bars
    from rich.progress import TaskID

    from soundstage.parallel import Work
    from soundstage.upmixing.jobs import Job, Plan, TakesWork

T = TypeVar("T")
R = TypeVar("R")

Record = dict[str, Any]
NAMED = 3  # files that a summary names


def run_files(
    load: "Callable[[], Work[T, R]]",
    items: Sequence[T],
    sources: Sequence[Path],
    *,
    records: Callable[[R], Iterable[Record]],
    show: Callable[[R], None],
    jobs: int,
    check: Callable[[T], Skipped | None] | None = None,
    skipped: Sequence[Skipped] = (),
    json_output: bool,
    quiet: bool,
    progress: bool = True,
    summary: bool = True,
    in_order: bool = False,
) -> None:
    """Process files in worker processes, and print what became of them.

    A failure leaves the other files alone; of a single file without JSON, it is raised.

    Args:
        load: as for `run_jobs`.
        items: one for each file.
        sources: the file of each item.
        records: JSON objects of the result of a file.
        show: prints the result of a file.
        jobs: number of processes.
        check: as for `run_jobs`.
        skipped: further files, which are none of the items.
        json_output: print JSON and no progress.
        quiet: print nothing but errors.
        progress: show the progress, unless quiet.
        summary: end with a line about several files, as text.
        in_order: print results in the order of the files, not as they end.

    Raises:
        typer.Exit: with 2, if a file failed.
    """
    from soundstage.parallel import run_jobs

    total = len(items) + len(skipped)
    batch = _Batch(total, json_output=json_output, summary=summary and not quiet)
    for each in skipped:
        batch.skip(each)
    with _file_bars(sources, shown=progress and not (quiet or json_output)) as display:
        results: Iterator[tuple[int, R | Skipped | SoundstageError]]
        results = run_jobs(load, items, jobs=jobs, check=check, progress=display.update)
        for index, result in _sorted(results) if in_order else results:
            if isinstance(result, SoundstageError):
                if batch.total == 1 and not json_output:
                    raise result
                batch.fail(sources[index], result)
            elif isinstance(result, Skipped):
                batch.skip(result)
            else:
                batch.done += 1
                if json_output:
                    print_records({"status": "done"} | record for record in records(result))
                elif not quiet:
                    with display.hidden():
                        show(result)
    batch.end()


def run_takes(
    work: "TakesWork", planned: "Plan", *, jobs: int, json_output: bool, quiet: bool
) -> None:
    """Make the takes of all inputs in worker processes, with their sheets and pages.

    Args:
        work: what makes the takes.
        planned: its jobs.
        jobs: number of processes.
        json_output: print JSON and no progress.
        quiet: print nothing but errors.

    Raises:
        typer.Exit: with 2, if an input failed.
    """
    from soundstage.listening.takes_run import TakesRun

    runner = TakesRun(work)
    run_files(
        runner.load,
        planned.jobs,
        [job.source for job in planned.jobs],
        records=lambda result: result.records,
        show=lambda result: say(*map(in_flags, result.lines)),
        jobs=jobs,
        check=runner.check,
        skipped=planned.skipped,
        json_output=json_output,
        quiet=quiet,
    )


def processes_for(files: int, jobs: int | None, device: str = "cpu") -> int:
    """The number of processes: what the user says, or one for each core, or one on a GPU.

    Raises:
        OptionError: there is no such device.
    """
    from soundstage.parallel import default_jobs, resolve_device

    if device not in ("auto", "cpu"):
        resolve_device(device)
    return jobs or default_jobs(files, device)


@contextmanager
def watched(
    sources: Sequence[Path], *, shown: bool, verb: str
) -> Iterator[Callable[[Mapping[int, float]], None]]:
    """A progress display of a pass over files; yields the callback for `run_jobs`."""
    with _file_bars(sources, shown=shown, verb=verb) as display:
        yield display.update


class _Batch:
    """What became of the files."""

    def __init__(self, total: int, *, json_output: bool, summary: bool) -> None:
        self.total, self._json, self._summary = total, json_output, summary
        self.done = 0
        self._skipped: Counter[str] = Counter()
        self._examples: dict[str, list[str]] = {}
        self._failures: list[str] = []

    def skip(self, skipped: Skipped) -> None:
        self._skipped[skipped.reason] += 1
        examples = self._examples.setdefault(skipped.reason, [])
        if len(examples) < NAMED:
            examples.append(Path(skipped.source).name)
        if self._json:
            print_records([{"status": "skipped"} | skipped._asdict()])

    def fail(self, source: Path, error: SoundstageError) -> None:
        self._failures.append(message(error))
        if self._json:
            record = {"status": "failed", "source": str(source), "error": message(error)}
            print_records([record])

    def end(self) -> None:
        """Print the summary, and exit with 2 if a file failed."""
        counts = {
            "done": self.done,
            "skipped": self._skipped.total(),
            "failed": len(self._failures),
        }
        if self._json:
            print_records([{"status": "summary"} | counts])
        elif self._summary:
            if self.total > 1:
                facts = [f"{count} {name}" for name, count in counts.items() if count]
                say(f"{self.total} files: {', '.join(facts)}.")
            for reason, count in self._skipped.items():
                names = ", ".join(self._examples[reason])
                more = f" and {count - NAMED} more" if count > NAMED else ""
                say(f"Skipped, because {reason}: {names}{more}.")
        if self._failures:
            if not self._json:
                say(f"{len(self._failures)} of {self.total} failed:", error=True)
                say(*(f"  {sentence}" for sentence in self._failures), error=True)
            raise typer.Exit(2)


def print_records(records: Iterable[Record]) -> None:
    """Print JSON objects, one a line, at once."""
    for record in records:
        print(json.dumps(record))
    sys.stdout.flush()


def print_plan(
    rows: Iterable[Iterable[tuple[Record, str]]],
    skipped: Sequence[Skipped],
    *,
    json_output: bool,
) -> None:
    """Print what would be done.

    Args:
        rows: for each file, JSON objects (an empty one is left out) and lines.
        skipped: files that are left out.
        json_output: print JSON.
    """
    for record, line in (each for row in rows for each in row):
        if not json_output:
            say(line)
        elif record:
            print(json.dumps(record))
    for each in skipped:
        if json_output:
            print_records([{"status": "skipped"} | each._asdict()])
        else:
            say(f"{each.source}  (skipped: {each.reason})")


def planned_takes(job: "Job", *, skip_existing: bool) -> Iterator[tuple[Record, str]]:
    """What is planned of the takes of an input, for JSON and as lines."""
    for record, take in zip(job.as_dicts(), job.takes, strict=True):
        exists = skip_existing and take.target.exists()
        note = "exists" if exists else f"{job.method}, seed {take.seed}"
        status = {"status": "skipped" if exists else "planned"}
        yield status | record, f"{job.source} -> {take.target}  ({note})"
    if job.sheet:
        sheet = {"source": str(job.source), "sheet": str(job.sheet)}
        yield {"status": "planned"} | sheet, f"{job.sheet}  (contact sheet)"
    if job.page:
        page = {"source": str(job.source), "page": str(job.page)}
        yield {"status": "planned"} | page, f"{job.page}  (listening page)"


def _sorted(numbered: Iterable[tuple[int, R]]) -> Iterator[tuple[int, R]]:
    """The results in the order of their indexes, each as soon as it may come."""
    waiting: dict[int, R] = {}
    following = 0
    for index, result in numbered:
        waiting[index] = result
        while following in waiting:
            yield following, waiting.pop(following)
            following += 1


class _FileBars:
    """One bar for all files, and one for each file in work."""

    def __init__(self, sources: Sequence[Path], shown: "Bars | None", verb: str) -> None:
        self._sources, self._bars, self._verb = sources, shown, verb
        self._tasks: dict[int, TaskID] = {}
        self._finished: set[int] = set()
        self._all = None
        if shown and len(sources) > 1:
            self._all = shown.add_task("", total=float(len(sources)))

    def update(self, fractions: Mapping[int, float]) -> None:
        """Show the finished fractions of the files in work, by index."""
        if not self._bars:
            return
        for index, fraction in fractions.items():
            working = 0 < fraction < 1
            if working and index not in self._tasks:
                self._tasks[index] = self._bars.add_task(self._label(index), total=1.0)
            if working:
                self._bars.update(self._tasks[index], completed=fraction)
            elif index in self._tasks:
                self._bars.remove_task(self._tasks.pop(index))
            if fraction == 1:
                self._finished.add(index)
        if self._all is not None:
            label = f"{len(self._finished)} of {len(self._sources)} files {self._verb}".rstrip()
            part = sum(fraction for fraction in fractions.values() if fraction < 1)
            done = len(self._finished) + part
            self._bars.update(self._all, completed=done, description=label)

    def _label(self, index: int) -> str:
        return printable(self._sources[index].name)

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
def _file_bars(sources: Sequence[Path], *, shown: bool, verb: str = "") -> Iterator[_FileBars]:
    if not shown or not sys.stderr.isatty():
        yield _FileBars(sources, None, verb)
        return
    with bars() as display:
        yield _FileBars(sources, display, verb)

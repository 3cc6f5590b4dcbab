"""Signals at random moments: what is left of the files, and what of it after the next run.

    python benchmarks/kill.py [--runs 100] [--minutes 60] [--seed 0]

Each run is a command that gets one signal at a random moment of its work, in a fork of a process
that has imported everything, so that the moments fall into the work. Then every file under a final
name must be whole: byte for byte that of an undisturbed run, or the old one that was to be
replaced. Only SIGKILL may leave hidden files. The same command is then run again: it must succeed,
and leave nothing but the results. Exits with 1 if any of this fails.
"""

import argparse
import atexit
import contextlib
import importlib
import os
import random
import shutil
import signal
import sys
import tempfile
import time
import traceback
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple, NoReturn

import numpy as np
import soundfile

RATE, SECONDS = 8_000, 6
SIGNALS = ("KILL", "HUP", "TERM", "INT", "QUIT", "USR1", "ALRM", "XCPU")
COLUMNS = ("runs", "ended early", "half files", "wrong exits", "left at once", "left at last")
OLD = b"an old file of the same name"


class Case(NamedTuple):
    """A command, without its input and output folder."""

    name: str
    words: tuple[str, ...]
    replaces: bool = False
    """There is an old file under every final name."""


REPLACING = ("wav", "mp3", "ogg")
CASES = (
    *(Case(suffix, ("--format", suffix)) for suffix in ("wav", "flac", "mp3", "ogg", "m4a", "mka")),
    *(
        Case(f"{suffix} over an old one", ("--format", suffix), True)
        for suffix in ("wav", "mp3", "ogg")
    ),
    Case("3 takes", ("--takes", "3", "--no-sheet")),
    Case("2 jobs", ("--jobs", "2"), True),
)


def start(case: Case, folder: Path) -> int:
    """Start the command in a fork; its words go to `errors` beside the folder."""
    child = os.fork()
    if child == 0:
        _run(case, folder)
    return child


def _run(case: Case, folder: Path) -> NoReturn:
    with open(folder.with_name("errors"), "ab") as errors:
        os.dup2(errors.fileno(), 1)
        os.dup2(errors.fileno(), 2)
    try:
        from soundstage.cli.main import run_and_exit

        sources = folder.with_name("sources")
        sys.argv = ["soundstage", "upmix", str(sources), "-o", str(folder), "-m", "comb"]
        sys.argv += ["--jobs", "1", *case.words, "--overwrite"]
        run_and_exit()
    except BaseException:
        traceback.print_exc()
    os._exit(70)


def import_all(folder: Path) -> None:
    """Import what the command imports, as a first fork reports it."""
    report = folder / "modules"
    child = os.fork()
    if child == 0:
        atexit.register(lambda: report.write_text("\n".join(sys.modules)))
        _run(Case("", ("--format", "m4a")), folder / "first")
    ended(child)
    for name in report.read_text().splitlines():
        with contextlib.suppress(ImportError):
            importlib.import_module(name)


def ended(child: int) -> int:
    """The exit code of the command, negative for a signal that ended it."""
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


def contents(folder: Path) -> dict[str, bytes]:
    """All files, hidden ones too."""
    return {path.name: path.read_bytes() for path in folder.iterdir()} if folder.exists() else {}


def disturb(case: Case, number: int, moment: float, folder: Path, whole: dict[str, bytes]) -> str:
    """Run the command, send the signal, run it again; the findings as names of `COLUMNS`."""
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir()
    if case.replaces:
        for name in whole:
            (folder / name).write_bytes(OLD)
    errors = folder.with_name("errors")
    errors.write_bytes(b"")
    child = start(case, folder)
    time.sleep(moment)
    os.kill(child, number)
    code = ended(child)
    found = contents(folder)
    hidden = [name for name in found if name not in whole]
    findings = ["runs"]
    if code:
        findings.append("ended early")
    if any(found[name] not in (whole[name], OLD) for name in whole if name in found):
        findings.append("half files")
    if hidden:
        findings.append("left at once")
    if code not in (0, -number, 128 + number) or b"Traceback" in errors.read_bytes():
        findings.append("wrong exits")
    if case.words[:1] == ("--jobs",):
        time.sleep(1.5)  # workers of a killed process end a moment later
    again = ended(start(case, folder))
    if again or contents(folder) != whole:
        findings.append("left at last")
    return ",".join(findings)


@contextlib.contextmanager
def material() -> Iterator[Path]:
    """A folder with two sounds in `sources`."""
    folder = Path(tempfile.mkdtemp())  # a TemporaryDirectory would be removed by the forks
    sources = folder / "sources"
    sources.mkdir()
    noise = np.random.default_rng(0).standard_normal((2, SECONDS * RATE)) * 0.1
    for index, sound in enumerate(noise):
        soundfile.write(sources / f"{index}.wav", sound, RATE)
    try:
        yield folder
    finally:
        shutil.rmtree(folder)


def table(counts: dict[str, Counter[str]]) -> str:
    """Rows of signals, in Markdown."""
    lines = [f"| signal | {' | '.join(COLUMNS)} |", "|---" * (len(COLUMNS) + 1) + "|"]
    for name, found in counts.items():
        lines.append(f"| {name} | " + " | ".join(str(found[column]) for column in COLUMNS) + " |")
    return "\n".join(lines)


def main() -> None:
    """Run the trials and print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--runs", type=int, default=100)
    parser.add_argument("--minutes", type=float, default=60.0, help="No run begins after that.")
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    draw = random.Random(options.seed)
    counts: dict[str, Counter[str]] = {name: Counter() for name in SIGNALS}
    failed = 0
    with material() as folder:
        import_all(folder)
        target = folder / "results"
        usual: dict[str, tuple[float, dict[str, bytes]]] = {}
        last = time.monotonic() + 60 * options.minutes
        for index in range(options.runs):
            if time.monotonic() > last:
                break
            case, name = CASES[index % len(CASES)], draw.choice(SIGNALS)
            if case.name not in usual:
                shutil.rmtree(target, ignore_errors=True)
                began = time.monotonic()
                if ended(start(case, target)):
                    sys.exit((folder / "errors").read_text())
                usual[case.name] = time.monotonic() - began, contents(target)
            seconds, whole = usual[case.name]
            moment = draw.random() * seconds
            found = disturb(case, getattr(signal, f"SIG{name}"), moment, target, whole)
            counts[name].update(found.split(","))
            wrong = {"half files", "wrong exits", "left at last"} & {*found.split(",")}
            if wrong or ("left at once" in found and name != "KILL"):
                failed += 1
                print(f"{case.name}, SIG{name} after {moment:.3f} of {seconds:.3f} s: {found}")
                print((folder / "errors").read_text()[-2000:])
    print(table(counts))
    sys.exit(failed > 0)


if __name__ == "__main__":
    main()

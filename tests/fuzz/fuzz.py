"""Mutated files through every reader, in processes with limits of time and memory.

    python tests/fuzz/fuzz.py [-n 1000] [--seed 0] [--keep FOLDER] [TARGET...]

Each case is a valid file, damaged at random. It must be read, or refused in one short printable
sentence, within 10 s of processor time and 2 GB of memory. A table counts, for every target, the
files that were read and refused, and the findings: tracebacks (any other exception, or a bad
sentence), crashes (the process died), hangs and memory. Findings are kept as files. Of SOFA files,
what ends the process is no finding: `read_hrtf` reads them in a process of its own; it is tried
again that way.
"""

import argparse
import json
import os
import re
import resource
import shutil
import signal
import subprocess
import sys
import tempfile
import traceback
import zlib
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

import numpy as np

sys.path[:0] = [str(Path(__file__).parent), str(Path(__file__).parents[1])]

from targets import TARGETS, Target  # noqa: E402

SECONDS = 10  # of processor time, for a case
WALL = 90  # s for a case; several of these may share a processor
MEMORY = 2 << 30  # bytes, for a case
SENTENCE = 900  # most characters of a message, without the paths in it
OUTCOMES = ("read", "refused", "traceback", "crash", "hang", "memory")


class Finding(NamedTuple):
    """A case that went wrong."""

    target: str
    case: int
    outcome: str
    details: str


def fuzz(
    name: str, count: int, *, first: int = 0, keep: Path | None = None
) -> tuple[Counter[str], list[Finding]]:
    """Run cases of a target in child processes.

    Args:
        name: of the target.
        count: of cases.
        first: number of the first case; equal numbers are equal files.
        keep: folder for the files of findings.
    """
    counts: Counter[str] = Counter()
    findings, case, end = [], first, first + count
    with tempfile.TemporaryDirectory(prefix="fuzz-") as folder:
        while case < end:
            command = [sys.executable, __file__, "--child", name, str(case), str(end), folder]
            for reported, outcome, details in outcomes(command, case):
                case = reported + 1
                file = Path(Path(folder, f"{reported}.path").read_text())
                if outcome in ("crash", "hang") and name == "sofa":
                    outcome, details = _in_its_own_process(file)
                counts[outcome] += 1
                if outcome not in ("read", "refused"):
                    findings.append(Finding(name, reported, outcome, details))
                    if keep:
                        keep.mkdir(parents=True, exist_ok=True)
                        shutil.copyfile(file, keep / f"{outcome}-{name}-{reported}-{file.name}")
                shutil.rmtree(file.parent)
    return counts, findings


def outcomes(command: list[str], case: int) -> Iterator[tuple[int, str, str]]:
    """Cases with their outcomes, as the child reports them; the last one if it dies."""
    with (
        tempfile.TemporaryFile("w+") as errors,
        subprocess.Popen(command, stdout=subprocess.PIPE, stderr=errors, text=True) as child,
    ):
        for line in child.stdout:
            yield tuple(json.loads(line))
            case += 1
        if child.wait() == 0:
            return
        errors.seek(0)
        details = errors.read()[-3000:]
    if child.returncode > 0 and "Traceback" in details:  # of the harness itself
        raise RuntimeError(details)
    ended = -child.returncode
    if ended in (signal.SIGPROF, signal.SIGALRM):
        yield case, "hang", f"over {SECONDS} s"
    else:
        yield case, "crash", f"code {child.returncode}\n{details}"


def _in_its_own_process(path: Path) -> tuple[str, str]:
    """What `read_hrtf` makes of a SOFA file that ends the process."""
    from soundstage.binaural import read_hrtf

    return outcome_of(read_hrtf, path)


def outcome_of(run: Callable[[Path], object], path: Path) -> tuple[str, str]:
    """What a reader makes of a file, and the sentence or the traceback."""
    from soundstage.errors import SoundstageError

    try:
        run(path)
    except SoundstageError as error:
        message = str(error)
        short = len(message.replace(str(path), "").replace(str(path.parent), "")) <= SENTENCE
        if short and message.isprintable() and message.endswith((".", "?")):
            return "refused", message
        return "traceback", f"a bad sentence: {message[:2000]!r}"
    except BaseException:
        return "traceback", traceback.format_exc()[-3000:]
    return "read", ""


# In the child


def serve(name: str, first: int, end: int, folder: Path) -> None:
    """Run cases and print their outcomes, a line each."""
    report = os.fdopen(os.dup(1), "w", buffering=1)
    os.dup2(2, 1)
    target = TARGETS[name]
    with tempfile.TemporaryDirectory(dir=folder) as place:
        seeds = target.seeds(Path(place))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    for case in range(first, end):
        path = write_case(target, name, seeds, case, folder / str(case))
        before = _reset_peak()
        signal.setitimer(signal.ITIMER_PROF, SECONDS)  # its default action ends the process
        signal.alarm(WALL)
        outcome, details = outcome_of(target.run, path)
        signal.setitimer(signal.ITIMER_PROF, 0)
        signal.alarm(0)
        if _peak() - before > MEMORY:
            outcome, details = "memory", f"{_peak() - before:,} bytes"
        print(json.dumps((case, outcome, details)), file=report)


def write_case(
    target: Target, name: str, seeds: list[tuple[str, bytes]], case: int, folder: Path
) -> Path:
    """The damaged file of a case, with the files that it names."""
    random = np.random.default_rng((case, zlib.crc32(name.encode())))
    file, content = seeds[int(random.integers(len(seeds)))]
    folder.mkdir()
    target.neighbors(folder)
    (folder / file).write_bytes(target.damage(content, [other for _, other in seeds], random))
    folder.with_suffix(".path").write_text(str(folder / file))
    return folder / file


def _reset_peak() -> int:
    """Resident bytes now, from where the peak counts again (Linux)."""
    with suppress(OSError):
        Path("/proc/self/clear_refs").write_text("5")
    return _peak()


def _peak() -> int:
    try:
        status = Path("/proc/self/status").read_text()
        return int(status.partition("VmHWM:")[2].split()[0]) << 10
    except (OSError, IndexError):
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss << 10


def _last_line(finding: Finding) -> str:
    """What is alike in equal findings: the last words of a traceback, without numbers and names."""
    lines = finding.details.strip().splitlines()
    places = [line for line in lines if line.lstrip().startswith("File")]
    return (places[-1] if places else "") + re.sub(r"\d+|'.*'", "#", lines[-1] if lines else "")


def main() -> int:
    """Run the targets and print the table; 1 if there is a finding."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("targets", nargs="*", default=list(TARGETS))
    parser.add_argument("-n", "--count", type=int, default=1000, help="cases of each target")
    parser.add_argument("--first", type=int, default=0, help="number of the first case")
    parser.add_argument("--keep", type=Path, help="folder for the files of findings")
    options = parser.parse_args()
    print(f"{'target':12}" + "".join(f"{outcome:>11}" for outcome in OUTCOMES), flush=True)
    found = []
    for name in options.targets:
        counts, findings = fuzz(name, options.count, first=options.first, keep=options.keep)
        print(f"{name:12}" + "".join(f"{counts[each]:11,}" for each in OUTCOMES), flush=True)
        found += findings
    kinds: dict[tuple[str, ...], list[Finding]] = {}
    for each in found:
        kinds.setdefault((each.outcome, each.target, _last_line(each)), []).append(each)
    for equal in sorted(kinds.values(), key=len, reverse=True):
        first = equal[0]
        print(f"\n{len(equal)} × {first.outcome}, {first.target} {first.case}:\n{first.details}")
    return 1 if found else 0


if __name__ == "__main__":
    if sys.argv[1:2] == ["--child"]:
        serve(sys.argv[2], int(sys.argv[3]), int(sys.argv[4]), Path(sys.argv[5]))
    else:
        sys.exit(main())

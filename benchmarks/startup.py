"""Start-up: processor time of commands whose work itself takes next to none.

    python benchmarks/startup.py [--repeats 5]

Each row is the median over processes of user and system time. One second of sound is upmixed on a
single thread; `import torch` alone is the reference. `--modules COMMAND` prints the slowest imports
of one command instead.
"""

import argparse
import os
import resource
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np
import soundfile

SOUNDSTAGE = [sys.executable, "-m", "soundstage"]
RATE = 44_100
SLOWEST = 25  # modules


def commands(sound: Path) -> dict[str, list[str]]:
    """Each row's command; `sound` is a file of one second."""
    upmix = [*SOUNDSTAGE, "upmix", str(sound), "--overwrite", "--quiet"]
    return {
        "python": [sys.executable, "-c", "pass"],
        "import torch": [sys.executable, "-c", "import torch"],
        "soundstage --help": [*SOUNDSTAGE, "--help"],
        "soundstage models": [*SOUNDSTAGE, "models"],
        "upmix --dry-run": [*upmix, "--dry-run"],
        "upmix of a missing file": [*SOUNDSTAGE, "upmix", str(sound.with_name("missing.wav"))],
        "upmix to an existing file": [*SOUNDSTAGE, "upmix", str(sound), "-o", str(sound)],
        "binaural --dry-run": [*SOUNDSTAGE, "binaural", str(sound), "--dry-run"],
        "upmix, comb, 1 s": [*upmix, "--method", "comb"],
        "upmix, masked, 1 s": [*upmix, "--method", "masked"],
        "binaural, hrtf, 1 s": [*SOUNDSTAGE, "binaural", str(sound), "--overwrite", "--quiet"],
        "analyze, 1 s": [*SOUNDSTAGE, "analyze", str(sound)],
    }


def processor_seconds(command: list[str], repeats: int) -> float:
    """Median user and system time of the command."""
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    times = []
    for _ in range(repeats):
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        subprocess.run(command, capture_output=True, env=environment, check=False)
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        times.append(after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime)
    return statistics.median(times)


def slowest_imports(command: list[str]) -> list[str]:
    """Lines of `python -X importtime`, by their own time."""
    run = [command[0], "-X", "importtime", *command[1:]]
    lines = subprocess.run(run, capture_output=True, text=True, check=False).stderr.splitlines()
    timed = [line for line in lines if line.startswith("import time:") and "self" not in line]
    timed.sort(key=lambda line: int(line.split(":")[1].split("|")[0]), reverse=True)
    return timed[:SLOWEST]


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--modules", metavar="COMMAND", help="a row of the table")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        sound = Path(folder) / "sound.wav"
        noise = 0.1 * np.random.default_rng(0).standard_normal(RATE)
        soundfile.write(sound, noise, RATE, subtype="PCM_16")
        rows = commands(sound)
        if options.modules:
            print(*slowest_imports(rows[options.modules]), sep="\n")
            return
        print("| command | processor time, s |\n| --- | ---: |")
        for name, command in rows.items():
            print(f"| {name} | {processor_seconds(command, options.repeats):.2f} |", flush=True)


if __name__ == "__main__":
    main()

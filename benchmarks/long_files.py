"""Memory and time for files of several hours: memory is constant, time proportional to the length.

    python benchmarks/long_files.py [--hours 0.2 2 10] [--method nearest] [--write FILE.md]

A mono file of each length (a repeated minute of music-like noise, 16 bit, 44.1 kHz, RF64 over 4 GB)
is upmixed by the command line in a process of its own, and deleted. The disk needs room for four
times the mono file: 13 GB for ten hours.
"""

import argparse
import json
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path
from typing import Any

import numpy as np
import psutil
import soundfile

RATE = 44_100


def make_input(path: Path, hours: float) -> None:
    """Write bursts of colored noise with pauses."""
    generator = np.random.default_rng(0)
    noise = np.cumsum(generator.standard_normal(60 * RATE))
    noise -= np.convolve(noise, np.ones(200) / 200, mode="same")
    envelope = np.abs(np.sin(np.linspace(0, 60 * np.pi, noise.size))) ** 3
    minute = (0.3 * envelope * noise / np.abs(noise).max()).astype(np.float32)
    with soundfile.SoundFile(path, "w", RATE, 1, "PCM_16", format="RF64") as file:
        for _ in range(round(60 * hours)):
            file.write(minute)


def upmix(source: Path, target: Path, method: str) -> dict[str, float]:
    """Seconds and peak memory of the command, start-up included."""
    arguments = ["upmix", str(source), "-o", str(target), "--method", method]
    report, seconds, megabytes = watched(arguments)
    return {
        "seconds": seconds,
        "megabytes": megabytes,
        "frames": report["frames"],
        "gain_db": report["gain_db"],
    }


def watched(arguments: list[str]) -> tuple[dict[str, Any], float, float]:
    """The report of a command of Soundstage, its seconds, and its peak memory in MB."""
    command = [str(Path(sys.executable).with_name("soundstage")), *arguments, "--json"]
    started = time.perf_counter()
    process = psutil.Popen(command, stdout=subprocess.PIPE)
    peak = 0

    def watch() -> None:
        nonlocal peak
        while process.poll() is None:
            try:
                peak = max(peak, process.memory_info().rss)
            except psutil.NoSuchProcess:
                return
            time.sleep(0.1)

    watcher = threading.Thread(target=watch)
    watcher.start()
    output, _ = process.communicate()
    watcher.join()
    if process.returncode:
        raise SystemExit(f"Failed: soundstage {' '.join(arguments)}")
    return json.loads(output.splitlines()[0]), time.perf_counter() - started, peak / 1e6


def main() -> None:
    """Run the benchmark."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--hours", type=float, nargs="+", default=[0.2, 2.0])
    parser.add_argument("--method", default="nearest")
    parser.add_argument("--folder", type=Path, help="where the temporary files are written")
    parser.add_argument("--write", type=Path, help="a Markdown file to write")
    options = parser.parse_args()
    lines = [
        f"Method `{options.method}`, 16 bit, 44.1 kHz, on the command line, start-up included.",
        "",
        "| hours | processing time, minutes | real-time factor | peak memory, MB |",
        "| ---: | ---: | ---: | ---: |",
    ]
    for hours in options.hours:
        with tempfile.TemporaryDirectory(dir=options.folder) as folder:
            source = Path(folder) / "mono.wav"
            make_input(source, hours)
            row = upmix(source, Path(folder) / "stereo.wav", options.method)
        factor = row["seconds"] / (row["frames"] / RATE)
        minutes = row["seconds"] / 60
        lines.append(f"| {hours:g} | {minutes:.1f} | {factor:.4f} | {row['megabytes']:.0f} |")
        print(lines[-1], flush=True)
    if options.write:
        page = "\n".join(
            ["# Long files", "", *lines, "", "Made by `benchmarks/long_files.py`.", ""]
        )
        options.write.write_text(page, encoding="utf-8")


if __name__ == "__main__":
    main()

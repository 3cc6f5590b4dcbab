"""Cost of scenes rendered to ambisonics: time in the open and in a room, and memory of hours.

    python benchmarks/ambisonics_scenes.py [--hours 2] [--write]

- field rendering: real-time factor from file to file for a minute of noise at 48 kHz and 16 bits,
  in CPU time, start-up included; the best of three, on one thread.
- field memory: `soundstage binaural --ambix` of a scene of that many hours, a source that circles
  the head and one at rest, in a process of its own. The disk needs room for 1.9 GB an hour.

With --write they go into docs/binaural.md.
"""

import argparse
import json
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import numpy as np
import soundfile
import torch
from long_files import RATE as LONG_RATE
from long_files import make_input, watched
from pages import write_page

from soundstage.binaural import ShoeBox, Trajectory, constant, orbit, render_file, sources_of
from soundstage.binaural.render.ambisonic_renderer import AmbisonicRenderer

PAGE = Path(__file__).parents[1] / "docs" / "binaural.md"
RATE, SECONDS, RUNS = 48_000, 30, 3
ORDERS = (1, 2, 3)
ROOM = ShoeBox((6.0, 4.0, 3.0), 0.4)
OPEN_GOAL, ROOM_GOAL = 0.02, 0.1
MEMORY_GOAL = 1000  # MB
LAP = 8.0  # s
CORNERS = 8  # points of a lap of the long scene


class Case(NamedTuple):
    """A line of the table of costs."""

    name: str
    trajectory: Trajectory
    room: ShoeBox | None = None


CASES = [
    Case("at rest", constant(40)),
    Case(f"moving (goal {OPEN_GOAL})", orbit(LAP, SECONDS)),
    Case("moving, at 0.7 m, with near field", orbit(LAP, SECONDS, radius=0.7)),
    Case("at rest, in a room", constant(40), ROOM),
    Case(f"moving, in a room (goal {ROOM_GOAL})", orbit(LAP, SECONDS), ROOM),
]


def rendering(case: Case, order: int) -> float:
    """CPU time of rendering alone, in blocks of a second, relative to the duration."""
    blocks = np.random.default_rng(0).normal(scale=0.1, size=(SECONDS, RATE)).astype(np.float32)
    times = []
    for _ in range(RUNS):
        started = time.process_time()
        stream = AmbisonicRenderer(order, room=case.room).stream(case.trajectory, RATE)
        for block in blocks:
            stream.push(block)
        stream.finish()
        times.append(time.process_time() - started)
    return min(times) / SECONDS


def file_to_file(case: Case, order: int, folder: Path) -> float:
    """CPU time of reading, rendering and writing, relative to the duration."""
    source, target = folder / "noise.wav", folder / "field.wav"
    if not source.exists():
        noise = np.random.default_rng(0).normal(scale=0.1, size=RATE * SECONDS)
        soundfile.write(source, noise, RATE, subtype="PCM_16")
    times = []
    for _ in range(RUNS):
        started = time.process_time()
        renderer = AmbisonicRenderer(order, room=case.room)
        render_file(sources_of(source, case.trajectory), target, renderer, overwrite=True)
        times.append(time.process_time() - started)
    return min(times) / SECONDS


def costs() -> Iterator[str]:
    """Lines of the table."""
    orders = " | ".join(f"order {order}" for order in ORDERS)
    files = " | ".join(f"files, order {order}" for order in ORDERS)
    yield f"| source | {orders} | {files} |"
    yield f"| --- |{' ---: |' * (2 * len(ORDERS))}"
    with tempfile.TemporaryDirectory() as folder:
        for case in CASES:
            factors = [rendering(case, order) for order in ORDERS]
            factors += [file_to_file(case, order, Path(folder)) for order in ORDERS]
            yield f"| {case.name} | {' | '.join(f'{each:.3f}' for each in factors)} |"


def memory(hours: float) -> Iterator[str]:
    """Lines of the table."""
    yield f"| hours | order | minutes | real-time factor | peak memory, MB (goal {MEMORY_GOAL}) |"
    yield "| ---: | ---: | ---: | ---: | ---: |"
    times = np.arange(0, hours * 3600 + LAP, LAP / CORNERS)
    circle = [
        {"time": float(each), "azimuth": 360 * float(each) / LAP, "elevation": 0, "radius": 1.5}
        for each in times
    ]
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        make_input(folder / "mono.wav", hours)
        (folder / "circle.json").write_text(json.dumps(circle), encoding="utf-8")
        moving = {"file": "mono.wav", "trajectory": "circle.json", "gain": -6}
        scene = {"sources": [moving, {"file": "mono.wav", "azimuth": 90, "gain": -12}]}
        (folder / "scene.json").write_text(json.dumps(scene), encoding="utf-8")
        target = folder / "field.wav"
        report, seconds, megabytes = watched(
            ["binaural", str(folder / "scene.json"), "-o", str(target), "--ambix", "1"]
        )
    length = report["frames"] / LONG_RATE
    yield f"| {hours:g} | 1 | {seconds / 60:.1f} | {seconds / length:.4f} | {megabytes:.0f} |"


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--hours", type=float, default=2.0)
    parser.add_argument("--write", action="store_true")
    options = parser.parse_args()
    torch.set_num_threads(1)
    tables = {}
    for name, lines in {"field rendering": costs(), "field memory": memory(options.hours)}.items():
        table = []
        for line in lines:
            print(line, flush=True)
            table.append(line)
        tables[name] = "\n".join(table)
    if options.write:
        write_page(PAGE, tables)


if __name__ == "__main__":
    main()

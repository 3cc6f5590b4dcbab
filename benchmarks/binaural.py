"""Cost of `hrtf`, and artifacts of its time-varying filters.

    python benchmarks/binaural.py [--write]

Two tables, with the bundled HRTF set:

- cost: real-time factor from file to file, on one thread, for a minute of noise at 48 kHz and 16
  bits; the best of three. It includes the start-up, in which responses are resampled and the room
  is computed, which is also listed separately.
- clicks: a tone on an orbit around the head; the largest output sample above 4 kHz, where the input
  has no energy, relative to the largest of all. The linear crossfade of `CrossfadeConvolver` is
  compared with an equal-power crossfade and with none.

With --write they go into docs/binaural.md.
"""

import argparse
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import numpy as np
import soundfile
import torch
from pages import write_page
from scipy.signal import fftconvolve, firwin

from soundstage.binaural import (
    HrtfRenderer,
    ShoeBox,
    Trajectory,
    constant,
    load_hrtf,
    orbit,
    render_file,
    sources_of,
)
from soundstage.binaural.render import moving_source
from soundstage.binaural.render.convolvers import CrossfadeConvolver
from soundstage.binaural.renderers import render

PAGE = Path(__file__).parents[1] / "docs" / "binaural.md"
RATE, SECONDS, RUNS = 48_000, 60, 3
ROOM = ShoeBox((6.0, 4.0, 3.0), 0.4)
TONES = (500.0, 1000.0, 2000.0)  # Hz
SPLIT = 4000.0  # Hz
EDGE = 8000  # frames of the transients of the measuring filter


class Case(NamedTuple):
    """A line of the table of costs."""

    name: str
    trajectory: Trajectory
    options: dict[str, object]


CASES = [
    Case("at rest", constant(40), {}),
    Case("at rest, in a room", constant(40), {"room": ROOM}),
    Case("moving, nearest direction", orbit(8, SECONDS), {"nearest": True}),
    Case("moving", orbit(8, SECONDS), {}),
    Case("moving, in a room", orbit(8, SECONDS), {"room": ROOM}),
    Case("moving, in a room, with air", orbit(8, SECONDS), {"room": ROOM, "air": True}),
]


class EqualPower(CrossfadeConvolver):
    """Crossfade with constant power instead of amplitude."""

    def __init__(self, signals: int, taps: int, block: int) -> None:
        super().__init__(signals, taps, block)
        self.rise, self.fall = np.sin(np.pi / 2 * self.rise), np.cos(np.pi / 2 * self.rise)


class Switch(CrossfadeConvolver):
    """One filter per block."""

    def __init__(self, signals: int, taps: int, block: int) -> None:
        super().__init__(signals, taps, block)
        self.rise, self.fall = np.zeros_like(self.rise), np.ones_like(self.fall)


FADES = {
    "linear crossfade (default)": CrossfadeConvolver,
    "equal-power crossfade": EqualPower,
    "none": Switch,
}


def measure_cost(case: Case, folder: Path) -> tuple[float, float]:
    """Real-time factor, and start-up time in seconds."""
    source, target = folder / "noise.wav", folder / "binaural.wav"
    if not source.exists():
        noise = np.random.default_rng(0).normal(scale=0.1, size=RATE * SECONDS)
        soundfile.write(source, noise, RATE, subtype="PCM_16")
    found = []
    for _ in range(RUNS):
        renderer = HrtfRenderer(load_hrtf(), **case.options)
        started = time.perf_counter()
        renderer.stream(case.trajectory, RATE)
        ready = time.perf_counter() - started
        sources = sources_of(source, case.trajectory)
        report = render_file(sources, target, renderer, overwrite=True)
        found.append(((report.seconds + ready) / SECONDS, ready))
    return min(found)


def costs() -> Iterator[str]:
    """Lines of the table."""
    yield "| source | real-time factor | start-up, s |\n| --- | ---: | ---: |"
    with tempfile.TemporaryDirectory() as folder:
        for case in CASES:
            factor, ready = measure_cost(case, Path(folder))
            yield f"| {case.name} | {factor:.3f} | {ready:.2f} |"


def clicks(hertz: float, trajectory: Trajectory) -> float:
    """Largest sample above `SPLIT` relative to the largest of all, in dB."""
    high = firwin(1601, SPLIT, fs=RATE, pass_zero=False, window=("kaiser", 12.0))
    frame = np.arange(4 * RATE)
    tone = 0.3 * np.sin(2 * np.pi * hertz / RATE * frame) * np.hanning(frame.size)
    ears = render(tone, trajectory, RATE, HrtfRenderer(load_hrtf()))
    above = fftconvolve(ears, high[None], "same", axes=-1)[:, EDGE:-EDGE]
    return 20 * np.log10(np.abs(above).max() / np.abs(ears).max())


def cleanness() -> Iterator[str]:
    """Lines of the table."""
    columns = " | ".join(f"{hertz:g} Hz, dB" for hertz in TONES)
    yield f"| source | crossfade | {columns} |\n| --- | --- |{' ---: |' * len(TONES)}"
    trajectories = {
        "at rest": constant(20),
        "orbit of 4 s": orbit(4, 4),
        "orbit of 1 s": orbit(1, 4),
    }
    for name, trajectory in trajectories.items():
        for fade, kind in (
            FADES.items() if not trajectory.is_static else [("–", CrossfadeConvolver)]
        ):
            moving_source.CrossfadeConvolver = kind
            cells = " | ".join(f"{clicks(hertz, trajectory):.0f}" for hertz in TONES)
            yield f"| {name} | {fade} | {cells.replace('-', '−')} |"
    moving_source.CrossfadeConvolver = CrossfadeConvolver


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--write", action="store_true")
    options = parser.parse_args()
    torch.set_num_threads(1)
    tables = {}
    for name, lines in {"binaural clicks": cleanness(), "binaural cost": costs()}.items():
        table = []
        for line in lines:
            print(line, flush=True)
            table.append(line)
        tables[name] = "\n".join(table)
    if options.write:
        write_page(PAGE, tables)


if __name__ == "__main__":
    main()

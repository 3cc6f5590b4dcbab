"""What `hrtf` costs, and how clean the ways are in which it changes its filters.

    python benchmarks/binaural.py [--write]

Two tables, with the head that is shipped:

- cost: seconds of work a second of sound, from file to file, on one thread, for a minute of noise
  at 48 kHz in 16 bits; the best of three. The time before the first sound, in which responses are
  resampled and the room is worked out, counts and stands apart too.
- clicks: a tone goes round the head, and what comes out above 4 kHz, where it has nothing, is what
  its changing filters add: the largest sample there over the largest of all. Beside the fade that
  `fading_filter` makes stand a fade of equal power, and no fade at all.

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
    direct_sound,
    load_hrtf,
    orbit,
    render,
    render_file,
    sources_of,
)
from soundstage.binaural.render.crossfade_convolver import FadingFilter

PAGE = Path(__file__).parents[1] / "docs" / "binaural.md"
RATE, SECONDS, RUNS = 48_000, 60, 3
ROOM = ShoeBox((6.0, 4.0, 3.0), 0.4)
TONES = (500.0, 1000.0, 2000.0)  # Hz
SPLIT = 4000.0  # Hz
EDGE = 8000  # frames in which the filter of the measurement sets in and ends


class Case(NamedTuple):
    """A row of the table of costs."""

    name: str
    way: Trajectory
    options: dict[str, object]


CASES = [
    Case("at rest", constant(40), {}),
    Case("at rest, in a room", constant(40), {"room": ROOM}),
    Case("moving, nearest direction", orbit(8, SECONDS), {"nearest": True}),
    Case("moving", orbit(8, SECONDS), {}),
    Case("moving, in a room", orbit(8, SECONDS), {"room": ROOM}),
    Case("moving, in a room, with air", orbit(8, SECONDS), {"room": ROOM, "air": True}),
]


class EqualPower(FadingFilter):
    """Fades whose powers, and not amplitudes, add up to one."""

    def __init__(self, signals: int, taps: int, block: int) -> None:
        super().__init__(signals, taps, block)
        self.rise, self.fall = np.sin(np.pi / 2 * self.rise), np.cos(np.pi / 2 * self.rise)


class Switch(FadingFilter):
    """Each block has one filter."""

    def __init__(self, signals: int, taps: int, block: int) -> None:
        super().__init__(signals, taps, block)
        self.rise, self.fall = np.zeros_like(self.rise), np.ones_like(self.fall)


FADES = {
    "of amplitude (ours)": FadingFilter,
    "of equal power": EqualPower,
    "none": Switch,
}


def measure_cost(case: Case, folder: Path) -> tuple[float, float]:
    """Seconds a second of sound, and seconds before the first sound."""
    source, target = folder / "noise.wav", folder / "binaural.wav"
    if not source.exists():
        noise = np.random.default_rng(0).normal(scale=0.1, size=RATE * SECONDS)
        soundfile.write(source, noise, RATE, subtype="PCM_16")
    found = []
    for _ in range(RUNS):
        renderer = HrtfRenderer(load_hrtf(), **case.options)
        started = time.perf_counter()
        renderer.stream(case.way, RATE)
        ready = time.perf_counter() - started
        report = render_file(sources_of(source, case.way), target, renderer, overwrite=True)
        found.append(((report.seconds + ready) / SECONDS, ready))
    return min(found)


def costs() -> Iterator[str]:
    """Rows of the table."""
    yield "| source | real-time factor | of it, before the first sound, s |\n| --- | ---: | ---: |"
    with tempfile.TemporaryDirectory() as folder:
        for case in CASES:
            factor, ready = measure_cost(case, Path(folder))
            yield f"| {case.name} | {factor:.3f} | {ready:.2f} |"


def clicks(hertz: float, way: Trajectory) -> float:
    """Largest sample above `SPLIT` over the largest of all, in dB."""
    high = firwin(1601, SPLIT, fs=RATE, pass_zero=False, window=("kaiser", 12.0))
    frame = np.arange(4 * RATE)
    tone = 0.3 * np.sin(2 * np.pi * hertz / RATE * frame) * np.hanning(frame.size)
    heard = render(tone, way, RATE, HrtfRenderer(load_hrtf()))
    above = fftconvolve(heard, high[None], "same", axes=-1)[:, EDGE:-EDGE]
    return 20 * np.log10(np.abs(above).max() / np.abs(heard).max())


def cleanness() -> Iterator[str]:
    """Rows of the table."""
    heads = " | ".join(f"{hertz:g} Hz, dB" for hertz in TONES)
    yield f"| source | fade | {heads} |\n| --- | --- |{' ---: |' * len(TONES)}"
    ways = {"at rest": constant(20), "a turn in 4 s": orbit(4, 4), "a turn in 1 s": orbit(1, 4)}
    for name, way in ways.items():
        for fade, kind in FADES.items() if not way.rests else [("–", FadingFilter)]:
            direct_sound.FadingFilter = kind
            cells = " | ".join(f"{clicks(hertz, way):.0f}" for hertz in TONES)
            yield f"| {name} | {fade} | {cells} |".replace("-", "−")
    direct_sound.FadingFilter = FadingFilter


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--write", action="store_true")
    asked = parser.parse_args()
    torch.set_num_threads(1)
    tables = {}
    for name, lines in {"binaural clicks": cleanness(), "binaural cost": costs()}.items():
        table = []
        for line in lines:
            print(line, flush=True)
            table.append(line)
        tables[name] = "\n".join(table)
    if asked.write:
        write_page(PAGE, tables)


if __name__ == "__main__":
    main()

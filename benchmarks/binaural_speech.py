"""Binaural renderers on binaural speech: the tables of BinauralGrad (Leng et al. 2022), and ours.

    python benchmarks/binaural_speech.py --data SIMULATED [--write] [--cards]
    python benchmarks/binaural_speech.py --data SIMULATED --steps [--write]
    python benchmarks/binaural_speech.py --paper-size

SIMULATED is a folder in the published layout, made by `soundstage simulate` or the published one.
Every system hears what was said and from where, and what it makes is held against what was heard,
over the whole of each recording. Levels and delays are those of the recordings: `hrtf`, with the
head that is shipped, a talker's directivity and no room, is given the loudness that the networks
have learned.

The first makes the tables of the paper beside ours, on the test recordings: mono, warp, hrtf, the
networks, and the stages by themselves. The second makes quality against cost on those for
validation, which the defaults are chosen on: steps and temperatures of diffusion, and seconds of
work a second of sound. The third times networks of the papers' size, without training.
"""

import argparse
import json
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from multiprocessing import get_context
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from pages import write_page

import soundstage.weights
from soundstage.binaural import HrtfRenderer, Trajectory, constant, load_hrtf, render
from soundstage.binaural.geometry import HEAD_RADIUS
from soundstage.binaural.presets import RADIUS
from soundstage.binaural.registry import SHIPPED
from soundstage.binaural.render.binauralgrad import (
    BinauralGradRenderer,
    BinauralGradSampling,
    drawn,
    warped_ears,
)
from soundstage.binaural.render.neural_stream import NeuralStream, Told
from soundstage.binaural.render.neural_weights import (
    BinauralWaveNetConfig,
    Calibration,
    GradShape,
    LoadedNetwork,
    WarpNetShape,
    load_network,
)
from soundstage.binaural.render.pose_encoding import NETWORK_RATE
from soundstage.binaural.render.warp import WarpRenderer
from soundstage.binaural.render.warpnet import WarpNetRenderer
from soundstage.binaural.render.wavenet import WaveNetRenderer
from soundstage.binaural.renderers import Renderer
from soundstage.corpora.binaural_speech import Recording, open_binaural_speech
from soundstage.corpora.simulation_heads import centered
from soundstage.diffusion import CounterNoise
from soundstage.errors import OptionError
from soundstage.metrics.binaural import BinauralErrors, binaural_errors, mean_errors

PAGE = Path(__file__).parents[1] / "docs" / "benchmark.md"
CARDS = Path(soundstage.weights.__file__).parent
COMMON, SPECIFIC = "binauralgrad-common", "binauralgrad-specific"
SAMPLINGS = [(1, 0.0), (2, 0.0), (4, 0.0), (1, 1.0), (2, 1.0), (4, 1.0), (6, 1.0)]
"""Steps a stage, and temperatures."""
STEPS_SECONDS = 60  # of each recording, for quality against steps
Ears = np.ndarray
"""(2, frames)"""
System = Callable[[Recording], Ears]

PRINTED = {  # Wave L2 ×10³, Amplitude L2, Phase L2, PESQ, MRSTFT of the paper
    "mono": (1.340, 0.063, 1.564, 1.410, 2.159),
    "warp": (0.725, 0.060, 1.584, 1.411, 2.140),
    "hrtf": (1.543, 0.097, 1.596, 1.610, 2.750),
    "wavenet": (0.179, 0.037, 0.968, 2.305, 1.915),
    "warpnet": (0.157, 0.038, 0.838, 2.360, 1.774),
    "binauralgrad-single": (0.144, 0.031, 0.877, 2.544, 1.269),
    "binauralgrad": (0.128, 0.030, 0.837, 2.759, 1.278),
    "stage 1": (0.300, 0.043, 1.070, 2.000, 1.682),
    "golden mean": (0.200, 0.031, 0.598, 3.031, 1.020),
    "stage 2 on golden mean": (0.013, 0.013, 0.372, 4.212, 0.697),
}
TABLES = {
    "Table 1: renderers": (
        "mono",
        "warp",
        "hrtf",
        "wavenet",
        "warpnet",
        "binauralgrad",
    ),
    "Table 2: one stage or two": ("binauralgrad-single", "binauralgrad", "binauralgrad, not tuned"),
    "Table 4: the stages": (
        "mono",
        "warp",
        "stage 1",
        "golden mean",
        "binauralgrad",
        "stage 2 on golden mean",
    ),
}
COLUMNS = ("Wave L2 ×10³ ↓", "Amplitude L2 ↓", "Phase L2 ↓", "PESQ ↑", "MRSTFT ↓")


class Half:
    """One stage of BinauralGrad by itself: the first, or the second told the true mean."""

    def __init__(self, loaded: LoadedNetwork[GradShape], golden: np.ndarray | None = None) -> None:
        self.shape, self.calibration, self.network = loaded
        self.view, self.leveled = self.shape.view_name, self.shape.leveled
        self.frame, self.golden = max(self.shape.frame, 1), golden
        before, after = self.network.reach
        self.reach = before + 400, after

    def ears(self, told: Told) -> torch.Tensor:
        """Of a window; that of the first stage at both ears."""
        length, common = told.mono.shape[-1], None
        if self.golden is not None:
            # The window begins this much before the place that its noise is told
            before = -(-self.reach[0] // 1600) * 1600
            start = told.first - before
            inside = self.golden[max(start, 0) : max(start + length, 0)]
            left = max(-start, 0)
            whole = np.pad(inside, (left, max(length - left - len(inside), 0)))[:length]
            common = torch.from_numpy(self.calibration.scale * whole).float()[None]
        stage = self.shape.of_stage
        signals = stage.heard(warped_ears(told.mono, told.delays, self.shape), told.mono, common)
        noise = CounterNoise((stage.channels,), 0).window(told.first, length)[None]
        made = drawn(
            self.network,
            self.shape,
            signals,
            told.view,
            noise,
            lambda step: noise,
            BinauralGradSampling(),
        )
        return made[0].expand(2, -1)


def of_renderer(renderer: Renderer, gain: float = 1.0, no_delay: float = HEAD_RADIUS) -> System:
    """A system that renders a recording from its beginning to its end, at its own time."""

    def made(recording: Recording) -> Ears:
        mono = recording.mono(0, recording.frames)
        stream = renderer.stream(recording.trajectory, NETWORK_RATE, no_delay=no_delay)
        heard = np.concatenate([stream.push(mono), stream.finish()], axis=-1)
        return gain * heard[:, : recording.frames]

    return made


def of_half(loaded: LoadedNetwork[GradShape], *, golden: bool = False) -> System:
    """A stage by itself."""

    def made(recording: Recording) -> Ears:
        true = recording.binaural(0, recording.frames).mean(axis=0) if golden else None
        stream = NeuralStream(
            Half(loaded, true),
            recording.trajectory,
            NETWORK_RATE,
            no_delay=HEAD_RADIUS,
            as_recorded=True,
        )
        mono = recording.mono(0, recording.frames)
        heard = np.concatenate([stream.push(mono), stream.finish()], axis=-1)
        return heard[:, : recording.frames]

    return made


def both(mono: np.ndarray) -> Ears:
    """The same at both ears."""
    return np.stack([mono, mono])


def grad(
    names: Sequence[str], steps: int | None = None, temperature: float | None = None
) -> BinauralGradRenderer:
    """BinauralGrad at the level of the recordings."""
    networks, sampling = (
        [load_network(name, GradShape) for name in names],
        BinauralGradSampling(steps, temperature),
    )
    return BinauralGradRenderer(networks, sampling=sampling, as_recorded=True)


def systems() -> dict[str, System]:
    """All rows, by name."""
    two = SHIPPED["binauralgrad"]
    common = load_network(COMMON, GradShape)
    head, no_delay = centered(load_hrtf().resampled(NETWORK_RATE))
    wavenet, warpnet = (
        load_network("wavenet", BinauralWaveNetConfig),
        load_network("warpnet", WarpNetShape),
    )
    return {
        "mono": lambda recording: both(recording.mono(0, recording.frames)),
        "warp": of_renderer(WarpRenderer()),
        "hrtf": of_renderer(
            HrtfRenderer(head, talker=True), common.calibration.loudness / RADIUS, no_delay
        ),
        "wavenet": of_renderer(WaveNetRenderer(wavenet, as_recorded=True)),
        "warpnet": of_renderer(WarpNetRenderer(warpnet, as_recorded=True)),
        "binauralgrad-single": of_renderer(grad(SHIPPED["binauralgrad-single"])),
        "binauralgrad": of_renderer(grad(two)),
        "binauralgrad, not tuned": of_renderer(grad((COMMON, SPECIFIC))),
        "stage 1": of_half(common),
        "golden mean": lambda recording: both(recording.binaural(0, recording.frames).mean(axis=0)),
        "stage 2 on golden mean": of_half(load_network(SPECIFIC, GradShape), golden=True),
    }


class Found(NamedTuple):
    """Of a system over all recordings."""

    errors: BinauralErrors
    factor: float
    """Seconds of one processor a second of sound."""


def measured(system: System, recordings: Sequence[Recording], *, pesq: bool) -> Found:
    """Its errors, and what it took."""
    errors, taken = [], 0.0
    for recording in recordings:
        started = time.process_time()  # of one thread, so that nothing beside it counts
        made = system(recording)
        taken += time.process_time() - started
        true = recording.binaural(0, recording.frames)
        errors.append(
            binaural_errors(
                torch.from_numpy(np.ascontiguousarray(made, np.float32)),
                torch.from_numpy(true),
                NETWORK_RATE,
                with_pesq=pesq,
            )
        )
    return Found(mean_errors(errors), taken / sum(each.seconds for each in errors))


def cells(errors: BinauralErrors) -> list[str]:
    """What the paper prints, ours."""
    return [
        f"{1000 * errors.wave_l2:.3f}",
        f"{errors.amplitude_l2:.3f}",
        f"{errors.phase_l2:.3f}",
        "–" if np.isnan(errors.pesq) else f"{errors.pesq:.3f}",
        f"{errors.mrstft:.3f}",
    ]


def paper_tables(found: dict[str, Found]) -> str:
    """Printed and here, in one row each."""
    parts = []
    for title, rows in TABLES.items():
        heads = [f"{column} {where}" for column in COLUMNS for where in ("printed", "here")]
        parts.append(f"### BinauralGrad, {title}\n\n| system | {' | '.join(heads)} |")
        parts[-1] += f"\n| --- |{' ---: |' * len(heads)}"
        for name in rows:
            printed = [f"{value:.3f}" for value in PRINTED.get(name, ())] or 5 * ["–"]
            pairs = zip(printed, cells(found[name].errors), strict=True)
            row = " | ".join(cell for pair in pairs for cell in pair)
            parts[-1] += f"\n| {name} | {row} |"
    return "\n\n".join(parts)


def own_table(found: dict[str, Found]) -> str:
    """All systems with what listeners go by in finding a place."""
    lines = [
        f"| system | {' | '.join(COLUMNS)} | ITD error, µs ↓ | ILD error, dB ↓ "
        "| processor seconds a second ↓ |",
        f"| --- |{' ---: |' * (len(COLUMNS) + 3)}",
    ]
    for name, (errors, factor) in found.items():
        rest = [f"{errors.itd_error:.0f}", f"{errors.ild_error:.2f}", f"{factor:.3f}"]
        lines.append(f"| {name} | {' | '.join(cells(errors) + rest)} |")
    return "\n".join(lines)


def against_cost(recordings: Sequence[Recording], *, pesq: bool) -> str:
    """Quality of `binauralgrad` against steps and temperature."""
    lines = [
        f"| steps a stage | temperature | {' | '.join(COLUMNS)} | processor seconds a second ↓ |",
        f"| ---: | ---: |{' ---: |' * (len(COLUMNS) + 1)}",
    ]
    for steps, temperature in SAMPLINGS:
        renderer = grad(SHIPPED["binauralgrad"], steps, temperature)
        found = measured(of_renderer(renderer), recordings, pesq=pesq)
        row = " | ".join([*cells(found.errors), f"{found.factor:.3f}"])
        lines.append(f"| {steps} | {temperature:g} | {row} |")
        print(lines[-1], flush=True)
    return "\n".join(lines)


def paper_size() -> None:
    """Seconds that networks of the papers' size take for a second of sound, untrained."""
    calibration = Calibration(1.0, 1.0, 0.5, 3.0)
    sound = np.random.default_rng(0).normal(scale=0.1, size=NETWORK_RATE).astype(np.float32)
    way: Trajectory = constant(40)
    rows: list[tuple[str, Renderer]] = []
    stages = []
    for stage in (0, 1):
        shape = GradShape(0, 3, 10, 128, 3, stage, 0, 0, 80, 0, 0, 128, 0)
        stages.append(LoadedNetwork(shape, calibration, shape.network().eval()))
    rows.append(("binauralgrad, 6 steps a stage", BinauralGradRenderer(stages)))
    warpnet = WarpNetShape(0, 3, 10, 64, 2, 32, 4, 64)
    rows.append(
        ("warpnet", WarpNetRenderer(LoadedNetwork(warpnet, calibration, warpnet.network().eval())))
    )
    wavenet = BinauralWaveNetConfig(0, 3, 10, 64, 2)
    rows.append(
        ("wavenet", WaveNetRenderer(LoadedNetwork(wavenet, calibration, wavenet.network().eval())))
    )
    for name, renderer in reversed(rows):
        started = time.perf_counter()
        render(sound, way, NETWORK_RATE, renderer)
        taken = time.perf_counter() - started
        # A window is made whole, however short the sound is
        stream = renderer.stream(way, NETWORK_RATE)
        seconds = stream.chunk / NETWORK_RATE
        print(f"{name}: {taken / seconds:.1f} s a second, {torch.get_num_threads()} threads")


def write_cards(found: dict[str, Found]) -> None:
    """Figures of the test recordings into the cards of what made them."""
    rows = {
        "wavenet": "wavenet",
        "warpnet": "warpnet",
        "binauralgrad-single": "binauralgrad-single",
        "binauralgrad-tuned": "binauralgrad",
        COMMON: "stage 1",
        SPECIFIC: "stage 2 on golden mean",
    }
    for card, system in rows.items():
        path = CARDS / f"{card}.json"
        content = json.loads(path.read_text("utf-8"))
        errors = found[system].errors
        content["test"] = {
            "data": f"{errors.seconds:.0f} s of test recordings, of a head and rooms of their own",
            "system": system,
            "wave_l2_thousandths": round(1000 * errors.wave_l2, 4),
            "amplitude_l2": round(errors.amplitude_l2, 4),
            "phase_l2": round(errors.phase_l2, 4),
            "mrstft": round(errors.mrstft, 4),
            "pesq": None if np.isnan(errors.pesq) else round(errors.pesq, 3),
            "itd_error_us": round(errors.itd_error, 1),
            "ild_error_db": round(errors.ild_error, 3),
        }
        path.write_text(json.dumps(content, indent=2, ensure_ascii=False) + "\n", "utf-8")


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--data", type=Path)
    parser.add_argument("--steps", action="store_true", help="quality against steps, on validation")
    parser.add_argument("--paper-size", action="store_true")
    parser.add_argument("--workers", type=int, default=1, help="processes for the first")
    parser.add_argument("--write", action="store_true")
    parser.add_argument("--cards", action="store_true")
    asked = parser.parse_args()
    if asked.paper_size:
        paper_size()
        return
    if asked.data is None:
        parser.error("--data is needed")
    torch.set_num_threads(1)
    pesq = _has_pesq()
    if asked.steps:
        held_out = open_binaural_speech(asked.data, "valid")
        for recording in held_out:
            recording.frames = min(recording.frames, STEPS_SECONDS * NETWORK_RATE)
        tables = {"binaural steps": against_cost(held_out, pesq=pesq)}
    else:
        work = partial(_tested, asked.data, pesq)
        with ProcessPoolExecutor(asked.workers, get_context("spawn")) as pool:
            found = dict(zip(systems(), pool.map(work, systems()), strict=True))
        tables = {"binaural papers": paper_tables(found), "binaural speech": own_table(found)}
        if asked.cards:
            write_cards(found)
    for text in tables.values():
        print(text, end="\n\n")
    if asked.write:
        write_page(PAGE, tables)


def _tested(data: Path, pesq: bool, name: str) -> Found:
    """A system over the test recordings."""
    torch.set_num_threads(1)
    found = measured(systems()[name], open_binaural_speech(data, "test"), pesq=pesq)
    print(name, cells(found.errors), f"{found.factor:.3f}", flush=True)
    return found


def _has_pesq() -> bool:
    """Whether PESQ is installed; without it its cells stay empty."""
    from soundstage.metrics.speech_quality import pesq

    second = torch.zeros(2, NETWORK_RATE)
    try:
        pesq(second + 1e-3 * torch.randn(2, NETWORK_RATE), second, NETWORK_RATE)
    except OptionError as error:
        print(error)
        return False
    return True


if __name__ == "__main__":
    main()

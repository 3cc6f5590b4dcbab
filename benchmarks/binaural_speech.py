"""Binaural renderers on binaural speech: the tables of BinauralGrad (Leng et al. 2022) and ours.

    python benchmarks/binaural_speech.py --data SIMULATED [--write] [--cards]
    python benchmarks/binaural_speech.py --data SIMULATED --steps [--write]
    python benchmarks/binaural_speech.py --paper-size

SIMULATED is a data set in the published layout, from `soundstage simulate` or the published one.
Every system renders the mono and the poses of each recording; the result is compared with the
recorded ears, at the level and time of the recording. `hrtf` uses the bundled HRTF set, a talker's
directivity, no room, and the calibrated loudness of the networks.

The first command makes the tables of the paper, on the test recordings: mono, warp, hrtf, the
networks, and single stages. The second makes quality against cost on the validation recordings,
which selected the defaults: steps, temperatures and real-time factor. The third measures the
real-time factor of untrained networks of the papers' sizes.
"""

import argparse
import json
import math
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
from soundstage.binaural import HrtfRenderer, Trajectory, constant, load_hrtf
from soundstage.binaural.geometry import HEAD_RADIUS
from soundstage.binaural.presets import RADIUS
from soundstage.binaural.render.binauralgrad import (
    BinauralGradRenderer,
    BinauralGradSampling,
    sample_stage,
    warped_ears,
)
from soundstage.binaural.render.neural_stream import NetworkInputs, NeuralRenderer, load_network
from soundstage.binaural.render.pose_encoding import NETWORK_RATE, POSE_FEATURES, POSE_HOP
from soundstage.binaural.render.warp import WarpRenderer
from soundstage.binaural.render.warpnet_wavenet import (
    WarpNetRenderer,
    WaveNetRenderer,
)
from soundstage.binaural.render_options import (
    PRETRAINED,
)
from soundstage.binaural.renderers import Renderer, render
from soundstage.corpora.binaural_speech import Recording, open_binaural_speech
from soundstage.corpora.simulation_hrtfs import centered
from soundstage.diffusion import CounterNoise
from soundstage.errors import OptionError
from soundstage.metrics.binaural_metrics import BinauralErrors, binaural_errors, mean_errors
from soundstage.networks.backbones.dilated import DilatedStackConfig
from soundstage.networks.models.binaural_grad import BinauralGradConfig, Stage
from soundstage.networks.models.binaural_wavenet import (
    BinauralConfig,
    BinauralWaveNetConfig,
    Calibration,
    WarpNetConfig,
)
from soundstage.weights.model import LoadedModel, Weights

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
    "ground-truth mean": (0.200, 0.031, 0.598, 3.031, 1.020),
    "stage 2 on ground-truth mean": (0.013, 0.013, 0.372, 4.212, 0.697),
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
    "Table 2: one stage or two": (
        "binauralgrad-single",
        "binauralgrad",
        "binauralgrad, not fine-tuned",
    ),
    "Table 4: the stages": (
        "mono",
        "warp",
        "stage 1",
        "ground-truth mean",
        "binauralgrad",
        "stage 2 on ground-truth mean",
    ),
}
COLUMNS = ("Wave L2 ×10³ ↓", "Amplitude L2 ↓", "Phase L2 ↓", "PESQ ↑", "MRSTFT ↓")


class SingleStage(NeuralRenderer):
    """One stage of BinauralGrad: the first, or the second with the ground-truth mean as input."""

    def __init__(
        self, loaded: LoadedModel[BinauralGradConfig], true_mean: np.ndarray | None = None
    ) -> None:
        super().__init__(loaded, as_recorded=True)
        self._config, self._network, self._true_mean = loaded.config, loaded.network, true_mean
        self.frame = loaded.config.frames.hop if loaded.config.frames else 1

    @property
    def receptive_field(self) -> tuple[int, int]:
        """Samples before and after an output sample, the warp included."""
        before, after = self._network.receptive_field
        return before + 400, after

    def predict(self, inputs: NetworkInputs) -> torch.Tensor:
        """Both ears of a window; equal for the first stage."""
        length, common = inputs.mono.shape[-1], None
        if self._true_mean is not None:
            # the window begins this many samples before the start of its noise
            unit = math.lcm(POSE_HOP, self.frame)
            start = inputs.first - -(-self.receptive_field[0] // unit) * unit
            inside = self._true_mean[max(start, 0) : max(start + length, 0)]
            left = max(-start, 0)
            whole = np.pad(inside, (left, max(length - left - len(inside), 0)))[:length]
            common = torch.from_numpy(self.calibration.scale * whole).float()[None]
        stage = Stage(self._config.stage)
        warped = warped_ears(inputs.mono, inputs.delays, self._config)
        signals = stage.conditioning(warped, inputs.mono, common)
        noise = CounterNoise((stage.channels,), 0).window(inputs.first, length)[None]
        sampled = sample_stage(
            self._network,
            self._config,
            signals,
            inputs.pose,
            noise,
            lambda step: noise,
            BinauralGradSampling(),
        )
        return sampled[0].expand(2, -1)


def renderer_system(renderer: Renderer, gain: float = 1.0, no_delay: float = HEAD_RADIUS) -> System:
    """A system that renders whole recordings, without changing their timing."""

    def run(recording: Recording) -> Ears:
        mono = recording.mono(0, recording.frames)
        stream = renderer.stream(recording.trajectory, NETWORK_RATE, no_delay=no_delay)
        ears = np.concatenate([stream.push(mono), stream.finish()], axis=-1)
        return gain * ears[:, : recording.frames]

    return run


def stage_system(name: str, *, teacher_forced: bool = False) -> System:
    """A single stage; the second with the ground-truth mean as input."""
    loaded = load_network(name, BinauralGradConfig, "cpu")

    def run(recording: Recording) -> Ears:
        true_mean = None
        if teacher_forced:
            true_mean = recording.binaural(0, recording.frames).mean(axis=0)
        return renderer_system(SingleStage(loaded, true_mean))(recording)

    return run


def both_ears(mono: np.ndarray) -> Ears:
    """The mono signal at both ears."""
    return np.stack([mono, mono])


def binauralgrad(
    names: Sequence[str], steps: int | None = None, temperature: float | None = None
) -> BinauralGradRenderer:
    """BinauralGrad at the level of the recordings."""
    networks = [load_network(name, BinauralGradConfig, "cpu") for name in names]
    sampling = BinauralGradSampling(steps, temperature)
    return BinauralGradRenderer(networks, sampling=sampling, as_recorded=True)


def systems() -> dict[str, System]:
    """All systems, by name."""
    loudness = load_network(COMMON, BinauralGradConfig, "cpu").config.calibration.loudness
    hrtf, no_delay = centered(load_hrtf().resampled(NETWORK_RATE))
    wavenet = load_network("wavenet", BinauralWaveNetConfig, "cpu")
    warpnet = load_network("warpnet", WarpNetConfig, "cpu")
    return {
        "mono": lambda recording: both_ears(recording.mono(0, recording.frames)),
        "warp": renderer_system(WarpRenderer()),
        "hrtf": renderer_system(HrtfRenderer(hrtf, talker=True), loudness / RADIUS, no_delay),
        "wavenet": renderer_system(WaveNetRenderer(wavenet, as_recorded=True)),
        "warpnet": renderer_system(WarpNetRenderer(warpnet, as_recorded=True)),
        "binauralgrad-single": renderer_system(binauralgrad(PRETRAINED["binauralgrad-single"])),
        "binauralgrad": renderer_system(binauralgrad(PRETRAINED["binauralgrad"])),
        "binauralgrad, not fine-tuned": renderer_system(binauralgrad((COMMON, SPECIFIC))),
        "stage 1": stage_system(COMMON),
        "ground-truth mean": lambda recording: both_ears(
            recording.binaural(0, recording.frames).mean(axis=0)
        ),
        "stage 2 on ground-truth mean": stage_system(SPECIFIC, teacher_forced=True),
    }


class Result(NamedTuple):
    """Mean errors of a system over all recordings, and its cost."""

    errors: BinauralErrors
    factor: float
    """Real-time factor: processor seconds of one thread per second of audio."""


def measure(system: System, recordings: Sequence[Recording], *, pesq: bool) -> Result:
    """Run and evaluate a system."""
    errors, taken = [], 0.0
    for recording in recordings:
        started = time.process_time()
        ears = system(recording)
        taken += time.process_time() - started
        true = recording.binaural(0, recording.frames)
        errors.append(
            binaural_errors(
                torch.from_numpy(np.ascontiguousarray(ears, np.float32)),
                torch.from_numpy(true),
                NETWORK_RATE,
                with_pesq=pesq,
            )
        )
    return Result(mean_errors(errors), taken / sum(each.seconds for each in errors))


def cells(errors: BinauralErrors) -> list[str]:
    """The columns of the paper."""
    return [
        f"{1000 * errors.wave_l2:.3f}",
        f"{errors.amplitude_l2:.3f}",
        f"{errors.phase_l2:.3f}",
        "–" if np.isnan(errors.pesq) else f"{errors.pesq:.3f}",
        f"{errors.mrstft:.3f}",
    ]


def paper_tables(results: dict[str, Result]) -> str:
    """The tables of the paper, printed and measured figures side by side."""
    parts = []
    for title, rows in TABLES.items():
        titles = [f"{column} {where}" for column in COLUMNS for where in ("printed", "here")]
        parts.append(f"### BinauralGrad, {title}\n\n| system | {' | '.join(titles)} |")
        parts[-1] += f"\n| --- |{' ---: |' * len(titles)}"
        for name in rows:
            printed = [f"{value:.3f}" for value in PRINTED.get(name, ())] or 5 * ["–"]
            pairs = zip(printed, cells(results[name].errors), strict=True)
            row = " | ".join(cell for pair in pairs for cell in pair)
            parts[-1] += f"\n| {name} | {row} |"
    return "\n\n".join(parts)


def own_table(results: dict[str, Result]) -> str:
    """All systems, interaural errors and real-time factor included."""
    lines = [
        f"| system | {' | '.join(COLUMNS)} | ITD error, µs ↓ | ILD error, dB ↓ "
        "| real-time factor ↓ |",
        f"| --- |{' ---: |' * (len(COLUMNS) + 3)}",
    ]
    for name, (errors, factor) in results.items():
        rest = [f"{errors.itd_error:.0f}", f"{errors.ild_error:.2f}", f"{factor:.3f}"]
        lines.append(f"| {name} | {' | '.join(cells(errors) + rest)} |")
    return "\n".join(lines)


def against_cost(recordings: Sequence[Recording], *, pesq: bool) -> str:
    """Quality of `binauralgrad` against steps and temperature."""
    lines = [
        f"| steps a stage | temperature | {' | '.join(COLUMNS)} | real-time factor ↓ |",
        f"| ---: | ---: |{' ---: |' * (len(COLUMNS) + 1)}",
    ]
    for steps, temperature in SAMPLINGS:
        renderer = binauralgrad(PRETRAINED["binauralgrad"], steps, temperature)
        results = measure(renderer_system(renderer), recordings, pesq=pesq)
        row = " | ".join([*cells(results.errors), f"{results.factor:.3f}"])
        lines.append(f"| {steps} | {temperature:g} | {row} |")
        print(lines[-1], flush=True)
    return "\n".join(lines)


def paper_size() -> None:
    """Print the real-time factor of untrained networks of the papers' sizes."""
    sound = np.random.default_rng(0).normal(scale=0.1, size=NETWORK_RATE).astype(np.float32)
    trajectory: Trajectory = constant(40)
    poses = {
        "pose_encoding": "published",
        "pose_dim": POSE_FEATURES["published"],
        "calibration": Calibration(scale=1.0, loudness=1.0, nearest=0.5, farthest=3.0),
    }
    wide = DilatedStackConfig(channels=128, kernel_size=3)
    stages = [
        untrained(BinauralGradConfig(stage=stage, stack=wide, **poses))
        for stage in ("common", "specific")
    ]
    warpnet = untrained(WarpNetConfig(stack=DilatedStackConfig(), **poses))
    wavenet = untrained(BinauralWaveNetConfig(stack=DilatedStackConfig(), **poses))
    rows: list[tuple[str, NeuralRenderer]] = [
        ("wavenet", WaveNetRenderer(wavenet)),
        ("warpnet", WarpNetRenderer(warpnet)),
        ("binauralgrad, 6 steps a stage", BinauralGradRenderer(stages)),
    ]
    for name, renderer in rows:
        started = time.perf_counter()
        render(sound, trajectory, NETWORK_RATE, renderer)
        taken = time.perf_counter() - started
        # at least one whole window is computed, however short the sound is
        stream = renderer.stream(trajectory, NETWORK_RATE)
        seconds = stream.chunk / NETWORK_RATE
        print(f"{name}: real-time factor {taken / seconds:.1f}, {torch.get_num_threads()} threads")


def untrained(config: BinauralConfig) -> LoadedModel[BinauralConfig]:
    """A network with random weights."""
    return LoadedModel(config, config.build().eval(), Weights("", {}, {}, "untrained"))


def write_cards(results: dict[str, Result]) -> None:
    """Write the figures of the test recordings into the weight cards."""
    rows = {
        "wavenet": "wavenet",
        "warpnet": "warpnet",
        "binauralgrad-single": "binauralgrad-single",
        "binauralgrad-tuned": "binauralgrad",
        COMMON: "stage 1",
        SPECIFIC: "stage 2 on ground-truth mean",
    }
    for card, system in rows.items():
        path = CARDS / f"{card}.json"
        content = json.loads(path.read_text("utf-8"))
        errors = results[system].errors
        content["test"] = {
            "data": f"{errors.seconds:.0f} s of test recordings, unseen HRTF set and rooms",
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
    """Run the benchmark."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--data", type=Path)
    parser.add_argument("--steps", action="store_true", help="quality against steps")
    parser.add_argument("--paper-size", action="store_true")
    parser.add_argument("--jobs", type=int, default=1, help="parallel processes")
    parser.add_argument("--write", action="store_true")
    parser.add_argument("--cards", action="store_true")
    options = parser.parse_args()
    if options.paper_size:
        paper_size()
        return
    if options.data is None:
        parser.error("--data is needed")
    torch.set_num_threads(1)
    pesq = _has_pesq()
    if options.steps:
        held_out = open_binaural_speech(options.data, "valid")
        for recording in held_out:
            recording.frames = min(recording.frames, STEPS_SECONDS * NETWORK_RATE)
        tables = {"binaural steps": against_cost(held_out, pesq=pesq)}
    else:
        work = partial(_evaluate, options.data, pesq)
        with ProcessPoolExecutor(options.jobs, get_context("spawn")) as pool:
            results = dict(zip(systems(), pool.map(work, systems()), strict=True))
        tables = {"binaural papers": paper_tables(results), "binaural speech": own_table(results)}
        if options.cards:
            write_cards(results)
    for text in tables.values():
        print(text, end="\n\n")
    if options.write:
        write_page(PAGE, tables)


def _evaluate(data: Path, pesq: bool, name: str) -> Result:
    """Evaluate a system on the test recordings."""
    torch.set_num_threads(1)
    results = measure(systems()[name], open_binaural_speech(data, "test"), pesq=pesq)
    print(name, cells(results.errors), f"{results.factor:.3f}", flush=True)
    return results


def _has_pesq() -> bool:
    """Whether PESQ is installed; without it its cells are empty."""
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

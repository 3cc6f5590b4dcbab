"""Settings of `diffusion`: quality against steps for every sampler, and the other settings.

    python benchmarks/diffusion_steps.py --data FOLDER [--weights FILE] [--only WORD] [--write]

Every track is folded down, upmixed with its own seed, and measured on the audio: D_F and the
Fréchet audio distance of the sides (bundled tagger) over all tracks, the others as means. Heun's
method evaluates the network twice per step. Times are processor times on one thread. With --write
the table goes into docs/diffusion.md and the curves into docs/images/diffusion-steps.png.
"""

import argparse
import time
from dataclasses import dataclass, replace
from functools import cache, partial
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple, get_args

import torch
from jaxtyping import Float
from pages import write_page
from torch import Tensor

from soundstage.corpora import stereo_tracks
from soundstage.corpora.layouts import read_excerpt
from soundstage.evaluation.systems import System
from soundstage.metrics.embeddings import Embedding, load_embedding
from soundstage.metrics.fidelity import log_spectral_distance
from soundstage.metrics.frechet import (
    GaussianPool,
    audio_pool,
    frechet_distance,
    merged,
    parameter_pool,
)
from soundstage.metrics.image import channel_correlation, normalized_width
from soundstage.metrics.parametric_stereo import iid_fluctuation
from soundstage.parallel import parallel_map, single_thread
from soundstage.stereo import RATE, encode_signal, to_left_right
from soundstage.upmixing import make_side
from soundstage.upmixing.methods.diffusion import DiffusionDecoding, SamplerName, load

if TYPE_CHECKING:
    from matplotlib.axes import Axes

PAGE = Path(__file__).parents[1] / "docs" / "diffusion.md"
PICTURE = "images/diffusion-steps.png"
STEPS = (1, 2, 4, 8, 16, 32, 100)
SAMPLERS: tuple[SamplerName, ...] = get_args(SamplerName)
TEMPERATURES = ((0.0, 0.0), (0.0, 1.0), (0.5, 1.0), (0.7, 1.0), (1.0, 1.0), (0.8, 0.8))
WHOLES = (0.5, 1.0)
COLORS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7")  # of Okabe and Ito
HEADINGS = (
    "| sampler | network evaluations | D_F ↓ | LSD side ↓ | FAD side ↓ | width | correlation "
    "| IID fluctuation, dB | real-time factor ↓ |\n"
    "| --- | ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: |"
)


class Trial(NamedTuple):
    """One setting."""

    name: str
    decoding: DiffusionDecoding

    @property
    def evaluations(self) -> int:
        """Evaluations of the network per window."""
        chosen = self.decoding
        each = 2 * chosen.steps - 1 if chosen.sampler == "heun" else chosen.steps
        return each * (2 if chosen.guidance != 1 else 1)


@dataclass(frozen=True)
class Outcome:
    """Measures of one track, or of its truth."""

    parameters: GaussianPool
    side: GaussianPool
    lsd: float
    width: float
    correlation: float
    iid_fluctuation: float
    factor: float


class Line(NamedTuple):
    """A row of the table."""

    name: str
    evaluations: int
    d_f: float
    lsd: float
    fad: float
    width: float
    correlation: float
    iid_fluctuation: float
    factor: float

    def row(self) -> str:
        """As Markdown."""
        quality = f"{self.d_f:.2f} | {self.lsd:.2f} | {self.fad:.1f}"
        image = f"{self.width:.2f} | {self.correlation:.2f} | {self.iid_fluctuation:.2f}"
        return f"| {self.name} | {self.evaluations} | {quality} | {image} | {self.factor:.3f} |"


def trials() -> list[Trial]:
    """Samplers over steps, then one setting after the other, with defaults for the rest."""
    chosen = DiffusionDecoding()
    made = [
        Trial(f"`{sampler}`, {steps}", replace(chosen, sampler=sampler, steps=steps))
        for sampler in SAMPLERS
        for steps in STEPS
    ]
    made += [
        Trial(
            f"temperatures {level:g} (level), {direction:g} (direction)",
            replace(chosen, temperature=pair),
        )
        for pair in TEMPERATURES
        for level, direction in [pair]
    ]
    made += [Trial(f"offset temperature {each:g}", replace(chosen, whole=each)) for each in WHOLES]
    made.append(Trial("no side gain", replace(chosen, side_gain=0.0)))
    made += [Trial(f"guidance {each:g}", replace(chosen, guidance=each)) for each in (0.7, 1.5)]
    made.append(Trial("no sampled style", replace(chosen, style_spread=0.0)))
    return [Trial("default", chosen), *made]


@cache
def _tagger() -> Embedding:
    return load_embedding("tagger")


def measure(
    path: Path, trial: Trial, weights: str | None, seconds: float
) -> tuple[Outcome, Outcome]:
    """Result and truth of a track."""
    truth = torch.from_numpy(read_excerpt(path, RATE, seconds))
    mid = 0.5 * (truth[0] + truth[1])
    method = load(weights or "diffusion", decoding=trial.decoding)
    seed = System("diffusion").seed(path.stem, 0)
    started = time.process_time()
    with single_thread():
        side = make_side(method, mid, seed=seed)[-1]
    factor = (time.process_time() - started) * RATE / len(mid)
    made = torch.stack(to_left_right(mid, side))
    return _outcome(made, truth, factor), _outcome(truth, truth, 0.0)


def _outcome(
    made: Float[Tensor, "2 frames"], truth: Float[Tensor, "2 frames"], factor: float
) -> Outcome:
    side, wanted = (0.5 * (each[0] - each[1]) for each in (made, truth))
    parameters = encode_signal(made)
    return Outcome(
        parameter_pool(parameters),
        audio_pool(_tagger(), side, RATE),
        float(log_spectral_distance(side[None], wanted[None])),
        float(normalized_width(made)),
        float(channel_correlation(made)),
        iid_fluctuation(parameters.iid),
        factor,
    )


def summed(name: str, evaluations: int, made: list[Outcome], real: list[Outcome]) -> Line:
    """A row of the table."""

    def mean(values: list[float]) -> float:
        return sum(values) / len(values)

    return Line(
        name,
        evaluations,
        frechet_distance(*(merged(each.parameters for each in part) for part in (made, real))),
        mean([each.lsd for each in made]),
        frechet_distance(*(merged(each.side for each in part) for part in (made, real))),
        mean([each.width for each in made]),
        mean([each.correlation for each in made]),
        mean([each.iid_fluctuation for each in made]),
        mean([each.factor for each in made]),
    )


def draw(lines: list[Line], path: Path) -> None:
    """Four measures against the network evaluations of every sampler."""
    import matplotlib

    matplotlib.use("agg")
    from matplotlib.figure import Figure

    by_name = {line.name: line for line in lines}
    figure = Figure(figsize=(9, 6.4), dpi=150, layout="constrained")
    shown = (("d_f", "D_F"), ("lsd", "LSD of the side, dB"), ("fad", "FAD of the side"))
    shown += (("factor", "real-time factor, one core"),)
    for axes, (measure_name, label) in zip(figure.subplots(2, 2).flat, shown, strict=True):
        for sampler, color, marker in zip(SAMPLERS, COLORS, "os^D", strict=True):
            found = [by_name.get(f"`{sampler}`, {steps}") for steps in STEPS]
            _curve(axes, [line for line in found if line], measure_name, sampler, color, marker)
        axes.set(xscale="log", xlabel="network evaluations", ylabel=label, ylim=(0, None))
        axes.set_xticks(STEPS, [str(steps) for steps in STEPS])
        axes.minorticks_off()
    figure.axes[0].legend(frameon=False)
    figure.savefig(path)


def _curve(
    axes: "Axes", lines: list[Line], measure_name: str, sampler: str, color: str, marker: str
) -> None:
    evaluations = [line.evaluations for line in lines]
    values = [getattr(line, measure_name) for line in lines]
    axes.plot(evaluations, values, f"{marker}-", color=color, label=sampler, markersize=5)


def main() -> None:
    """Run the benchmark."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--weights", help="file in place of the pretrained weights")
    parser.add_argument("--only", default="", help="settings with this in their name")
    parser.add_argument("--seconds", type=float, default=11.5, help="from the middle of a track")
    parser.add_argument("--limit", type=int, default=0)
    parser.add_argument("--jobs", type=int, default=2)
    parser.add_argument("--write", action="store_true")
    options = parser.parse_args()
    tracks = stereo_tracks(options.data)[0][: options.limit or None]
    print(HEADINGS)
    lines: list[Line] = []
    truths: list[Outcome] = []
    with parallel_map(options.jobs) as each:
        for trial in trials():
            if options.only not in trial.name:
                continue
            work = partial(measure, trial=trial, weights=options.weights, seconds=options.seconds)
            made, real = (list(part) for part in zip(*each(work, tracks), strict=True))
            truths = truths or real
            lines.append(summed(trial.name, trial.evaluations, made, truths))
            print(lines[-1].row(), flush=True)
    lines.append(summed("true stereo", 0, truths, truths))
    print(lines[-1].row())
    if options.write:
        picture = f"![Quality against network evaluations]({PICTURE})"
        rows = [HEADINGS, *(line.row() for line in lines)]
        write_page(PAGE, {"steps": "\n".join([*rows, "", picture])})
        draw(lines, PAGE.parent / PICTURE)


if __name__ == "__main__":
    main()

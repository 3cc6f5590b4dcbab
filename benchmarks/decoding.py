"""Settings of masked decoding: order, steps, temperature and guidance on held-out music.

    python benchmarks/decoding.py --data FOLDER [--weights FILE] [--only WORD] [--write]

Every track is folded down, upmixed with its own seed, and analyzed again from the audio. D_F is
over all tracks and takes, the IID fluctuation a mean over tracks (with the true one), E_min the
mean error of the nearest take. The first rows change the number of passes (the default is 8, and 16
for the first window), each of the others one setting. Times are processor times on one thread. With
--write the table goes into docs/masked.md, and the curve of quality against passes into
docs/images/decoding.png.
"""

import argparse
import time
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import torch
from pages import write_page

from soundstage.corpora import stereo_tracks
from soundstage.corpora.layouts import read_excerpt
from soundstage.evaluation.systems import System
from soundstage.metrics.frechet import GaussianPool, frechet_distance, merged, parameter_pool
from soundstage.metrics.parametric_stereo import iid_fluctuation, parameter_error
from soundstage.parallel import parallel_map, single_thread
from soundstage.stereo import RATE, encode_signal, to_left_right
from soundstage.upmixing import make_side
from soundstage.upmixing.methods.masked import MaskedDecoding, load

PAGE = Path(__file__).parents[1] / "docs" / "masked.md"
PASSES = (1, 2, 4, 8, 16, 32)
PAPER: dict[str, Any] = {
    "steps": 20,
    "first_steps": 20,
    "order": "confidence",
    "noise": 4.5,
    "guidance": 0.75,
    "slow_start": 1.0,
    "temperature": 1.0,
    "style_spread": 0.0,
}
HEADINGS = (
    "| decoding | D_F | IID fluctuation, dB (true) | E_min | real-time factor |\n"
    "| --- | ---: | ---: | ---: | ---: |"
)


@dataclass(frozen=True)
class Trial:
    """One setting."""

    name: str
    decoding: MaskedDecoding
    most_likely: bool = False
    """Seed 0 for all tracks: the most likely style instead of a sampled one."""


@dataclass(frozen=True)
class Outcome:
    """Measures of one track."""

    pool: GaussianPool
    error: float
    iid_fluctuation: float
    seconds: float
    sound: float


class Line(NamedTuple):
    """A row of the table."""

    name: str
    d_f: float
    iid_fluctuation: float
    true_iid_fluctuation: float
    error: float
    factor: float

    def row(self) -> str:
        """As Markdown."""
        measured = (
            f"{self.iid_fluctuation:.2f} ({self.true_iid_fluctuation:.2f}) | {self.error:.3f}"
        )
        return f"| {self.name} | {self.d_f:.2f} | {measured} | {self.factor:.3f} |"


def passes(steps: int) -> str:
    """Name of a setting."""
    return f"{steps} pass{'es' if steps > 1 else ''}"


def trials() -> list[Trial]:
    """One setting after the other, with defaults for the rest."""
    changes: list[tuple[str, dict[str, Any]]] = []
    changes += [(passes(steps), {"steps": steps, "first_steps": 2 * steps}) for steps in PASSES]
    changes += [(f"order: {order}", {"order": order}) for order in ("random", "entropy")]
    changes += [
        (f"order: confidence, τ {noise:g}", {"order": "confidence", "noise": noise})
        for noise in (1.0, 4.5)
    ]
    changes += [(f"temperature {each:g}", {"temperature": each}) for each in (0.8, 0.9, 1.0, 1.2)]
    changes += [(f"slow start {each:g}", {"slow_start": each}) for each in (1.0, 2.5)]
    changes += [(f"guidance {each:g}", {"guidance": each}) for each in (0.25, 0.75)]
    changes.append(("no sampled style", {"style_spread": 0.0}))
    changes.append(("paper: 20 passes, confidence, τ 4.5, γ 0.75", PAPER))
    made = [Trial(name, replace(MaskedDecoding(), **change)) for name, change in changes]
    return [*made, Trial("most likely style (seed 0)", MaskedDecoding(), most_likely=True)]


def measure(
    path: Path, trial: Trial, weights: str | None, seconds: float, takes: int
) -> tuple[Outcome, Outcome]:
    """Result and truth of a track."""
    truth = torch.from_numpy(read_excerpt(path, RATE, seconds))
    mid = 0.5 * (truth[0] + truth[1])
    wanted = encode_signal(truth)
    length = len(mid) / RATE
    real = Outcome(parameter_pool(wanted), 0.0, iid_fluctuation(wanted.iid), 0.0, length)
    method = load(weights or "masked", decoding=trial.decoding)
    first = 0 if trial.most_likely else System("masked").seed(path.stem, 0)
    started = time.process_time()
    with single_thread():
        sides = [make_side(method, mid, seed=seed)[-1] for seed in range(first, first + takes)]
    spent = (time.process_time() - started) / takes
    made = [encode_signal(torch.stack(to_left_right(mid, side))) for side in sides]
    errors = [parameter_error(take, wanted) for take in made]
    pool = merged(parameter_pool(take) for take in made)
    return Outcome(pool, min(errors), iid_fluctuation(made[0].iid), spent, length), real


def summed(name: str, pairs: list[tuple[Outcome, Outcome]]) -> Line:
    """A row of the table."""
    made, real = [pair[0] for pair in pairs], [pair[1] for pair in pairs]
    distance = frechet_distance(*(merged(each.pool for each in part) for part in (made, real)))
    fluctuations = [sum(each.iid_fluctuation for each in part) / len(part) for part in (made, real)]
    error = sum(each.error for each in made) / len(made)
    factor = sum(each.seconds for each in made) / sum(each.sound for each in made)
    return Line(name, distance, fluctuations[0], fluctuations[1], error, factor)


def draw(lines: list[Line], path: Path) -> None:
    """D_F and cost against the number of passes."""
    import matplotlib

    matplotlib.use("agg")
    from matplotlib.figure import Figure

    by_name = {line.name: line for line in lines}
    found = [(steps, by_name.get(passes(steps))) for steps in PASSES]
    lines_of = [(steps, line) for steps, line in found if line is not None]
    figure = Figure(figsize=(8, 4.2), dpi=150, layout="constrained")
    axes = figure.subplots()
    steps = [step for step, _ in lines_of]
    axes.plot(steps, [line.d_f for _, line in lines_of], "o-", color="#0072B2")
    axes.set(xscale="log", xticks=steps, xlabel="passes for each 5.9 s", ylabel="D_F")
    axes.set_xticks(steps, [str(step) for step in steps])
    axes.minorticks_off()
    axes.yaxis.label.set_color("#0072B2")
    other = axes.twinx()
    other.plot(steps, [line.factor for _, line in lines_of], "s--", color="#D55E00")
    other.set(ylabel="real-time factor, one core", ylim=(0, None))
    other.yaxis.label.set_color("#D55E00")
    axes.set_ylim(0, None)
    figure.savefig(path)


def main() -> None:
    """Run the benchmark."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--weights")
    parser.add_argument("--only", default="", help="settings with this in their name")
    parser.add_argument("--seconds", type=float, default=20)
    parser.add_argument("--takes", type=int, default=2)
    parser.add_argument("--limit", type=int, default=0)
    parser.add_argument("--jobs", type=int, default=2)
    parser.add_argument("--write", action="store_true")
    options = parser.parse_args()
    tracks = stereo_tracks(options.data)[0][: options.limit or None]
    print(HEADINGS)
    lines = []
    with parallel_map(options.jobs) as each:
        for trial in trials():
            if options.only not in trial.name:
                continue
            work = partial(
                measure,
                trial=trial,
                weights=options.weights,
                seconds=options.seconds,
                takes=options.takes,
            )
            lines.append(summed(trial.name, list(each(work, tracks))))
            print(lines[-1].row(), flush=True)
    if options.write:
        picture = "![Quality against the number of passes](images/decoding.png)"
        rows = [HEADINGS, *(line.row() for line in lines)]
        write_page(PAGE, {"decoding": "\n".join([*rows, "", picture])})
        draw(lines, PAGE.parent / "images" / "decoding.png")


if __name__ == "__main__":
    main()

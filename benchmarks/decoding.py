"""How masked decoding is chosen: order, steps, temperature and guidance on held-out music.

    python benchmarks/decoding.py --data FOLDER [--weights FILE] [--only WORD] [--write]

Every record is folded to mono, upmixed with a seed of its own, and analyzed again from its sound.
D_F is that of all records and takes together, iid_fluctuation a mean over records (the truth's beside it),
E_min the mean error of the nearest take. The first lines change the number of passes (8, and 16 for
the first window, is what is chosen), each of the others one thing of what is chosen. Time is that
of the processor, in one thread, which other work on the machine hardly changes. With --write the
table goes into docs/masked.md, and the curve of quality against passes into
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
from soundstage.parallel import parallel_map
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
    "| decoding | D_F | iid_fluctuation, dB (truth) | E_min | real-time factor |\n"
    "| --- | ---: | ---: | ---: | ---: |"
)


@dataclass(frozen=True)
class Trial:
    """One way to decode."""

    name: str
    decoding: MaskedDecoding
    likeliest: bool = False
    """Seed 0 for all, whose takes lean nowhere, in place of a draw for every record."""


@dataclass(frozen=True)
class Outcome:
    """Of one record."""

    pool: GaussianPool
    error: float
    iid_fluctuation: float
    seconds: float
    sound: float


class Line(NamedTuple):
    """Of the table."""

    name: str
    d_f: float
    iid_fluctuation: float
    true_iid_fluctuation: float
    error: float
    factor: float

    def row(self) -> str:
        """As Markdown."""
        told = f"{self.iid_fluctuation:.2f} ({self.true_iid_fluctuation:.2f}) | {self.error:.3f}"
        return f"| {self.name} | {self.d_f:.2f} | {told} | {self.factor:.3f} |"


def trials() -> list[Trial]:
    """One choice after the other, the rest as it was chosen."""
    changes: list[tuple[str, dict[str, Any]]] = []
    changes += [(f"{steps} passes", {"steps": steps, "first_steps": 2 * steps}) for steps in PASSES]
    changes += [(f"order: {order}", {"order": order}) for order in ("random", "entropy")]
    changes += [
        (f"order: confidence, τ {noise:g}", {"order": "confidence", "noise": noise})
        for noise in (1.0, 4.5)
    ]
    changes += [(f"temperature {each:g}", {"temperature": each}) for each in (0.8, 0.9, 1.0, 1.2)]
    changes += [(f"slow start {each:g}", {"slow_start": each}) for each in (1.0, 2.5)]
    changes += [(f"guidance {each:g}", {"guidance": each}) for each in (0.25, 0.75)]
    changes.append(("no drawn style", {"style_spread": 0.0}))
    changes.append(("the paper's: 20 passes by confidence, τ 4.5, γ 0.75", PAPER))
    made = [Trial(name, replace(MaskedDecoding(), **change)) for name, change in changes]
    return [*made, Trial("the likeliest style, as with seed 0", MaskedDecoding(), likeliest=True)]


def measure(
    path: Path, trial: Trial, weights: str | None, seconds: float, takes: int
) -> tuple[Outcome, Outcome]:
    """A record's result and its truth."""
    truth = torch.from_numpy(read_excerpt(path, RATE, seconds))
    mid = 0.5 * (truth[0] + truth[1])
    wanted = encode_signal(truth)
    length = len(mid) / RATE
    real = Outcome(parameter_pool(wanted), 0.0, iid_fluctuation(wanted.iid), 0.0, length)
    upmixer = load(weights or "masked", decoding=trial.decoding)
    first = 0 if trial.likeliest else System("masked").seed(path.stem, 0)
    torch.set_num_threads(1)  # as the engine does
    started = time.process_time()
    sides = [make_side(upmixer, mid, seed=seed)[-1] for seed in range(first, first + takes)]
    spent = (time.process_time() - started) / takes
    made = [encode_signal(torch.stack(to_left_right(mid, side))) for side in sides]
    errors = [parameter_error(take, wanted) for take in made]
    pool = merged(parameter_pool(take) for take in made)
    return Outcome(pool, min(errors), iid_fluctuation(made[0].iid), spent, length), real


def summed(name: str, pairs: list[tuple[Outcome, Outcome]]) -> Line:
    """A line of the table."""
    made, real = [pair[0] for pair in pairs], [pair[1] for pair in pairs]
    distance = frechet_distance(*(merged(each.pool for each in part) for part in (made, real)))
    wobbles = [sum(each.iid_fluctuation for each in part) / len(part) for part in (made, real)]
    error = sum(each.error for each in made) / len(made)
    factor = sum(each.seconds for each in made) / sum(each.sound for each in made)
    return Line(name, distance, wobbles[0], wobbles[1], error, factor)


def draw(lines: list[Line], path: Path) -> None:
    """D_F against the passes, and what they cost."""
    import matplotlib

    matplotlib.use("agg")
    from matplotlib.figure import Figure

    by_name = {line.name: line for line in lines}
    found = [(steps, by_name.get(f"{steps} passes")) for steps in PASSES]
    told = [(steps, line) for steps, line in found if line is not None]
    figure = Figure(figsize=(8, 4.2), dpi=150, layout="constrained")
    axes = figure.subplots()
    steps = [step for step, _ in told]
    axes.plot(steps, [line.d_f for _, line in told], "o-", color="#0072B2")
    axes.set(xscale="log", xticks=steps, xlabel="passes for each 5.9 s", ylabel="D_F")
    axes.set_xticks(steps, [str(step) for step in steps])
    axes.minorticks_off()
    axes.yaxis.label.set_color("#0072B2")
    other = axes.twinx()
    other.plot(steps, [line.factor for _, line in told], "s--", color="#D55E00")
    other.set(ylabel="real-time factor, one core", ylim=(0, None))
    other.yaxis.label.set_color("#D55E00")
    axes.set_ylim(0, None)
    figure.savefig(path)


def main() -> None:
    """Measure and print, line by line."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--weights")
    parser.add_argument("--only", default="", help="trials whose name holds this")
    parser.add_argument("--seconds", type=float, default=20)
    parser.add_argument("--takes", type=int, default=2)
    parser.add_argument("--limit", type=int, default=0)
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--write", action="store_true")
    asked = parser.parse_args()
    records = stereo_tracks(asked.data)[0][: asked.limit or None]
    print(HEADINGS)
    lines = []
    with parallel_map(asked.workers) as each:
        for trial in trials():
            if asked.only not in trial.name:
                continue
            work = partial(
                measure,
                trial=trial,
                weights=asked.weights,
                seconds=asked.seconds,
                takes=asked.takes,
            )
            lines.append(summed(trial.name, list(each(work, records))))
            print(lines[-1].row(), flush=True)
    if asked.write:
        picture = "![Quality against the number of passes](images/decoding.png)"
        rows = [HEADINGS, *(line.row() for line in lines)]
        write_page(PAGE, {"decoding": "\n".join([*rows, "", picture])})
        draw(lines, PAGE.parent / "images" / "decoding.png")


if __name__ == "__main__":
    main()

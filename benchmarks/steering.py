"""How precisely generative methods follow a style: requested and measured values, word by word.

    python benchmarks/steering.py [--data FOLDER] [--weights FILE] [--write docs/style.md]
    python benchmarks/steering.py --table --write docs/style.md

Every clip of true stereo is folded down and upmixed with one seed: without a style, at a series of
widths, at three values of every other parameter, and with every word. The parameters are measured
on the resulting audio, over the whole clip. `--write` replaces the tables of the page and draws
`images/style.png` beside it; `--table` only makes the tables without measurements.
"""

import argparse
import sys
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import torch
from jaxtyping import Float
from pages import write_page
from scipy.stats import linregress, spearmanr
from torch import Tensor

from soundstage.corpora.layouts import read_excerpt, stereo_tracks
from soundstage.evaluation.markdown_tables import markdown
from soundstage.evaluation.plots.plotting import FAINT, INK, LARGE, MEDIUM, SMALL, Canvas
from soundstage.parallel import parallel_map
from soundstage.stereo import RATE, TRANSFORM, band_energy, encode
from soundstage.stereo.descriptors import DESCRIPTORS, descriptors
from soundstage.upmixing import load_method, upmix
from soundstage.upmixing.generative.style import MUSIC, PERCENTILES, RANGES, WORDS, Style

if TYPE_CHECKING:
    from matplotlib.axes import Axes

WIDTHS = (0.4, 0.6, 0.8, 1.0, 1.2, 1.4, 1.6, 1.8, 2.0)
OTHERS = DESCRIPTORS[1:]
LOW, MIDDLE, HIGH = (PERCENTILES.index(percentile) for percentile in (10, 50, 90))
QUARTILES = [PERCENTILES.index(percentile) for percentile in (25, 75)]
NEAR = 0.1  # of the range from the 10th to the 90th percentile
NO_STYLE = Style()
CORRELATION_THRESHOLD, WORD_THRESHOLD = 0.8, 0.8
BLUE, ORANGE, GREEN = "#0072b2", "#d55e00", "#009e73"  # of Okabe and Ito

Measured = dict[Style, Float[np.ndarray, "clips descriptors"]]
"""Measured descriptors by requested style."""


def measured_styles() -> list[Style]:
    """All measured styles, without duplicates."""
    rows = [Style(width=width) for width in WIDTHS]
    rows += [Style(**{name: value}) for name in OTHERS for value in three_values(name)]
    rows += [Style(**word.values) for word in WORDS.values()]
    return list(dict.fromkeys([NO_STYLE, *rows]))


def three_values(name: str) -> tuple[float, float, float]:
    """The 10th, 50th and 90th percentile of real music."""
    values = MUSIC[name]
    return values[LOW], values[MIDDLE], values[HIGH]


def measure_sound(stereo: Float[Tensor, "2 length"]) -> Float[np.ndarray, " descriptors"]:
    """The descriptors of samples at `RATE`."""
    left, right = TRANSFORM.analyze(stereo)
    return descriptors(encode(left, right), band_energy((left + right) / 2)).double().numpy()


def measure_clip(
    path: Path, *, styles: Sequence[Style], method: str, weights: str | None, seconds: float
) -> Float[np.ndarray, "styles descriptors"]:
    """Descriptors of the upmixed fold-down of a clip, for every style."""
    mono = read_excerpt(path, RATE, seconds).mean(axis=0, dtype=np.float32)
    rows = []
    for style in styles:
        upmixer = load_method(method, weights=weights, style=style)
        made = upmix((mono, RATE), method=upmixer)
        rows.append(measure_sound(torch.from_numpy(made.samples.copy())))
    return np.stack(rows)


def measure(
    paths: Sequence[Path], *, method: str, weights: str | None, seconds: float, jobs: int
) -> Measured:
    """Every style on every clip."""
    styles = measured_styles()
    work = partial(measure_clip, styles=styles, method=method, weights=weights, seconds=seconds)
    clips = []
    with parallel_map(jobs) as each:
        for path, found in zip(paths, each(work, paths), strict=True):
            clips.append(found)
            print(f"{len(clips)} of {len(paths)}: {path.name}", file=sys.stderr)
    return dict(zip(styles, np.stack(clips, axis=1), strict=True))


def requested_and_measured(
    measured: Measured, name: str, values: Sequence[float]
) -> tuple[Float[np.ndarray, " points"], Float[np.ndarray, " points"]]:
    """Requested and measured values of one parameter, over all clips."""
    found = [of(measured, Style(**{name: value}), name) for value in values]
    return np.repeat(np.array(values), len(found[0])), np.concatenate(found)


def of(measured: Measured, style: Style, name: str) -> Float[np.ndarray, " clips"]:
    """One measured descriptor of a style, per clip."""
    return measured[style][:, DESCRIPTORS.index(name)]


def correct_direction(
    name: str,
    requested: float,
    without: Float[np.ndarray, " clips"],
    made: Float[np.ndarray, " clips"],
) -> float:
    """Share of the clips that a style moved in the correct direction.

    Outside the quartiles of real music, that is up or down; between them, closer to the requested
    value, or within a tenth of the range.
    """
    low, high = (MUSIC[name][place] for place in QUARTILES)
    if low <= requested <= high:
        near = NEAR * (MUSIC[name][HIGH] - MUSIC[name][LOW])
        missed = np.abs(made - requested)
        return float(np.mean((missed < np.abs(without - requested)) | (missed < near)))
    return float(np.mean(made > without if requested > high else made < without))


def word_rows(measured: Measured) -> list[tuple[str, str, float, float, float, float]]:
    """(word, parameter, requested, median without and with it, share in the correct direction)."""
    rows = []
    for word, line in WORDS.items():
        for name, requested in line.values.items():
            without = of(measured, NO_STYLE, name)
            made = of(measured, Style(**line.values), name)
            share = correct_direction(name, requested, without, made)
            rows.append((word, name, requested, np.median(without), np.median(made), share))
    return rows


def parameters_table() -> str:
    """Ranges of the parameters, and percentiles of music."""
    chosen = [f"{PERCENTILES[place]} %" for place in (LOW, MIDDLE, HIGH)]
    lines = [["parameter", "from", "to", *chosen]]
    for name in DESCRIPTORS:
        values = (*RANGES[name], *three_values(name))
        lines.append([f"`{name}`", *(_figure(value) for value in values)])
    return markdown(lines)


def styles_table() -> str:
    """The words."""
    lines = ["| word | also | sets | meaning |", "| --- | --- | --- | --- |"]
    for name, word in WORDS.items():
        lines.append(
            f"| {name} | {', '.join(word.also)} | `{Style(**word.values)}` | {word.meaning} |"
        )
    return "\n".join(lines)


def width_table(measured: Measured) -> str:
    """Requested and measured width, and their correlation."""
    requested, found = requested_and_measured(measured, "width", WIDTHS)
    lines = [["requested width", "measured, median", "10th percentile", "90th percentile"]]
    for width in WIDTHS:
        made = of(measured, Style(width=width), "width")
        lines.append([f"{width:g}", *(f"{np.quantile(made, q):.2f}" for q in (0.5, 0.1, 0.9))])
    line = linregress(requested, found)
    intercept = f"{'+' if line.intercept >= 0 else '−'} {abs(line.intercept):.2f}"
    return (
        f"Correlation of requested and measured width over {len(requested)} points "
        f"({len(requested) // len(WIDTHS)} clips): {line.rvalue:.2f} (Pearson), "
        f"{spearmanr(requested, found).statistic:.2f} (Spearman); "
        f"threshold {CORRELATION_THRESHOLD}. "
        f"Measured ≈ {line.slope:.2f} · requested {intercept}.\n\n{markdown(lines)}\n\n"
        "![Requested and measured width, and share of clips that move in the correct direction]"
        "(images/style.png)"
    )


def others_table(measured: Measured) -> str:
    """The same for every other parameter at three values."""
    lines = [["parameter", "requested", "measured, median", "Pearson", "Spearman", "slope"]]
    for name in OTHERS:
        values = three_values(name)
        requested, found = requested_and_measured(measured, name, values)
        medians = [np.median(of(measured, Style(**{name: value}), name)) for value in values]
        line = linregress(requested, found)
        figures = (line.rvalue, spearmanr(requested, found).statistic, line.slope)
        lines.append(
            [
                f"`{name}`",
                " / ".join(_figure(value) for value in values),
                " / ".join(_figure(value) for value in medians),
                *(f"{figure:.2f}" for figure in figures),
            ]
        )
    return markdown(lines)


def words_table(measured: Measured) -> str:
    """The effect of every word."""
    rows = word_rows(measured)
    behind = sum(share < WORD_THRESHOLD for *_, share in rows)
    lines = [["word", "parameter", "requested", "without", "with", "change", "correct direction"]]
    for word, name, requested, without, made, share in rows:
        figures = (_figure(value) for value in (requested, without, made))
        change = f"{made - without:+.2f}".replace("-", "−")
        lines.append([word, f"`{name}`", *figures, change, f"{share:.0%}"])
    percent = round(100 * WORD_THRESHOLD)
    summary = f"{len(rows) - behind} of {len(rows)} rows reach the threshold of {percent} %."
    return f"{summary}\n\n{markdown(lines)}"


def draw(measured: Measured, target: Path) -> None:
    """Requested and measured width, and the share of clips in the correct direction per word."""
    rows = word_rows(measured)
    pitch, top = 24, 80
    height = pitch * len(rows)
    canvas = Canvas(target, height=top + height + 90, overwrite=True)
    canvas.text(96, 34, "Width: requested and measured", size=LARGE, bold=True)
    _draw_width(canvas.panel(96, top, 560, height), measured)
    canvas.text(700, 34, "Clips moved in the correct direction", size=LARGE, bold=True)
    axes = canvas.panel(940, top, 300, height)
    axes.set_facecolor("white")
    places = np.arange(len(rows))
    shares = np.array([100 * row[-1] for row in rows])
    axes.axvline(100 * WORD_THRESHOLD, color=FAINT, linewidth=1.2, linestyle="--")
    axes.hlines(places, 0, shares, color=BLUE, linewidth=1.5)
    reached = shares >= 100 * WORD_THRESHOLD
    for chosen, color, marker in ((reached, BLUE, "o"), (~reached, ORANGE, "s")):
        axes.plot(shares[chosen], places[chosen], marker, color=color, markersize=6)
    double = {word for word in WORDS if len(WORDS[word].values) > 1}
    names = [f"{row[0]}: {row[1]}" if row[0] in double else row[0] for row in rows]
    axes.set_yticks(places, names)
    axes.set_xticks(range(0, 101, 20))
    axes.set_xlim(0, 102)
    axes.set_ylim(len(rows) - 0.5, -0.5)
    _label(axes, "clips, %", "")
    canvas.save()


def _draw_width(axes: "Axes", measured: Measured) -> None:
    axes.set_facecolor("white")
    axes.plot([0, 2.2], [0, 2.2], "--", color=FAINT, linewidth=1.2)
    axes.text(2.08, 2.14, "requested", color=FAINT, fontsize=SMALL, ha="right", va="bottom")
    medians = []
    for width in WIDTHS:
        made = of(measured, Style(width=width), "width")
        beside = width + np.linspace(-0.05, 0.05, len(made))
        axes.plot(beside, made, "o", color=BLUE, markersize=4.5, alpha=0.6, markeredgewidth=0)
        medians.append(np.median(made))
    axes.plot(WIDTHS, medians, "-", color=ORANGE, linewidth=2)
    without = np.median(of(measured, NO_STYLE, "width"))
    axes.axhline(without, color=GREEN, linewidth=1.2, linestyle=":")
    axes.text(0.22, without, "without a style", color=GREEN, fontsize=SMALL, va="bottom")
    top = max(2.6, 1.05 * max(of(measured, Style(width=w), "width").max() for w in WIDTHS))
    axes.set_xlim(0.2, 2.2)
    axes.set_ylim(0, top)
    axes.set_xticks(WIDTHS)
    axes.set_yticks(np.arange(0, top, 0.5))
    _label(axes, "requested width, 2·rms(S)/rms(M)", "measured width; line: median of the clips")


def _label(axes: "Axes", below: str, beside: str) -> None:
    axes.set_xlabel(below, fontsize=MEDIUM, color=INK)
    axes.set_ylabel(beside, fontsize=MEDIUM, color=INK)
    for side in ("left", "bottom"):
        axes.spines[side].set_visible(True)
        axes.spines[side].set_color(FAINT)


def _figure(value: float) -> str:
    return f"{value:.2f}".rstrip("0").rstrip(".").replace("-", "−")


def main() -> None:
    """Run the benchmark."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--data", type=Path, default=Path("../shared/data/music/test"))
    parser.add_argument("--method", default="masked", help="a method that takes a style")
    parser.add_argument("--weights", help="file in place of the pretrained weights")
    parser.add_argument("--seconds", type=float, default=12, help="of the middle of a clip")
    parser.add_argument("--limit", type=int, default=0, help="clips, evenly chosen; 0 for all")
    parser.add_argument("--jobs", type=int, default=2)
    parser.add_argument("--table", action="store_true", help="only tables without measurements")
    parser.add_argument("--write", type=Path, help="the page whose tables are replaced")
    options = parser.parse_args()

    found = {"parameters": parameters_table(), "styles": styles_table()}
    measured: Measured = {}
    if not options.table:
        paths = stereo_tracks(options.data)[0]
        if options.limit:
            paths = paths[:: max(len(paths) // options.limit, 1)][: options.limit]
        measured = measure(
            paths,
            method=options.method,
            weights=options.weights,
            seconds=options.seconds,
            jobs=options.jobs,
        )
        found["width"] = width_table(measured)
        found["others"] = others_table(measured)
        found["words"] = words_table(measured)
    print("\n\n".join(found.values()))
    if options.write:
        write_page(options.write, found)
        if measured:
            draw(measured, options.write.parent / "images" / "style.png")


if __name__ == "__main__":
    main()

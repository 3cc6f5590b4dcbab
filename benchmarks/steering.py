"""How far a generative method does what a style asks: asked against obtained, and word by word.

    python benchmarks/steering.py [--data FOLDER] [--weights FILE] [--write docs/style.md]
    python benchmarks/steering.py --table --write docs/style.md

Every clip of true stereo is folded down and made stereo again, without a style, at a row of asked
widths, at three values of every other number, and with every word of the table, always with the
same seed. What was obtained is measured from the resulting sound, over the whole clip. `--write`
replaces what stands between the marks of the page and draws `images/style.png` beside it; with
`--table` only the tables that need no measurement are made.
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
NEAR = 0.1  # of the way from the 10th to the 90th percentile
NO_STYLE = Style()
CORRELATION_BAR, WORD_BAR = 0.8, 0.8
BLUE, ORANGE, GREEN = "#0072b2", "#d55e00", "#009e73"  # of Okabe and Ito

Obtained = dict[Style, Float[np.ndarray, "clips descriptors"]]
"""What came out for every style asked."""


def asked_styles() -> list[Style]:
    """Every style that is measured, once."""
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
    """What every style makes of the fold-down of a clip."""
    mono = read_excerpt(path, RATE, seconds).mean(axis=0, dtype=np.float32)
    rows = []
    for style in styles:
        upmixer = load_method(method, weights=weights, style=style)
        made = upmix((mono, RATE), method=upmixer)
        rows.append(measure_sound(torch.from_numpy(made.samples.copy())))
    return np.stack(rows)


def measure(
    paths: Sequence[Path], *, method: str, weights: str | None, seconds: float, workers: int
) -> Obtained:
    """Every style on every clip."""
    styles = asked_styles()
    work = partial(measure_clip, styles=styles, method=method, weights=weights, seconds=seconds)
    clips = []
    with parallel_map(workers) as each:
        for path, found in zip(paths, each(work, paths), strict=True):
            clips.append(found)
            print(f"{len(clips)} of {len(paths)}: {path.name}", file=sys.stderr)
    return dict(zip(styles, np.stack(clips, axis=1), strict=True))


def asked_and_obtained(
    obtained: Obtained, name: str, values: Sequence[float]
) -> tuple[Float[np.ndarray, " points"], Float[np.ndarray, " points"]]:
    """Of one number, over all clips at each of some values."""
    found = [of(obtained, Style(**{name: value}), name) for value in values]
    return np.repeat(np.array(values), len(found[0])), np.concatenate(found)


def of(obtained: Obtained, style: Style, name: str) -> Float[np.ndarray, " clips"]:
    """One descriptor of what a style made."""
    return obtained[style][:, DESCRIPTORS.index(name)]


def right_way(
    name: str,
    asked: float,
    without: Float[np.ndarray, " clips"],
    made: Float[np.ndarray, " clips"],
) -> float:
    """Share of the clips that a style moved the right way.

    Where the value asked lies outside the quartiles of real music, that is up or down; between
    them it is nearer to what was asked, or so near that it makes no difference.
    """
    low, high = (MUSIC[name][place] for place in QUARTILES)
    if low <= asked <= high:
        near = NEAR * (MUSIC[name][HIGH] - MUSIC[name][LOW])
        missed = np.abs(made - asked)
        return float(np.mean((missed < np.abs(without - asked)) | (missed < near)))
    return float(np.mean(made > without if asked > high else made < without))


def word_rows(obtained: Obtained) -> list[tuple[str, str, float, float, float, float]]:
    """(word, number, asked, median without and with it, share of clips moved the right way)."""
    rows = []
    for word, line in WORDS.items():
        for name, asked in line.values.items():
            without = of(obtained, NO_STYLE, name)
            made = of(obtained, Style(**line.values), name)
            share = right_way(name, asked, without, made)
            rows.append((word, name, asked, np.median(without), np.median(made), share))
    return rows


def numbers_table() -> str:
    """What can be asked, and how common it is in music."""
    chosen = [f"{PERCENTILES[place]} %" for place in (LOW, MIDDLE, HIGH)]
    lines = [["number", "from", "to", *chosen]]
    for name in DESCRIPTORS:
        values = (*RANGES[name], *three_values(name))
        lines.append([f"`{name}`", *(_figure(value) for value in values)])
    return markdown(lines)


def styles_table() -> str:
    """The words."""
    lines = ["| word | also | asks for | meaning |", "| --- | --- | --- | --- |"]
    for name, word in WORDS.items():
        lines.append(
            f"| {name} | {', '.join(word.also)} | `{Style(**word.values)}` | {word.meaning} |"
        )
    return "\n".join(lines)


def width_table(obtained: Obtained) -> str:
    """Asked and obtained width, and how they hang together."""
    asked, found = asked_and_obtained(obtained, "width", WIDTHS)
    lines = [["width asked", "obtained, median", "10 % of clips below", "90 % of clips below"]]
    for width in WIDTHS:
        made = of(obtained, Style(width=width), "width")
        lines.append([f"{width:g}", *(f"{np.quantile(made, q):.2f}" for q in (0.5, 0.1, 0.9))])
    line = linregress(asked, found)
    return (
        f"Correlation of asked and obtained width over {len(asked)} points "
        f"({len(asked) // len(WIDTHS)} clips): {line.rvalue:.2f} (Pearson), "
        f"{spearmanr(asked, found).statistic:.2f} (Spearman); the bar is {CORRELATION_BAR}. "
        f"Obtained ≈ {line.slope:.2f} · asked {line.intercept:+.2f}.\n\n{markdown(lines)}\n\n"
        "![Width asked against obtained, and clips moved the right way](images/style.png)"
    )


def others_table(obtained: Obtained) -> str:
    """The same for every other number at three values."""
    lines = [["number", "asked", "obtained, median", "Pearson", "Spearman", "slope"]]
    for name in OTHERS:
        values = three_values(name)
        asked, found = asked_and_obtained(obtained, name, values)
        medians = [np.median(of(obtained, Style(**{name: value}), name)) for value in values]
        line = linregress(asked, found)
        figures = (line.rvalue, spearmanr(asked, found).statistic, line.slope)
        lines.append(
            [
                f"`{name}`",
                " / ".join(_figure(value) for value in values),
                " / ".join(_figure(value) for value in medians),
                *(f"{figure:.2f}" for figure in figures),
            ]
        )
    return markdown(lines)


def words_table(obtained: Obtained) -> str:
    """What every word did."""
    rows = word_rows(obtained)
    behind = sum(share < WORD_BAR for *_, share in rows)
    lines = [["word", "number", "asked", "without", "with", "change", "right way"]]
    for word, name, asked, without, made, share in rows:
        figures = (_figure(value) for value in (asked, without, made))
        change = f"{made - without:+.2f}".replace("-", "−")
        lines.append([word, f"`{name}`", *figures, change, f"{share:.0%}"])
    told = f"{len(rows) - behind} of {len(rows)} lines reach the bar of {WORD_BAR:.0%}."
    return f"{told}\n\n{markdown(lines)}"


def draw(obtained: Obtained, target: Path) -> None:
    """Asked against obtained width, and how many clips every word moved the right way."""
    rows = word_rows(obtained)
    pitch, top = 24, 80
    height = pitch * len(rows)
    canvas = Canvas(target, height=top + height + 90, overwrite=True)
    canvas.text(96, 34, "Width: asked against obtained", size=LARGE, bold=True)
    _draw_width(canvas.panel(96, top, 560, height), obtained)
    canvas.text(700, 34, "Clips moved the right way by a word", size=LARGE, bold=True)
    axes = canvas.panel(940, top, 300, height)
    axes.set_facecolor("white")
    places = np.arange(len(rows))
    shares = np.array([100 * row[-1] for row in rows])
    axes.axvline(100 * WORD_BAR, color=FAINT, linewidth=1.2, linestyle="--")
    axes.hlines(places, 0, shares, color=BLUE, linewidth=1.5)
    reached = shares >= 100 * WORD_BAR
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


def _draw_width(axes: "Axes", obtained: Obtained) -> None:
    axes.set_facecolor("white")
    axes.plot([0, 2.2], [0, 2.2], "--", color=FAINT, linewidth=1.2)
    axes.text(2.08, 2.14, "as asked", color=FAINT, fontsize=SMALL, ha="right", va="bottom")
    medians = []
    for width in WIDTHS:
        made = of(obtained, Style(width=width), "width")
        beside = width + np.linspace(-0.05, 0.05, len(made))
        axes.plot(beside, made, "o", color=BLUE, markersize=4.5, alpha=0.6, markeredgewidth=0)
        medians.append(np.median(made))
    axes.plot(WIDTHS, medians, "-", color=ORANGE, linewidth=2)
    without = np.median(of(obtained, NO_STYLE, "width"))
    axes.axhline(without, color=GREEN, linewidth=1.2, linestyle=":")
    axes.text(0.22, without, "without a style", color=GREEN, fontsize=SMALL, va="bottom")
    top = max(2.6, 1.05 * max(of(obtained, Style(width=w), "width").max() for w in WIDTHS))
    axes.set_xlim(0.2, 2.2)
    axes.set_ylim(0, top)
    axes.set_xticks(WIDTHS)
    axes.set_yticks(np.arange(0, top, 0.5))
    _label(axes, "width asked, 2·rms(S)/rms(M)", "width obtained; line: median of the clips")


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
    parser.add_argument("--weights", help="a file of weights in place of the shipped ones")
    parser.add_argument("--seconds", type=float, default=12, help="of the middle of a clip")
    parser.add_argument("--limit", type=int, default=0, help="so many clips, evenly chosen; 0: all")
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--table", action="store_true", help="measure nothing")
    parser.add_argument("--write", type=Path, help="the page whose tables are replaced")
    options = parser.parse_args()

    found = {"numbers": numbers_table(), "styles": styles_table()}
    obtained: Obtained = {}
    if not options.table:
        paths = stereo_tracks(options.data)[0]
        if options.limit:
            paths = paths[:: max(len(paths) // options.limit, 1)][: options.limit]
        obtained = measure(
            paths,
            method=options.method,
            weights=options.weights,
            seconds=options.seconds,
            workers=options.workers,
        )
        found["width"] = width_table(obtained)
        found["others"] = others_table(obtained)
        found["words"] = words_table(obtained)
    print("\n\n".join(found.values()))
    if options.write:
        write_page(options.write, found)
        if obtained:
            draw(obtained, options.write.parent / "images" / "style.png")


if __name__ == "__main__":
    main()

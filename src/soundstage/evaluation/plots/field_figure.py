"""A figure of an ambisonic file: energy by direction, and over time around the horizon."""

from collections.abc import Callable
from pathlib import Path

import numpy as np

from soundstage.ambisonics.conventions import describe
from soundstage.audio import Source, open_sound
from soundstage.evaluation.analysis_text import typeset
from soundstage.evaluation.plots.plotting import (
    INK,
    LARGE,
    MEDIUM,
    SMALL,
    Canvas,
    Span,
    label_time,
    shortened,
)
from soundstage.metrics.field_analysis import FieldAnalysis, analyze_field

LEFT, WIDE, HIGH, TOP, SECOND = 112, 1004, 330, 142, 570  # pixels
BAR_LEFT, BAR_WIDTH = LEFT + WIDE + 24, 16
RANGE_DB = 20.0  # of the colors
LONGEST_NAME = 64  # characters of a title
MARKED = 3  # peaks


def plot_field(
    source: Source,
    target: str | Path,
    *,
    convention: str | None = None,
    overwrite: bool = False,
    progress: Callable[[float], None] | None = None,
) -> FieldAnalysis:
    """Draw an ambisonic file.

    Args:
        source: of 4, 9 or 16 channels, as for `analyze_field`.
        target: PNG to write, 1280 pixels wide.
        convention: None is what the file says, or a guess.
        overwrite: replace an existing target.
        progress: called with the fraction done, 0 to 1.

    Raises:
        InputError: the sound cannot be read, is empty, or not ambisonic.
        OutputError: the target exists, or cannot be written.
        OptionError: the target is not a PNG, matplotlib is not installed, or there is no such
            convention.
    """
    canvas = Canvas(target, height=968, overwrite=overwrite)
    analysis = analyze_field(source, convention=convention, progress=progress)
    name = Path(open_sound(source).name).name
    canvas.text(LEFT, 34, shortened(name, LONGEST_NAME), size=LARGE, bold=True)
    facts = (
        describe(analysis.order, analysis.convention),
        f"{analysis.rate / 1000:g} kHz",
        f"diffuseness {analysis.diffuseness:.2f}",
        f"true peak {analysis.true_peak_db:.1f} dBTP",
    )
    canvas.text(LEFT, 74, "  ·  ".join(map(typeset, facts)), size=SMALL)
    _draw_map(canvas, analysis)
    _draw_horizon(canvas, analysis)
    canvas.save()
    return analysis


def _draw_map(canvas: Canvas, analysis: FieldAnalysis) -> None:
    canvas.text(LEFT, TOP - 20, "Energy by direction", size=MEDIUM, bold=True)
    axes = canvas.panel(LEFT, TOP, WIDE, HIGH)
    levels = 10 * np.log10(np.maximum(analysis.map, 1e-9))
    top = float(np.ceil(levels.max()))
    image = axes.imshow(
        np.concatenate([levels, levels[:, :1]], axis=1),  # −180 is 180
        cmap="viridis",
        vmin=top - RANGE_DB,
        vmax=top,
        extent=(180, -180, -90, 90),
        aspect="auto",
        interpolation="bilinear",
    )
    for number, peak in enumerate(analysis.peaks[:MARKED], start=1):
        axes.plot(peak.azimuth, peak.elevation, "o", mfc="none", mec="white", ms=14, mew=2)
        axes.annotate(
            str(number),
            (peak.azimuth, peak.elevation),
            (13, 11),
            textcoords="offset points",
            color="white",
            fontsize=SMALL,
            weight="bold",
        )
    _label_azimuths(axes.set_xticks)
    axes.set_yticks([-90, -45, 0, 45, 90], ["−90°", "−45°", "0°", "45°", "90°"])
    axes.set_ylabel("elevation", fontsize=SMALL, color=INK)
    axes.set_xlabel("azimuth", fontsize=SMALL, color=INK)
    canvas.color_bar(
        image, canvas.panel(BAR_LEFT, TOP, BAR_WIDTH, HIGH), "dB re all directions", ends=True
    )


def _draw_horizon(canvas: Canvas, analysis: FieldAnalysis) -> None:
    canvas.text(LEFT, SECOND - 20, "Around the horizon, over time", size=MEDIUM, bold=True)
    axes = canvas.panel(LEFT, SECOND, WIDE, HIGH)
    levels = 10 * np.log10(np.maximum(analysis.horizon, 1e-9))
    top = float(np.ceil(levels.max()))
    image = axes.imshow(
        np.concatenate([levels, levels[:1]]),
        cmap="viridis",
        vmin=top - RANGE_DB,
        vmax=top,
        extent=(0, analysis.duration, -180, 180),
        aspect="auto",
        interpolation="nearest",
    )
    _label_azimuths(axes.set_yticks)
    axes.set_ylabel("azimuth", fontsize=SMALL, color=INK)
    label_time(axes, Span(analysis.duration, analysis.rate / 2, 0.0, 1.0))
    canvas.color_bar(
        image, canvas.panel(BAR_LEFT, SECOND, BAR_WIDTH, HIGH), "dB re the whole", ends=True
    )


def _label_azimuths(set_ticks: Callable[..., object]) -> None:
    names = {180: "behind", 90: "left", 0: "ahead", -90: "right", -180: "behind"}
    set_ticks(list(names), list(names.values()))

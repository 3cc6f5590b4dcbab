"""Figures of stereo sound: mid and side spectrograms, goniometer, and maps of IID and IC.

Colors are safe for color-blind readers and have one meaning in all figures: viridis for energy,
cividis for coherence, red to blue for level from right to left, gray for too little energy.
"""

import math
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from soundstage.audio import Source, open_sound
from soundstage.errors import OptionError
from soundstage.evaluation.analysis_text import describe, describe_image, typeset
from soundstage.evaluation.plots.image_analysis import ImageAnalysis, analyze_image
from soundstage.evaluation.plots.plotting import (
    LARGE,
    MEDIUM,
    SMALL,
    Canvas,
    MapKind,
    Span,
    draw_band_map,
    draw_goniometer,
    draw_spectrogram,
    label_hertz,
    label_time,
    note,
    shortened,
)
from soundstage.metrics.analysis import Analysis

if TYPE_CHECKING:
    from matplotlib.image import AxesImage

LEFT = 96  # pixels left of the first panel
LEVEL_LABEL = "dB re full-scale sine"
IID_LABEL = "right  ←  dB  →  left"
IC_LABEL = "opposite  ←  →  equal"
INPUT_NAME = "mono input"
FOOTNOTE = "gray: too little energy"
LONGEST_NAME = 64  # characters of a title
MOST_ROWS = 8


def plot_analysis(
    source: Source,
    target: str | Path,
    *,
    title: str | None = None,
    overwrite: bool = False,
    progress: Callable[[float], None] | None = None,
) -> Analysis:
    """Draw one file: mid and side spectrogram, goniometer, IID map and IC map.

    Args:
        source: sound of one or two channels: a path, file object, `Audio` or (samples, rate).
        target: PNG to write, 1280 pixels wide.
        title: by default the name of the file.
        overwrite: replace an existing target.
        progress: called with the fraction done, 0 to 1.

    Returns:
        The analysis of the file.

    Raises:
        InputError: the sound cannot be read, is empty, or has more than two channels.
        OutputError: the target exists, or cannot be written.
        OptionError: the target is not a PNG, or matplotlib is not installed.
    """
    canvas = Canvas(target, height=930, overwrite=overwrite)
    data = analyze_image(source, progress=progress)
    name = title or Path(open_sound(source).name).name
    canvas.text(LEFT, 34, shortened(name, LONGEST_NAME), size=LARGE, bold=True)
    canvas.text(LEFT, 74, describe(data.analysis), size=SMALL)
    span = Span.of(data)
    _draw_spectra(canvas, data, span, top=142, height=312)
    _draw_image(canvas, data, span, top=548, height=312)
    canvas.save()
    return data.analysis


def _draw_spectra(
    canvas: Canvas, data: ImageAnalysis, span: Span, *, top: int, height: int
) -> None:
    for left, name, power in ((LEFT, "Mid", data.mid), (640, "Side", data.side)):
        canvas.text(left, top - 20, name, size=MEDIUM, bold=True)
        axes = canvas.panel(left, top, 508, height)
        image = draw_spectrogram(axes, power, data, span)
        label_time(axes, span)
        if power is data.mid:
            label_hertz(axes, "rows")
    if absence := _absence(data):
        note(axes, absence, dark=True)
    canvas.color_bar(image, canvas.panel(1164, top, 16, height), LEVEL_LABEL, ends=False)


def _draw_image(canvas: Canvas, data: ImageAnalysis, span: Span, *, top: int, height: int) -> None:
    canvas.text(LEFT, top - 20, "Goniometer", size=MEDIUM, bold=True)
    draw_goniometer(canvas.panel(LEFT, top, height, height), data, span)
    maps: tuple[tuple[int, MapKind, str, str], ...] = (
        (500, "iid", "Level difference (IID)", IID_LABEL),
        (884, "coherence", "Coherence (IC)", IC_LABEL),
    )
    for left, kind, name, label in maps:
        canvas.text(left, top - 20, name, size=MEDIUM, bold=True)
        axes = canvas.panel(left, top, 264, height)
        image = draw_band_map(axes, kind, data, span)
        label_time(axes, span)
        if kind == "iid":
            label_hertz(axes, "bands")
        if not span.radius:
            note(axes, "silent", dark=False)
        canvas.color_bar(image, canvas.panel(left + 280, top, 16, height), label, ends=True)
    caption = "log density"
    if span.radius:
        caption += typeset(f", border at {20 * math.log10(span.radius):.1f} dBFS")
    canvas.text(LEFT, top + height + 20, caption, size=SMALL, faint=True)
    canvas.text(LEFT, top + height + 44, FOOTNOTE, size=SMALL, faint=True)


def plot_comparison(
    mono: Source, results: Mapping[str, Source], target: str | Path, *, overwrite: bool = False
) -> dict[str, Analysis]:
    """Draw a row for the mono input and one for every upmixed result.

    Each row has the side spectrogram, the goniometer and the IID map, with the same axes and colors
    in all rows.

    Args:
        mono: the input.
        results: sounds by row name, from top to bottom, such as
            `{"upmixed, nearest": "out.wav", "true stereo": "original.wav"}`.
        target: PNG to write, 1280 pixels wide.
        overwrite: replace an existing target.

    Returns:
        The analysis of each row; `INPUT_NAME` is the key of the input.

    Raises:
        InputError: a sound cannot be read, is empty, or has more than two channels.
        OutputError: the target exists, or cannot be written.
        OptionError: there are no results, the target is not a PNG, or matplotlib is not installed.
    """
    if not results:
        raise OptionError("A comparison needs at least one result besides the mono input.")
    return _plot_rows({INPUT_NAME: mono, **results}, target, overwrite=overwrite)


def plot_side_by_side(
    sounds: Mapping[str, Source], target: str | Path, *, overwrite: bool = False
) -> dict[str, Analysis]:
    """Draw a row for every sound, with the same axes and colors in all rows.

    Args:
        sounds: of one or two channels each, by row name, from top to bottom; 1 to `MOST_ROWS`.
        target: PNG to write, 1280 pixels wide.
        overwrite: replace an existing target.

    Returns:
        The analysis of each row.

    Raises:
        InputError: a sound cannot be read, is empty, or has more than two channels.
        OutputError: the target exists, or cannot be written.
        OptionError: the number of sounds is out of its range, the target is not a PNG, or
            matplotlib is not installed.
    """
    if not 1 <= len(sounds) <= MOST_ROWS:
        raise OptionError(
            f"A picture shows 1 to {MOST_ROWS} files, not {len(sounds):,}: choose some of them."
        )
    return _plot_rows(sounds, target, overwrite=overwrite)


def _plot_rows(
    rows: Mapping[str, Source], target: str | Path, *, overwrite: bool
) -> dict[str, Analysis]:
    """Side spectrogram, goniometer and IID map of each sound."""
    top, pitch, height = 116, 254, 188
    bottom = top + (len(rows) - 1) * pitch + height
    canvas = Canvas(target, height=bottom + 156, overwrite=overwrite)
    items = {name: analyze_image(source) for name, source in rows.items()}
    span = Span.of(*items.values())
    for x, name in ((LEFT, "Side signal"), (642, "Goniometer"), (912, "Level difference")):
        canvas.text(x, 30, name, size=MEDIUM, bold=True)
    for row, (name, data) in enumerate(items.items()):
        spectrum, level = _draw_row(canvas, name, data, span, top=top + row * pitch, height=height)
    for image, left, width, label, ends in (
        (spectrum, LEFT, 500, LEVEL_LABEL, False),
        (level, 912, 330, IID_LABEL, True),
    ):
        label_time(image.axes, span)
        canvas.color_bar(image, canvas.panel(left, bottom + 74, width, 14), label, ends=ends)
    canvas.text(642, bottom + 20, "log density", size=SMALL, faint=True)
    canvas.text(642, bottom + 80, FOOTNOTE, size=SMALL, faint=True)
    canvas.save()
    return {name: data.analysis for name, data in items.items()}


def _draw_row(
    canvas: Canvas, name: str, data: ImageAnalysis, span: Span, *, top: int, height: int
) -> "tuple[AxesImage, AxesImage]":
    canvas.text(LEFT, top - 24, shortened(name, LONGEST_NAME), size=LARGE, bold=True)
    canvas.text(1242, top - 22, describe_image(data.analysis), size=SMALL, align="right")
    axes = canvas.panel(LEFT, top, 500, height)
    spectrum = draw_spectrogram(axes, data.side, data, span)
    label_hertz(axes, "rows", decades=True)
    if absence := _absence(data):
        note(axes, absence, dark=True)
    draw_goniometer(canvas.panel(642, top, height, height), data, span)
    axes = canvas.panel(912, top, 330, height)
    level = draw_band_map(axes, "iid", data, span)
    label_hertz(axes, "bands", decades=True, label=False)
    return spectrum, level


def _absence(data: ImageAnalysis) -> str:
    """Reason for an empty side, or ""."""
    if data.analysis.width > 0:
        return ""
    return "no side: left and right are equal" if data.goniometer.radius() else "silent"

"""Pictures of stereo: what is in the side, where the samples lie, and the image band by band.

All colors can be told apart by color-blind readers and mean the same in every picture: viridis
is energy, cividis coherence, and red to blue level from right to left. Gray is where there is too
little energy to have an image.
"""

import math
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from soundstage.audio import Audio
from soundstage.errors import OptionError
from soundstage.evaluation.plots.image_analysis import Portrait, portray
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
from soundstage.evaluation.tables import describe, describe_image, typeset
from soundstage.metrics.analysis import Analysis, Source

if TYPE_CHECKING:
    from matplotlib.image import AxesImage

LEFT = 96  # pixels to the first panel, for ticks and their label
LEVEL_LABEL = "dB re full-scale sine"
IID_LABEL = "right  ←  dB  →  left"
IC_LABEL = "opposite  ←  →  equal"
INPUT_NAME = "mono input"
FOOTNOTE = "gray: too faint to tell"
LONGEST_NAME = 64  # characters of a title


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
        source: a file of one or two channels, or an `Audio`.
        target: PNG to write, 1280 pixels wide; it appears only when it is complete.
        title: by default the name of the file.
        overwrite: whether an existing target may be replaced.
        progress: is told the part done, 0 to 1.

    Returns:
        The figures of the file, so that nothing has to be read twice.

    Raises:
        InputError: the file cannot be read, is empty, or has more than two channels.
        OutputError: the target exists, or cannot be written.
        OptionError: the target is no PNG, or matplotlib is missing.
    """
    canvas = Canvas(target, height=930, overwrite=overwrite)
    portrait = portray(source, progress=progress)
    name = title or ("in memory" if isinstance(source, Audio) else Path(source).name)
    canvas.text(LEFT, 34, shortened(name, LONGEST_NAME), size=LARGE, bold=True)
    canvas.text(LEFT, 74, describe(portrait.analysis), size=SMALL)
    span = Span.of(portrait)
    _draw_spectra(canvas, portrait, span, top=142, height=312)
    _draw_image(canvas, portrait, span, top=548, height=312)
    canvas.save()
    return portrait.analysis


def _draw_spectra(canvas: Canvas, portrait: Portrait, span: Span, *, top: int, height: int) -> None:
    for left, name, power in ((LEFT, "Mid", portrait.mid), (640, "Side", portrait.side)):
        canvas.text(left, top - 20, name, size=MEDIUM, bold=True)
        axes = canvas.panel(left, top, 508, height)
        image = draw_spectrogram(axes, power, portrait, span)
        label_time(axes, span)
        if power is portrait.mid:
            label_hertz(axes, "rows")
    if absence := _absence(portrait):
        note(axes, absence, dark=True)
    canvas.color_bar(image, canvas.panel(1164, top, 16, height), LEVEL_LABEL, ends=False)


def _draw_image(canvas: Canvas, portrait: Portrait, span: Span, *, top: int, height: int) -> None:
    canvas.text(LEFT, top - 20, "Goniometer", size=MEDIUM, bold=True)
    draw_goniometer(canvas.panel(LEFT, top, height, height), portrait, span)
    maps: tuple[tuple[int, MapKind, str, str], ...] = (
        (500, "iid", "Level difference (IID)", IID_LABEL),
        (884, "coherence", "Coherence (IC)", IC_LABEL),
    )
    for left, kind, name, label in maps:
        canvas.text(left, top - 20, name, size=MEDIUM, bold=True)
        axes = canvas.panel(left, top, 264, height)
        image = draw_band_map(axes, kind, portrait, span)
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
    """Draw what upmixing did: a row for the mono input, then one for every result.

    Each row has the side's spectrogram, the goniometer and the IID map, all rows with the same
    axes and colors.

    Args:
        mono: the input.
        results: files by the name that their row shall bear, from top to bottom, such as
            `{"upmixed, nearest": "out.wav", "true stereo": "original.wav"}`.
        target: PNG to write, 1280 pixels wide; it appears only when it is complete.
        overwrite: whether an existing target may be replaced.

    Returns:
        The figures of each row; that of the input is named `INPUT_NAME`.

    Raises:
        InputError: a file cannot be read, is empty, or has more than two channels.
        OutputError: the target exists, or cannot be written.
        OptionError: there are no results, the target is no PNG, or matplotlib is missing.
    """
    if not results:
        raise OptionError("A comparison needs at least one result beside the mono input.")
    rows = {INPUT_NAME: mono, **results}
    top, pitch, height = 116, 254, 188
    bottom = top + (len(rows) - 1) * pitch + height
    canvas = Canvas(target, height=bottom + 156, overwrite=overwrite)
    portraits = {name: portray(source) for name, source in rows.items()}
    span = Span.of(*portraits.values())
    for x, name in ((LEFT, "Side signal"), (642, "Goniometer"), (912, "Level difference")):
        canvas.text(x, 30, name, size=MEDIUM, bold=True)
    for row, (name, portrait) in enumerate(portraits.items()):
        spectrum, level = _draw_row(
            canvas, name, portrait, span, top=top + row * pitch, height=height
        )
    for image, left, width, label, ends in (
        (spectrum, LEFT, 500, LEVEL_LABEL, False),
        (level, 912, 330, IID_LABEL, True),
    ):
        label_time(image.axes, span)
        canvas.color_bar(image, canvas.panel(left, bottom + 74, width, 14), label, ends=ends)
    canvas.text(642, bottom + 20, "log density", size=SMALL, faint=True)
    canvas.text(642, bottom + 80, FOOTNOTE, size=SMALL, faint=True)
    canvas.save()
    return {name: portrait.analysis for name, portrait in portraits.items()}


def _draw_row(
    canvas: Canvas, name: str, portrait: Portrait, span: Span, *, top: int, height: int
) -> "tuple[AxesImage, AxesImage]":
    canvas.text(LEFT, top - 24, shortened(name, LONGEST_NAME), size=LARGE, bold=True)
    canvas.text(1242, top - 22, describe_image(portrait.analysis), size=SMALL, align="right")
    axes = canvas.panel(LEFT, top, 500, height)
    spectrum = draw_spectrogram(axes, portrait.side, portrait, span)
    label_hertz(axes, "rows", decades=True)
    if absence := _absence(portrait):
        note(axes, absence, dark=True)
    draw_goniometer(canvas.panel(642, top, height, height), portrait, span)
    axes = canvas.panel(912, top, 330, height)
    level = draw_band_map(axes, "iid", portrait, span)
    label_hertz(axes, "bands", decades=True, label=False)
    return spectrum, level


def _absence(portrait: Portrait) -> str:
    """Why there is no side to see; nothing where there is one."""
    if portrait.analysis.width > 0:
        return ""
    return "no side: left and right are equal" if portrait.goniometer.radius() else "silent"

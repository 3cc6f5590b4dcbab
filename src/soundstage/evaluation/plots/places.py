"""A figure of places: a spectrogram colored by the position of its sound, and who stands where.

Brightness is level, against the usual level at each frequency; color is the level difference of
left and right over a second: blue is left, red is right, white the center. An instrument that has a
place is a band of one color; panning without places is speckle.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import torch
from jaxtyping import Float

from soundstage.audio import Source
from soundstage.errors import OptionError
from soundstage.evaluation.analysis_text import describe_image
from soundstage.evaluation.plots.image_analysis import ROWS, ColumnStore, row_weights
from soundstage.evaluation.plots.plotting import (
    INK,
    LARGE,
    MEDIUM,
    SMALL,
    Canvas,
    Span,
    label_hertz,
    label_time,
    shortened,
)
from soundstage.evaluation.plots.stage_diagram import (
    MAX_ROWS,
    draw_stage,
    shown_sources,
    stage_height,
)
from soundstage.metrics.analysis import Analysis, FrameBlock, analyze
from soundstage.stereo import RATE, TRANSFORM
from soundstage.upmixing.plan import PlacedSource

if TYPE_CHECKING:
    from matplotlib.axes import Axes

LEFT, TOP, GAP = 96, 116, 66  # pixels
PICTURE, STAGE_LEFT, STAGE = 826, 958, 290  # pixels: width of a spectrogram, place of a stage
LONGEST_NAME = 48  # characters of a title
MOST_ROWS = 6
TILE_SECONDS, TILE_ROWS = 1.0, 1.5  # over which a level difference is taken, ±1 standard deviation
FULL_COLOR_DB = 6.0  # level difference of the pure colors
DARK_DB, BRIGHT_DB = -26.0, 4.0  # re the level at this frequency that a tenth of the time exceeds
GAMMA = 1.3
LOUD = 0.9  # quantile over time for that level
CENTER, PURE_LEFT, PURE_RIGHT = (0.95, 0.95, 0.95), (0.13, 0.47, 1.0), (1.0, 0.30, 0.05)
_FAINT = 1e-12  # power that counts as silence


@dataclass(frozen=True)
class _Image:
    """Power of left and right."""

    analysis: Analysis
    powers: Float[np.ndarray, "2 rows columns"]
    column_seconds: float

    @property
    def level(self) -> Float[np.ndarray, " rows"]:
        """The level of each row that a tenth of the time exceeds, smoothed."""
        from scipy.ndimage import gaussian_filter1d

        return gaussian_filter1d(np.quantile(self.powers.sum(axis=0), LOUD, axis=1), ROWS / 32)


def plot_places(
    sounds: Mapping[str, Source],
    target: str | Path,
    *,
    stages: Mapping[str, Sequence[PlacedSource]] | None = None,
    overwrite: bool = False,
) -> dict[str, Analysis]:
    """Draw a row for every sound: its colored spectrogram, and a stage where its places are known.

    Args:
        sounds: of one or two channels each, by row name, from top to bottom; 1 to `MOST_ROWS`. Of
            one piece: their common level is that of all colors.
        target: PNG to write, 1280 pixels wide.
        stages: places of the sources of some of the sounds, by row name.
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
    shown = {name: shown_sources(sources) for name, sources in (stages or {}).items()}
    height = stage_height(max([MAX_ROWS - 1, *map(len, shown.values())]))
    bottom = TOP + (len(sounds) - 1) * (height + GAP) + height
    canvas = Canvas(target, height=bottom + 150, overwrite=overwrite)
    images = {name: _image(source) for name, source in sounds.items()}
    level = np.mean([image.level for image in images.values()], axis=0)
    span = _span([image.analysis for image in images.values()])
    canvas.text(LEFT, 30, "What sounds where", size=MEDIUM, bold=True)
    if shown:
        canvas.text(STAGE_LEFT, 30, "Who stands where", size=MEDIUM, bold=True)
    for row, (name, image) in enumerate(images.items()):
        top = TOP + row * (height + GAP)
        canvas.text(LEFT, top - 24, shortened(name, LONGEST_NAME), size=LARGE, bold=True)
        facts = describe_image(image.analysis)
        canvas.text(LEFT + PICTURE, top - 22, facts, size=SMALL, align="right")
        axes = canvas.panel(LEFT, top, PICTURE, height)
        _draw(axes, image, level, span)
        if row == len(images) - 1:
            label_time(axes, span)
        if name in shown:
            stage = canvas.panel(STAGE_LEFT, top, STAGE, height)
            draw_stage(stage, shown[name])
            stage.set_xlabel("left  ←  dB  →  right", fontsize=SMALL, color=INK)
    _draw_key(canvas.panel(LEFT, bottom + 72, 320, 14))
    text = "Color: level difference of left and right; brightness: level."
    canvas.text(LEFT + 360, bottom + 78, text, size=SMALL, faint=True)
    canvas.save()
    return {name: image.analysis for name, image in images.items()}


class _Collector:
    """Observer of `analyze`."""

    def __init__(self) -> None:
        self.columns = ColumnStore(2 * ROWS)

    def samples(self, stereo: Float[np.ndarray, "2 length"]) -> None:
        """Not needed."""

    def frames(self, block: FrameBlock) -> None:
        channels = (block.left, block.right)
        powers = [row_weights() @ (x.real.square() + x.imag.square()) for x in channels]
        self.columns.push(torch.cat(powers).numpy())


def _image(source: Source) -> _Image:
    collector = _Collector()
    analysis = analyze(source, observer=collector)
    means = collector.columns.means()
    seconds = collector.columns.stride * TRANSFORM.hop / RATE
    return _Image(analysis, means.reshape(2, ROWS, -1), seconds)


def _span(analyses: Sequence[Analysis]) -> Span:
    """The common axes."""
    return Span(
        duration=max(each.duration for each in analyses),
        nyquist=max(each.rate for each in analyses) / 2,
        loudest_db=0.0,
        radius=1.0,
    )


def _draw(axes: "Axes", image: _Image, level: Float[np.ndarray, " rows"], span: Span) -> None:
    start = -TRANSFORM.hop / RATE / 2
    end = start + image.powers.shape[2] * image.column_seconds
    axes.imshow(
        place_colors(image.powers, level, image.column_seconds),
        extent=(start, end, 0, ROWS),
        origin="lower",
        aspect="auto",
        interpolation="antialiased",
    )
    axes.set_facecolor("black")
    axes.set_xlim(0, span.duration)
    label_hertz(axes, "rows")


def place_colors(
    powers: Float[np.ndarray, "2 rows columns"],
    level: Float[np.ndarray, " rows"],
    column_seconds: float,
) -> Float[np.ndarray, "rows columns 3"]:
    """Red, green and blue of every cell, from 0 to 1.

    Args:
        powers: of left and right.
        level: of each row, which is bright.
        column_seconds: duration of a column.
    """
    from scipy.ndimage import gaussian_filter1d

    columns = TILE_SECONDS / 2 / column_seconds
    tiles = gaussian_filter1d(gaussian_filter1d(powers, columns, axis=2), TILE_ROWS, axis=1)
    left, right = np.maximum(tiles, _FAINT * max(float(tiles.max()), 1e-30))
    loudness = 10 * np.log10(powers.sum(axis=0) / np.maximum(level, 1e-30)[:, None] + 1e-30)
    brightness = np.clip((loudness - DARK_DB) / (BRIGHT_DB - DARK_DB), 0, 1) ** GAMMA
    return _hues(10 * np.log10(left / right)) * brightness[..., None]


def _hues(difference_db: Float[np.ndarray, "*any"]) -> Float[np.ndarray, "*any 3"]:
    """Colors of level differences, left over right."""
    share = np.clip(np.abs(difference_db) / FULL_COLOR_DB, 0, 1)[..., None]
    side = np.where(difference_db[..., None] > 0, PURE_LEFT, PURE_RIGHT)
    return (1 - share) * np.array(CENTER) + share * side


def _draw_key(axes: "Axes") -> None:
    """The color of each level difference."""
    limit = FULL_COLOR_DB
    axes.imshow(
        _hues(np.linspace(limit, -limit, 256))[None],
        extent=(limit, -limit, 0, 1),
        aspect="auto",
    )
    axes.set_xticks([limit, 0, -limit], [f"+{limit:g}", "0", f"−{limit:g}"])
    axes.set_xlabel("left  ←  dB  →  right", fontsize=SMALL, color=INK)

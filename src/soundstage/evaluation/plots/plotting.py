"""A canvas with panels in pixel coordinates, and the plots that fill a panel.

Positions are in pixels from the upper left corner. matplotlib is imported on use, without pyplot
and without changes to its global state.
"""

import math
import os
import sys
import warnings
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import numpy as np
from jaxtyping import Float

from soundstage.atomic_files import AtomicFile, check_target
from soundstage.errors import OptionError, missing_extra, printable
from soundstage.evaluation.plots.image_analysis import HIGHEST_HZ, LOWEST_HZ, ROWS, ImageAnalysis
from soundstage.metrics.analysis import BAND_EDGES_HZ
from soundstage.stereo import BANDS, FRAME_RATE
from soundstage.stereo.encoding import BAND_EDGES

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.collections import LineCollection, PathCollection, QuadMesh
    from matplotlib.image import AxesImage

MapKind = Literal["iid", "coherence"]

WIDTH, DPI = 1280, 100  # pixels; pixels an inch
LARGE, MEDIUM, SMALL = 18.0, 14.5, 12.0  # points of 1.4 pixels
INK, FAINT, EMPTY = "#1b1b26", "#62626e", "#cbcbd1"

SPAN_DB = 90.0  # color range of spectrograms; cells below it are empty
IID_SPAN_DB = 12.0  # color range of the IID to each side; music is mostly within 6
DENSITY_DECADES = 4.0  # color range of the goniometer
BRIGHTEST = 0.995  # quantile of cells for the brightest color; pauses fill the center cell
ROW_TICKS = (50, 100, 200, 500, 1000, 2000, 5000, 10_000, 20_000)  # Hz
BAND_TICKS = (100, 500, 1000, 2000, 5000, 10_000, 20_000)  # Hz
SECONDS_STEPS = (0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 15, 30)
MINUTES_STEPS = (1, 2, 5, 10, 15, 30, 60, 120, 240, 480, 960)
MAX_TIME_TICKS = 6


@dataclass(frozen=True)
class Span:
    """Common axes and color ranges of the panels of a picture."""

    duration: float
    """Seconds."""
    nyquist: float
    """Half the highest sample rate of the files, in Hz."""
    loudest_db: float
    """Level of the brightest color, re a sine at full scale."""
    radius: float
    """Amplitude at the edge of the goniometers."""

    @classmethod
    def of(cls, *items: ImageAnalysis) -> "Span":
        """The span of all these files."""
        loudest = max(max(p.mid.max(), p.side.max()) for p in items)
        return cls(
            duration=max(p.analysis.duration for p in items),
            nyquist=max(p.analysis.rate for p in items) / 2,
            loudest_db=10.0 * math.ceil(math.log10(loudest)) if loudest > 0 else 0.0,
            radius=1.05 * max(p.goniometer.radius() for p in items),  # with a margin
        )

    @property
    def faintest_db(self) -> float:
        """Level of the darkest color."""
        return self.loudest_db - SPAN_DB


class Canvas:
    """A picture of `WIDTH` by `height` pixels, saved as PNG.

    Raises:
        OptionError: the target is not a PNG, or matplotlib is not installed.
        OutputError: the target exists and `overwrite` is false, or its folder cannot be made.
    """

    def __init__(self, target: str | Path, *, height: int, overwrite: bool) -> None:
        self._target, self._overwrite, self._height = Path(target), overwrite, height
        self._check_target()
        import_matplotlib("Drawing")
        from matplotlib.figure import Figure

        self._figure = Figure((WIDTH / DPI, height / DPI), dpi=DPI, facecolor="white")

    def _check_target(self) -> None:
        if self._target.suffix.lower() != ".png":
            raise OptionError(f"{self._target}: pictures are PNG files: use the suffix .png.")
        check_target(self._target, overwrite=self._overwrite)

    def save(self) -> None:
        """Write the picture; it appears under its name only when it is complete.

        Raises:
            OutputError: it cannot be written, or a file of that name has come up meanwhile.
        """
        self._check_target()
        with (
            AtomicFile(self._target, overwrite=self._overwrite) as temporary,
            warnings.catch_warnings(),
        ):
            warnings.filterwarnings("ignore", message="Glyph .* missing")  # in a file's name
            self._figure.savefig(temporary, format="png", metadata={"Software": None})

    def text(
        self,
        x: float,
        y: float,
        text: str,
        *,
        size: float,
        bold: bool = False,
        faint: bool = False,
        align: Literal["left", "center", "right"] = "left",
    ) -> None:
        """Write a line of text, vertically centered at `y`."""
        self._figure.text(
            x / WIDTH,
            1 - y / self._height,
            printable(text),
            fontsize=size,
            weight="bold" if bold else "normal",
            color=FAINT if faint else INK,
            ha=align,
            va="center",
            parse_math=False,  # no math in file names
        )

    def panel(self, left: float, top: float, width: float, height: float) -> "Axes":
        """Axes at the given position and size, without ticks."""
        axes = self._figure.add_axes(
            (left / WIDTH, 1 - (top + height) / self._height, width / WIDTH, height / self._height)
        )
        axes.set_facecolor(EMPTY)
        axes.tick_params(labelsize=SMALL, color=FAINT, labelcolor=INK, width=1, length=4)
        for spine in axes.spines.values():
            spine.set_visible(False)
        axes.set_xticks([])
        axes.set_yticks([])
        return axes

    def color_bar(
        self,
        image: "AxesImage | LineCollection | PathCollection | QuadMesh",
        place: "Axes",
        label: str,
        *,
        ends: bool,
    ) -> None:
        """Draw the color bar of an image into a narrow panel, vertical or horizontal.

        Args:
            image: with a color map and limits.
            place: the panel.
            label: quantity and unit.
            ends: ticks from end to end, instead of every 20 down from the top.
        """
        box = place.get_position()
        upright = box.height * self._height > box.width * WIDTH
        bar = self._figure.colorbar(
            image, cax=place, orientation="vertical" if upright else "horizontal"
        )
        bar.outline.set_visible(False)
        low, high = image.get_clim()
        ticks = (np.linspace(low, high, 5) if ends else np.arange(high, low - 1, -20)).tolist()
        bar.set_ticks(ticks)
        bar.set_ticklabels([f"{tick:g}".replace("-", "−") for tick in ticks])
        bar.set_label(label, fontsize=SMALL, color=INK)


def draw_spectrogram(
    axes: "Axes", power: Float[np.ndarray, "rows columns"], data: ImageAnalysis, span: Span
) -> "AxesImage":
    """Power in dB over time and log frequency."""
    image = axes.imshow(
        10 * np.log10(np.maximum(power, 1e-30)),
        cmap="viridis",
        vmin=span.faintest_db,
        vmax=span.loudest_db,
        extent=_extent(data, ROWS),
        origin="lower",
        aspect="auto",
    )
    axes.set_facecolor(image.get_cmap()(0.0))  # beyond the end of shorter files
    axes.set_xlim(0, span.duration)
    axes.set_ylim(0, row_of(min(span.nyquist, HIGHEST_HZ)))
    return image


def draw_band_map(axes: "Axes", kind: MapKind, data: ImageAnalysis, span: Span) -> "AxesImage":
    """IID in dB, or IC, over time and the 34 bands; gray where the energy is too low."""
    bins = np.diff(BAND_EDGES)[:, None]
    faint = data.energy / (2 * bins) <= 10 ** (span.faintest_db / 10)  # 2(MM + SS) per bin
    values = data.iid if kind == "iid" else data.coherence
    limit = IID_SPAN_DB if kind == "iid" else 1.0
    image = axes.imshow(
        np.ma.masked_where(faint | np.isnan(values), values),
        cmap="RdBu" if kind == "iid" else "cividis",
        vmin=-limit,
        vmax=limit,
        extent=_extent(data, BANDS),
        origin="lower",
        aspect="auto",
        interpolation="nearest" if values.shape[1] < 400 else "auto",
    )
    axes.set_xlim(0, span.duration)
    axes.set_ylim(0, _band_of(min(span.nyquist, BAND_EDGES_HZ[-1])))
    return image


def goniometer_density(data: ImageAnalysis, span: Span) -> Float[np.ndarray, "cells cells"]:
    """Smoothed density of the samples, in powers of ten relative to the brightest color."""
    from scipy.ndimage import gaussian_filter

    density = gaussian_filter(data.goniometer.picture(span.radius), 0.6)
    nonzero = density[density > 0]
    brightest = np.quantile(nonzero, BRIGHTEST) if nonzero.size else 1.0
    return np.log10(np.maximum(density / brightest, 1e-30))


def draw_goniometer(axes: "Axes", data: ImageAnalysis, span: Span) -> "AxesImage":
    """Density of the samples, mid upwards and left to the left; letters at the positive ends."""
    image = axes.imshow(
        goniometer_density(data, span),
        cmap="viridis",
        vmin=-DENSITY_DECADES,
        vmax=0,
        extent=(-1, 1, -1, 1),
        origin="lower",
        interpolation="bilinear",
    )
    for x, y in ((1, 1), (-1, 1), (0, 1), (1, 0)):
        axes.plot([-x, x], [-y, y], color="white", alpha=0.3, linewidth=1)
    axes.set_xlim(-1, 1)
    axes.set_ylim(-1, 1)
    letters = {"L": (-1, 1, -10, -8), "M": (0, 1, 0, 9), "R": (1, 1, 10, -8), "S": (-1, 0, -10, 0)}
    for letter, (x, y, right, up) in letters.items():
        axes.annotate(
            letter,
            (x, y),
            (right, up),
            textcoords="offset points",
            annotation_clip=False,
            color=INK,
            fontsize=SMALL,
            weight="bold",
            ha="center",
            va="center",
        )
    return image


def note(axes: "Axes", text: str, *, dark: bool) -> None:
    """Write a note into the middle of an empty panel."""
    axes.text(
        0.5,
        0.5,
        text,
        transform=axes.transAxes,
        color="white" if dark else INK,
        fontsize=MEDIUM,
        ha="center",
        va="center",
    )


def shortened(name: str, longest: int) -> str:
    """The name, with its middle elided beyond `longest` (even) characters."""
    half, name = longest // 2, printable(name)
    return name if len(name) <= longest else f"{name[: half - 1]}…{name[-half:]}"


def label_time(axes: "Axes", span: Span, *, label: bool = True) -> None:
    """Ticks along time, in seconds, or in minutes and seconds from 90 s on."""
    steps = (*SECONDS_STEPS, *(60 * minutes for minutes in MINUTES_STEPS))
    step = next((s for s in steps if span.duration / s <= MAX_TIME_TICKS), span.duration)
    ticks = np.arange(0, span.duration * 1.0001, step)
    clock = span.duration >= 90
    names = [f"{t // 60:.0f}:{t % 60:02.0f}" if clock else f"{t:g}" for t in ticks]
    axes.set_xticks(ticks, names)
    if label:
        axes.set_xlabel(
            "time, min:s" if clock else "time, s", fontsize=SMALL, color=INK, labelpad=4
        )


def label_hertz(
    axes: "Axes", kind: Literal["rows", "bands"], *, decades: bool = False, label: bool = True
) -> None:
    """Ticks in Hz of a spectrogram or a band map; only 100, 1k and 10k with `decades`."""
    place, ticks = (row_of, ROW_TICKS) if kind == "rows" else (_band_of, BAND_TICKS)
    top = axes.get_ylim()[1]
    shown = [
        f for f in ticks if place(f) <= top * 1.001 and (not decades or math.log10(f).is_integer())
    ]
    axes.set_yticks([place(f) for f in shown], [_hertz(f) for f in shown])
    if label:
        axes.set_ylabel("frequency, Hz", fontsize=SMALL, color=INK)


def _hertz(frequency: int) -> str:
    return f"{frequency // 1000}k" if frequency >= 1000 else str(frequency)


def row_of(frequency: float) -> float:
    """The row of a spectrogram at a frequency in Hz."""
    return float(ROWS * math.log(frequency / LOWEST_HZ) / math.log(HIGHEST_HZ / LOWEST_HZ))


def _band_of(frequency: float) -> float:
    return float(np.interp(frequency, BAND_EDGES_HZ, np.arange(BANDS + 1)))


def _extent(data: ImageAnalysis, rows: int) -> tuple[float, float, float, float]:
    start = -0.5 / FRAME_RATE  # the first frame is centered on the first sample
    return (start, start + data.mid.shape[1] * data.column_seconds, 0.0, float(rows))


def import_matplotlib(purpose: str) -> None:
    """Import matplotlib, also where MPLBACKEND names none of its backends: none is used here.

    Args:
        purpose: for the error, such as "Drawing".

    Raises:
        OptionError: matplotlib is not installed.
    """
    if sys.modules.get("matplotlib") and sys.modules.get("matplotlib.figure"):
        return
    backend = os.environ.pop("MPLBACKEND", None)
    try:
        import matplotlib
        import matplotlib.figure
    except ModuleNotFoundError as error:
        raise missing_extra("eval", "matplotlib", purpose) from error
    finally:
        if backend is not None:
            os.environ["MPLBACKEND"] = backend
    if backend:
        with suppress(ValueError):
            matplotlib.rcParams["backend"] = backend

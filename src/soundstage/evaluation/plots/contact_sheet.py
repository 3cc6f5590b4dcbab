"""A contact sheet: the stereo images of several takes of one recording, side by side.

The panel of a take shows its energy by position, left to right, in each of the 34 bands. Colors are
shares of the energy of the band, so that treble is as visible as bass, with the same scale for all
takes. A curve beside the panel shows the width of each band. Where the method gives sources places,
a stage above the panel shows who stands where.
"""

import math
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from jaxtyping import Float

from soundstage.errors import OutputError
from soundstage.evaluation.analysis_text import typeset
from soundstage.evaluation.plots.plotting import EMPTY, INK, LARGE, MEDIUM, SMALL, WIDTH, Canvas
from soundstage.evaluation.plots.stage_diagram import draw_stage, shown_sources, stage_height
from soundstage.metrics.analysis import BAND_EDGES_HZ
from soundstage.upmixing.comparison import PLACES, Stage, TakesComparison
from soundstage.upmixing.plan_differences import places_sentence
from soundstage.upmixing.report import TakeReport

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.collections import QuadMesh

MAX_TAKES = 12
LOWEST_HZ, HIGHEST_HZ = 40.0, 20_000.0
DENSITY_SPAN = 40.0  # dB, below all energy of a band in one position
FAINT_SHARE = 1e-9  # of the energy; a band 90 dB below the whole has no image
CURVE = "#D55E00"  # vermilion (Okabe and Ito)
HERTZ = (100, 1000, 10_000)
LEFT, RIGHT, TOP = 84, 32, 158  # pixels around the panels
GAP, CURVE_WIDTH, HEIGHT, PITCH = 34, 64, 250, 344
STAGE_GAP = 34  # pixels between a stage and the panel below, with the ticks of the stage


class ContactSheet:
    """A picture of takes, drawn after they are rendered.

    Args:
        target: PNG to write, 1280 pixels wide.
        takes: number of takes; the first `MAX_TAKES` are drawn.
        title: of the picture.
        overwrite: replace an existing target.

    Raises:
        OutputError: the target exists and `overwrite` is false, or its folder does not exist.
        OptionError: the target is not a PNG, or matplotlib is not installed.
    """

    def __init__(
        self, target: str | Path, *, takes: int, title: str, overwrite: bool = False
    ) -> None:
        if Path(target).exists() and not overwrite:
            raise OutputError(f"{target} exists: allow overwriting it, or make no contact sheet.")
        drawn = min(takes, MAX_TAKES)
        self._columns = _columns(drawn)
        self._rows = math.ceil(drawn / self._columns)
        self._takes, self._title = takes, title
        self._target, self._overwrite = target, overwrite
        self._new_canvas([])  # refuses an unusable target early

    def _new_canvas(self, reports: Sequence[TakeReport]) -> None:
        """A canvas with room for the stages of the takes."""
        rows = [len(shown_sources(report.plan.sources)) for report in reports if report.plan]
        self._stage = stage_height(max(rows)) if rows else 0
        self._above = self._stage + STAGE_GAP if rows else 0  # of a panel
        self._pitch = PITCH + self._above
        self._bottom = TOP + (self._rows - 1) * self._pitch + self._above + HEIGHT
        height = self._bottom + 156
        self._canvas = Canvas(self._target, height=height, overwrite=self._overwrite)

    def draw(self, reports: Sequence[TakeReport], comparison: TakesComparison) -> None:
        """Draw the takes and write the picture.

        Args:
            reports: of every take.
            comparison: of the takes.

        Raises:
            OutputError: the picture cannot be written.
        """
        self._new_canvas(reports[:MAX_TAKES])
        self._heading(reports, comparison)
        pitch = (WIDTH - LEFT - RIGHT + GAP) / self._columns
        for number, (report, stage) in enumerate(
            zip(reports[:MAX_TAKES], comparison.stages, strict=False)
        ):
            row, column = divmod(number, self._columns)
            left, top = LEFT + column * pitch, TOP + row * self._pitch
            image = self._panel(number, report, stage, left, top, pitch - GAP)
        below = self._bottom + 82
        bar = self._canvas.panel(LEFT, below, 320, 14)
        self._canvas.color_bar(image, bar, "dB, share of a band's energy", ends=True)
        for line, text in enumerate(self._notes()):
            self._canvas.text(LEFT + 360, below + 6 + 26 * line, text, size=SMALL, faint=True)
        self._canvas.save()

    def _heading(self, reports: Sequence[TakeReport], comparison: TakesComparison) -> None:
        canvas, first = self._canvas, reports[0]
        canvas.text(LEFT, 34, f"{self._takes} takes of {self._title}", size=LARGE, bold=True)
        facts = [first.method, f"{first.frames / first.rate:.1f} s"]
        if first.style:
            facts.append(f"style: {first.style}")
        facts.append(comparison.sentence().rstrip("."))
        canvas.text(LEFT, 68, "  ·  ".join(filter(None, facts)), size=SMALL)
        plans = [report.plan for report in reports if report.plan]
        if len(plans) > 1:
            canvas.text(LEFT, 92, places_sentence(plans).rstrip("."), size=SMALL)

    def _panel(
        self,
        number: int,
        report: TakeReport,
        stage: Stage,
        left: float,
        top: float,
        width: float,
    ) -> "QuadMesh":
        canvas = self._canvas
        canvas.text(left, top - 38, f"Take {number + 1}", size=MEDIUM, bold=True)
        canvas.text(left + width, top - 38, f"seed {report.seed}", size=SMALL, align="right")
        values = f"width {report.width:.2f}  ·  correlation {report.correlation:.2f}"
        canvas.text(left, top - 15, typeset(values), size=SMALL)
        if self._stage:
            sources = shown_sources(report.plan.sources) if report.plan else []
            draw_stage(canvas.panel(left, top, width, self._stage), sources)
            top += self._above
        places = canvas.panel(left, top, width - CURVE_WIDTH - 6, HEIGHT)
        image = _draw_places(places, stage)
        curve = canvas.panel(left + width - CURVE_WIDTH, top, CURVE_WIDTH, HEIGHT)
        _draw_widths(curve, stage)
        for axes in (places, curve):
            axes.set_yscale("log")
            axes.set_ylim(LOWEST_HZ, HIGHEST_HZ)
            axes.set_yticks([])
            axes.minorticks_off()
        if number % self._columns == 0:
            places.set_yticks(HERTZ, ["100", "1k", "10k"])
            places.set_ylabel("frequency, Hz", fontsize=SMALL, color=INK)
        if number + self._columns >= min(self._takes, MAX_TAKES):
            places.set_xlabel("left  ←  dB  →  right", fontsize=SMALL, color=INK)
            curve.set_xlabel("width", fontsize=SMALL, color=INK)
        return image

    def _notes(self) -> list[str]:
        notes = ["Line: width of each band, 2·rms(S)/rms(M); 2 means independent channels."]
        if self._stage:
            notes.append("Dots: level of left over right in dB; area: energy; blur: diffuseness.")
        if self._takes > MAX_TAKES:
            notes.append(f"The first {MAX_TAKES} are drawn.")
        return notes


def _columns(takes: int) -> int:
    """Number of columns, at most four, with the fewest empty places."""
    return min(range(min(takes, 4), 1, -1), key=lambda columns: -takes % columns, default=1)


def _draw_places(axes: "Axes", stage: Stage) -> "QuadMesh":
    """Energy of every band by position."""
    image = axes.pcolormesh(
        np.arange(PLACES + 1) - PLACES / 2,
        np.maximum(BAND_EDGES_HZ, 1.0),
        _shares_db(stage.places),
        cmap="viridis",
        vmin=-DENSITY_SPAN,
        vmax=0,
    )
    axes.axvline(0, color="white", alpha=0.35, linewidth=1)
    axes.set_xlim(PLACES / 2, -PLACES / 2)
    axes.set_xticks([10, 0, -10], ["+10", "0", "−10"])
    return image


def _shares_db(places: Float[np.ndarray, "bands places"]) -> np.ma.MaskedArray:
    """Share of the band energy in dB; masked in bands without an image."""
    energy = places.sum(axis=1, keepdims=True)
    faint = np.broadcast_to(energy <= FAINT_SHARE * max(energy.sum(), 1e-30), places.shape)
    shares = np.divide(places, energy, out=np.zeros_like(places), where=energy > 0)
    return np.ma.masked_array(10 * np.log10(np.maximum(shares, 1e-30)), faint)


def _draw_widths(axes: "Axes", stage: Stage) -> None:
    """The width of every band."""
    energy = stage.places.sum(axis=1)
    shown = np.where(energy > FAINT_SHARE * energy.sum(), stage.widths, np.nan)
    axes.stairs(
        _bounded(shown),
        np.maximum(BAND_EDGES_HZ, 1.0),
        orientation="horizontal",
        baseline=None,
        color=CURVE,
        linewidth=2,
    )
    axes.set_facecolor("white")
    axes.set_xlim(0, 1)
    axes.set_xticks(_bounded(np.array([0.0, 2.0, np.inf])), ["0", "2", "∞"])
    for width in (1.0, 2.0):
        axes.axvline(_bounded(width), color=EMPTY, linewidth=1, zorder=0)


def _bounded(width: Float[np.ndarray, "*any"] | float) -> Any:
    """Widths from 0 to infinity on a finite axis: the angle of side over mid, in right angles."""
    return np.arctan(np.asarray(width) / 2) / (np.pi / 2)

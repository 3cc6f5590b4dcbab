"""A stage: who stands where in a plan, a row for every source.

A dot is the place of a source, left is left; its area is the share of the energy of the song, and
its blur the diffuseness. Blue is left and red is right, as in maps of level differences.
"""

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
from jaxtyping import Float

from soundstage.evaluation.plots.plotting import FAINT, INK, SMALL, shortened
from soundstage.upmixing.plan import PlacedSource

if TYPE_CHECKING:
    from matplotlib.axes import Axes

ROW = 21  # pixels; a line of small text
MAX_ROWS = 10  # sources with less energy are left out
EDGE_DB = 14.0  # of the stage to each side: dots at the largest pan are inside
GROUND = "#f4f4f6"
CENTER_COLOR, LEFT_COLOR, RIGHT_COLOR = (0.38, 0.38, 0.44), (0.10, 0.36, 0.75), (0.82, 0.25, 0.08)
FULL_COLOR_DB = 6.0  # pan at which a dot has the color of its side
DOT, SMALLEST = 190.0, 24.0  # areas in square points, of all energy and at least
BLUR_DB = 2.5  # standard deviation of the blur of a source with a diffuseness of 1
BLUR_STEPS = 281  # cells along the stage
LENGTHS = range(32, 3, -2)  # characters of a name, from the longest that is tried


def shown_sources(plan: Sequence[PlacedSource]) -> list[PlacedSource]:
    """The sources with the most energy, at most `MAX_ROWS`, in the order of the plan."""
    loudest = sorted(plan, key=lambda source: -source.energy)[:MAX_ROWS]
    return [source for source in plan if source in loudest]


def stage_height(rows: int) -> int:
    """Height in pixels of a panel with so many sources."""
    return ROW * max(rows, 1) + 8


def draw_stage(axes: "Axes", sources: Sequence[PlacedSource]) -> None:
    """Draw the sources, from top to bottom, and ticks at 10 dB to each side."""
    axes.set_facecolor(GROUND)
    axes.set_xlim(EDGE_DB, -EDGE_DB)
    axes.set_ylim(len(sources) - 0.5 + 4 / ROW, -0.5 - 4 / ROW)
    axes.axvline(0, color="#cbcbd1", linewidth=1, zorder=0)
    if sources:
        axes.imshow(
            _blurs(sources),
            extent=(-EDGE_DB, EDGE_DB, len(sources) - 0.5, -0.5),
            aspect="auto",
            interpolation="bilinear",
            zorder=1,
        )
    axes.set_xlim(EDGE_DB, -EDGE_DB)  # `imshow` has changed them
    axes.set_ylim(len(sources) - 0.5 + 4 / ROW, -0.5 - 4 / ROW)
    edges = axes.get_window_extent()
    for row, source in enumerate(sources):
        color = position_color(source.pan_db)
        area = SMALLEST + (DOT - SMALLEST) * source.energy
        axes.scatter([source.pan_db], [row], s=area, color=[color], linewidths=0, zorder=3)
        inward = -1 if source.pan_db >= 0 else 1  # names lead to the center, where there is room
        name = axes.annotate(
            "",
            (source.pan_db + inward * _radius_db(axes, area), row),
            xytext=(-5 * inward, 0),
            textcoords="offset points",
            ha="left" if inward < 0 else "right",
            va="center_baseline",
            fontsize=SMALL,
            color=INK,
            parse_math=False,
            zorder=4,
        )
        for length in LENGTHS:
            name.set_text(shortened(source.name, length))
            box = name.get_window_extent()
            if edges.x0 <= box.x0 and box.x1 <= edges.x1:
                break
    axes.set_xticks([10, 0, -10], ["+10", "0", "−10"])
    axes.tick_params(axis="x", color=FAINT)


def position_color(pan_db: float) -> tuple[float, float, float]:
    """Of a level of left over right: blue on the left, gray in the center, red on the right."""
    share = min(abs(pan_db) / FULL_COLOR_DB, 1.0)
    side = LEFT_COLOR if pan_db > 0 else RIGHT_COLOR
    red, green, blue = (
        (1 - share) * center + share * end for center, end in zip(CENTER_COLOR, side, strict=True)
    )
    return red, green, blue


def _radius_db(axes: "Axes", area: float) -> float:
    """Radius of a dot, as a length along the stage."""
    points = (area / np.pi) ** 0.5
    pixels = points * axes.figure.dpi / 72
    return float(pixels * 2 * EDGE_DB / axes.get_window_extent().width)


def _blurs(sources: Sequence[PlacedSource]) -> Float[np.ndarray, "rows cells 4"]:
    """Colors with transparency; the first cell is on the right."""
    places = np.linspace(-EDGE_DB, EDGE_DB, BLUR_STEPS)
    image = np.zeros((len(sources), BLUR_STEPS, 4))
    for row, source in enumerate(sources):
        spread = max(BLUR_DB * source.diffuseness, 0.3)
        image[row, :, :3] = position_color(source.pan_db)
        image[row, :, 3] = 0.35 * np.exp(-0.5 * ((places - source.pan_db) / spread) ** 2)
    return image

"""The ways of sources around a head, seen from above: ahead is up, left is left.

Each way is colored by its time, from dark to bright, and begins at a ring where its sound begins.
A source that rests is a blue point. Walls are drawn where there is a room.
"""

import math
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from jaxtyping import Float

from soundstage.binaural import HEAD_RADIUS, ShoeBox, Source
from soundstage.evaluation.plots.plotting import INK, LARGE, SMALL, Canvas, shortened

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.collections import PathCollection

LEFT, TOP, SIZE, BELOW = 110, 120, 1060, 70  # pixels around and of the panel
BAR = 340  # pixels
POINTS = 2000  # of a way
WALL, GROUND, RESTING = "#62626e", "#f4f4f6", "#3b6ea8"
LONGEST = 86_400.0  # s
MARGIN = 1.12  # of what is shown beyond what is there
MOST_TICKS = 9
_LABELED = 8  # sources
_TITLE, _LABEL = 28, 24  # letters that fit
_LINE, _WIDE = 22, 520  # pixels between labels, across where they run towards each other
_SIDES: dict[int | None, str] = {0: ", left", 1: ", right"}  # by the channel that is heard


class TopView:
    """A picture to be drawn.

    Args:
        target: PNG to write, 1280 pixels wide; it appears only when it is complete.
        overwrite: whether an existing target may be replaced.

    Raises:
        OutputError: the target exists and `overwrite` is false, or its folder does not exist.
        OptionError: the target is no PNG, or matplotlib is missing.
    """

    def __init__(self, target: str | Path, *, overwrite: bool = False) -> None:
        self._canvas = Canvas(target, height=TOP + SIZE + BELOW, overwrite=overwrite)

    def draw(self, sources: Sequence[Source], room: ShoeBox | None, *, title: str) -> None:
        """Draw the sources and write the picture.

        Raises:
            OutputError: the picture cannot be written.
        """
        canvas = self._canvas
        canvas.text(LEFT, 44, shortened(title, _TITLE), size=LARGE, bold=True)
        canvas.text(LEFT, 80, "from above, in meters; ahead is up", size=SMALL, faint=True)
        axes = canvas.panel(LEFT, TOP, SIZE, SIZE)
        axes.set_facecolor(GROUND)
        ways = [_way(source) for source in sources]
        _scale(axes, ways, room)
        _draw_head(axes)
        if room:
            _draw_walls(axes, room)
        seconds = _rounded(max(_times(source)[-1] for source in sources))
        moving = None
        for source, way in zip(sources, ways, strict=True):
            moving = _draw_way(axes, way, _times(source), seconds) or moving
        _label(axes, sources[:_LABELED], ways)
        if moving:
            bar = canvas.panel(LEFT + SIZE - BAR, 32, BAR, 14)
            canvas.color_bar(moving, bar, "seconds", ends=True)
        canvas.save()


def _times(source: Source) -> Float[np.ndarray, " points"]:
    """Seconds at which a source is seen; 0 where it rests."""
    if source.trajectory.is_static:
        return np.zeros(1)
    end = source.seconds or max(float(source.trajectory.times[-1]), source.start)
    return np.linspace(source.start, min(end, source.start + LONGEST), POINTS)


def _rounded(seconds: float) -> float:
    """Up to a length whose quarters have one digit."""
    if not seconds:
        return 0.0
    step = 10.0 ** math.floor(math.log10(seconds / 4))
    return 4 * step * math.ceil(round(seconds / 4 / step, 6))


def _way(source: Source) -> Float[np.ndarray, "points 3"]:
    return source.trajectory.positions_at(_times(source))


def _scale(
    axes: "Axes", ways: Sequence[Float[np.ndarray, "points 3"]], room: ShoeBox | None
) -> None:
    """A square that holds all, with the same scale both ways."""
    shown = np.concatenate([*ways, room.walls if room else np.zeros((1, 3))])[:, :2]
    low = shown.min(axis=0).clip(max=-2 * HEAD_RADIUS)
    high = shown.max(axis=0).clip(min=2 * HEAD_RADIUS)
    middle, half = (low + high) / 2, MARGIN * max(float((high - low).max()) / 2, 0.5)
    axes.set_xlim(-middle[1] - half, -middle[1] + half)
    axes.set_ylim(middle[0] - half, middle[0] + half)
    fewest = 2 * half / MOST_TICKS  # meters
    decade = 10.0 ** math.floor(math.log10(fewest))
    step = next(decade * share for share in (1, 2, 5, 10) if decade * share >= fewest)
    for name in ("x", "y"):
        start, end = getattr(axes, f"get_{name}lim")()
        ticks = step * np.arange(math.ceil(start / step), math.floor(end / step) + 1)
        getattr(axes, f"set_{name}ticks")(ticks)
    axes.grid(color="#dcdce2", linewidth=1)
    axes.set_axisbelow(True)


def _draw_head(axes: "Axes") -> None:
    """A nose, ears and all, at least as large as can be seen."""
    from matplotlib.patches import Circle, Polygon

    start, end = axes.get_xlim()
    radius = max(HEAD_RADIUS, 0.018 * (end - start))
    nose = radius * np.array([[-0.35, 0.9], [0.0, 1.35], [0.35, 0.9]])
    axes.add_patch(Polygon(nose, facecolor=INK))
    for side in (-1, 1):
        axes.add_patch(Circle((side * radius, 0), 0.25 * radius, facecolor=INK))
    axes.add_patch(Circle((0, 0), radius, facecolor=INK))


def _draw_walls(axes: "Axes", room: ShoeBox) -> None:
    from matplotlib.patches import Rectangle

    (back, right, _), (front, left, _) = room.walls
    corner, width, height = (-left, back), left - right, front - back
    axes.add_patch(Rectangle(corner, width, height, fill=False, edgecolor=WALL, linewidth=3))


def _draw_way(
    axes: "Axes",
    way: Float[np.ndarray, "points 3"],
    times: Float[np.ndarray, " points"],
    brightest: float,
) -> "PathCollection | None":
    """What has the colors of time, where the source moves."""
    across, up = -way[:, 1], way[:, 0]
    if len(way) == 1:
        axes.scatter(across, up, s=140, facecolors=RESTING, edgecolors=INK, linewidths=2)
        return None
    drawn = axes.scatter(
        across, up, c=times, s=12, cmap="viridis", vmin=0, vmax=brightest, linewidths=0
    )
    axes.scatter(across[:1], up[:1], s=160, facecolors="none", edgecolors=INK, linewidths=2)
    return drawn


def _label(
    axes: "Axes", sources: Sequence[Source], ways: Sequence[Float[np.ndarray, "points 3"]]
) -> None:
    """Names beside the first points, on the side where there is room, none over another."""
    taken: list[tuple[float, float]] = []
    middle = axes.transAxes.transform((0.5, 0.5))
    for source, way in zip(sources, ways, strict=False):
        place = (-way[0, 1], way[0, 0])
        x, y = axes.transData.transform(place)
        right, high = x > middle[0], y > middle[1]
        at = y + (-_LINE if high else _LINE)
        while any(abs(x - other) < _WIDE and abs(at - height) < _LINE for other, height in taken):
            at += -_LINE if high else _LINE
        taken.append((x, at))
        axes.annotate(
            shortened(Path(source.sound.name).name, _LABEL) + _SIDES.get(source.channel, ""),
            place,
            xytext=(-14 if right else 14, at - y),
            textcoords="offset pixels",
            ha="right" if right else "left",
            va="center",
            fontsize=SMALL,
            color=INK,
            bbox={"facecolor": GROUND, "edgecolor": "none", "alpha": 0.7, "pad": 1},
            parse_math=False,
        )

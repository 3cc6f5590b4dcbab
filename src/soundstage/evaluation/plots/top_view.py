"""Plot of the trajectories of sources around a head, from above: ahead is up, left is left.

A trajectory is colored by time, from dark to bright, starts at a ring, and has arrows in the
direction of travel. A second panel shows its azimuth over time, since turns of an orbit cover one
another from above. A source at rest is a blue point. The walls of a room are drawn, and the path of
a head that walks, with lines where it looks; azimuths are relative to the head.
"""

import math
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from jaxtyping import Float

from soundstage.binaural import (
    HEAD_RADIUS,
    Listener,
    SeenTrajectory,
    ShoeBox,
    Source,
    Trajectory,
    seen_by,
)
from soundstage.evaluation.plots.head import draw_head, draw_head_path, head_path
from soundstage.evaluation.plots.plotting import INK, LARGE, SMALL, Canvas, shortened

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.collections import LineCollection, PathCollection

LEFT, TOP, SIZE, BELOW = 110, 120, 1060, 90  # pixels around and of the panel
STRIP, STRIP_BELOW, LEGEND = 200, 70, 60  # pixels of the panel of azimuths, and below it
BAR = 340  # pixels
POINTS = 2000  # of a trajectory
WALL, GROUND, RESTING = "#62626e", "#f4f4f6", "#3b6ea8"
LONGEST = 86_400.0  # s
MARGIN = 1.12  # size of the panel relative to its content
MAX_TICKS = 9
ARROWS = 6  # along a trajectory, at most
COLORS = ("#3b6ea8", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9", "#1b1b26", "#7a7a86")
"""Of the lines of the sources; after Okabe and Ito."""
_BEARINGS = ((180, "behind"), (90, "left"), (0, "ahead"), (-90, "right"), (-180, "behind"))
_LABELED = 8  # sources
_TITLE, _LABEL, _LEGEND = 28, 24, 20  # maximum lengths in characters
_LINE, _WIDE = 22, 520  # smallest distance of labels in pixels, vertical and horizontal
_SIDES: dict[int | None, str] = {0: ", left", 1: ", right"}  # by channel


class TopView:
    """A plot of trajectories.

    Args:
        target: PNG file, 1280 pixels wide; it appears when it is complete.
        overwrite: whether to replace an existing target.

    Raises:
        OutputError: the target exists and `overwrite` is false, or its folder does not exist.
        OptionError: the target is not a PNG, or matplotlib is missing.
    """

    def __init__(self, target: str | Path, *, overwrite: bool = False) -> None:
        self._target, self._overwrite = target, overwrite
        self._new_canvas(0)  # refuses an unusable target early

    def draw(
        self,
        sources: Sequence[Source],
        room: ShoeBox | None,
        *,
        title: str,
        listener: Listener | None = None,
    ) -> None:
        """Draw the sources, but for sound fields, which are all around, and write the file.

        Raises:
            OutputError: the file cannot be written.
        """
        sources = [source for source in sources if source.field is None]
        seen = [
            source.trajectory if source.is_binaural else seen_by(listener, source.trajectory)
            for source in sources
        ]
        end = max(map(_end, sources, seen), default=0.0)
        seconds = _rounded(end)
        legend = LEGEND if len(sources) > 1 else 0
        canvas = self._new_canvas(STRIP + STRIP_BELOW + legend if seconds else 0)
        canvas.text(LEFT, 44, shortened(title, _TITLE), size=LARGE, bold=True)
        canvas.text(LEFT, 80, "from above", size=SMALL, faint=True)
        axes = canvas.panel(LEFT, TOP, SIZE, SIZE)
        axes.set_facecolor(GROUND)
        paths = [source.trajectory.positions_at(_times(source)) for source in sources]
        walked = [] if listener is None else [head_path(listener, end)]
        set_scale(axes, [*paths, *walked], room)
        draw_head(axes, None if listener is None else listener.at(np.zeros(1)))
        if room:
            draw_walls(axes, room)
        moving: PathCollection | LineCollection | None = None
        if listener is not None and seconds:
            moving = draw_head_path(axes, listener, end, seconds)
        for source, path in zip(sources, paths, strict=True):
            moving = draw_path(axes, path, _times(source), seconds) or moving
        _label(axes, sources[:_LABELED], paths)
        if moving:
            bar = canvas.panel(LEFT + SIZE - BAR, 32, BAR, 14)
            canvas.color_bar(moving, bar, "seconds", ends=True)
            strip = canvas.panel(LEFT, TOP + SIZE + BELOW, SIZE, STRIP)
            _draw_azimuths(strip, sources, seen, seconds)
        canvas.save()

    def _new_canvas(self, extra: int) -> Canvas:
        height = TOP + SIZE + BELOW + extra
        return Canvas(self._target, height=height, overwrite=self._overwrite)


def _name(source: Source, longest: int) -> str:
    return shortened(Path(source.sound.name).name, longest) + _SIDES.get(source.channel, "")


def _times(
    source: Source, trajectory: Trajectory | SeenTrajectory | None = None
) -> Float[np.ndarray, " points"]:
    """Times of the plotted points, in seconds; 0 for a source at rest."""
    if (trajectory or source.trajectory).is_static:
        return np.zeros(1)
    end = source.end or max(float(source.trajectory.times[-1]), source.start)
    return np.linspace(source.start, min(end, source.start + LONGEST), POINTS)


def _end(source: Source, seen: Trajectory | SeenTrajectory) -> float:
    """Time of the last plotted point of a source, in seconds; 0 at rest relative to the head."""
    return float(max(_times(source)[-1], _times(source, seen)[-1]))


def _rounded(seconds: float) -> float:
    """Rounded up so that a quarter of it has one significant digit."""
    if not seconds:
        return 0.0
    step = 10.0 ** math.floor(math.log10(seconds / 4))
    return 4 * step * math.ceil(round(seconds / 4 / step, 6))


def set_scale(
    axes: "Axes", paths: Sequence[Float[np.ndarray, "points 3"]], room: ShoeBox | None
) -> None:
    """Limits and ticks: a square with equal scales."""
    shown = np.concatenate([*paths, room.walls if room else np.zeros((1, 3))])[:, :2]
    low = shown.min(axis=0).clip(max=-2 * HEAD_RADIUS)
    high = shown.max(axis=0).clip(min=2 * HEAD_RADIUS)
    middle, half = (low + high) / 2, MARGIN * max(float((high - low).max()) / 2, 0.5)
    axes.set_xlim(-middle[1] - half, -middle[1] + half)
    axes.set_ylim(middle[0] - half, middle[0] + half)
    fewest = 2 * half / MAX_TICKS  # meters
    decade = 10.0 ** math.floor(math.log10(fewest))
    step = next(decade * share for share in (1, 2, 5, 10) if decade * share >= fewest)
    for name in ("x", "y"):
        start, end = getattr(axes, f"get_{name}lim")()
        ticks = step * np.arange(math.ceil(start / step), math.floor(end / step) + 1)
        # Distances: a sign would ask which way is positive
        names = [f"{abs(round(tick, 9)):g}" for tick in ticks]
        getattr(axes, f"set_{name}ticks")(ticks, names)
    axes.set_xlabel("left  ←  meters  →  right", fontsize=SMALL, color=INK)
    axes.set_ylabel("behind  ←  meters  →  ahead", fontsize=SMALL, color=INK)
    axes.grid(color="#dcdce2", linewidth=1)
    axes.set_axisbelow(True)


def draw_walls(axes: "Axes", room: ShoeBox) -> None:
    """The walls of a room."""
    from matplotlib.patches import Rectangle

    (back, right, _), (front, left, _) = room.walls
    corner, width, height = (-left, back), left - right, front - back
    axes.add_patch(Rectangle(corner, width, height, fill=False, edgecolor=WALL, linewidth=3))


def draw_path(
    axes: "Axes",
    path: Float[np.ndarray, "points 3"],
    times: Float[np.ndarray, " points"],
    brightest: float,
) -> "PathCollection | None":
    """Draw a trajectory; returns the artist with the colors of a moving source."""
    across, up = -path[:, 1], path[:, 0]
    if len(path) == 1:
        axes.scatter(across, up, s=140, facecolors=RESTING, edgecolors=INK, linewidths=2)
        return None
    drawn = axes.scatter(
        across, up, c=times, s=12, cmap="viridis", vmin=0, vmax=brightest, linewidths=0
    )
    axes.scatter(across[:1], up[:1], s=160, facecolors="none", edgecolors=INK, linewidths=2)
    draw_arrows(axes, np.stack([across, up], axis=1))
    return drawn


def draw_arrows(axes: "Axes", path: Float[np.ndarray, "points 2"]) -> None:
    """Arrows at equal distances along the path; none where it is too short to have a direction."""
    start, end = axes.get_xlim()
    lengths = np.r_[0.0, np.cumsum(np.hypot(*np.diff(path, axis=0).T))]
    size = 0.012 * (end - start)
    count = min(ARROWS, int(lengths[-1] / (6 * size)))
    for number in range(count):
        at = (number + 0.5) / count * lengths[-1]
        (x0, y0), (x1, y1) = (
            [float(np.interp(at + shift, lengths, path[:, axis])) for axis in range(2)]
            for shift in (-size, size)
        )
        axes.annotate(
            "",
            (x1, y1),
            (x0, y0),
            arrowprops={"arrowstyle": "-|>", "color": INK, "mutation_scale": 22, "shrinkB": 0},
        )


def _draw_azimuths(
    axes: "Axes",
    sources: Sequence[Source],
    seen: Sequence[Trajectory | SeenTrajectory],
    seconds: float,
) -> None:
    """Azimuth over time; a line breaks where it passes behind the head."""
    axes.set_facecolor(GROUND)
    for number, (source, trajectory) in enumerate(zip(sources, seen, strict=True)):
        times = _times(source, trajectory)
        path = trajectory.positions_at(times)
        degrees = np.degrees(np.arctan2(path[:, 1], path[:, 0]))
        if len(path) == 1:
            times, degrees = np.array([0.0, seconds]), np.repeat(degrees, 2)
        jumps = np.r_[False, np.abs(np.diff(degrees)) > 180]
        axes.plot(
            times,
            np.where(jumps, np.nan, degrees),
            color=COLORS[number % len(COLORS)],
            linestyle="-" if number < len(COLORS) else "--",
            linewidth=2,
            label=_name(source, _LEGEND) if number < _LABELED else None,
        )
    if len(sources) > 1:
        names = axes.legend(
            loc="upper left", bbox_to_anchor=(0, -0.32), ncols=4, fontsize=SMALL, frameon=False
        )
        for text in names.get_texts():
            text.set_parse_math(False)
    axes.set_xlim(0, seconds)
    axes.set_ylim(-180, 180)
    axes.set_yticks([at for at, _ in _BEARINGS], [name for _, name in _BEARINGS])
    axes.set_xticks(np.linspace(0, seconds, 5), [f"{t:g}" for t in np.linspace(0, seconds, 5)])
    axes.set_xlabel("time, seconds", fontsize=SMALL, color=INK)
    axes.grid(color="#dcdce2", linewidth=1)
    axes.set_axisbelow(True)


def _label(
    axes: "Axes", sources: Sequence[Source], paths: Sequence[Float[np.ndarray, "points 3"]]
) -> None:
    """Names beside the first points, without overlap, each with a line to its point."""
    taken: list[tuple[float, float]] = []
    middle = axes.transAxes.transform((0.5, 0.5))
    for source, path in zip(sources, paths, strict=False):
        position = (-path[0, 1], path[0, 0])
        x, y = axes.transData.transform(position)
        right, high = x > middle[0], y > middle[1]
        at = y + (-_LINE if high else _LINE)
        while any(abs(x - other) < _WIDE and abs(at - height) < _LINE for other, height in taken):
            at += -_LINE if high else _LINE
        taken.append((x, at))
        axes.annotate(
            _name(source, _LABEL),
            position,
            xytext=(-14 if right else 14, at - y),
            textcoords="offset pixels",
            ha="right" if right else "left",
            va="center",
            fontsize=SMALL,
            color=INK,
            bbox={"facecolor": GROUND, "edgecolor": "none", "alpha": 0.7, "pad": 1},
            arrowprops={"arrowstyle": "-", "color": WALL, "linewidth": 1, "shrinkB": 6},
            parse_math=False,
        )

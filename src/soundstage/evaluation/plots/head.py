"""The listener's head from above: nose and ears, the path that it walks and where it looks.

Lines of one length show where it looks at equal intervals, colored by time as the trajectories: a
fan of a head that turns on the spot, a comb of one that walks. Ahead is up, left is left.
"""

from typing import TYPE_CHECKING

import numpy as np
from jaxtyping import Float

from soundstage.binaural import HEAD_RADIUS, Listener, Poses, rotate
from soundstage.evaluation.plots.plotting import INK

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.collections import LineCollection

LOOKS = 13  # lines that show where a head looks
_POINTS = 500  # of its path
_SMALLEST = 0.018  # radius of a drawn head, of the width of the panel
_LOOK = 4.0  # length of a line in radii
_NOSE = ((0.9, 0.35), (1.35, 0.0), (0.9, -0.35))  # ahead and to the left, in radii
_AHEAD = np.array([1.0, 0.0, 0.0])


def draw_head(axes: "Axes", poses: Poses | None = None) -> None:
    """A head with nose and ears, not smaller than visible.

    Args:
        axes: with their final limits.
        poses: the first of them; None is in the origin, looking ahead.
    """
    from matplotlib.patches import Circle, Polygon

    radius = _radius(axes)
    center, ahead = np.zeros(2), np.array([0.0, 1.0])
    if poses is not None:
        center, ahead = _across_and_up(poses.positions)[0], _looks(poses)[0]
    left = np.array([-ahead[1], ahead[0]])
    nose = [center + radius * (forth * ahead + side * left) for forth, side in _NOSE]
    axes.add_patch(Polygon(nose, facecolor=INK))
    for side in (-1, 1):
        ear = center + side * radius * left
        axes.add_patch(Circle((ear[0], ear[1]), 0.25 * radius, facecolor=INK))
    axes.add_patch(Circle((center[0], center[1]), radius, facecolor=INK))


def head_path(listener: Listener, seconds: float) -> Float[np.ndarray, "points 3"]:
    """Points of the path of a head."""
    return listener.positions_at(np.linspace(0.0, seconds, _POINTS))


def draw_head_path(
    axes: "Axes", listener: Listener, seconds: float, brightest: float
) -> "LineCollection":
    """Draw the path of a head, and lines in the directions in which it looks.

    Args:
        axes: with their final limits.
        listener: the head.
        seconds: time until which it is shown.
        brightest: time in seconds of the brightest color.

    Returns:
        The artist with the colors.
    """
    from matplotlib.collections import LineCollection

    axes.plot(*_across_and_up(head_path(listener, seconds)).T, color=INK, linewidth=1.5)
    times = np.linspace(0.0, seconds, LOOKS)
    poses = listener.at(times)
    starts = _across_and_up(poses.positions)
    ends = starts + _LOOK * _radius(axes) * _looks(poses)
    segments = list(np.stack([starts, ends], axis=1))
    lines = LineCollection(segments, cmap="viridis", linewidths=3)
    lines.set_array(times)
    lines.set_clim(0, brightest)
    axes.add_collection(lines, autolim=False)
    return lines


def _radius(axes: "Axes") -> float:
    start, end = axes.get_xlim()
    return max(HEAD_RADIUS, _SMALLEST * (end - start))


def _looks(poses: Poses) -> Float[np.ndarray, "points 2"]:
    """Directions in which heads look, seen from above: short when they look up or down."""
    return _across_and_up(rotate(_AHEAD, poses.orientations))


def _across_and_up(positions: Float[np.ndarray, "points 3"]) -> Float[np.ndarray, "points 2"]:
    return np.stack([-positions[:, 1], positions[:, 0]], axis=1)

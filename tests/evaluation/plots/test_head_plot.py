"""The listener's head in plots from above."""

import numpy as np
import pytest

from soundstage.audio import Audio
from soundstage.binaural import Listener, ShoeBox, constant, sources_of
from soundstage.binaural.geometry import from_angles
from soundstage.evaluation.plots.head import LOOKS
from soundstage.evaluation.plots.plotting import WIDTH, Canvas
from soundstage.evaluation.plots.top_view import BELOW, SIZE, STRIP, STRIP_BELOW, TOP, TopView

pytest.importorskip("matplotlib")
from matplotlib.collections import LineCollection
from matplotlib.image import imread
from matplotlib.patches import Polygon

RATE = 8_000
TWO_SECONDS = Audio(np.zeros(2 * RATE), RATE)
TURNING = Listener(
    np.array([0.0, 2.0]),
    np.array([[0.0, 0, 0], [1.0, -1.0, 0]]),
    from_angles(np.array([[0.0, 0, 0], [90.0, 0, 0]])),
)


@pytest.fixture
def panels(monkeypatch, tmp_path):
    """Draws a source at rest 2 m ahead and a head, and returns the panels."""
    figures, save = [], Canvas.save

    def keep(canvas):
        figures.append(canvas._figure)
        save(canvas)

    def draw(listener, room=None):
        sources = sources_of(TWO_SECONDS, constant(0, radius=2.0))
        TopView(tmp_path / "path.png").draw(sources, room, title="", listener=listener)
        return figures[-1].axes

    monkeypatch.setattr(Canvas, "save", keep)
    return draw


def nose(axes):
    """Tip of the nose, to the right and up."""
    (shape,) = [patch for patch in axes.patches if isinstance(patch, Polygon)]
    return shape.get_xy()[1]


def test_a_head_turned_to_the_left_has_its_nose_there(panels):
    x, y = nose(panels(Listener.turned(yaw=90))[0])
    assert x < -0.05
    assert y == pytest.approx(0, abs=1e-9)


def test_a_head_stands_where_it_starts(panels):
    axes = panels(Listener.turned(position=np.array([0.5, 1.0, 0.0])))[0]
    x, y = nose(axes)
    assert x == pytest.approx(-1.0)
    assert y > 0.5
    (low, high), _ = axes.get_xlim(), axes.get_ylim()
    assert low < -1 < high


def test_lines_show_where_a_walking_head_looks_over_time(panels):
    axes = panels(TURNING)[0]
    (lines,) = [each for each in axes.collections if isinstance(each, LineCollection)]
    segments = np.array(lines.get_segments())
    assert segments.shape == (LOOKS, 2, 2)
    np.testing.assert_allclose(segments[-1, 0], [1.0, 1.0])  # to the right and ahead
    looks = np.diff(segments, axis=1)[:, 0]
    looks /= np.linalg.norm(looks, axis=1, keepdims=True)
    np.testing.assert_allclose(looks[0], [0, 1], atol=1e-9)
    np.testing.assert_allclose(looks[-1], [-1, 0], atol=1e-9)
    assert tuple(lines.get_array()[[0, -1]]) == (0, 2)


def test_azimuths_are_relative_to_the_head(panels):
    """A source ahead is on the right of a head that has turned to the left."""
    (line,) = panels(TURNING)[2].lines
    times, degrees = line.get_data()
    assert np.interp(0, times, degrees) == pytest.approx(0, abs=0.5)
    # Relative to the head at (1, −1), the source at (2, 0) is at 45 degrees, which looks at 90
    assert np.interp(2, times, degrees) == pytest.approx(45 - 90, abs=0.5)


def test_the_picture_of_a_head_at_rest_has_no_time(panels, tmp_path):
    assert len(panels(Listener.turned(yaw=30))) == 1
    assert imread(tmp_path / "path.png").shape[:2] == (TOP + SIZE + BELOW, WIDTH)


def test_everything_of_a_walk_in_a_room_is_in_the_picture(panels, tmp_path):
    panels(TURNING, ShoeBox((6.0, 4.0, 3.0)))
    height, width = imread(tmp_path / "path.png").shape[:2]
    assert (height, width) == (TOP + SIZE + BELOW + STRIP + STRIP_BELOW, WIDTH)

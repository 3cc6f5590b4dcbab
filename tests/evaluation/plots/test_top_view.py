import numpy as np
import pytest
import soundfile

from soundstage.audio import open_sound
from soundstage.binaural import (
    ShoeBox,
    Source,
    Trajectory,
    approach,
    constant,
    fly_by,
    orbit,
    sources_of,
)
from soundstage.errors import OptionError, OutputError
from soundstage.evaluation.plots.plotting import WIDTH, Canvas
from soundstage.evaluation.plots.top_view import (
    ARROWS,
    BELOW,
    LEGEND,
    RESTING,
    SIZE,
    STRIP,
    STRIP_BELOW,
    TOP,
    TopView,
)

pytest.importorskip("matplotlib")
from matplotlib.colors import to_rgba
from matplotlib.image import imread
from matplotlib.text import Text

RATE = 8_000
LONG = "a very long file name, much longer than the space beside a point, with $dollars$.wav"


@pytest.fixture(scope="module")
def sounds(tmp_path_factory):
    """Two seconds of mono, with a short and a long name, and of stereo."""
    folder = tmp_path_factory.mktemp("sounds")
    noise = 0.1 * np.random.default_rng(0).standard_normal((2 * RATE, 2))
    for name in ("voice.wav", LONG):
        soundfile.write(folder / name, noise[:, 0], RATE)
    soundfile.write(folder / "two.wav", noise, RATE)
    return folder


@pytest.fixture
def figures(monkeypatch):
    figures, save = [], Canvas.save

    def keep(canvas):
        figures.append(canvas._figure)
        save(canvas)

    monkeypatch.setattr(Canvas, "save", keep)
    return figures


def source(sounds, trajectory, name="voice.wav", **more):
    return Source(open_sound(sounds / name), trajectory, **more)


ROOM = ShoeBox((6.0, 4.0, 3.0), 0.4, (1.5, 1.0, 1.2))
RISING = Trajectory(np.array([0.0, 2.0]), np.array([[0.2, 0.0, 1.0], [0.0, 0.2, 100.0]]))

SCENES = {
    "at rest": ([constant(30.0)], None),
    "close ahead": ([constant(0.0, radius=0.1)], None),
    "orbit": ([orbit(1.0, 2.0)], None),
    "far away and passing by": ([constant(-90.0, radius=500.0), fly_by(20.0, 3, 2)], None),
    "approaching from a kilometer": ([approach(1000.0, 0.3, 2.0, azimuth=135.0)], None),
    "rising": ([RISING], None),
    "many close together in a room": ([constant(2.0 * k, radius=0.9) for k in range(-5, 5)], ROOM),
    "many at the borders": ([constant(45.0 + 90 * k, radius=9.0) for k in range(8)], None),
    "two long names side by side": (
        [constant(12.0, radius=9), constant(-12.0, radius=9)],
        None,
    ),
    "several in a room": ([constant(30.0, radius=0.5), orbit(2.0, 2.0, radius=0.9)], ROOM),
}


@pytest.mark.parametrize("scene", SCENES)
def test_everything_fits_in_the_picture_without_overlap(tmp_path, sounds, figures, scene):
    trajectories, room = SCENES[scene]
    target = tmp_path / "path.png"
    TopView(target).draw(
        [source(sounds, trajectory, LONG) for trajectory in trajectories], room, title=LONG
    )
    (figure,) = figures
    moving = any(not trajectory.is_static for trajectory in trajectories)
    height = TOP + SIZE + BELOW
    if moving:
        height += STRIP + STRIP_BELOW + (LEGEND if len(trajectories) > 1 else 0)
    assert imread(target).shape[:2] == (height, WIDTH)
    assert imread(target)[..., :3].std() > 0.02
    figure.canvas.draw()
    axes = figure.axes[0]
    frame = axes.get_window_extent()
    for part in [*figure.axes, *figure.texts]:
        box = part.get_tightbbox()
        assert 0 <= box.x0 <= box.x1 <= WIDTH
        assert 0 <= box.y0 <= box.y1 <= height
    labels = [Text.get_window_extent(t) for t in axes.texts if t.get_text()]  # without lines
    assert len(labels) == min(len(trajectories), 8)
    for box in labels:
        assert frame.x0 <= box.x0 <= box.x1 <= frame.x1
        assert frame.y0 <= box.y0 <= box.y1 <= frame.y1
    for number, box in enumerate(labels):
        assert not any(box.overlaps(other) for other in labels[:number])
    assert len(axes.get_xticks()) <= 10
    assert len(axes.get_xticks()) >= 3
    assert np.diff(axes.get_xlim()) == pytest.approx(np.diff(axes.get_ylim()))


def test_title_and_color_bar_do_not_overlap(tmp_path, sounds, figures):
    title = "THE WHOLE STORY OF A MORNING WALK AND OF ITS END, TAKE 4.WAV"
    TopView(tmp_path / "path.png").draw([source(sounds, orbit(1.0, 2.0))], None, title=title)
    figure = figures[0]
    figure.canvas.draw()
    bar = figure.axes[1].get_tightbbox()
    assert not any(text.get_window_extent().overlaps(bar) for text in figure.texts)


def points(figure):
    """Positions of all collections, to the right and up."""
    return [points.get_offsets().data for points in figure.axes[0].collections]


@pytest.mark.parametrize(
    ("azimuth", "right", "up"), [(0, 0, 1), (90, -1, 0), (-90, 1, 0), (180, 0, -1)]
)
def test_ahead_is_up_and_left_is_left(tmp_path, sounds, figures, azimuth, right, up):
    TopView(tmp_path / "path.png").draw(
        [source(sounds, constant(azimuth, radius=2.0))], None, title=""
    )
    (position,) = points(figures[0])[0]
    assert position == pytest.approx([2 * right, 2 * up], abs=1e-9)
    across, upwards = figures[0].axes[0].get_xlim(), figures[0].axes[0].get_ylim()
    assert across[0] < min(0, 2 * right) <= max(0, 2 * right) < across[1]
    assert upwards[0] < min(0, 2 * up) <= max(0, 2 * up) < upwards[1]


def test_a_trajectory_is_colored_by_time_and_starts_at_a_ring(tmp_path, sounds, figures):
    """The sound is from 1 s to 3 s of an orbit of 4 s, from left to right."""
    trajectory = source(sounds, orbit(4.0, 4.0, radius=1.0), start=1.0)
    TopView(tmp_path / "path.png").draw([trajectory], None, title="")
    path, ring = figures[0].axes[0].collections
    times = path.get_array()
    assert (times[0], times[-1]) == pytest.approx((1, 3))
    assert path.get_clim() == (0, pytest.approx(3.2))  # quarters have one digit
    positions = path.get_offsets().data
    assert positions[0] == pytest.approx([-1, 0], abs=1e-6)
    assert positions[-1] == pytest.approx([1, 0], abs=1e-6)
    assert positions[len(positions) // 2] == pytest.approx([0, -1], abs=5e-3)
    assert ring.get_offsets().data[0] == pytest.approx([-1, 0], abs=1e-6)
    ticks = [label.get_text() for label in figures[0].axes[1].get_xticklabels()]
    assert ticks == ["0", "0.8", "1.6", "2.4", "3.2"]


def test_a_source_at_rest_is_a_blue_point_without_color_bar(tmp_path, sounds, figures):
    TopView(tmp_path / "path.png").draw(sources_of(sounds / "two.wav"), None, title="two.wav")
    axes = figures[0].axes
    assert len(axes) == 1
    assert [text.get_text() for text in axes[0].texts] == ["two.wav, left", "two.wav, right"]
    for point in axes[0].collections:
        assert tuple(point.get_facecolor()[0]) == to_rgba(RESTING)


def test_axes_show_distances_and_directions_in_place_of_signs(tmp_path, sounds, figures):
    TopView(tmp_path / "path.png").draw(
        [source(sounds, constant(90.0, radius=2.0))], None, title=""
    )
    axes = figures[0].axes[0]
    assert not any("−" in t.get_text() or "-" in t.get_text() for t in axes.get_xticklabels())
    assert "left" in axes.get_xlabel().split("meters")[0]
    assert "ahead" in axes.get_ylabel().split("meters")[1]


def test_arrows_point_in_the_direction_of_travel(tmp_path, sounds, figures):
    """An orbit of positive turns starts ahead and goes to the left."""
    TopView(tmp_path / "path.png").draw([source(sounds, orbit(2.0, 2.0))], None, title="")
    arrows = [t for t in figures[0].axes[0].texts if not t.get_text()]
    assert len(arrows) == ARROWS
    for arrow in arrows:
        tip, tail = np.array(arrow.xy), np.array(arrow.get_position())
        middle, step = (tip + tail) / 2, tip - tail
        assert middle[0] * step[1] - middle[1] * step[0] > 0  # counter-clockwise from above


def test_azimuth_over_time_shows_every_turn(tmp_path, sounds, figures):
    """Two turns lie on one another from above; over time there are two rises from behind."""
    TopView(tmp_path / "path.png").draw([source(sounds, orbit(1.0, 2.0))], None, title="")
    (line,) = figures[0].axes[2].lines
    times, degrees = line.get_data()
    assert np.isnan(degrees).sum() == 2  # where it passes behind the head
    assert np.interp(0.25, times, degrees) == pytest.approx(90, abs=1)
    assert np.interp(1.25, times, degrees) == pytest.approx(90, abs=1)


def test_walls_are_drawn_relative_to_the_head(tmp_path, sounds, figures):
    TopView(tmp_path / "path.png").draw([source(sounds, constant(0.0, radius=1.0))], ROOM, title="")
    boxes = [patch.get_bbox() for patch in figures[0].axes[0].patches if hasattr(patch, "get_bbox")]
    (walls,) = boxes  # 1.0 m to the right, 3.0 m to the left, 1.5 m behind, 4.5 m ahead
    assert (walls.x0, walls.x1, walls.y0, walls.y1) == pytest.approx((-3.0, 1.0, -1.5, 4.5))


def test_dollars_in_names_are_not_math(tmp_path, sounds, figures):
    TopView(tmp_path / "path.png").draw([source(sounds, constant(0.0))], None, title="$a_b$")
    assert not any(text.get_parse_math() for text in figures[0].texts)
    assert not any(text.get_parse_math() for text in figures[0].axes[0].texts)


def test_unusable_targets_are_refused(tmp_path, sounds):
    target = tmp_path / "path.png"
    target.write_bytes(b"precious")
    with pytest.raises(OutputError, match="exists"):
        TopView(target)
    with pytest.raises(OptionError, match="PNG"):
        TopView(tmp_path / "path.jpg")
    with pytest.raises(OutputError, match="folder"):
        TopView(target / "path.png")
    assert target.read_bytes() == b"precious"
    TopView(target, overwrite=True).draw([source(sounds, constant(0.0))], None, title="")
    assert imread(target).shape[1] == WIDTH

import numpy as np
import pytest
import soundfile

import stand_in_sources
from soundstage.errors import OptionError, OutputError
from soundstage.evaluation.plots.plotting import WIDTH, Canvas
from soundstage.evaluation.plots.scene_figure import HEIGHT, SceneFigure, ear_powers
from soundstage.scene import GenerateOptions, SceneDescription, SceneEvent, SceneGenerator, Waypoint

pytest.importorskip("matplotlib")
from matplotlib.image import imread

RATE = 16_000
PASS = (Waypoint(0, 80, 0, 8), Waypoint(0.5, 0, 0, 3), Waypoint(1, -80, 0, 8))


@pytest.fixture
def axes(monkeypatch):
    """The panels of the pictures that are saved."""
    panels, save = [], Canvas.save

    def keep(canvas):
        panels.extend(canvas._figure.axes)
        save(canvas)

    monkeypatch.setattr(Canvas, "save", keep)
    return panels


@pytest.fixture
def sound(tmp_path):
    """Two seconds: a tone in the left ear only."""
    left = 0.5 * np.sin(2 * np.pi * 1_000 * np.arange(2 * RATE) / RATE)
    soundfile.write(tmp_path / "a.wav", np.stack([left, 0 * left], axis=1), RATE)
    return tmp_path / "a.wav"


def composed(monkeypatch, *events, **options):
    stand_in_sources.use(monkeypatch)
    description = SceneDescription(events, text="$a long$ sentence " * 8)
    return SceneGenerator(GenerateOptions(rate=RATE, **options)).compose(description)


def test_places_times_and_ears_are_drawn(monkeypatch, tmp_path, axes, sound):
    scene = composed(
        monkeypatch,
        SceneEvent("dog barking", azimuth=90.0, distance=2.0),
        SceneEvent("car", trajectory=PASS),
        SceneEvent("rain", around=True),
        room="church",
    )
    SceneFigure(tmp_path / "a.png").draw(scene, sound)
    assert imread(tmp_path / "a.png").shape[:2] == (HEIGHT, WIDTH)
    view, times, *_ = axes
    points = [tuple(drawn.get_offsets()[0].round(3)) for drawn in view.collections]
    assert (-2.0, 0.0) in points  # left is left
    assert len(points) == 8
    assert {text.get_text() for text in times.texts} == {"dog barking", "car", "rain"}
    starts = [(bar.get_x(), bar.get_width()) for bar in times.patches]
    assert starts == [(event.start, event.end - event.start) for event in scene.events]


def test_many_events_and_long_words_fit(monkeypatch, tmp_path, sound):
    events = [SceneEvent("click", azimuth=10.0 * number) for number in range(20)]
    SceneFigure(tmp_path / "a.png").draw(composed(monkeypatch, *events), sound)
    assert (tmp_path / "a.png").exists()


def test_powers_are_those_of_each_ear(sound):
    powers = ear_powers(sound)
    assert powers.seconds == 2.0
    left, right = powers.rows
    assert left.max() == 1
    assert right.max() == 0
    frequency = 30.0 * (20_000 / 30.0) ** ((left.mean(axis=1).argmax() + 0.5) / len(left))
    assert frequency == pytest.approx(1_000, rel=0.03)


def test_a_sound_shorter_than_a_frame_is_silence(tmp_path):
    soundfile.write(tmp_path / "short.wav", np.zeros((10, 2)), RATE)
    assert ear_powers(tmp_path / "short.wav").rows.shape[2] == 1


def test_impossible_targets_are_refused_early(tmp_path):
    with pytest.raises(OptionError, match=r"\.png"):
        SceneFigure(tmp_path / "a.jpg")
    (tmp_path / "a.png").write_text("mine")
    with pytest.raises(OutputError, match="exists"):
        SceneFigure(tmp_path / "a.png")

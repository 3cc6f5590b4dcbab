"""Figures of places: colored spectrograms and stages."""

import numpy as np
import pytest

from sounds import RATE, noise, song, tone
from soundstage.audio import Audio
from soundstage.errors import InputError, OptionError, OutputError
from soundstage.evaluation import plot_places
from soundstage.evaluation.plots.image_analysis import ROWS
from soundstage.evaluation.plots.places import CENTER, PURE_LEFT, PURE_RIGHT, place_colors
from soundstage.evaluation.plots.plotting import WIDTH, Canvas
from soundstage.upmixing.plan import PlacedSource

matplotlib = pytest.importorskip("matplotlib")

COLUMNS, SECONDS = 60, 0.1


@pytest.fixture
def drawn(monkeypatch):
    figures, save = [], Canvas.save

    def keep(canvas):
        figures.append(canvas._figure)
        save(canvas)

    monkeypatch.setattr(Canvas, "save", keep)
    return figures


def panned(pan_db, *, hz=500.0, seconds=2.0):
    """A tone, louder on the left by `pan_db`."""
    length = round(seconds * RATE)
    gains = 10 ** (np.array([pan_db, -pan_db]) / 40)
    mono = tone(length, hz=hz, level=0.2).numpy() + noise(length, level=1e-4).numpy()
    return Audio((gains[:, None] * mono).astype(np.float32), RATE)


def colors(pan_db, *, gain=1.0):
    powers = np.ones((2, ROWS, COLUMNS)) * np.array([10 ** (pan_db / 10), 1.0])[:, None, None]
    return place_colors(gain * powers, powers.sum(axis=0).max(axis=1), SECONDS)


@pytest.mark.parametrize(
    ("pan_db", "expected"), [(0.0, CENTER), (6.0, PURE_LEFT), (20.0, PURE_LEFT), (-6.0, PURE_RIGHT)]
)
def test_color_is_the_level_difference(pan_db, expected):
    direction = colors(pan_db) / colors(pan_db).max()
    assert direction[ROWS // 2, COLUMNS // 2] == pytest.approx(np.array(expected) / max(expected))


def test_brightness_is_the_level_whatever_the_place():
    for pan_db in (0.0, 5.0, -8.0):
        loud, soft, faint = (
            colors(pan_db, gain=gain)[ROWS // 2, COLUMNS // 2].sum() for gain in (2, 0.1, 0.001)
        )
        assert loud > soft > faint == 0


def test_a_place_is_that_of_a_second_and_not_of_a_moment():
    """Speckle that changes sides in every column is white; a second on one side has its color."""
    powers = np.ones((2, ROWS, COLUMNS))
    powers[0, :, ::2] = powers[1, :, 1::2] = 10
    level = powers.sum(axis=0).mean(axis=1)
    speckle = place_colors(powers, level, SECONDS)[ROWS // 2, COLUMNS // 2]
    assert speckle / speckle.max() == pytest.approx(np.array([1, 1, 1]), abs=0.05)
    powers[0], powers[1, :, : COLUMNS // 2] = 10, 1
    powers[1, :, COLUMNS // 2 :] = 100
    first, last = place_colors(powers, level, SECONDS)[ROWS // 2, [5, -5]]
    assert first[2] > 2 * first[0]
    assert last[0] > 2 * last[2]


def test_every_sound_has_a_row_and_a_stage_if_its_places_are_known(drawn, tmp_path):
    sounds = {"mono": Audio(song(RATE).numpy()[None], RATE), "left": panned(9.0)}
    places = [PlacedSource("lead", "lead", 9.0, 0.2, 1.0), PlacedSource("piano", "object", -4.0)]
    target = tmp_path / "places.png"
    analyses = plot_places(sounds, target, stages={"left": places})
    assert list(analyses) == ["mono", "left"]
    (figure,) = drawn
    assert len(figure.axes) == 2 + 1 + 1  # two spectrograms, a stage, and the key
    assert [text.get_text() for text in figure.axes[2].texts] == ["lead", "piano"]
    mono, left = (np.asarray(axes.images[0].get_array()) for axes in figure.axes[:2])
    assert np.ptp(mono / np.maximum(mono.max(axis=2, keepdims=True), 1e-9), axis=2).max() < 1e-6
    bright = left[left.max(axis=2) > 0.5]
    assert (bright[:, 2] > 2 * bright[:, 0]).all()
    from matplotlib.image import imread

    assert imread(target).shape[1] == WIDTH


@pytest.mark.parametrize("kind", ["silent", "one sample", "8 kHz", "six"])
def test_any_sound_makes_a_picture_inside_its_borders(drawn, tmp_path, kind):
    odd = {
        "silent": Audio(np.zeros((2, RATE), np.float32), RATE),
        "one sample": Audio(np.array([[0.5], [-0.1]], np.float32), RATE),
        "8 kHz": Audio(noise(8_000).numpy()[None], 8_000),
    }
    sounds = {kind: odd[kind]} if kind in odd else {f"row {n}": panned(n) for n in range(6)}
    many = [PlacedSource(f"source {n}", "object", 12.0 - n, 3.0, 0.1) for n in range(20)]
    plot_places(sounds, tmp_path / "p.png", stages=dict.fromkeys(sounds, many))
    (figure,) = drawn
    figure.canvas.draw()
    for part in [*figure.axes, *figure.texts]:
        box = part.get_tightbbox()
        assert 0 <= box.x0 <= box.x1 <= WIDTH
        assert 0 <= box.y0 <= box.y1 <= figure.bbox.height


def test_unusable_inputs_and_targets_are_refused(tmp_path):
    with pytest.raises(OptionError, match="1 to 6 files, not 0"):
        plot_places({}, tmp_path / "p.png")
    with pytest.raises(InputError, match="3 channels"):
        plot_places({"x": (np.zeros((3, 100)), RATE)}, tmp_path / "p.png")
    (tmp_path / "p.png").write_bytes(b"precious")
    with pytest.raises(OutputError, match="exists"):
        plot_places({"x": panned(0.0)}, tmp_path / "p.png")
    assert (tmp_path / "p.png").read_bytes() == b"precious"

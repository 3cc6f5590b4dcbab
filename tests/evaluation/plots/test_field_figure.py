"""The figure of an ambisonic file."""

import numpy as np
import pytest

from soundstage.ambisonics import encode, to_direction
from soundstage.audio import Audio
from soundstage.errors import InputError, OutputError
from soundstage.evaluation.plots.field_figure import plot_field

RATE = 48_000

pytest.importorskip("matplotlib")
from PIL import Image  # noqa: E402  # which matplotlib brings


def field(azimuth, order=1, seconds=2.0):
    mono = 0.1 * np.random.default_rng(0).standard_normal(round(seconds * RATE))
    return Audio(encode(mono.astype(np.float32), to_direction(azimuth, 0.0), order), RATE)


def brightest_column(path):
    """Where the map of energy by direction is brightest, from 0 (left) to 1."""
    picture = np.asarray(Image.open(path).convert("RGB")).astype(float)
    panel = picture[142:472, 112:1116]
    yellow = panel[..., 0] + panel[..., 1] - panel[..., 2]
    return float(yellow.mean(axis=0).argmax() / panel.shape[1])


@pytest.mark.parametrize(("azimuth", "place"), [(90.0, 0.25), (0.0, 0.5), (-90.0, 0.75)])
def test_the_map_is_brightest_where_the_source_is(tmp_path, azimuth, place):
    analysis = plot_field(field(azimuth, order=3), tmp_path / "field.png")
    assert analysis.azimuth == pytest.approx(azimuth, abs=0.5)
    assert Image.open(tmp_path / "field.png").width == 1280
    assert brightest_column(tmp_path / "field.png") == pytest.approx(place, abs=0.08)


def test_silence_and_short_sounds_are_drawn(tmp_path):
    plot_field(Audio(np.zeros((4, 100), np.float32), RATE), tmp_path / "silence.png")
    plot_field(field(0.0, seconds=0.01), tmp_path / "short.png")
    assert (tmp_path / "silence.png").stat().st_size > 0


def test_stereo_and_existing_files_are_refused(tmp_path):
    with pytest.raises(InputError, match="channels"):
        plot_field(Audio(np.zeros((2, 100), np.float32), RATE), tmp_path / "a.png")
    (tmp_path / "b.png").write_bytes(b"mine")
    with pytest.raises(OutputError, match="exists"):
        plot_field(field(0.0), tmp_path / "b.png")
    assert (tmp_path / "b.png").read_bytes() == b"mine"

"""The middle of a file, whatever its format and rate."""

from pathlib import Path

import numpy as np
import pytest
import soundfile
from hypothesis import given
from hypothesis import strategies as st

from soundstage.audio import Audio
from soundstage.corpora import read_excerpt
from soundstage.errors import InputError


@pytest.fixture(scope="module")
def ramp(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """12 s whose samples say where they stand."""
    path = tmp_path_factory.mktemp("excerpts") / "ramp.wav"
    place = np.linspace(-1, 1, 12 * 8000)
    Audio(np.stack([place, -place]), 8000).write(path, bit_depth="float")
    return path


@given(st.floats(0.01, 20))
def test_the_excerpt_is_the_middle_of_the_whole(ramp: Path, seconds: float) -> None:
    whole = Audio.read(ramp).samples
    excerpt = read_excerpt(ramp, 8000, seconds)
    length = min(round(seconds * 8000), whole.shape[1])
    start = (whole.shape[1] - length) // 2
    np.testing.assert_array_equal(excerpt, whole[:, start : start + length])


def test_nought_seconds_are_the_whole(ramp: Path) -> None:
    np.testing.assert_array_equal(read_excerpt(ramp, 8000, 0), Audio.read(ramp).samples)


def test_a_file_of_unknown_length_has_the_same_middle(ramp: Path, monkeypatch) -> None:
    import soundstage.corpora.layouts as excerpts

    wanted = read_excerpt(ramp, 8000, 3)
    opened = excerpts.open_sound

    def without_length(path):
        sound = opened(path)
        sound.frames = None
        return sound

    monkeypatch.setattr(excerpts, "open_sound", without_length)
    np.testing.assert_array_equal(read_excerpt(ramp, 8000, 3), wanted)


def test_the_rate_is_the_one_asked_for(ramp: Path) -> None:
    assert read_excerpt(ramp, 16000, 3).shape == (2, 48000)


def test_an_excerpt_that_holds_no_numbers_is_refused(tmp_path: Path) -> None:
    samples = np.zeros((2, 100))
    samples[0, 50] = np.nan
    soundfile.write(tmp_path / "nan.wav", samples.T, 8000, subtype="FLOAT")
    with pytest.raises(InputError, match="not numbers"):
        read_excerpt(tmp_path / "nan.wav", 8000, 0)

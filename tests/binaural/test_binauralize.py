import numpy as np
import pytest
import soundfile

from sounds import noise
from soundstage import Audio, binauralize
from soundstage.binaural import HrtfRenderer, constant, orbit
from soundstage.binaural.renderers import render
from soundstage.errors import InputError, OptionError
from spheres import RATE, grid, sphere_head

MADE = HrtfRenderer(sphere_head(grid(15)))
SOUND = Audio(noise(5000).numpy(), RATE)


def test_mono_goes_its_way() -> None:
    way = orbit(1, 1)
    found = binauralize(SOUND, way, renderer=MADE)
    assert found.rate == RATE
    np.testing.assert_array_equal(found.samples, render(SOUND.samples[0], way, RATE, MADE))


def test_mono_without_a_way_is_ahead() -> None:
    left, right = binauralize(SOUND, renderer=MADE).samples
    np.testing.assert_allclose(left, right, atol=1e-6)


def test_stereo_is_two_loudspeakers() -> None:
    pair = Audio(np.stack([SOUND.samples[0], np.zeros(5000)]), RATE)
    heard = binauralize(pair, renderer=MADE).samples
    alone = render(SOUND.samples[0], constant(30), RATE, MADE)
    np.testing.assert_allclose(heard, alone * np.sqrt(0.5), atol=1e-6)


def test_a_file_is_read(tmp_path) -> None:
    soundfile.write(tmp_path / "mono.wav", SOUND.samples[0], RATE, subtype="FLOAT")
    found = binauralize(tmp_path / "mono.wav", constant(80), renderer=MADE)
    assert found == binauralize(SOUND, constant(80), renderer=MADE)


@pytest.mark.parametrize(
    ("source", "way"),
    [
        (Audio(np.zeros((1, 0)), RATE), None),
        (Audio([0.0, np.nan], RATE), None),
        (Audio(np.zeros((3, 10)), RATE), None),
        (Audio(np.zeros((2, 10)), RATE), constant(10)),
    ],
)
def test_what_cannot_be_rendered_is_refused(source, way) -> None:
    with pytest.raises(InputError):
        binauralize(source, way, renderer=MADE)


def test_unknown_renderers_are_refused() -> None:
    with pytest.raises(OptionError, match="magic"):
        binauralize(SOUND, renderer="magic")

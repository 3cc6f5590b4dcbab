"""WAV files of the SoundScape Renderer become HRTF sets."""

import numpy as np
import pytest
import soundfile

from soundstage.binaural import HrtfInterpolator, load_hrtf
from soundstage.binaural.hrtf.ssr_file import read_ssr_hrirs
from soundstage.errors import InputError
from spheres import directions, write_ssr

RATE = 44_100


def test_channels_become_directions_counterclockwise_with_the_left_ear_first(tmp_path):
    head = write_ssr(tmp_path / "sphere.wav")
    read = read_ssr_hrirs(tmp_path / "sphere.wav")
    assert (read.rate, read.name) == (RATE, "sphere")
    np.testing.assert_allclose(read.directions, head.directions, atol=1e-12)
    np.testing.assert_array_equal(read.responses, head.responses)
    left = read.responses[read.nearest(np.array([0.0, 1.0, 0.0]))]
    energy = np.square(left).sum(axis=-1)
    assert energy[0] > 4 * energy[1]
    assert np.abs(left[0]).argmax() < np.abs(left[1]).argmax()


def test_load_hrtf_reads_such_a_file_and_it_interpolates(tmp_path):
    head = write_ssr(tmp_path / "sphere.wav")
    between = HrtfInterpolator(load_hrtf(tmp_path / "sphere.wav")).responses(directions(97.0, 0.0))
    level = 10 * np.log10(np.square(between).sum(axis=-1))[0]
    measured = 10 * np.log10(np.square(head.responses[6]).sum(axis=-1))
    np.testing.assert_allclose(level, measured, atol=1.0)


@pytest.mark.parametrize("channels", [1, 2, 22, 25])
def test_a_recording_is_not_taken_for_responses(tmp_path, channels):
    soundfile.write(tmp_path / "a.wav", np.full((64, channels), 0.1), RATE)
    with pytest.raises(InputError, match=rf"{channels} channels?; an HRIR file"):
        load_hrtf(str(tmp_path / "a.wav"))


def test_long_responses_and_silent_directions_are_refused(tmp_path):
    sound = np.full((4097, 24), 0.1)
    soundfile.write(tmp_path / "long.wav", sound, RATE)
    with pytest.raises(InputError, match="more than 4,096 samples"):
        read_ssr_hrirs(tmp_path / "long.wav")
    sound[:, 7] = 0
    soundfile.write(tmp_path / "silent.wav", sound[:100], RATE)
    with pytest.raises(InputError, match="silent at an ear"):
        read_ssr_hrirs(tmp_path / "silent.wav")

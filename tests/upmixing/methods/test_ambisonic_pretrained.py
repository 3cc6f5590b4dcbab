"""The method `ambisonic` with its pretrained weights, as a user calls it."""

import numpy as np
import pytest
import torch

import soundstage
from sounds import cut, decibels, song, stereo_scene
from soundstage.audio import Audio
from soundstage.errors import InputError
from soundstage.metrics import channel_correlation, normalized_width

RATE = 44_100


@pytest.fixture(scope="module")
def upmixer() -> soundstage.Upmixer:
    return soundstage.Upmixer.from_pretrained("ambisonic")


@pytest.mark.parametrize("rate", [8000, 22_050, 44_100, 48_000, 96_000, 192_000])
def test_the_mono_sum_is_the_input_at_any_rate(upmixer: soundstage.Upmixer, rate: int) -> None:
    mono = song(2 * rate, rate=rate).numpy()
    left, right = upmixer((mono, rate)).samples
    assert decibels((left + right) / 2 - mono, mono) < -100
    assert -40 < decibels(left - right, 2 * mono) < 3


def test_the_side_is_wide_and_partly_correlated(upmixer: soundstage.Upmixer) -> None:
    mono = song(4 * RATE).numpy()
    stereo = torch.from_numpy(upmixer((mono, RATE), width=1).samples.copy())
    assert 0.2 < float(normalized_width(stereo)) < 1.8
    assert 0.1 < float(channel_correlation(stereo)) < 0.98


@pytest.mark.parametrize("length", [1, 300, 5000])
def test_short_sounds_keep_their_length(upmixer: soundstage.Upmixer, length: int) -> None:
    mono = song(length).numpy()
    stereo = upmixer((mono, RATE)).samples
    assert stereo.shape == (2, length)
    np.testing.assert_allclose(stereo.mean(axis=0), mono, atol=1e-6)


def test_an_empty_sound_is_refused(upmixer: soundstage.Upmixer) -> None:
    with pytest.raises(InputError, match="empty"):
        upmixer((np.zeros(0, np.float32), RATE))


def test_stereo_is_folded_down_on_request(upmixer: soundstage.Upmixer) -> None:
    source = Audio(stereo_scene(RATE).numpy(), RATE)
    with pytest.raises(InputError, match="downmix"):
        upmixer(source)
    stereo = upmixer(source, downmix=True).samples
    np.testing.assert_allclose(stereo.mean(axis=0), source.samples.mean(axis=0), atol=1e-6)


def test_a_seed_is_a_take(upmixer: soundstage.Upmixer) -> None:
    sound = (song(2 * RATE).numpy(), RATE)
    one, other = (take.samples for take in upmixer(sound, seed=[0, 1]))
    np.testing.assert_array_equal(upmixer(sound, seed=1).samples, other)
    difference = (one[0] - one[1]) - (other[0] - other[1])
    assert decibels(difference, one[0] - one[1]) > -15


def test_a_stream_is_the_whole_sound(upmixer: soundstage.Upmixer) -> None:
    mono = song(9 * RATE)
    whole, stream = upmixer.stream(RATE), upmixer.stream(RATE)
    expected = np.concatenate([whole.push(mono.numpy()), whole.finish()], axis=1)
    parts = [stream.push(part.numpy()) for part in cut(mono, [1, 70_000, 70_001, 333_333])]
    np.testing.assert_array_equal(np.concatenate([*parts, stream.finish()], axis=1), expected)
    np.testing.assert_allclose(expected.mean(axis=0), mono.numpy(), atol=1e-6)


def test_the_field_of_a_take_has_the_input_as_w(upmixer: soundstage.Upmixer) -> None:
    mono = song(2 * RATE).numpy()
    w, y, z, x = upmixer((mono, RATE), ambix=1).samples
    left, right = upmixer((mono, RATE)).samples
    np.testing.assert_array_equal(w, mono)
    np.testing.assert_allclose(y, (left - right) / 2, atol=1e-6)
    assert not z.any()
    assert -30 < decibels(x, mono) < 6

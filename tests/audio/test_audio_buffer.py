import base64
import io
import re

import numpy as np
import pytest
import soundfile

from making import music, noise
from soundstage.audio import Audio, open_sound
from soundstage.errors import InputError, OptionError, OutputError


def test_one_dimension_is_mono():
    assert Audio([0.0, 0.5], 8000).samples.shape == (1, 2)


def test_read_only_samples_of_one_dimension_are_mono():
    samples = np.zeros(5, np.float32)
    samples.flags.writeable = False
    assert Audio(samples, 8000).samples.shape == (1, 5)


def test_length_and_description():
    sound = Audio(np.zeros((2, 12_000)), 48_000)
    assert (sound.channels, sound.frames, sound.duration) == (2, 12_000, 0.25)
    assert repr(sound) == "Audio(2 channels, 12000 frames, 48000 Hz, 0.250 s)"


def test_samples_are_immutable():
    given = noise(1, 100)
    sound = Audio(given, 8000)
    kept = sound.samples.copy()
    given[:] = 1
    assert np.array_equal(sound.samples, kept)
    with pytest.raises(ValueError, match="read-only"):
        sound.samples[0, 0] = 1
    with pytest.raises(AttributeError):
        sound.rate = 16_000


@pytest.mark.parametrize("shape", [(), (0, 5), (1, 2, 3), (44_100, 2)])
def test_other_shapes_are_refused(shape):
    with pytest.raises(InputError, match="not \\(channels, frames\\)"):
        Audio(np.zeros(shape), 8000)


@pytest.mark.parametrize("rate", [0, -1, 44_100.5])
def test_other_rates_are_refused(rate):
    with pytest.raises(InputError, match="sample rate"):
        Audio([0.0], rate)


def test_equality_is_by_content():
    one, same = Audio(noise(2, 100), 8000), Audio(noise(2, 100), 8000)
    assert one == same
    assert hash(one) == hash(same)
    assert one != Audio(noise(2, 100), 16_000)
    assert one != Audio(noise(2, 100, seed=1), 8000)
    assert one != "sound"


@pytest.mark.parametrize("suffix", [".wav", ".aiff", ".w64", ".caf", ".au", ".mka"])
def test_the_default_bit_depth_is_lossless(tmp_path, suffix):
    sound = Audio(3 * noise(2, 1000), 44_100)
    sound.write(tmp_path / f"a{suffix}")
    assert Audio.read(tmp_path / f"a{suffix}") == sound


@pytest.mark.parametrize("bits", [8, 16, 24])
def test_whole_steps_are_not_dithered(tmp_path, bits):
    full = 1 << bits - 1
    sound = Audio(np.arange(-full, full, max(full // 500, 1)) / full, 44_100)
    sound.write(tmp_path / "a.wav", bit_depth=bits)
    assert Audio.read(tmp_path / "a.wav") == sound


def test_fractions_of_steps_are_dithered(tmp_path):
    sound = Audio(np.full(50_000, 100.25 / 32_768), 44_100)
    sound.write(tmp_path / "a.wav", bit_depth=16)
    got = Audio.read(tmp_path / "a.wav").samples * 32_768
    assert abs(got.mean() - 100.25) < 0.02
    assert len(np.unique(got)) > 2


def test_sound_beyond_full_scale_is_refused_where_it_would_clip(tmp_path):
    with pytest.raises(OutputError, match=r"passes full scale by 6\.02 dB"):
        Audio([0.0, 2.0], 44_100).write(tmp_path / "a.wav", bit_depth=16)
    Audio([0.0, 1.0, -1.0], 44_100).write(tmp_path / "a.wav", bit_depth=16)
    assert not (tmp_path / "b.wav").exists()


def test_writing_samples_that_are_not_finite_is_refused(tmp_path):
    with pytest.raises(InputError, match="not finite"):
        Audio([0.0, np.nan], 44_100).write(tmp_path / "a.wav")


@pytest.mark.parametrize(("name", "depth"), [("a.flac", "float"), ("a.xyz", None)])
def test_an_unsupported_bit_depth_or_suffix_is_refused(tmp_path, name, depth):
    with pytest.raises(OptionError):
        Audio([0.0], 44_100).write(tmp_path / name, bit_depth=depth)


def test_tags_and_overwriting_reach_the_file(tmp_path):
    path = tmp_path / "a.flac"
    Audio(noise(1, 100), 44_100).write(path, tags={"title": "One"})
    with pytest.raises(OutputError, match="exists"):
        Audio(noise(1, 100), 44_100).write(path, overwrite=False)
    Audio(noise(1, 100), 44_100).write(path, tags={"title": "Two"})
    assert open_sound(path).metadata.tag("title") == "Two"


def test_mono_is_the_mean_of_the_channels():
    samples = noise(2, 100)
    mono = Audio(samples, 8000).to_mono()
    assert np.array_equal(mono.samples[0], (samples[0] + samples[1]) * np.float32(0.5))
    assert mono.to_mono() is mono


def test_trimming_is_in_seconds():
    sound = Audio(noise(2, 8000), 8000)
    assert np.array_equal(sound.trim(0.25, 0.5).samples, sound.samples[:, 2000:4000])
    assert sound.trim(end=9.0) == sound
    assert sound.trim(0.75).duration == 0.25
    for start, end in ((0.5, 0.5), (-0.1, 0.5), (1.0, None), (0.5, 0.2)):
        with pytest.raises(OptionError, match="no part from"):
            sound.trim(start, end)


def test_an_audio_is_an_array_and_a_tensor():
    sound = Audio(noise(2, 100), 8000)
    assert np.asarray(sound) is sound.samples
    assert np.array(sound, dtype=np.float64).dtype == np.float64
    assert np.abs(sound).max() == np.abs(sound.samples).max()
    tensor = sound.to_tensor()
    tensor[:] = 0  # a copy
    assert sound.samples.any()
    assert np.array_equal(Audio(sound.to_tensor(), 8000).samples, sound.samples)


def test_resampling_changes_rate_and_length():
    sound = Audio(music(2, 44_100, rate=44_100), 44_100).resample(48_000)
    assert (sound.rate, sound.frames) == (48_000, 48_000)


def played(sound: Audio) -> tuple[np.ndarray, str]:
    page = sound._repr_html_()
    data = re.search(r'src="data:audio/wav;base64,([^"]+)"', page)[1]
    samples, rate = soundfile.read(io.BytesIO(base64.b64decode(data)), always_2d=True)
    assert rate == sound.rate
    return samples.T, page


def test_a_notebook_plays_the_sound():
    sound = Audio(noise(2, 5000), 44_100)
    samples, page = played(sound)
    assert np.abs(samples - sound.samples).max() < 1 / 32_000
    assert "Audio(2 channels" in page


def test_a_notebook_plays_the_first_part_of_long_sound():
    _, page = played(Audio(np.zeros((2, 4_000_000)), 44_100))
    assert len(page) < 11_000_000
    assert "the first 45 s" in page


def test_a_notebook_turns_loud_sound_down():
    samples, page = played(Audio([0.0, 2.0, -1.0], 44_100))
    assert np.allclose(samples, [[0, 1, -0.5]], atol=1e-4)
    assert "turned down by 6.0 dB" in page

"""Every kind of source that a caller may pass."""

import io
import tempfile
from pathlib import Path

import numpy as np
import pytest
import soundfile
import torch

from making import noise, write_sound
from soundstage.audio import Audio, SoundFormat, as_audio, open_sound
from soundstage.errors import InputError

RATE = 44_100
STEREO = noise(2, 3000)
FLOAT = SoundFormat("WAV", "FLOAT")
FORMATS = ["wav", "flac", "ogg", "mp3", "m4a", "mka", "caf"]


def read(reader, frames: int = 700) -> np.ndarray:
    return np.concatenate(list(reader.blocks(frames)), axis=1)


@pytest.mark.parametrize("suffix", FORMATS)
def test_a_file_object_is_read_like_its_file(tmp_path, suffix):
    path = write_sound(tmp_path / f"a.{suffix}", STEREO)
    file = io.BytesIO(path.read_bytes())
    file.seek(100)  # it is read from its start all the same
    by_path, by_object = open_sound(path), open_sound(file)
    assert (by_object.rate, by_object.frames, by_object.format) == (
        by_path.rate,
        by_path.frames,
        by_path.format,
    )
    expected = read(by_path)
    assert np.array_equal(read(by_object), expected)
    assert np.array_equal(as_audio(file).samples, expected.astype(np.float32))
    assert not file.closed


def test_a_file_object_of_unknown_mp3_length_is_read_whole(tmp_path):
    path = write_sound(tmp_path / "a.mp3", noise(1, 60_000))
    data = path.read_bytes()
    path.write_bytes(data[data.index(data[:2], 4) :])  # without its header frame
    assert np.array_equal(read(open_sound(io.BytesIO(path.read_bytes()))), read(open_sound(path)))


def test_passes_over_one_file_object_may_be_interleaved(tmp_path):
    path = write_sound(tmp_path / "a.flac", STEREO)
    with path.open("rb") as file:
        sound = open_sound(file)
        one, other = sound.blocks(500), sound.blocks(500)
        for first, second in zip(one, other, strict=True):
            assert np.array_equal(first, second)
        assert sound.name == str(path)


def test_temporary_files_are_file_objects(tmp_path):
    data = write_sound(tmp_path / "a.wav", STEREO, FLOAT).read_bytes()
    for kind in (tempfile.TemporaryFile, tempfile.SpooledTemporaryFile):
        with kind() as file:
            file.write(data)
            assert np.array_equal(as_audio(file).samples, STEREO)


@pytest.mark.parametrize(
    ("make", "reason"),
    [
        (lambda path: io.BytesIO(), "is empty"),
        (lambda path: io.BytesIO(b"nothing at all" * 100), "not a readable sound file"),
        (lambda path: io.BytesIO(path.read_bytes()[:-20]), "cut short"),
        (lambda path: io.StringIO("text"), "open it as binary"),
        (lambda path: path.open("ab"), "io.BytesIO"),
    ],
)
def test_unusable_file_objects_are_refused_in_a_sentence(tmp_path, make, reason):
    path = write_sound(tmp_path / "a.wav", STEREO)
    with pytest.raises(InputError, match=reason):
        as_audio(make(path))


INTEGERS = [
    (np.int8, [-128, 0, 64], [-1.0, 0.0, 0.5]),
    (np.uint8, [0, 128, 192], [-1.0, 0.0, 0.5]),
    (np.int16, [-32_768, 0, 16_384], [-1.0, 0.0, 0.5]),
    (np.uint16, [0, 32_768, 49_152], [-1.0, 0.0, 0.5]),
    (np.int32, [-(2**31), 0, 2**30], [-1.0, 0.0, 0.5]),
    (np.int64, [-(2**63), 0, 2**62], [-1.0, 0.0, 0.5]),
]


@pytest.mark.parametrize(("dtype", "steps", "expected"), INTEGERS)
def test_integers_are_scaled_by_their_full_scale(dtype, steps, expected):
    samples = np.array(steps, dtype)
    assert as_audio((samples, RATE)).samples.tolist() == [expected]
    assert Audio(samples, RATE).samples.tolist() == [expected]


def test_sixteen_bits_read_as_integers_are_the_file(tmp_path):
    path = write_sound(tmp_path / "a.wav", STEREO, rate=RATE)
    samples, rate = soundfile.read(path, dtype="int16")  # (frames, channels)
    assert as_audio((samples, rate)) == as_audio(path)


@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64, np.longdouble, ">f4"])
def test_floats_keep_their_values(dtype):
    samples = STEREO.astype(np.float16).astype(dtype)
    assert np.array_equal(as_audio((samples, RATE)).samples, STEREO.astype(np.float16))


@pytest.mark.parametrize(
    "samples",
    [
        torch.tensor(STEREO),
        torch.tensor(STEREO, requires_grad=True),
        torch.tensor(STEREO).T,
        torch.tensor(STEREO, dtype=torch.float64),
        STEREO.tolist(),
        np.ma.masked_array(STEREO),
        Audio(STEREO, RATE),
    ],
    ids=["torch", "with gradient", "transposed", "double", "list", "masked", "audio"],
)
def test_arrays_of_other_libraries_are_taken(samples):
    source = samples if isinstance(samples, Audio) else (samples, RATE)
    assert np.array_equal(as_audio(source).samples, STEREO)


def test_a_tensor_of_bfloat16_is_taken():
    samples = torch.tensor(STEREO).bfloat16()
    assert np.array_equal(as_audio((samples, RATE)).samples, samples.float())


@pytest.mark.parametrize(
    ("shape", "expected"),
    [
        ((500,), (1, 500)),
        ((1, 500), (1, 500)),
        ((500, 1), (1, 500)),
        ((1, 1), (1, 1)),
        ((2, 500), (2, 500)),
        ((500, 2), (2, 500)),
        ((16, 500), (16, 500)),
        ((500, 6), (6, 500)),
    ],
)
def test_layouts_are_told_apart(shape, expected):
    samples = noise(1, int(np.prod(shape))).reshape(shape)
    audio = as_audio((samples, RATE))
    assert audio.samples.shape == expected
    flat = samples if shape == expected or len(shape) == 1 else samples.T
    assert np.array_equal(audio.samples, np.atleast_2d(flat))


@pytest.mark.parametrize(
    ("source", "reason"),
    [
        ((np.zeros((2, 5)), RATE), r"Audio\(samples, rate\)"),
        ((np.zeros((1000, 1000)), RATE), r"Audio\(samples, rate\)"),
        ((np.zeros((1, 2, 500)), RATE), "not one sound"),
        ((np.zeros(()), RATE), "not one sound"),
        ((np.zeros(0), RATE), "is empty"),
        ((np.zeros((2, 0)), RATE), "is empty"),
        ((np.array([0.0, np.nan]), RATE), "not finite"),
        ((np.array([0.0, 1e300]), RATE), "not finite"),
        ((np.array([True, False]), RATE), "bool"),
        ((np.array([1j, 2j]), RATE), "complex"),
        ((np.array([None, 1.0]), RATE), "object"),
        ((torch.zeros(5, dtype=torch.complex64), RATE), "complex"),
        ((np.ma.masked_array([0.0, 1.0], [False, True]), RATE), "masked"),
        ((np.array([100, -30_000, 5]), RATE), "64-bit integers"),
        (([[0.0, 1.0], [0.0]], RATE), "not an array of numbers"),
        (("a.wav", RATE), "not str"),
        ((np.zeros(5), 44_100.5), "sample rate"),
        ((np.zeros(5), 0), "sample rate"),
        ((np.zeros(5), True), "sample rate"),
        ((np.zeros(5), "44100"), "sample rate"),
        ((np.zeros(5), None), "sample rate"),
        ((np.zeros(5), 4000), "resample it"),
        ((RATE, np.zeros(5)), "in this order"),
        ((np.zeros(5), RATE, 1), "tuple of 3"),
        (np.zeros(5), "samples, rate"),
        (b"RIFF", "bytes"),
        (None, "NoneType"),
        (5, "int"),
    ],
)
def test_unusable_sources_are_refused_in_a_sentence(source, reason):
    with pytest.raises(InputError, match=reason) as caught:
        as_audio(source)
    message = str(caught.value)
    assert message.endswith(".")
    assert "--" not in message


@pytest.mark.parametrize("rate", [np.int64(RATE), np.float64(RATE), torch.tensor(RATE)])
def test_rates_may_be_any_whole_numbers(rate):
    audio = as_audio((STEREO, rate))
    assert audio.rate == RATE
    assert type(audio.rate) is int


def test_the_rate_of_bare_samples_is_an_argument(tmp_path):
    assert as_audio(STEREO, rate=RATE) == Audio(STEREO, RATE)
    for source in (Audio(STEREO, RATE), (STEREO, RATE), write_sound(tmp_path / "a.wav", STEREO)):
        with pytest.raises(InputError, match="has a sample rate already"):
            as_audio(source, rate=RATE)


def test_sound_in_memory_is_streamed_like_a_file():
    sound = open_sound((STEREO, RATE))
    assert (sound.rate, sound.channels, sound.frames, sound.path) == (RATE, 2, 3000, None)
    assert [block.shape[1] for block in sound.blocks(1000, 500)] == [1000, 1000, 500]
    assert np.array_equal(read(sound), STEREO)
    assert not sound.metadata.tags
    assert str(sound.format) == "in memory"


def test_an_audio_is_passed_through():
    audio = Audio(STEREO, RATE)
    assert as_audio(audio) is audio
    with pytest.raises(InputError, match=r"not finite numbers, from 0\.000 s"):
        as_audio(Audio([np.inf], RATE))


def test_paths_of_all_kinds_are_read(tmp_path):
    path = write_sound(tmp_path / "a.wav", STEREO, FLOAT, rate=RATE)
    for source in (path, str(path), Path(path)):
        assert as_audio(source) == Audio(STEREO, RATE)

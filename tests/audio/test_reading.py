import os
import struct
from pathlib import Path

import numpy as np
import pytest
import soundfile
from hypothesis import given
from hypothesis import strategies as st

from making import FORMATS, LOSSY, RATE, make_film, music, noise, read_all, write_sound
from soundstage.audio import SoundFormat, open_sound
from soundstage.audio.codecs import ffmpeg_reader
from soundstage.audio.reading import _reblock
from soundstage.errors import InputError

WIDE = ("PCM_32", "DOUBLE")


@pytest.mark.parametrize(("suffix", "container", "encoding", "step"), FORMATS)
def test_lossless_formats_are_read_bit_for_bit(tmp_path, suffix, container, encoding, step):
    form = SoundFormat(container, encoding)
    dtype = np.float64 if encoding in WIDE else np.float32
    samples = noise(2, 20_001).astype(dtype)
    if step:
        samples = (np.rint(samples.astype(np.float64) / step) * step).astype(dtype)
    path = write_sound(tmp_path / f"a.{suffix}", samples, form)
    with open_sound(path) as sound:
        assert (sound.rate, sound.channels, sound.format) == (RATE, 2, form)
        assert sound.frames == (None if container == "MATROSKA" else 20_001)
        blocks = list(sound.blocks(3000))
        again = list(sound.blocks(20_001))
    assert [b.shape[1] for b in blocks] == [3000] * 6 + [2001]
    assert blocks[0].dtype == dtype
    assert np.array_equal(np.concatenate(blocks, axis=1), samples)
    assert np.array_equal(again[0], samples)


@pytest.mark.parametrize(("suffix", "container", "encoding"), LOSSY)
@pytest.mark.parametrize("channels", [1, 2])
def test_lossy_formats_keep_length_and_timing(tmp_path, suffix, container, encoding, channels):
    samples = music(channels, 30_001)
    path = write_sound(tmp_path / f"a.{suffix}", samples, SoundFormat(container, encoding))
    sound = open_sound(path)
    assert sound.format == SoundFormat(container, encoding)
    got = read_all(path)
    assert got.shape == (channels, 30_001)
    assert np.sqrt(np.mean((got - samples) ** 2)) < 0.1 * np.sqrt(np.mean(samples**2))
    for frames in (999, 50_000):  # Vorbis and MP3 shift after a seek, so there must be none
        assert np.array_equal(read_all(path, frames), got)


@given(st.lists(st.integers(0, 40), max_size=12), st.integers(1, 25))
def test_reblocking_keeps_every_frame_in_order(sizes, frames):
    samples = np.arange(sum(sizes), dtype=np.float32)[None]
    chunks = np.split(samples, np.cumsum(sizes)[:-1], axis=1) if sizes else []
    blocks = list(_reblock(iter(chunks), frames))
    assert np.array_equal(np.concatenate([samples[:, :0], *blocks], axis=1), samples)
    assert all(b.shape[1] == frames for b in blocks[:-1])
    assert all(0 < b.shape[1] <= frames for b in blocks)


def test_mp3_without_a_header_frame_is_read_completely(tmp_path):
    samples = np.concatenate([np.zeros((1, 40_000), "f4"), noise(1, 60_000)], axis=1)
    path = write_sound(tmp_path / "a.mp3", samples, SoundFormat("MP3", "MPEG_LAYER_III"))
    data = path.read_bytes()
    second = data.index(data[:2], 4)
    bare = tmp_path / "bare.mp3"
    bare.write_bytes(data[second:])
    got = read_all(bare)
    assert got.shape[1] == open_sound(bare).frames >= 100_000
    shift = 576 + 529  # delays of encoder and decoder, which only the header frame declares
    error = got[:, shift : shift + 100_000] - read_all(path)
    assert np.sqrt(np.mean(error[:, 5000:95_000] ** 2)) < 1e-3


@pytest.mark.parametrize("size", [0, 0xFFFFFFFF, 0x7FFFF000])
def test_wav_of_open_length_is_read_to_its_end(tmp_path, size):
    samples = noise(2, 5000)
    path = write_sound(tmp_path / "a.wav", samples, SoundFormat("WAV", "FLOAT"))
    data = bytearray(path.read_bytes())
    at = data.index(b"data")
    data[at + 4 : at + 8] = data[4:8] = struct.pack("<I", size)
    path.write_bytes(data)
    assert np.array_equal(read_all(path), samples)


def test_empty_wav_is_not_of_open_length(tmp_path):
    path = tmp_path / "a.wav"
    with soundfile.SoundFile(path, "w", RATE, 1, "PCM_16") as file:
        file.title = "nothing"
    data = path.read_bytes()
    path.write_bytes(data + b"LIST\x04\0\0\0INFO")
    with pytest.raises(InputError, match="is empty, its length"):
        open_sound(path)


def test_more_than_two_channels_are_read(tmp_path):
    samples = noise(6, 1000)
    assert np.array_equal(read_all(write_sound(tmp_path / "a.wav", samples, FLOAT_WAV)), samples)


FLOAT_WAV = SoundFormat("WAV", "FLOAT")


@pytest.mark.parametrize("value", [np.nan, -np.inf])
def test_the_first_sample_that_is_not_finite_is_named(tmp_path, value):
    samples = noise(2, RATE)
    samples[1, RATE // 4] = samples[0, RATE // 2] = value
    sound = open_sound(write_sound(tmp_path / "a.wav", samples, FLOAT_WAV))
    with pytest.raises(InputError, match=r"not finite numbers, from 0\.250 s"):
        list(sound.blocks(1000))


@pytest.mark.parametrize("rate", [7999, 192_001])
def test_rates_beyond_the_range_are_refused(tmp_path, rate):
    soundfile.write(tmp_path / "a.wav", np.zeros(10), rate)
    with pytest.raises(InputError, match="sample rate"):
        open_sound(tmp_path / "a.wav")


@pytest.mark.parametrize("rate", [8000, 192_000])
def test_rates_in_the_range_are_taken(tmp_path, rate):
    soundfile.write(tmp_path / "a.wav", np.zeros(10), rate)
    assert open_sound(tmp_path / "a.wav").rate == rate


def made(folder: Path, kind: str) -> Path:
    path = folder / {"missing": "no.wav", "folder": "sub"}.get(kind, f"{kind}.wav")
    if kind == "folder":
        path.mkdir()
    elif kind == "empty":
        path.touch()
    elif kind == "text":
        path.write_text("Dear diary, today I renamed a text file.\n" * 50)
    elif kind == "picture":
        path.write_bytes(b"\x89PNG\r\n\x1a\n" + bytes(range(256)) * 20)
    elif kind == "silent":
        soundfile.write(path, np.zeros(0), RATE)
    elif kind == "pipe":
        os.mkfifo(path)
    return path


@pytest.mark.parametrize(
    ("kind", "reason"),
    [
        ("missing", "does not exist"),
        ("folder", "is a folder"),
        ("empty", "is empty"),
        ("text", "is not a readable sound file"),
        ("picture", "is not a readable sound file"),
        ("silent", "is empty, its length"),
        ("pipe", "not a plain file"),
    ],
)
def test_unreadable_files_are_refused_in_one_sentence(tmp_path, kind, reason):
    path = made(tmp_path, kind)
    with pytest.raises(InputError, match=reason) as caught:
        open_sound(path)
    message = str(caught.value)
    assert str(path) in message
    assert message.endswith(".")
    assert "\n" not in message


@pytest.mark.parametrize("suffix", [".vox", ".gsm", ".mp4", ".mkv", ".aac", ".mp3", ".ogg", ".sd2"])
def test_text_with_any_suffix_is_no_sound(tmp_path, suffix):
    path = tmp_path / f"a{suffix}"
    path.write_text("This is not sound at all. " * 100)
    with pytest.raises(InputError, match="not a readable sound file"):
        open_sound(path)


def test_a_file_without_permission_is_refused(tmp_path, monkeypatch):
    path = write_sound(tmp_path / "a.wav", noise(1, 10))

    def refuse(*_args, **_more):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(Path, "open", refuse)
    with pytest.raises(InputError, match=r"Permission denied.*check its permissions"):
        open_sound(path)


def test_a_film_without_sound_is_refused(tmp_path):
    path = make_film(tmp_path / "a.mp4", muxer="mp4", sound=None, seconds=0.4)
    with pytest.raises(InputError, match="no sound track"):
        open_sound(path)


def test_names_in_any_script_are_supported(tmp_path):
    path = write_sound(tmp_path / "Ænema — 日本 \U0001f3b5.flac", noise(1, 100))
    assert read_all(path).shape == (1, 100)


def test_blocks_can_be_abandoned_and_restarted(tmp_path):
    path = write_sound(tmp_path / "a.ogg", music(1, 20_000))
    sound = open_sound(path)
    one, other = sound.blocks(1000), sound.blocks(1000)
    next(one)
    first = next(other)
    assert np.array_equal(first, next(sound.blocks(1000)))
    assert not np.array_equal(first, next(one))


def test_long_files_are_read_in_bounded_memory(tmp_path):
    psutil = pytest.importorskip("psutil")
    path = write_sound(tmp_path / "a.wav", np.zeros((1, 20_000_000), "f4"), FLOAT_WAV)  # 80 MB
    process = psutil.Process()
    before = process.memory_info().rss
    most = max(process.memory_info().rss for _ in open_sound(path).blocks(65_536))
    assert most - before < 20e6


FRAMES = 60_000


@pytest.mark.parametrize("suffix", ["wav", "flac", "ogg", "mp3", "m4a"])
@pytest.mark.parametrize("start", [1, 20_001, FRAMES - 5])
def test_reading_from_a_position_gives_the_samples_there(
    tmp_path: Path, suffix: str, start: int
) -> None:
    path = write_sound(tmp_path / f"a.{suffix}", music(2, FRAMES))
    whole = read_all(path)
    read = np.concatenate(list(open_sound(path).blocks(7000, start)), axis=1)
    assert np.array_equal(read, whole[:, start:])


@pytest.mark.parametrize(("suffix", "most"), [("flac", 5000), ("m4a", 5000), ("opus", FRAMES)])
def test_lossless_files_are_sought(
    tmp_path: Path, suffix: str, most: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    form = SoundFormat("MP4", "ALAC_16") if suffix == "m4a" else None
    path = write_sound(tmp_path / f"a.{suffix}", music(1, FRAMES), form)
    sound, decoded, plain = open_sound(path), [], ffmpeg_reader._samples

    def counted(*args: object) -> np.ndarray:
        decoded.append(plain(*args))
        return decoded[-1]

    monkeypatch.setattr(ffmpeg_reader, "_samples", counted)
    block = next(sound.blocks(100, FRAMES // 2))
    assert block.shape == (1, 100)
    assert FRAMES // 4 * (suffix == "opus") < sum(part.shape[1] for part in decoded) <= most


def test_seeking_in_a_damaged_file_is_refused_in_a_sentence(tmp_path: Path) -> None:
    path = write_sound(tmp_path / "a.flac", music(2, FRAMES))
    content = path.read_bytes()
    path.write_bytes(content[: len(content) // 4])
    with pytest.raises(InputError, match="cut short or damaged"):
        list(open_sound(path).blocks(1000, FRAMES - 2000))

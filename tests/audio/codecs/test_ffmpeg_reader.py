"""Compressed sound, and every kind of file that used to be read in part or refused."""

import os
import shutil
import struct
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import soundfile

from corpus_of_oddities import FRAMES, ID3V1, encode, id3v2, noise_of
from making import RATE, read_all
from soundstage.audio import open_sound
from soundstage.errors import InputError


def bare_mp3(path: Path) -> bytes:
    """The frames of an MP3 file, without tag and header frame."""
    data = encode(path, "mp3", "libmp3lame", noise_of(1), RATE).read_bytes()
    start = data.index(b"\xff\xfb")
    return data[data.index(data[start : start + 2], start + 4) :]


@pytest.mark.parametrize("size", [10, 300_000])
def test_mp3_with_a_tag_and_without_a_header_frame_is_read_whole(tmp_path, size):
    frames = bare_mp3(tmp_path / "a.mp3")
    (tmp_path / "bare.mp3").write_bytes(frames)
    whole = read_all(tmp_path / "bare.mp3")
    (tmp_path / "tag.mp3").write_bytes(id3v2(size) + frames)
    assert whole.shape[1] >= FRAMES
    assert np.array_equal(read_all(tmp_path / "tag.mp3"), whole)


@pytest.mark.parametrize(("rate", "channels"), [(48_000, 1), (16_000, 2), (44_100, 2)])
def test_layer_ii_is_read_whole(tmp_path, rate, channels):
    path = encode(tmp_path / "a.mp2", "mp2", "mp2", noise_of(channels), rate)
    assert read_all(path).shape[1] >= FRAMES
    assert open_sound(path).frames == read_all(path).shape[1]


@pytest.mark.parametrize(
    ("suffix", "muxer", "codec", "joint"),
    [("mp3", "mp3", "libmp3lame", ID3V1), ("opus", "ogg", "libopus", b"")],
)
def test_joined_files_are_read_whole_and_said_to_be(tmp_path, suffix, muxer, codec, joint):
    samples = np.tile(noise_of(1), (1, 20))
    one = encode(tmp_path / f"a.{suffix}", muxer, codec, samples, RATE)
    path = tmp_path / f"b.{suffix}"
    path.write_bytes(one.read_bytes() + joint + one.read_bytes())
    assert read_all(path).shape[1] >= 40 * FRAMES
    assert "joined" in open_sound(path).notes[0]


@pytest.mark.parametrize("name", ["file:x:1", "http:x", "-dash", "100%d", "concat:a|b"])
def test_a_name_is_never_taken_for_a_protocol(tmp_path, name, monkeypatch):
    one = encode(tmp_path / "a.m4a", "mp4", "aac", noise_of(1), RATE)
    shutil.copy(one, tmp_path / f"{name}.m4a")
    monkeypatch.chdir(tmp_path)
    assert np.array_equal(read_all(Path(f"{name}.m4a")), read_all(one))


def test_a_name_that_is_no_utf_8_is_read(tmp_path):
    path = Path(os.fsdecode(os.fsencode(tmp_path) + b"/\xff\xe9.m4a"))
    assert read_all(encode(path, "mp4", "aac", noise_of(1), RATE)).shape == (1, FRAMES)


def test_a_playlist_opens_nothing(tmp_path):
    encode(tmp_path / "a.aac", "adts", "aac", noise_of(1), RATE)
    lines = "#EXTM3U\n#EXT-X-TARGETDURATION:9\n#EXTINF:9,\na.aac\n#EXT-X-ENDLIST\n"
    (tmp_path / "list.mp3").write_text(lines)
    (tmp_path / "list.m4a").write_text("ffconcat version 1.0\nfile a.aac\n")
    for name in ("list.mp3", "list.m4a"):
        with pytest.raises(InputError, match="not a readable sound file"):
            open_sound(tmp_path / name)


def test_integers_of_64_bits_are_read_in_double_precision(tmp_path):
    truth = noise_of(2, bits=24)
    sound = (truth.T * 2.0**63).astype("<i8").tobytes()
    form = struct.pack("<HHIIHH", 1, 2, RATE, 16 * RATE, 16, 64)
    chunks = b"fmt " + struct.pack("<I", 16) + form + b"data" + struct.pack("<I", len(sound))
    path = tmp_path / "a.wav"
    path.write_bytes(b"RIFF" + struct.pack("<I", len(sound) + 36) + b"WAVE" + chunks + sound)
    assert open_sound(path).format.encoding == "PCM_64"
    assert np.array_equal(read_all(path), truth)


def test_a_gap_becomes_silence_in_small_blocks(tmp_path):
    path = encode(tmp_path / "a.mkv", "matroska", "pcm_s16le", noise_of(1), RATE, gap=590.0)
    sound = open_sound(path)
    sizes = [part.shape[1] for part in sound._decoder.chunks(4096)]
    assert abs(sum(sizes) - FRAMES - 590 * RATE) <= RATE // 1000
    assert max(sizes) <= 1 << 16


def test_a_gap_of_hours_is_refused(tmp_path):
    path = encode(tmp_path / "a.mkv", "matroska", "pcm_s16le", noise_of(1), RATE, gap=9000.0)
    with pytest.raises(InputError, match="gap of 9000 s in its time stamps"):
        read_all(path)


@pytest.mark.parametrize("change", ["other", "longer", "gone"])
def test_a_file_that_changes_between_two_passes_is_refused(tmp_path, change):
    path = encode(tmp_path / "a.wav", "wav", "pcm_s16le", noise_of(1), RATE)
    sound = open_sound(path)
    list(sound.blocks(1000))
    if change == "other":
        new = encode(tmp_path / "b.wav", "wav", "pcm_s16le", -noise_of(1), RATE)
        os.replace(new, path)
    elif change == "longer":
        path.write_bytes(path.read_bytes() + bytes(100))
    else:
        path.unlink()
    with pytest.raises(InputError, match="was replaced, changed or removed"):
        list(sound.blocks(1000))


def test_a_file_that_is_replaced_during_a_pass_is_refused(tmp_path):
    path = encode(tmp_path / "a.flac", "flac", "flac", noise_of(1), RATE)
    blocks = open_sound(path).blocks(1000)
    next(blocks)
    os.replace(encode(tmp_path / "b.flac", "flac", "flac", -noise_of(1), RATE), path)
    with pytest.raises(InputError, match="was replaced, changed or removed"):
        list(blocks)


@pytest.mark.parametrize(("codec", "bits"), [("pcm_s16le", 16), ("pcm_u8", 8)])
@pytest.mark.parametrize("channels", [3, 6])
def test_voc_of_channels_that_fit_no_packet_is_read_whole(tmp_path, codec, bits, channels):
    truth = noise_of(channels, bits)
    path = encode(tmp_path / "a.voc", "voc", codec, truth, RATE)
    assert np.array_equal(read_all(path), truth)


def test_tags_that_are_no_utf_8_do_no_harm(tmp_path):
    path = encode(tmp_path / "a.m4a", "mp4", "aac", noise_of(1), RATE)
    data = path.read_bytes()
    assert "Tést".encode() in data
    path.write_bytes(data.replace("Tést".encode(), b"T\xff\xfest"))
    assert read_all(path).shape == (1, FRAMES)


def test_mp3_is_read_without_a_word_on_the_terminal(tmp_path):
    path = encode(tmp_path / "a.mp3", "mp3", "libmp3lame", noise_of(1), RATE)
    data = bytearray(path.read_bytes())
    data[len(data) // 2 : len(data) // 2 + 50] = bytes(50)
    path.write_bytes(data)
    code = (
        "import sys\nfrom soundstage.audio import open_sound\n"
        "try:\n    list(open_sound(sys.argv[1]).blocks(1000))\n"
        "except Exception as error:\n    print(type(error).__name__)"
    )
    run = subprocess.run([sys.executable, "-c", code, path], capture_output=True, text=True)
    assert run.stderr == ""


@pytest.mark.parametrize("start", [1, 4095, 4096, 7000, 8999])
def test_a_short_flac_is_read_from_every_start(tmp_path, start):
    """FFmpeg fails to seek in some of them: a file of 9,000 frames at 24 kHz is one."""
    path = tmp_path / "short.flac"
    samples = 0.1 * np.random.default_rng(0).standard_normal((9000, 2))
    soundfile.write(path, samples, 24_000)
    whole, _ = soundfile.read(path, dtype="float32")
    read = np.concatenate(list(open_sound(path).blocks(3000, start)), axis=1)
    np.testing.assert_array_equal(read.T, whole[start:])

import struct

import numpy as np
import pytest

from making import RATE, music, noise, read_all, write_sound
from soundstage.audio import SoundFormat, open_sound
from soundstage.audio.codecs.input_file import InputFile
from soundstage.audio.codecs.mpeg import measure_mpeg, scan_mpeg
from soundstage.errors import InputError

MP3 = SoundFormat("MP3", "MPEG_LAYER_III")


def size_of_frame(data: bytes) -> int:
    return int(measure_mpeg(np.frombuffer(data[:4], np.uint8))[0][0])


@pytest.fixture(params=[(RATE, 2), (44_100, 1), (22_050, 1), (8000, 2)], ids=str)
def mp3(request, tmp_path):
    rate, channels = request.param
    return write_sound(tmp_path / "a.mp3", music(channels, 40_000, rate=rate), MP3, rate=rate)


def test_as_many_frames_are_counted_as_the_header_frame_declares(mp3):
    stream = scan_mpeg(InputFile(mp3))
    assert stream.declared == stream.counted
    assert stream.rate == open_sound(mp3).rate
    assert 40_000 <= stream.counted * stream.frame_samples < 40_000 + 3 * stream.frame_samples
    assert (stream.cut, stream.short, stream.has_info) == (False, False, True)


@pytest.mark.parametrize(
    "trailer",
    [b"TAG" + bytes(125), b"APETAGEX" + bytes(24), b"\0" * 700, b"LYRICSBEGIN" + bytes(9)],
)
def test_tags_and_padding_at_the_end_are_no_truncation(mp3, trailer):
    whole = read_all(mp3)
    mp3.write_bytes(mp3.read_bytes() + trailer)
    assert np.array_equal(read_all(mp3), whole)


def ape_tag(picture: bytes) -> bytes:
    item = struct.pack("<II", len(picture), 2) + b"Cover Art (Front)\0" + picture
    ends = [
        b"APETAGEX" + struct.pack("<IIII", 2000, len(item) + 32, 1, flags) + bytes(8)
        for flags in (0xA0000000, 0x80000000)
    ]
    return ends[0] + item + ends[1]


def test_a_tag_at_the_end_may_look_like_frames(mp3):
    whole, data = read_all(mp3), mp3.read_bytes()
    mp3.write_bytes(data + ape_tag(data[: len(data) // 2]))
    assert np.array_equal(read_all(mp3), whole)


def test_the_header_frame_reveals_a_truncation_between_two_frames(mp3):
    data = mp3.read_bytes()
    starts, at = [], scan_mpeg(InputFile(mp3)).start
    while size := size_of_frame(data[at : at + 4]) if at < len(data) else 0:
        starts.append(at)
        at += size
    for place in (starts[-1], starts[-2], starts[len(starts) // 2]):
        mp3.write_bytes(data[:place])
        stream = scan_mpeg(InputFile(mp3))
        assert (stream.cut, stream.short) == (False, True)
        with pytest.raises(InputError, match="cut short"):
            open_sound(mp3)


def test_id3_at_the_start_is_skipped(mp3):
    start = scan_mpeg(InputFile(mp3)).start
    picture = mp3.read_bytes()[start : start + 4000]  # looks like frames, and is
    block = b"ID3\x04\0\0\0\0" + bytes([len(picture) >> 7, len(picture) & 127]) + picture
    mp3.write_bytes(block + mp3.read_bytes())
    assert scan_mpeg(InputFile(mp3)).start == start + len(block)


def test_every_truncation_is_detected(mp3):
    data = mp3.read_bytes()
    for lost in (1, 50, 1000, 5000):
        mp3.write_bytes(data[:-lost])
        with pytest.raises(InputError, match="cut short"):
            open_sound(mp3)


def test_without_a_header_frame_a_truncation_within_a_frame_is_detected(mp3):
    stream = scan_mpeg(InputFile(mp3))
    data = mp3.read_bytes()
    first = size_of_frame(data[stream.start :])
    mp3.write_bytes(data[first:])
    assert not scan_mpeg(InputFile(mp3)).cut
    for lost in (1, 2, 30):
        mp3.write_bytes(data[first:-lost])
        assert scan_mpeg(InputFile(mp3)).cut
        with pytest.raises(InputError, match="cut short"):
            open_sound(mp3)


def test_damage_in_the_middle_is_skipped(mp3):
    whole = scan_mpeg(InputFile(mp3))
    data = bytearray(mp3.read_bytes())
    middle = len(data) // 2
    data[middle : middle + 300] = bytes(300)
    mp3.write_bytes(data)
    assert 0 <= whole.counted - scan_mpeg(InputFile(mp3)).counted <= 6


def test_other_files_are_no_mpeg(tmp_path):
    path = tmp_path / "a.bin"
    path.write_bytes(noise(1, 20_000).tobytes())
    assert scan_mpeg(InputFile(path)) is None

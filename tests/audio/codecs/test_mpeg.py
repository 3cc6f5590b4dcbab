import numpy as np
import pytest

from making import RATE, music, noise, read_all, write_sound
from soundstage.audio import SoundFormat, open_sound
from soundstage.audio.codecs.input_file import InputFile
from soundstage.audio.codecs.mpeg import _frame_size, scan_frames, xing_frame
from soundstage.errors import InputError

MP3 = SoundFormat("MP3", "MPEG_LAYER_III")
DECODER_DELAY = 529  # samples, left out by mpg123


@pytest.fixture(params=[(RATE, 2), (44_100, 1), (22_050, 1), (8000, 2)], ids=str)
def mp3(request, tmp_path):
    rate, channels = request.param
    return write_sound(tmp_path / "a.mp3", music(channels, 40_000, rate=rate), MP3, rate=rate)


def test_as_many_frames_are_counted_as_the_header_frame_declares(mp3):
    stream = scan_frames(InputFile(mp3))
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


def test_a_tag_at_the_end_may_look_like_frames(mp3):
    whole, data = read_all(mp3), mp3.read_bytes()
    mp3.write_bytes(data + b"APETAGEX" + data[: len(data) // 2])
    assert np.array_equal(read_all(mp3), whole)


def test_the_header_frame_reveals_a_truncation_between_two_frames(mp3):
    data = mp3.read_bytes()
    starts, at = [], scan_frames(InputFile(mp3)).start
    while size := _frame_size(data[at : at + 4], None):
        starts.append(at)
        at += size
    for place in (starts[-1], starts[-2], starts[len(starts) // 2]):
        mp3.write_bytes(data[:place])
        stream = scan_frames(InputFile(mp3))
        assert (stream.cut, stream.short) == (False, True)
        with pytest.raises(InputError, match="cut short"):
            open_sound(mp3)


def test_id3_at_the_start_is_skipped(mp3):
    start = scan_frames(InputFile(mp3)).start
    picture = mp3.read_bytes()[start : start + 4000]  # looks like frames, and is
    block = b"ID3\x04\0\0\0\0" + bytes([len(picture) >> 7, len(picture) & 127]) + picture
    mp3.write_bytes(block + mp3.read_bytes())
    assert scan_frames(InputFile(mp3)).start == start + len(block)


def test_every_truncation_is_detected(mp3):
    data = mp3.read_bytes()
    for lost in (1, 50, 1000, 5000):
        mp3.write_bytes(data[:-lost])
        with pytest.raises(InputError, match="cut short"):
            open_sound(mp3)


def test_without_a_header_frame_a_truncation_within_a_frame_is_detected(mp3):
    stream = scan_frames(InputFile(mp3))
    data = mp3.read_bytes()
    first = _frame_size(stream.head, None)
    mp3.write_bytes(data[first:])
    assert not scan_frames(InputFile(mp3)).cut
    for lost in (1, 2, 30):
        mp3.write_bytes(data[first:-lost])
        assert scan_frames(InputFile(mp3)).cut
        with pytest.raises(InputError, match="cut short"):
            open_sound(mp3)


def test_damage_in_the_middle_is_skipped(mp3):
    whole = scan_frames(InputFile(mp3))
    data = bytearray(mp3.read_bytes())
    middle = len(data) // 2
    data[middle : middle + 300] = bytes(300)
    mp3.write_bytes(data)
    assert 0 <= whole.counted - scan_frames(InputFile(mp3)).counted <= 6


def test_a_generated_header_frame_is_understood(mp3):
    stream = scan_frames(InputFile(mp3))
    data = mp3.read_bytes()
    made = xing_frame(stream)
    mp3.write_bytes(made + data[_frame_size(stream.head, None) :])
    again = scan_frames(InputFile(mp3))
    assert (again.declared, again.counted) == (stream.counted, stream.counted)
    total = stream.counted * stream.frame_samples
    assert open_sound(mp3).frames == read_all(mp3).shape[1] == total - DECODER_DELAY


def test_other_files_are_no_mpeg(tmp_path):
    path = tmp_path / "a.bin"
    path.write_bytes(noise(1, 20_000).tobytes())
    assert scan_frames(InputFile(path)) is None

"""Scans for frames, pages and chunks: right on real files, and fast on any content."""

import struct
import time

import numpy as np
import pytest

from corpus_of_oddities import JUNK, encode, noise_of
from making import RATE, read_all
from soundstage.audio import open_sound
from soundstage.audio.codecs.frame_scan import count_frames
from soundstage.audio.codecs.input_file import InputFile
from soundstage.audio.codecs.mpeg import measure_mpeg, scan_mpeg
from soundstage.audio.codecs.ogg import _checksum
from soundstage.errors import InputError

SIZE = 8 << 20  # bytes of the attacks
SECONDS = 2.0  # of processor time for them, on a slow machine


@pytest.mark.parametrize(
    ("name", "unit"),
    [
        ("fill.mp3", b"\xff"),
        ("tags.mp3", b"ID3\x04\0\0\0\0\0\0"),
        ("heads.mp3", b"\xff\xfb\x10\xc0"),
        ("frames.aac", b"\xff\xf1\x50\x80\x01\x1f\xfc\0"),
        ("boxes.mp4", struct.pack(">I4s", 8, b"free")),
        ("pages.ogg", b"OggS" + bytes(23)),
    ],
)
def test_a_long_attack_is_refused_quickly(tmp_path, name, unit):
    path = tmp_path / name
    path.write_bytes(unit * (SIZE // len(unit)))
    begun = time.process_time()
    with pytest.raises(InputError):
        read_all(path)
    assert time.process_time() - begun < SECONDS


def test_matroska_of_nothing_but_voids_is_refused_quickly(tmp_path):
    data = encode(tmp_path / "a.mkv", "matroska", "flac", noise_of(1), RATE).read_bytes()
    head = data[: data.index(b"\x18\x53\x80\x67")]
    path = tmp_path / "b.mkv"
    path.write_bytes(head + b"\x18\x53\x80\x67\x01" + b"\xff" * 7 + b"\xec\x80" * (SIZE // 2))
    begun = time.process_time()
    with pytest.raises(InputError, match="too many parts"):
        open_sound(path)
    assert time.process_time() - begun < SECONDS


def test_junk_before_and_between_frames_is_found(tmp_path):
    path = encode(tmp_path / "a.mp3", "mp3", "libmp3lame", noise_of(1), RATE)
    data = path.read_bytes()
    whole = scan_mpeg(InputFile(path))
    sizes = measure_mpeg(np.frombuffer(data, np.uint8))[0]
    place = whole.start
    for _ in range(3):
        place += int(sizes[place])
    path.write_bytes(data[:place] + JUNK + data[place:])
    found = scan_mpeg(InputFile(path))
    assert (found.counted, found.damaged_at) == (whole.counted, place)
    assert "no sound at byte" in open_sound(path).notes[0]


@pytest.mark.parametrize("length", [0, 1, 2, 6])
def test_files_of_a_few_bytes_are_refused(tmp_path, length):
    for head in (b"\xff\xf1\x50\x80\x01\x1f", b"OggS\0\2", b"caff\0\1", b"\x0bw\0\0\0\0", b"FLV\1"):
        path = tmp_path / "a.bin"
        path.write_bytes(head[:length])
        with pytest.raises(InputError):
            open_sound(path)


def test_caf_with_a_chunk_size_that_leads_back_is_refused(tmp_path):
    path = tmp_path / "a.caf"
    path.write_bytes(b"caff\0\1\0\0" + b"desc" + struct.pack(">q", -40) + bytes(100))
    with pytest.raises(InputError, match="no chunk of sound"):
        open_sound(path)


def test_the_checksum_of_an_ogg_page_is_that_of_the_format(tmp_path):
    data = encode(tmp_path / "a.opus", "ogg", "libopus", noise_of(1), RATE).read_bytes()
    size = data.index(b"OggS", 4)
    page = data[:22] + bytes(4) + data[26:size]
    assert _checksum(page) == int.from_bytes(data[22:26], "little")


@pytest.mark.parametrize("place", [0.4, 0.7])
def test_one_wrong_bit_in_ogg_and_flac_is_found(tmp_path, place):
    for name, muxer, codec in (("a.opus", "ogg", "libopus"), ("a.flac", "flac", "flac")):
        path = encode(tmp_path / name, muxer, codec, noise_of(1), RATE)
        data = bytearray(path.read_bytes())
        data[round(place * len(data))] ^= 1
        path.write_bytes(data)
        with pytest.raises(InputError, match="damaged"):
            read_all(path)


def test_a_page_that_is_missing_in_the_middle_is_found(tmp_path):
    samples = np.tile(noise_of(1), (1, 20))
    path = encode(tmp_path / "a.opus", "ogg", "libopus", samples, RATE)
    data = path.read_bytes()
    pages = data.split(b"OggS")[1:]
    assert len(pages) > 4
    path.write_bytes(b"".join(b"OggS" + page for k, page in enumerate(pages) if k != 3))
    with pytest.raises(InputError, match="pages are missing"):
        open_sound(path)


def test_frames_are_counted_across_the_blocks_of_a_scan(tmp_path):
    head, size = b"\xff\xfb\x90\xc0", 417
    path = tmp_path / "a.mp3"
    path.write_bytes((head + bytes(size - 4)) * 6000)  # 2.5 MB
    with path.open("rb") as file:
        count = count_frames(file, 6000 * size, measure_mpeg, 4)
    assert (count.frames, count.cut, count.damaged_at) == (6000, False, None)

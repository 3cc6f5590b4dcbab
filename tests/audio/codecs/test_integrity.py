import struct

import numpy as np
import pytest
import soundfile

from making import FORMATS, LOSSY, RATE, make_film, music, read_all, write_sound
from soundstage.audio import SoundFormat, open_sound
from soundstage.errors import InputError

EVERY = sorted({(s, c, e) for s, c, e, _ in FORMATS} | set(LOSSY))
CUTS = [1, 2, 7, 100, 0.1, 0.25, 0.5, 0.75, 0.95]  # bytes, or parts of the file, from its end


@pytest.fixture(scope="module", params=EVERY, ids=lambda p: "-".join(p))
def whole(request, tmp_path_factory):
    suffix, container, encoding = request.param
    path = tmp_path_factory.mktemp("whole") / f"a.{suffix}"
    # An odd number of odd-sized frames, so that chunks are padded
    return write_sound(path, music(1, 40_001), SoundFormat(container, encoding))


def test_truncated_files_are_refused(whole, tmp_path):
    data = whole.read_bytes()
    path = tmp_path / whole.name
    for lost in CUTS:
        sound = data
        if whole.suffix in (".wav", ".rf64", ".aiff", ".caf") and lost == 1:
            sound = data.rstrip(b"\0") if len(data) % 2 == 0 else data  # padding may be missing
        size = lost if lost >= 1 else round(lost * len(sound))
        path.write_bytes(sound[: len(sound) - size])
        with pytest.raises(InputError, match="complete copy"):
            read_all(path)


@pytest.mark.parametrize("frames", [1, 1023, 1024, 5000])
def test_complete_files_are_accepted(tmp_path, frames):
    for suffix, container, encoding in EVERY:
        form = SoundFormat(container, encoding)
        path = write_sound(tmp_path / f"{encoding}.{suffix}", music(1, frames), form)
        assert read_all(path).shape[1] >= frames, path.name


@pytest.mark.parametrize("name", soundfile.available_formats())
def test_complete_files_of_libsndfile_are_accepted(tmp_path, name):
    if name in ("RAW", "SD2", "MPC2K"):
        return  # need their parameters, or a second file
    for subtype in soundfile.available_subtypes(name):
        path = tmp_path / f"{subtype}.bin"
        try:
            soundfile.write(path, music(1, 6000)[0], 8000, format=name, subtype=subtype)
        except (soundfile.LibsndfileError, ValueError):
            continue
        if name in ("SVX", "XI", "WVE", "AVR") and open_raw(path) != 8000:
            continue
        assert read_all(path).shape[1] >= 6000, (name, subtype)


def open_raw(path):
    return soundfile.info(path).samplerate


@pytest.mark.parametrize(
    ("muxer", "sound"),
    [
        ("mp4", "aac"),
        ("mov", "pcm_s16le"),
        ("matroska", "flac"),
        ("webm", "libopus"),
        ("avi", "aac"),
    ],
)
def test_truncated_films_are_refused(tmp_path, muxer, sound):
    video = "libvpx" if muxer == "webm" else "mpeg4"
    path = make_film(tmp_path / "film.bin", muxer=muxer, video=video, sound=sound, seconds=1)
    assert read_all(path).shape[1] > 0.9 * RATE
    data = path.read_bytes()
    for part in (0.3, 0.6, 0.9):
        path.write_bytes(data[: round(part * len(data))])
        with pytest.raises(InputError, match="complete copy"):
            read_all(path)


def test_truncated_mp4_with_its_index_first_is_refused(tmp_path):
    path = write_sound(tmp_path / "a.m4a", music(1, 40_000))
    av = pytest.importorskip("av")
    front = tmp_path / "front.m4a"
    with (
        av.open(str(path)) as old,
        av.open(str(front), "w", format="mp4", options={"movflags": "faststart"}) as new,
    ):
        copy = new.add_stream_from_template(old.streams.audio[0])
        for packet in old.demux(old.streams.audio[0]):
            if packet.size:
                packet.stream = copy
                new.mux(packet)
    data = front.read_bytes()
    assert data.index(b"moov") < data.index(b"mdat")
    assert read_all(front).shape[1] >= 40_000
    for lost in (1, 500, len(data) // 2):
        front.write_bytes(data[:-lost])
        with pytest.raises(InputError, match="cut short"):
            open_sound(front)


def test_truncated_adts_is_refused(tmp_path):
    av = pytest.importorskip("av")
    path = tmp_path / "a.aac"
    m4a = write_sound(tmp_path / "a.m4a", music(1, 40_000), SoundFormat("MP4", "AAC"))
    with av.open(str(m4a)) as old, av.open(str(path), "w", format="adts") as new:
        copy = new.add_stream_from_template(old.streams.audio[0])
        for packet in old.demux(old.streams.audio[0]):
            if packet.size:
                packet.stream = copy
                new.mux(packet)
    assert open_sound(path).format == SoundFormat("AAC", "AAC")
    assert read_all(path).shape[1] >= 40_000
    data = path.read_bytes()
    for lost in (1, 20):
        path.write_bytes(data[:-lost])
        with pytest.raises(InputError, match="cut short"):
            open_sound(path)


def test_flac_of_unknown_length_is_accepted_unless_damaged(tmp_path):
    samples = music(1, 40_000)
    path = write_sound(tmp_path / "a.flac", samples)
    data = bytearray(path.read_bytes())
    data[21] &= 0xF0
    data[22:26] = bytes(4)  # total samples, as left by an encoder that writes to a pipe
    data[26:42] = bytes(16)  # and its checksum
    path.write_bytes(data)
    assert open_sound(path).frames is None
    assert np.abs(read_all(path) - samples).max() < 1e-4
    path.write_bytes(data[: len(data) // 2])
    with pytest.raises(InputError, match="complete copy"):
        read_all(path)


def test_containers_of_open_length_are_accepted(tmp_path):
    samples = music(1, 5000)
    for suffix, container, mark, size in [
        (".wav", "WAV", b"data", b"\xff" * 4),
        (".au", "AU", b"\0\0\0\x18", b"\xff" * 4),
        (".caf", "CAF", b"data", b"\xff" * 8),
    ]:
        path = write_sound(tmp_path / f"a{suffix}", samples, SoundFormat(container, "FLOAT"))
        data = bytearray(path.read_bytes())
        at = data.index(mark) + 4
        data[at : at + len(size)] = size
        path.write_bytes(data)
        assert np.array_equal(read_all(path), samples), suffix


def test_truncated_tags_after_the_sound_are_accepted(tmp_path):
    path = write_sound(tmp_path / "a.wav", music(1, 5000))
    body = b"INFOINAM\x04\0\0\0abc\0"
    data = path.read_bytes() + b"LIST" + struct.pack("<I", len(body)) + body
    for end in (None, -3):  # whole, and with the tag cut: the sound is all there
        path.write_bytes(data[:end])
        assert read_all(path).shape[1] == 5000


def test_a_header_that_declares_more_than_is_decoded_is_refused(tmp_path):
    sound = open_sound(write_sound(tmp_path / "a.flac", music(1, 5000)))
    sound._decoder._least += 1
    with pytest.raises(InputError, match=r"cut short.*0\.10 s of 0\.10 s"):
        list(sound.blocks(1000))


def refused_at(path, data, places):
    assert places
    for place in places:
        path.write_bytes(data[:place])
        with pytest.raises(InputError, match="cut short"):
            open_sound(path)


def places_of(mark, data):
    at, found = data.find(mark, 1), []
    while at >= 0:
        found.append(at)
        at = data.find(mark, at + 1)
    return found


@pytest.mark.parametrize("encoding", ["VORBIS", "OPUS"])
def test_ogg_cut_between_two_pages_is_said_to_have_no_end(tmp_path, encoding):
    # Recorders of Android leave out the mark at the end too, so such a file may be whole
    path = tmp_path / "a.ogg"
    write_sound(path, music(2, 96_000), SoundFormat("OGG", encoding))
    data = path.read_bytes()
    assert not open_sound(path).notes
    read = []
    for place in places_of(b"OggS", data)[2:]:
        path.write_bytes(data[:place])
        sound = open_sound(path)
        assert "no mark at its end" in sound.notes[0]
        read.append(read_all(path).shape[1])
    assert len(read) > 1
    assert read == sorted(set(read))
    refused_at(path, data, places_of(b"OggS", data)[:2])  # no sound at all


def test_mp4_cut_between_two_boxes_is_refused(tmp_path):
    path = write_sound(tmp_path / "a.m4a", music(2, 48_000))
    data = path.read_bytes()
    refused_at(path, data, [data.index(b"moov") - 4, data.index(b"mdat") - 4])


def test_matroska_cut_between_two_elements_is_refused(tmp_path):
    path = write_sound(tmp_path / "a.mka", music(2, 8 * RATE), SoundFormat("MATROSKA", "FLOAT"))
    data = path.read_bytes()
    clusters = places_of(b"\x1f\x43\xb6\x75", data)
    assert len(clusters) > 1
    refused_at(path, data, [*clusters[1:], data.rindex(b"\x1c\x53\xbb\x6b")])


def test_alac_in_caf_without_its_packet_table_is_refused(tmp_path):
    samples = music(2, 96_000)
    path = write_sound(tmp_path / "a.caf", samples, SoundFormat("CAF", "ALAC_16"))
    data = path.read_bytes()
    table, sound = data.index(b"pakt"), data.index(b"data")
    end = table + 12 + struct.unpack(">q", data[table + 4 : table + 12])[0]
    assert end <= sound
    data = data[:table] + data[end:] + data[table:end]  # as Apple's writers have it
    path.write_bytes(data)
    assert np.abs(read_all(path) - samples).max() < 1e-4
    refused_at(path, data, [len(data) - 1, len(data) - (end - table) // 2])


def test_chunks_of_odd_size_are_stepped_over(tmp_path):
    path = write_sound(tmp_path / "a.wav", music(1, 5000), SoundFormat("WAV", "FLOAT"))
    data = path.read_bytes()
    at = data.index(b"data")
    data = data[:at] + b"note\x03\0\0\0abc\0" + data[at:]
    path.write_bytes(data)
    assert read_all(path).shape[1] == 5000
    refused_at(path, data, [len(data) - 1])


def test_a_damaged_chunk_list_ends(tmp_path):
    path = tmp_path / "a.wav"
    path.write_bytes(b"RIFF\0\0\0\0WAVE" + bytes(100_000))
    with pytest.raises(InputError):
        open_sound(path)

"""Metadata of files by others: every kind of tag, old encodings, and damage."""

import contextlib
import os
import random
import struct
import zlib
from pathlib import Path

import mutagen.apev2
import mutagen.flac
import mutagen.id3
import mutagen.mp3
import mutagen.mp4
import pytest
from mutagen import id3

from making import music, noise, write_sound
from rich_metadata import CONTAINERS, COVER, write_rich
from soundstage.audio import SoundFormat, read_metadata
from soundstage.audio.metadata.names import GENRES
from soundstage.errors import InputError

MP3 = SoundFormat("MP3", "MPEG_LAYER_III")


def mp3(path):
    return write_sound(path, music(1, 5000), MP3)


def chunk(name: bytes, data: bytes) -> bytes:
    return name + struct.pack("<I", len(data)) + data + bytes(len(data) % 2)


def wav(path, *chunks: bytes):
    """A WAV file with these chunks behind its sound."""
    data = write_sound(path, noise(1, 100)).read_bytes() + b"".join(chunks)
    path.write_bytes(data[:4] + struct.pack("<I", len(data) - 8) + data[8:])
    return path


@pytest.mark.parametrize("version", [3, 4])
@pytest.mark.parametrize("encoding", [0, 1, 3])
def test_id3_of_both_versions_and_all_encodings(tmp_path, version, encoding):
    path = mp3(tmp_path / "a.mp3")
    tags = id3.ID3()
    title = "Ça" if encoding == 0 else "Ça 日本"
    tags.add(id3.TIT2(encoding, [title]))
    tags.add(id3.TDRC(encoding, ["1961-05-07T12:30"]))
    tags.add(id3.TRCK(encoding, ["3/12"]))
    tags.add(id3.TCON(encoding, ["(17)"]))
    tags.add(id3.COMM(encoding, "eng", "", ["hello"]))
    tags.add(id3.COMM(encoding, "eng", "note", ["other"]))
    tags.add(id3.TXXX(encoding, "Tape", ["A"]))
    tags.add(id3.WXXX(encoding, "home", "https://example.org"))
    tags.add(id3.APIC(encoding, "image/png", 3, "front", COVER))
    tags.add(id3.PRIV(owner="me", data=b"\1\2"))
    tags.save(path, v2_version=version)
    found = read_metadata(path)
    assert found.tags == {
        "title": (title,),
        "date": ("1961-05-07T12:30",),
        "tracknumber": ("3",),
        "tracktotal": ("12",),
        "genre": ("Rock",),
        "comment": ("hello",),
        "comment:note": ("other",),
        "Tape": ("A",),
        "url:home": ("https://example.org",),
    }
    assert [(p.kind, p.description, p.data) for p in found.pictures] == [(3, "front", COVER)]
    assert [(block.name, block.data) for block in found.blocks] == [("PRIV", b"me\0\1\2")]
    assert found.unread == ()


def test_id3_of_version_2_2(tmp_path):
    def frame(name: bytes, data: bytes) -> bytes:
        return name + len(data).to_bytes(3, "big") + data

    body = frame(b"TT2", b"\0Titre\0") + frame(b"PIC", b"\0PNG\3\0" + COVER)
    size = bytes(len(body) >> shift & 127 for shift in (21, 14, 7, 0))
    path = mp3(tmp_path / "a.mp3")
    path.write_bytes(b"ID3\2\0\0" + size + body + path.read_bytes())
    found = read_metadata(path)
    assert found.tags == {"title": ("Titre",)}
    assert [(p.mime, p.data) for p in found.pictures] == [("image/png", COVER)]


def test_unsynchronized_and_compressed_frames(tmp_path):
    packed = zlib.compress(b"\x03Packed")
    frame = b"TIT2" + struct.pack(">I", len(packed) + 4) + b"\0\x80" + struct.pack(">I", 7) + packed
    image = b"\0image/png\0\3\0" + b"\xff\xe0" * 4
    other = b"APIC" + struct.pack(">I", len(image)) + b"\0\0" + image
    body = (frame + other).replace(b"\xff", b"\xff\0")
    size = bytes(len(body) >> shift & 127 for shift in (21, 14, 7, 0))
    path = mp3(tmp_path / "a.mp3")
    path.write_bytes(b"ID3\3\0\x80" + size + body + path.read_bytes())
    found = read_metadata(path)
    assert found.tags == {"title": ("Packed",)}
    assert found.pictures[0].data == b"\xff\xe0" * 4


@pytest.mark.parametrize(
    ("raw", "text"),
    [
        ("Café".encode("latin-1"), "Café"),
        ("Café".encode(), "Café"),
        ("“Café” – 5 €".encode("cp1252"), "“Café” – 5 €"),
    ],
)
def test_old_text_is_decoded_without_question_marks(tmp_path, raw, text):
    path = mp3(tmp_path / "a.mp3")
    tag = b"TAG" + raw.ljust(30, b"\0") + bytes(64) + bytes(28) + b"\0\7" + b"\x08"
    path.write_bytes(path.read_bytes() + tag)
    found = read_metadata(path)
    assert found.tags == {"title": (text,), "tracknumber": ("7",), "genre": ("Jazz",)}
    info = chunk(b"LIST", b"INFO" + chunk(b"INAM", raw + b"\0"))
    assert read_metadata(wav(tmp_path / "a.wav", info)).tags == {"title": (text,)}
    result = write_rich(tmp_path / "b.wav", read_metadata(tmp_path / "a.wav"))
    assert result.receipt.carried == ("1 tag",)
    assert read_metadata(tmp_path / "b.wav").tags["title"] == (text,)


def test_the_code_page_of_a_wav_file_is_used(tmp_path):
    title = "Привет"
    info = chunk(b"LIST", b"INFO" + chunk(b"INAM", title.encode("cp1251")))
    page = chunk(b"CSET", struct.pack("<4H", 1251, 7, 25, 1))
    assert read_metadata(wav(tmp_path / "a.wav", page, info)).tags == {"title": (title,)}


def test_id3v1_adds_only_what_the_longer_tags_lack(tmp_path):
    path = mp3(tmp_path / "a.mp3")
    long = "A title with more than thirty characters"
    id3.ID3().save(path)
    tags = id3.ID3()
    tags.add(id3.TIT2(3, [long]))
    tags.save(path, v1=0)
    old = b"TAG" + long.encode()[:30] + b"Someone".ljust(30, b"\0") + bytes(30 + 4 + 30) + b"\xff"
    path.write_bytes(path.read_bytes() + old)
    assert read_metadata(path).tags == {"title": (long,), "artist": ("Someone",)}


def test_ape_tags(tmp_path):
    path = mp3(tmp_path / "a.mp3")
    tags = mutagen.apev2.APEv2()
    tags["Title"] = "Ça"
    tags["Artist"] = ["One", "Two"]
    tags["Track"] = "3/12"
    tags["Cover Art (Front)"] = mutagen.apev2.APEValue(b"c.png\0" + COVER, mutagen.apev2.BINARY)
    tags.save(path)
    found = read_metadata(path)
    assert found.tags["title"] == ("Ça",)
    assert found.tags["artist"] == ("One", "Two")
    assert (found.tags["tracknumber"], found.tags["tracktotal"]) == (("3",), ("12",))
    assert [(p.kind, p.mime, p.data) for p in found.pictures] == [(3, "image/png", COVER)]


def test_atoms_of_mp4(tmp_path):
    path = write_sound(tmp_path / "a.m4a", music(1, 5000))
    file = mutagen.mp4.MP4(path)
    file["©nam"] = ["Ça"]
    file["trkn"] = [(3, 12)]
    file["tmpo"] = [120]
    file["cpil"] = True
    file["----:com.apple.iTunes:LABEL"] = [b"EMI"]
    file["rate"] = ["90"]
    file["covr"] = [mutagen.mp4.MP4Cover(COVER, mutagen.mp4.MP4Cover.FORMAT_PNG)]
    file.save()
    found = read_metadata(path)
    assert found.tags["title"] == ("Ça",)
    assert (found.tags["tracknumber"], found.tags["tracktotal"]) == (("3",), ("12",))
    assert (found.tags["bpm"], found.tags["compilation"]) == (("120",), ("1",))
    assert found.tags["LABEL"] == ("EMI",)
    assert found.pictures[0].data == COVER
    result = write_rich(tmp_path / "b.m4a", found)
    assert result.receipt.lost == ()
    again = mutagen.mp4.MP4(tmp_path / "b.m4a")
    assert (again["tmpo"], again["cpil"]) == ([120], True)


def test_pictures_and_blocks_of_flac(tmp_path):
    path = write_sound(tmp_path / "a.flac", noise(1, 5000))
    file = mutagen.flac.FLAC(path)
    file["TITLE"] = ["Ça"]
    file["Custom"] = ["x", "y"]
    track = struct.pack(">QB12s14xB", 5000, 170, b"", 0)
    sheet = struct.pack(">128sQB258xB", b"", 88_200, 1, 1) + track
    file.metadata_blocks.append(mutagen.flac.CueSheet(sheet))
    file.save()
    found = read_metadata(path)
    assert found.tags == {"title": ("Ça",), "Custom": ("x", "y")}
    assert [block.name for block in found.blocks] == ["CUESHEET"]
    write_rich(tmp_path / "b.flac", found)
    again = mutagen.flac.FLAC(tmp_path / "b.flac")
    assert again["custom"] == ["x", "y"]
    assert [(t.track_number, t.start_offset) for t in again.cuesheet.tracks] == [(170, 5000)]


def test_loudness_and_identity_of_bext_are_left_out_and_named(tmp_path):
    data = bytearray(602)
    data[256:259] = b"ORF"
    struct.pack_into("<H", data, 346, 2)
    data[348:412] = b"\1" * 64
    struct.pack_into("<5h", data, 412, -2300, 500, -100, -1800, -1900)
    found = read_metadata(wav(tmp_path / "a.wav", chunk(b"bext", bytes(data))))
    receipt = write_rich(tmp_path / "b.wav", found).receipt
    assert receipt.carried == ("bext",)
    assert receipt.not_carried == (
        "loudness values of bext: the result has another loudness",
        "UMID of bext: it identifies the recording of the source",
    )
    written = read_metadata(tmp_path / "b.wav").bext
    assert struct.unpack_from("<5h", written, 412) == (0x7FFF,) * 5
    assert not any(written[348:412])
    assert written[256:259] == b"ORF"


def test_chunks_that_describe_the_source_are_left_out_and_named(tmp_path):
    path = wav(tmp_path / "a.wav", chunk(b"chna", bytes(4)), chunk(b"axml", b"<adm/>"))
    receipt = write_rich(tmp_path / "b.wav", read_metadata(path)).receipt
    assert receipt.not_carried == (
        "chna chunk: it describes the channels of the source",
        "axml chunk: it describes the channels of the source",
    )


def test_damaged_tags_are_named(tmp_path):
    path = mp3(tmp_path / "a.mp3")
    body = b"TIT2" + struct.pack(">I", 500) + b"\0\0\3x"
    path.write_bytes(b"ID3\3\0\0" + bytes([0, 0, 0, len(body)]) + body + path.read_bytes())
    receipt = write_rich(tmp_path / "b.flac", read_metadata(path)).receipt
    assert [lost.what for lost in receipt.lost] == ["part of the ID3 tag"]


def test_genres_have_the_numbers_of_id3v1():
    from mutagen._constants import GENRES as THEIRS

    same = [one == other for one, other in zip(GENRES, THEIRS, strict=False)]
    assert sum(same) >= 76  # four are spelled in another way


@pytest.mark.slow
@pytest.mark.parametrize("suffix", CONTAINERS)
def test_mutated_files_are_read_without_a_traceback(tmp_path, suffix):
    path = tmp_path / f"a.{suffix}"
    write_rich(path)
    data = path.read_bytes()
    head = min(len(data), 14_000)
    draw = random.Random(suffix)
    for turn in range(40):
        damaged = bytearray(data[: draw.randrange(20, len(data))] if turn % 4 == 0 else data)
        for _ in range(draw.randrange(1, 12)):
            damaged[draw.randrange(min(head, len(damaged)))] = draw.randrange(256)
        path.write_bytes(damaged)
        with contextlib.suppress(InputError):
            read_metadata(path)


@pytest.mark.parametrize("name", ["a:b.flac", "%s %d.mp3", "-x.m4a", "http:x.mka", "é\n.wav"])
def test_names_are_never_taken_for_addresses(tmp_path, name):
    receipt = write_rich(tmp_path / name).receipt
    assert receipt.carried[0].endswith("tags")


def test_names_that_are_no_utf_8(tmp_path):
    folder = os.fsencode(tmp_path)
    for suffix in ("wav", "m4a", "mka", "mp3"):
        path = Path(os.fsdecode(folder + b"/caf\xe9." + suffix.encode()))
        assert write_rich(path).receipt.carried[0].endswith("tags")


def test_what_two_tags_of_a_file_say_differently_is_named(tmp_path):
    path = mp3(tmp_path / "a.mp3")
    tags = id3.ID3()
    tags.add(id3.TIT2(3, ["New"]))
    tags.add(id3.TRCK(3, ["07"]))
    tags.save(path, v1=0)
    old = b"TAG" + b"Old".ljust(30, b"\0") + bytes(92) + b"\0\7" + b"\xff"
    path.write_bytes(path.read_bytes() + old)
    found = read_metadata(path)
    assert found.tags == {"title": ("New",), "tracknumber": ("07",)}
    assert [lost.what for lost in found.unread] == ["title of ID3v1"]


def test_an_extended_header_that_is_not_there_is_not_skipped(tmp_path):
    path = mp3(tmp_path / "a.mp3")
    body = b"TIT2\0\0\0\2\0\0\3x"
    path.write_bytes(b"ID3\4\0\x40" + bytes([0, 0, 0, len(body)]) + body + path.read_bytes())
    assert read_metadata(path).tags == {"title": ("x",)}


def test_comments_before_damage_are_read(tmp_path):
    path = tmp_path / "a.flac"
    write_rich(path)
    data = bytearray(path.read_bytes())
    at = data.index(b"GENRE=")
    data[at - 4 : at] = b"\xff\xff\xff\x7f"
    path.write_bytes(data)
    found = read_metadata(path)
    assert found.tags["title"] == ("Nuit é 日本",)
    assert "part of the comments" in [lost.what for lost in found.unread]

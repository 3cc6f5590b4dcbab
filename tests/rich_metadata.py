"""Metadata of every kind, for files that tests write."""

import struct
import zlib

import numpy as np

from making import RATE, noise
from soundstage.audio import Metadata, Quantizer, SoundFormat, SoundWriter, output_format
from soundstage.audio.metadata import Block, Chapter, Marker, Picture
from soundstage.audio.metadata.bext import from_tags

CONTAINERS = (
    *("wav", "rf64", "w64", "aiff", "caf", "au", "flac", "mp3", "ogg", "opus"),
    *("m4a", "mov", "mka", "mkv", "webm"),
)
FRAMES = 30_000


def png(width: int = 8, *, padding: int = 3000) -> bytes:
    """A PNG file of gray pixels, with a comment of that many bytes."""

    def chunk(name: bytes, data: bytes) -> bytes:
        return (
            struct.pack(">I4s", len(data), name) + data + struct.pack(">I", zlib.crc32(name + data))
        )

    rows = zlib.compress((b"\0" + bytes([90]) * width) * width)
    head = struct.pack(">IIBBBBB", width, width, 8, 0, 0, 0, 0)
    parts = [
        (b"IHDR", head),
        (b"tEXt", b"Comment\0" + b"x" * padding),
        (b"IDAT", rows),
        (b"IEND", b""),
    ]
    return b"\x89PNG\r\n\x1a\n" + b"".join(chunk(*part) for part in parts)


COVER, BACK = png(8), png(16)

TAGS = {
    "title": ("Nuit é 日本",),
    "artist": ("One", "Two"),
    "album": ("Album",),
    "albumartist": ("Various",),
    "date": ("1961-01-20",),
    "genre": ("Jazz",),
    "comment": ("first line\nsecond line",),
    "tracknumber": ("3",),
    "tracktotal": ("12",),
    "discnumber": ("1",),
    "composer": ("Someone",),
    "copyright": ("© 1961",),
    "lyrics": ("la la\nla",),
    "isrc": ("FRXXX6100001",),
    "mood": ("Calm",),
    "MUSICBRAINZ_TRACKID": ("f1b2",),
    "Tape Number": ("A 17",),
}

BEXT = from_tags(
    {
        "description": "Interview, déjà",
        "originator": "ORF",
        "originator_reference": "ATORF123",
        "origination_date": "1961-01-20",
        "origination_time": "12:30:00",
        "time_reference": "48000",
        "coding_history": "A=ANALOGUE,M=mono,T=Studer",
    }
)

RICH = Metadata(
    tags=TAGS,
    pictures=(Picture(COVER, "image/png", 3, "front"), Picture(BACK, "image/png", 4, "back")),
    chapters=(Chapter(0.0, 0.25, "One"), Chapter(0.25, 0.6, "Zwei é")),
    markers=(Marker(100, "start"), Marker(20_000, "verse", "a note", 500)),
    bext=BEXT,
    blocks=(
        Block("RIFF", "iXML", b"<BWFXML><TAKE>3</TAKE></BWFXML>"),
        Block("RIFF", "cart", b"0101" + bytes(2044)),
        Block("RIFF", "smpl", struct.pack("<9I", 0, 0, 20833, 60, 0, 0, 0, 0, 0)),
    ),
    rate=RATE,
)


def write_rich(path, metadata: Metadata | None = RICH, form: SoundFormat | None = None, **more):
    """Write two channels of noise with metadata; returns the writer, with its receipt."""
    form = form or output_format(SoundFormat("WAV", "PCM_16"), path.suffix, None)
    samples = noise(2, FRAMES)
    with SoundWriter(
        path,
        rate=RATE,
        channels=2,
        format=form,
        metadata=metadata,
        expected_frames=FRAMES,
        **more,
    ) as writer:
        steps = Quantizer(form.integer_bits).quantize(samples) if form.integer_bits else samples
        writer.write(np.asarray(steps))
    return writer

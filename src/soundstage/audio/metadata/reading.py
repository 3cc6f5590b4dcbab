"""Reading the metadata of a file of any kind, by its content."""

import os
import struct
from collections.abc import Callable
from dataclasses import replace
from typing import BinaryIO

from soundstage.audio.codecs.input_file import InputFile
from soundstage.audio.metadata.flac import read_flac
from soundstage.audio.metadata.id3 import read_id3, tag_size
from soundstage.audio.metadata.model import Lost, Metadata, merged
from soundstage.audio.metadata.mp4 import read_mp4
from soundstage.audio.metadata.ogg import has_tracks, read_ogg
from soundstage.audio.metadata.other_chunks import read_aiff, read_au, read_caf
from soundstage.audio.metadata.tail import with_tail
from soundstage.audio.metadata.wave_chunks import read_w64, read_wave
from soundstage.errors import InputError

_DAMAGE = (struct.error, ValueError, IndexError, KeyError, OverflowError, EOFError)
_ID3_LIMIT = 1 << 26  # bytes


def read_metadata(file: str | os.PathLike[str] | BinaryIO | InputFile) -> Metadata:
    """Tags, pictures, chapters, markers and other data of a sound file or film.

    Text that does not say how it is encoded is read as UTF-8, else as Windows-1252 or by the code
    page that the file names. What is damaged is left out, and named in `Metadata.unread`.

    Args:
        file: a path, or a binary file object that can seek.

    Raises:
        InputError: the file cannot be opened.
    """
    source = file if isinstance(file, InputFile) else InputFile(file)
    with source.open() as opened:
        head = opened.read(64)
        reader = _reader(head)
        found = Metadata()
        try:
            if reader:
                found = reader(opened)
        except _DAMAGE:
            found = Metadata(unread=(Lost("tags", "they are damaged"),))
        found = with_tail(opened, found)
        more = head[:4] == b"OggS" and (found == Metadata() or has_tracks(opened))
    if head[4:8] in _MOVIES or reader is None or more:
        try:
            return _by_ffmpeg(source, found)
        except (InputError, *_DAMAGE, OSError):
            return found
    return found


_MOVIES = (b"ftyp", b"moov", b"mdat", b"free", b"skip", b"wide", b"pnot")


def _reader(head: bytes) -> Callable[[BinaryIO], Metadata] | None:
    """The function for files that begin so; None for those that only FFmpeg reads."""
    if head[:4] == b"fLaC":
        return read_flac
    if head[:4] == b"OggS":
        return read_ogg
    if head[:4] in (b"RIFF", b"RIFX", b"RF64", b"BW64") and head[8:12] == b"WAVE":
        return read_wave
    if head[:4] == b"riff" and head[24:28] == b"wave":
        return read_w64
    if head[:4] == b"FORM" and head[8:12] in (b"AIFF", b"AIFC"):
        return read_aiff
    if head[:4] == b"caff":
        return read_caf
    if head[:4] in (b".snd", b"dns."):
        return read_au
    if head[4:8] in _MOVIES:
        return read_mp4
    if head[:3] == b"ID3":
        return _read_front
    if head[:1] == b"\xff" and head[1:2] >= b"\xe0":  # MPEG audio without a tag in front
        return lambda file: Metadata()
    return None


def _read_front(file: BinaryIO) -> Metadata:
    """The ID3 tags in front of MP3, AAC or FLAC; there may be several."""
    file.seek(0)
    found, at = Metadata(), 0
    for _ in range(16):
        file.seek(at)
        size = tag_size(file.read(10))
        if not size:
            break
        if size > _ID3_LIMIT:
            lost = Lost("the ID3 tag", "it is too large")
            return replace(found, unread=(*found.unread, lost))
        file.seek(at)
        found = merged(found, read_id3(file.read(size)), "the second ID3 tag")
        at += size
    file.seek(at)
    return read_flac(file) if file.read(4) == b"fLaC" else found


def _by_ffmpeg(source: InputFile, found: Metadata) -> Metadata:
    from soundstage.audio.metadata.media import read_media

    return read_media(source, found)

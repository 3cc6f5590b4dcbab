"""Metadata of Ogg Vorbis, Opus, Speex and FLAC: the comments in the second packet (RFC 3533)."""

import struct
import zlib
from collections.abc import Iterator
from dataclasses import replace
from typing import BinaryIO, NamedTuple

from soundstage.audio.metadata.model import Metadata
from soundstage.audio.metadata.vorbis import read_comments, read_picture

MARKS = {  # how the first packet begins, and what stands before the comments in the second
    b"\x01vorbis": b"\x03vorbis",
    b"OpusHead": b"OpusTags",
    b"Speex   ": b"",
    b"\x7fFLAC": b"",
}
_MARKS = tuple(MARKS)
_HEAD = struct.Struct("<4sBBqIIIB")  # magic, version, flags, granule, serial, number, CRC, segments
_MAX_BYTES = 1 << 26  # of headers
_REVERSED = bytes(int(f"{byte:08b}"[::-1], 2) for byte in range(256))

CONTINUED, FIRST, LAST = 1, 2, 4
"""Flags of a page."""


class Page(NamedTuple):
    """One page of an Ogg stream."""

    flags: int
    granule: int
    serial: int
    number: int
    segments: bytes
    body: bytes

    def packed(self) -> bytes:
        """Its bytes, with the checksum."""
        head = [b"OggS", 0, self.flags, self.granule, self.serial, self.number]
        blank = _HEAD.pack(*head, 0, len(self.segments)) + self.segments + self.body
        return _HEAD.pack(*head, checksum(blank), len(self.segments)) + blank[_HEAD.size :]


def checksum(page: bytes) -> int:
    """Ogg's CRC: that of zlib with the bits of every byte, and of the sum, in reverse."""
    mirrored = zlib.crc32(page.translate(_REVERSED), 0xFFFFFFFF) ^ 0xFFFFFFFF
    return int.from_bytes(mirrored.to_bytes(4, "little").translate(_REVERSED), "big")


def take_page(data: bytes | bytearray, at: int = 0) -> tuple[Page, int] | None:
    """The page that begins at an offset, and the offset after it; None if it is not complete.

    Raises:
        ValueError: there is no page.
    """
    if len(data) < at + _HEAD.size:
        return None
    magic, _, flags, granule, serial, number, _, count = _HEAD.unpack_from(data, at)
    if magic != b"OggS":
        raise ValueError("a page of Ogg is missing")
    start = at + _HEAD.size + count
    segments = bytes(data[at + _HEAD.size : start])
    end = start + sum(segments)
    if len(data) < end or len(segments) < count:
        return None
    return Page(flags, granule, serial, number, segments, bytes(data[start:end])), end


def packets(page: Page) -> Iterator[tuple[bytes, bool]]:
    """The parts of packets in a page, and whether each ends in it."""
    at, size = 0, 0
    for segment in page.segments:
        size += segment
        if segment < 255:
            yield page.body[at : at + size], True
            at, size = at + size, 0
    if size:
        yield page.body[at : at + size], False


def paged(contents: list[bytes], serial: int, number: int) -> Iterator[Page]:
    """Pages of header packets that begin on a page of their own."""
    segments, body = b"", b"".join(contents)
    for content in contents:
        segments += b"\xff" * (len(content) // 255) + bytes([len(content) % 255])
    at, inside = 0, False
    for first in range(0, len(segments), 255):
        part = segments[first : first + 255]
        end = at + sum(part)
        ends = any(segment < 255 for segment in part)
        yield Page(inside * CONTINUED, 0 if ends else -1, serial, number, part, body[at:end])
        at, number, inside = end, number + 1, part[-1] == 255


def has_tracks(file: BinaryIO) -> bool:
    """Whether several streams begin at the start of an Ogg file, as in a film."""
    file.seek(0)
    data = file.read(1 << 16)
    first = take_page(data)
    second = take_page(data, first[1]) if first else None
    return bool(second and second[0].flags & FIRST)


def read_ogg(file: BinaryIO) -> Metadata:
    """The comments and pictures of the first sound in an Ogg file."""
    file.seek(0)
    data = bytearray(file.read(1 << 16))
    at = 0
    heads: dict[int, list[bytes]] = {}
    unfinished: dict[int, bytes] = {}
    while True:
        taken = take_page(data, at)
        if taken is None:
            more = file.read(1 << 20)
            if not more or len(data) > _MAX_BYTES:
                return Metadata()
            data += more
            continue
        page, at = taken
        if not page.flags & FIRST and not any(h[0].startswith(_MARKS) for h in heads.values() if h):
            return Metadata()
        held = heads.setdefault(page.serial, [])
        for part, complete in packets(page):
            unfinished[page.serial] = unfinished.get(page.serial, b"") + part
            if complete:
                held.append(unfinished.pop(page.serial))
        mark = next((m for m in MARKS if held and held[0].startswith(m)), None)
        if mark == b"\x7fFLAC":
            count = struct.unpack_from(">H", held[0], 7)[0] + 1 if len(held[0]) > 9 else 2
            last = next((k for k, p in enumerate(held) if k and p[:1] and p[0] & 0x80), None)
            if last is None and len(held) < (count if count > 1 else 1 << 16):
                continue
            return _flac_packets(held[1 : (last or len(held) - 1) + 1])
        if mark is not None and len(held) > 1:
            return read_comments(held[1][len(MARKS[mark]) :])


def _flac_packets(found: list[bytes]) -> Metadata:
    metadata = Metadata()
    pictures = []
    for packet in found:
        if packet[:1] and packet[0] & 0x7F == 4:
            metadata = read_comments(packet[4:])
        elif packet[:1] and packet[0] & 0x7F == 6:
            pictures.append(read_picture(packet[4:]))
    return replace(metadata, pictures=(*metadata.pictures, *pictures))

"""The pages of an Ogg file (RFC 3533): whether all are there and whole, and their samples.

FFmpeg drops a page with a wrong checksum, and everything of it, without an error. So all checksums
and page numbers are verified here.
"""

import zlib
from dataclasses import dataclass, field
from typing import BinaryIO

from soundstage.audio.codecs.tag_blocks import after_tags

_HEADER = 27  # bytes, before the table of segments
_BLOCK = 1 << 20  # bytes read at a time
_LONGEST = _HEADER + 255 + 255 * 255  # bytes of a page
_MOST_EMPTY = 10_000  # pages without content in a row
_OPEN = (1 << 64) - 1  # granule position of a page on which no packet ends
_LOW_RATES = (8000, 12000, 16000, 24000)  # Hz, that an Opus decoder can give
_REVERSED = bytes(int(f"{byte:08b}"[::-1], 2) for byte in range(256))
_SOUND = (b"\x01vorbis", b"OpusHead", b"\x7fFLAC", b"Speex   ")


@dataclass
class _Stream:
    sound: bool
    vorbis: bool
    low_opus: bool
    skipped: int  # samples at the start that a decoder removes
    number: int  # of the last page
    granule: int = 0
    ended: bool = False
    continues: bool = False  # the last packet goes on in a page that is not there yet


@dataclass
class OggPages:
    """What a scan of all pages found.

    Attributes:
        problem: what is wrong, as the end of a sentence; None if nothing is.
        samples: per channel by the granule positions of all streams of sound; None if unknown.
        vorbis: a single stream of Vorbis.
        low_opus: a single stream of Opus, made of sound of a lower rate than 48 kHz.
        joined: several streams follow each other.
        unmarked: the last page of a stream of sound is not marked as the last.
    """

    problem: str | None = None
    samples: int | None = None
    vorbis: bool = False
    low_opus: bool = False
    joined: bool = False
    unmarked: bool = False


@dataclass
class _Scan:
    streams: dict[int, _Stream] = field(default_factory=dict)  # at this time, by serial number
    done: list[_Stream] = field(default_factory=list)  # of the files before, where some are joined
    begun: bool = False  # the first pages of the streams are over
    parallel: bool = False  # several streams of sound at the same time

    def page(self, head: bytes, content: bytes) -> str | None:
        serial, number = (int.from_bytes(head[k : k + 4], "little") for k in (14, 18))
        if head[5] & 2:  # the first page of a stream
            if self.begun:
                self.done.extend(self.streams.values())
                self.streams, self.begun = {}, False
            skipped = int.from_bytes(content[10:12], "little") if content[:4] == b"Opus" else 0
            sound, vorbis = content.startswith(_SOUND), content.startswith(_SOUND[0])
            opus = content.startswith(_SOUND[1])
            low = opus and int.from_bytes(content[12:16], "little") in _LOW_RATES
            self.streams[serial] = _Stream(sound, vorbis, low, skipped, number)
            self.parallel |= sum(stream.sound for stream in self.streams.values()) > 1
            return None
        self.begun = True
        stream = self.streams.get(serial)
        if stream is None:
            return "its first page is missing"
        if stream.number < number != stream.number + 1:
            return "pages are missing in the middle"
        stream.number = number
        granule = int.from_bytes(head[6:14], "little")
        stream.granule = stream.granule if granule == _OPEN else granule
        stream.ended = bool(head[5] & 4)
        stream.continues = bool(head[26]) and head[_HEADER + head[26] - 1] == 255
        return None

    def result(self) -> OggPages:
        sounds = [s for s in [*self.done, *self.streams.values()] if s.sound]
        if any(s.continues or not s.granule for s in sounds):
            return OggPages(problem="its last page is missing")
        samples = sum(s.granule - s.skipped for s in sounds)
        return OggPages(
            samples=samples if 0 < samples < 1 << 62 and not self.parallel else None,
            vorbis=len(sounds) == 1 and sounds[0].vorbis,
            low_opus=len(sounds) == 1 and sounds[0].low_opus,
            joined=bool(self.done),
            unmarked=any(not s.ended for s in sounds),
        )


def scan_pages(file: BinaryIO, at: int, length: int) -> OggPages:
    """Read all pages.

    Args:
        file: to scan.
        at: offset of the first page, in bytes.
        length: of the file.
    """
    scan, empty = _Scan(), 0
    base, data = at, b""
    while at < length:
        if at - base + _LONGEST > len(data) and base + len(data) < length:
            file.seek(at)
            base, data = at, file.read(_BLOCK)
        k = at - base
        head = data[k : k + _HEADER + 255]
        if head[:4] != b"OggS":
            after = after_tags(file, at, length)
            if after == length or (after == at and not _another_page(file, at)):
                break
            if after == at:
                return OggPages(problem="bytes between its pages are no page")
            at, base, data = after, after, b""
            continue
        segments = head[26] if len(head) >= _HEADER else 0
        size = _HEADER + segments + sum(head[_HEADER : _HEADER + segments])
        if at + size > length or len(head) < _HEADER:
            return OggPages(problem="its last page is incomplete")
        page = data[k : k + size]
        if _checksum(page[:22] + bytes(4) + page[26:]) != int.from_bytes(page[22:26], "little"):
            return OggPages(problem=f"its page at byte {at:,} is damaged")
        empty = 0 if segments else empty + 1
        problem = scan.page(head, page[_HEADER + segments : _HEADER + segments + 20])
        if problem or empty > _MOST_EMPTY:
            return OggPages(problem=problem or "its pages are empty")
        at += size
    return scan.result()


def _another_page(file: BinaryIO, at: int) -> bool:
    """Whether more pages follow after something that is none."""
    file.seek(at)
    before = b""
    while block := file.read(_BLOCK):
        if b"OggS\0" in before + block:
            return True
        before = block[-8:]
    return False


def _checksum(page: bytes) -> int:
    """The CRC of Ogg: that of zlib with its bits in reverse order, and without its inversions."""
    crc = zlib.crc32(page.translate(_REVERSED), 0xFFFFFFFF) ^ 0xFFFFFFFF
    return int.from_bytes(crc.to_bytes(4, "big").translate(_REVERSED)[::-1], "big")

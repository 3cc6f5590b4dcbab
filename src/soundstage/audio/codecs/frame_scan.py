"""Counting the frames of a file that holds nothing but frames: MPEG audio, and AAC in ADTS.

A frame header gives the length of its frame, so frames are counted from one header to the next. A
megabyte of possible headers is measured at a time, since junk between frames may have any length
and a search through it must be fast. A frame that a search finds counts only if a frame of the
same stream, a tag, or the end of the file follows.
"""

import bisect
from collections.abc import Callable
from dataclasses import dataclass
from typing import BinaryIO

import numpy as np
from jaxtyping import UInt8, UInt16

from soundstage.audio.codecs.tag_blocks import after_tags, begins_tag

_BLOCK = 1 << 20  # bytes measured at a time
_AHEAD = 1 << 14  # bytes after a block that its last frames reach into
_EVIDENCE = 4  # frames in a row that the first one needs if junk precedes it: fewer are chance
_MOST_TRIES = 10_000  # places that are tried as the first frame
_MOST_RUNS = 10_000  # of frames without junk between them; more are no stream
HEADER_FRAME = 0x8000
"""Flag in the stream of a frame that holds no sound, but a description of those after it."""

Measure = Callable[
    [UInt8[np.ndarray, " bytes"]], tuple[UInt16[np.ndarray, " bytes"], UInt16[np.ndarray, " bytes"]]
]
"""From bytes to the length of the frame that may begin at each, and to a number of its stream; both
are 0 where none begins."""


@dataclass(frozen=True)
class FrameCount:
    """Frames of a file.

    Attributes:
        start: offset of the first one, in bytes.
        frames: complete ones, with header frames.
        header_frames: those that describe the others.
        cut: the last frame is incomplete.
        damaged_at: offset of the first bytes before or between frames that are no tag; None without
            any.
    """

    start: int
    frames: int
    header_frames: int
    cut: bool
    damaged_at: int | None


def count_frames(file: BinaryIO, length: int, measure: Measure, header: int) -> FrameCount | None:
    """Count the frames of the stream that the first frame belongs to; None if there is none.

    Args:
        file: to scan.
        length: of it, in bytes.
        measure: finds the frames.
        header: bytes of a frame that `measure` needs.
    """
    scan = _Scan(file, length, measure)
    begin = after_tags(file, 0, length)
    start = scan.first_frame(begin)
    if start is None:
        return None
    stream = scan.kind(start) & ~HEADER_FRAME
    at, frames, headers = start, 0, 0
    damaged_at = None if start == begin else begin
    for _ in range(_MOST_RUNS):
        at, plain, described = scan.follow(at, stream)
        frames, headers = frames + plain + described, headers + described
        if at >= length:
            break
        resumed = after_tags(file, at, length)
        if scan.kind(resumed) & ~HEADER_FRAME != stream:
            found = scan.next_frame(resumed, stream)
            if found is None:
                break
            damaged_at = resumed if damaged_at is None else damaged_at
            resumed = found
        at = resumed
    else:
        return None
    begun = 0 < length - at < header and scan.byte(at) == scan.byte(start)
    cut = at > length or begun
    return FrameCount(start, frames - (at > length), headers, cut, damaged_at)


class _Scan:
    def __init__(self, file: BinaryIO, length: int, measure: Measure) -> None:
        self._file, self._length, self._measure = file, length, measure
        self._load(0)

    def kind(self, at: int) -> int:
        """The stream of the frame at an offset; 0 for none."""
        return self._kinds[self._inside(at)] if at < self._length else 0

    def byte(self, at: int) -> int:
        """The byte at an offset."""
        return self._data[self._inside(at)]

    def follow(self, at: int, stream: int) -> tuple[int, int, int]:
        """The offset after the frames that follow each other from `at` on, and their numbers.

        Returns:
            The offset, the number of frames with sound, and that of header frames.
        """
        plain = described = 0
        header = stream | HEADER_FRAME
        while at < self._length:
            k = self._inside(at)
            kinds, sizes, end = self._kinds, self._sizes, self._end
            begin = k
            while k < end:
                kind = kinds[k]
                if kind == stream:
                    plain += 1
                elif kind == header:
                    described += 1
                else:
                    return at + k - begin, plain, described
                k += sizes[k]
            at += k - begin
        return at, plain, described

    def first_frame(self, begin: int) -> int | None:
        """The offset of the first frame at or after `begin`."""
        if self.kind(begin) and self._has_followers(begin, 1):
            return begin
        at = begin
        for _ in range(_MOST_TRIES):
            found = self.next_frame(at, None)
            if found is None or self._has_followers(found, _EVIDENCE):
                return found
            at = found + 1
        return None

    def next_frame(self, at: int, stream: int | None) -> int | None:
        """The offset of the next frame of a stream, or any, that another one or the end follows."""
        while at < self._length:
            k = self._inside(at)
            places = self._confirmed(stream)
            found = bisect.bisect_left(places, k)
            if found < len(places):
                return self._base + places[found]
            at = self._base + self._end
        return None

    def _has_followers(self, at: int, wanted: int) -> bool:
        stream = self.kind(at) & ~HEADER_FRAME
        for _ in range(wanted):
            at += self._sizes[self._inside(at)]
            if at >= self._length or begins_tag(self._file, at):
                return True
            if self.kind(at) & ~HEADER_FRAME != stream:
                return False
        return True

    def _inside(self, at: int) -> int:
        """The index of an offset in the block that holds it."""
        if not self._base <= at < self._base + self._end:
            self._load(at)
        return at - self._base

    def _load(self, at: int) -> None:
        self._file.seek(at)
        self._data = self._file.read(_BLOCK + _AHEAD)
        self._base, self._end = at, min(len(self._data), _BLOCK)
        sizes, kinds = self._measure(np.frombuffer(self._data, np.uint8))
        self._size_array, self._kind_array = sizes, kinds
        self._sizes, self._kinds = memoryview(sizes.data), memoryview(kinds.data)
        self._places: dict[int | None, list[int]] = {}

    def _confirmed(self, stream: int | None) -> list[int]:
        """Indices of the frames in this block that a frame of the same stream follows."""
        if stream not in self._places:
            kinds = self._kind_array & np.uint16(~HEADER_FRAME & 0xFFFF)
            places = np.flatnonzero(kinds[: self._end])
            if stream is not None:
                places = places[kinds[places] == stream]
            after = places + self._size_array[places]
            inside = after < len(kinds)
            follows = np.zeros(len(places), bool)
            follows[inside] = kinds[after[inside]] == kinds[places[inside]]
            for k in np.flatnonzero(~follows)[-_MOST_TRIES:]:
                ends = self._base + int(after[k])
                follows[k] = ends == self._length or begins_tag(self._file, ends)
            self._places[stream] = places[follows].tolist()
        return self._places[stream]

"""Files that libsndfile and FFmpeg write to: with metadata among their bytes, and failures kept.

They are called from C, where an exception cannot pass: it is stored, and raised after.
"""

import os
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from typing import BinaryIO

from soundstage.audio.metadata import Metadata
from soundstage.audio.metadata.ogg import FIRST, MARKS, Page, packets, paged, take_page
from soundstage.audio.metadata.vorbis import vendor, write_comments

_VORBIS = b"\x01vorbis"


@contextmanager
def ffmpeg_failures(sink: "Sink") -> Iterator[None]:
    """Raise what went wrong in calls of FFmpeg as OSError, first of all a failure of the file."""
    from av.error import FFmpegError

    try:
        yield
    except FFmpegError as error:
        if sink.failure:
            raise sink.failure from error
        raise OSError(getattr(error, "errno", 0), str(error.strerror or error)) from error
    if sink.failure:
        raise sink.failure


class Sink:
    """The file that an encoder writes to, by calls that cannot raise: failures are stored.

    Args:
        file: opened for reading and writing, unbuffered, at its start.
        inserted: bytes that stand at the offset `at`; the encoder does not see them.
        at: where they stand.
    """

    def __init__(self, file: BinaryIO, inserted: bytes = b"", at: int = 0) -> None:
        self.failure: BaseException | None = None
        self._file, self._at, self._size = file, at, len(inserted)
        self._place = 0  # as the encoder sees it
        if inserted:
            self._guarded(self._put, inserted, at)
        self._guarded(self._go, 0)

    def write(self, data: bytes) -> int:
        """Write all bytes, or store the failure and return 0."""
        before = max(self._at - self._place, 0)
        for part in (data[:before], data[before:]):
            if len(part):
                self._guarded(self._put, part, self._physical(self._place))
                self._place += len(part)
        return 0 if self.failure else len(data)

    def read(self, size: int) -> bytes:
        """Bytes written before, which libsndfile reads to complete its headers."""
        found = b""
        before = max(self._at - self._place, 0)
        for amount in (min(size, before), size - min(size, before)):
            if amount:
                part = self._guarded(self._get, amount) or b""
                self._place += len(part)
                found += part
        return found

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        """Move to an offset."""
        if whence == os.SEEK_END:
            end = self._guarded(self._file.seek, 0, os.SEEK_END) or 0
            offset += end - (self._size if end > self._at else 0)
        elif whence == os.SEEK_CUR:
            offset += self._place
        self._place = max(offset, 0)
        return self._place

    def tell(self) -> int:
        """The offset."""
        return self._place

    def _physical(self, place: int) -> int:
        return place + (self._size if place >= self._at else 0)

    def _put(self, data: bytes, place: int) -> None:
        self._go(place)
        rest = memoryview(data)
        while rest:
            rest = rest[self._file.write(rest) :]

    def _get(self, size: int) -> bytes:
        self._go(self._physical(self._place))
        return self._file.read(size)

    def _go(self, place: int) -> None:
        self._file.seek(place)

    def _guarded(self, call, *arguments):  # type: ignore[no-untyped-def]
        """What the call returns, or None after a failure."""
        if self.failure:
            return None
        try:
            return call(*arguments)
        except BaseException as failure:  # libsndfile's callback would print and forget it
            self.failure = failure
            return None


class OggSink(Sink):
    """The pages of an Ogg file, with our comments in place of libsndfile's.

    The number of the stream, which libsndfile draws at random, is made of its headers, so that
    equal sounds make equal files.

    Args:
        file: opened for writing, unbuffered, at its start.
        metadata: for the comments.
    """

    def __init__(self, file: BinaryIO, metadata: Metadata) -> None:
        super().__init__(file)
        self._metadata = metadata
        self._pending = bytearray()
        self._first: Page | None = None
        self._heads: list[bytes] = []
        self._part = b""
        self._serial = self._shift = 0

    def write(self, data: bytes) -> int:
        """Take bytes, and write the pages that are complete."""
        self._pending += data
        self._place += len(data)
        self._guarded(self._take_pages)
        return 0 if self.failure else len(data)

    def _take_pages(self) -> None:
        at = 0
        while taken := take_page(self._pending, at):
            page, at = taken
            if self._first is None:
                self._first = page
            elif self._serial == 0:
                self._take_header(page)
            else:
                self._append(page._replace(serial=self._serial, number=page.number + self._shift))
        del self._pending[:at]

    def _take_header(self, page: Page) -> None:
        """Collect the header packets that follow the first; write all when they are complete."""
        assert self._first is not None
        for part, complete in packets(page):
            self._part += part
            if complete:
                self._heads.append(self._part)
                self._part = b""
        if len(self._heads) < (2 if self._first.body.startswith(_VORBIS) else 1):
            return
        mark = MARKS[next(start for start in MARKS if self._first.body.startswith(start))]
        old = self._heads[0][len(mark) :]
        comments = write_comments(self._metadata, vendor(old), pictures=True)
        ending = b"\1" if mark == b"\x03vorbis" else b""
        heads = [mark + comments + ending, *self._heads[1:]]
        self._serial = zlib.crc32(b"".join(heads), zlib.crc32(self._first.body)) or 1
        self._append(self._first._replace(serial=self._serial, flags=FIRST))
        number = 1
        for number, header in enumerate(paged(heads, self._serial, 1), start=1):  # noqa: B007
            self._append(header)
        self._shift = number - page.number

    def _append(self, page: Page) -> None:
        rest = memoryview(page.packed())
        while rest:
            rest = rest[self._file.write(rest) :]

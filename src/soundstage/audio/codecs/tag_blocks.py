"""Tags and padding around and between the frames of a file: ID3, APE, Lyrics3, zeros."""

from typing import BinaryIO

_MARKS = (b"TAG", b"APETAGEX", b"LYRICSBEGIN", b"ID3", b"3DI")
_MOST_TAGS = 1000  # in a row; more are no tags
_LYRICS = 1 << 20  # bytes that lyrics may have
_BLOCK = 1 << 20


def begins_tag(file: BinaryIO, at: int) -> bool:
    """Whether a tag begins at this offset."""
    file.seek(at)
    return file.read(11).startswith(_MARKS)


def after_tags(file: BinaryIO, at: int, length: int) -> int:
    """The offset after all tags and zeros that follow each other from `at` on.

    Args:
        file: that may hold them.
        at: an offset in it.
        length: of the file, which is the most that is returned.
    """
    for _ in range(_MOST_TAGS):
        size = _tag_size(file, at) or _zeros(file, at)
        if not size or at >= length:
            break
        at += size
    return min(at, length)


def _tag_size(file: BinaryIO, at: int) -> int:
    file.seek(at)
    head = file.read(32)
    if head[:3] == b"ID3" and len(head) >= 10 and head[3] < 5 and max(head[6:10]) < 0x80:
        body = head[6] << 21 | head[7] << 14 | head[8] << 7 | head[9]
        return body + (20 if head[5] & 0x10 else 10)
    if head[:3] == b"TAG":
        return 128
    if head[:8] == b"APETAGEX" and len(head) == 32:
        is_header = head[23] & 0x20
        return 32 + (int.from_bytes(head[12:16], "little") if is_header else 0)
    if head[:11] == b"LYRICSBEGIN":
        file.seek(at)
        text = file.read(_LYRICS)
        ends = [text.find(mark) for mark in (b"LYRICS200", b"LYRICSEND")]
        return min((end + 9 for end in ends if end > 0), default=0)
    return 0


def _zeros(file: BinaryIO, at: int) -> int:
    file.seek(at)
    zeros = 0
    while block := file.read(_BLOCK if zeros else 16):
        rest = len(block.lstrip(b"\0"))
        zeros += len(block) - rest
        if rest:
            break
    return zeros

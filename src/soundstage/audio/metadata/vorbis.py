"""Vorbis comments and FLAC's pictures: the metadata of FLAC and Ogg (xiph.org, RFC 9639).

Names are ASCII and may come more than once. Ogg holds pictures as text, in base 64; chapters are
comments named CHAPTER000 and CHAPTER000NAME.
"""

import base64
import binascii
import re
import struct

from soundstage.audio.metadata.model import Chapter, Lost, Metadata, Picture, TagCollector, decoded
from soundstage.audio.metadata.names import NUMBERS, canonical

PICTURE = "METADATA_BLOCK_PICTURE"
_NAME = re.compile(r"[ -<>-}]+")
_CHAPTER = re.compile(r"CHAPTER(\d{1,6})(NAME)?", re.IGNORECASE)
_CLOCK = re.compile(r"(\d+):(\d+):(\d+(?:\.\d+)?)")


def read_comments(data: bytes) -> Metadata:
    """The metadata of a comment block: vendor, count and comments, up to where it is damaged."""
    found, pictures, unread = TagCollector(), [], []
    times: dict[int, float] = {}
    titles: dict[int, str] = {}
    old_covers: list[bytes] = []
    pairs, whole = comments(data)
    if not whole:
        unread.append(Lost("part of the comments", "they are damaged"))
    for name, value in pairs:
        chapter = _CHAPTER.fullmatch(name)
        clock = _CLOCK.fullmatch(value) if chapter and not chapter[2] else None
        upper = name.upper()
        if chapter and chapter[2]:
            titles[int(chapter[1])] = value
        elif chapter and clock:
            times[int(chapter[1])] = 3600 * int(clock[1]) + 60 * int(clock[2]) + float(clock[3])
        elif upper in (PICTURE, "COVERART"):
            try:
                raw = base64.b64decode(value, validate=False)
                if upper == "COVERART":
                    old_covers.append(raw)
                else:
                    pictures.append(read_picture(raw))
            except (binascii.Error, struct.error, ValueError):
                unread.append(Lost("a picture", "it is damaged"))
        elif upper == "COVERARTMIME":
            pass  # the picture itself says what it is
        elif canonical(name) in NUMBERS and canonical(name).endswith("number"):
            found.add_numbered(canonical(name), value)
        else:
            found.add(canonical(name), value)
    pictures += [Picture(cover, guess_mime(cover)) for cover in old_covers]
    chapters = [Chapter(time, None, titles.get(k, "")) for k, time in sorted(times.items())]
    return Metadata(
        tags=found.tags(),
        pictures=tuple(pictures),
        chapters=tuple(chapters),
        unread=tuple(unread),
    )


def comments(data: bytes) -> tuple[list[tuple[str, str]], bool]:
    """Names and values of a comment block, and whether it is whole."""
    found: list[tuple[str, str]] = []
    try:
        at = 4 + struct.unpack_from("<I", data)[0]
        (count,) = struct.unpack_from("<I", data, at)
        at += 4
        for _ in range(count):
            (size,) = struct.unpack_from("<I", data, at)
            name, equals, value = data[at + 4 : at + 4 + size].partition(b"=")
            at += 4 + size
            if at > len(data):
                return found, False
            if equals and name:
                found.append((decoded(name), decoded(value)))
    except struct.error:
        return found, False
    return found, True


def vendor(data: bytes) -> bytes:
    """The name of the encoder in a comment block."""
    (size,) = struct.unpack_from("<I", data)
    return data[4 : 4 + size]


def write_comments(metadata: Metadata, encoder: bytes, *, pictures: bool) -> bytes:
    """A comment block.

    Args:
        metadata: its tags and chapters are written.
        encoder: the vendor string.
        pictures: whether the pictures are written as comments too.
    """
    lines = []
    for name, values in metadata.tags.items():
        if _NAME.fullmatch(name):
            label = name.upper() if canonical(name) == name.casefold() else name
            lines += [f"{label}={value}" for value in values]
    for k, chapter in enumerate(metadata.chapters):
        minutes, milliseconds = divmod(round(chapter.start * 1000), 60_000)
        clock = f"{minutes // 60:02}:{minutes % 60:02}:{milliseconds / 1000:06.3f}"
        lines.append(f"CHAPTER{k:03}={clock}")
        lines.append(f"CHAPTER{k:03}NAME={chapter.title}")
    if pictures:
        packed = (base64.b64encode(write_picture(picture)) for picture in metadata.pictures)
        lines += [f"{PICTURE}={each.decode()}" for each in packed]
    encoded = [line.encode("utf-8", "replace") for line in lines]
    parts = [struct.pack("<I", len(encoder)), encoder, struct.pack("<I", len(encoded))]
    for line in encoded:
        parts += [struct.pack("<I", len(line)), line]
    return b"".join(parts)


def read_picture(data: bytes) -> Picture:
    """A picture of the content of FLAC's picture block.

    Raises:
        struct.error, ValueError: it is damaged.
    """
    kind, size = struct.unpack_from(">II", data)
    mime = data[8 : 8 + size].decode("latin-1")
    at = 8 + size
    (size,) = struct.unpack_from(">I", data, at)
    caption = decoded(data[at + 4 : at + 4 + size])
    at += 4 + size + 16
    (size,) = struct.unpack_from(">I", data, at)
    image = data[at + 4 : at + 4 + size]
    if len(image) < size or kind > 255:
        raise ValueError("the picture is damaged")
    return Picture(image, mime.lower() or guess_mime(image), kind, caption)


def write_picture(picture: Picture) -> bytes:
    """The content of FLAC's picture block."""
    mime = picture.mime.encode("latin-1", "replace")
    caption = picture.description.encode("utf-8", "replace")
    head = struct.pack(">II", picture.kind, len(mime)) + mime
    shape = struct.pack(">IIII", *picture.size(), 0, 0)
    size = struct.pack(">I", len(picture.data))
    return b"".join([head, struct.pack(">I", len(caption)), caption, shape, size, picture.data])


def guess_mime(image: bytes) -> str:
    """What kind of picture these bytes are."""
    if image[:8] == b"\x89PNG\r\n\x1a\n":
        return "image/png"
    if image[:2] == b"\xff\xd8":
        return "image/jpeg"
    if image[:3] == b"GIF":
        return "image/gif"
    if image[:4] == b"RIFF" and image[8:12] == b"WEBP":
        return "image/webp"
    return "image/bmp" if image[:2] == b"BM" else "application/octet-stream"

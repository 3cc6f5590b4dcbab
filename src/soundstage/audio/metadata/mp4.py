"""Tags of MP4, M4A and MOV files: the item list that iTunes introduced, and QuickTime's texts.

Items that are not text, numbers or covers are carried as they are, from one item list to another.
The movie box stands at the end of what we write, so it can grow there without moving a sample.
"""

import struct
from collections.abc import Iterator
from typing import BinaryIO

from soundstage.audio.codecs.riff import file_length
from soundstage.audio.metadata.model import Block, Lost, Metadata, Picture, TagCollector, decoded
from soundstage.audio.metadata.names import FROM_MP4, MP4, canonical, genre
from soundstage.audio.metadata.vorbis import guess_mime

_MAX_MOVIE = 1 << 28  # bytes of a movie box; that of a film of ten hours is smaller
_PAIRS = {"trkn": "track", "disk": "disc"}
_NUMBERS = {"tmpo": ("bpm", 2), "cpil": ("compilation", 1), "pgap": ("gapless", 1)}
_FREE = "com.apple.iTunes"
_TEXT, _JPEG, _PNG, _BMP, _INTEGER = 1, 13, 14, 27, 21
_PICTURE_TYPES = {"image/jpeg": _JPEG, "image/png": _PNG, "image/bmp": _BMP}


def read_mp4(file: BinaryIO) -> Metadata:
    """Tags and covers of an MP4 or MOV file; chapters are FFmpeg's to read."""
    movie = _movie(file)
    if movie is None:
        return Metadata()
    found, unread = TagCollector(), []
    pictures: list[Picture] = []
    blocks: list[Block] = []
    for path, data in _walk(movie[2]):
        if path == "udta/meta/ilst":
            for name, start, end in _boxes(data):
                try:
                    _item(name, data[start:end], found, pictures, blocks)
                except (struct.error, ValueError, IndexError):
                    unread.append(Lost(f"{_name(name)} atom", "it is damaged"))
    for path, data in _walk(movie[2]):
        if path.startswith("udta/©") and len(data) > 4:
            size = struct.unpack_from(">H", data)[0]
            text = decoded(data[4 : 4 + size], "mac-roman")
            ours = FROM_MP4.get(path[5:])
            if ours:
                found.add_missing({ours: [text]})
            else:
                found.add_missing({path[5:]: [text]})
    return Metadata(
        tags=found.tags(), pictures=tuple(pictures), blocks=tuple(blocks), unread=tuple(unread)
    )


def write_items(file: BinaryIO, metadata: Metadata) -> None:
    """Write the item list of a complete file, opened for reading and writing.

    Raises:
        ValueError: the movie box is missing, or not at the end.
    """
    movie = _movie(file)
    if movie is None or movie[1] != file_length(file):
        raise ValueError("the movie box is not at the end")
    start, _, content = movie
    kept, texts = b"", b""
    for name, begin, end in _boxes(content):
        if name != b"udta":
            kept += content[begin - 8 : end]
            continue
        for inner, first, last in _boxes(content[begin:end]):
            if inner != b"meta":
                texts += content[begin + first - 8 : begin + last]
    items = b"".join(_items(metadata))
    handler = _box(b"hdlr", bytes(8) + b"mdirappl" + bytes(9))
    meta = _box(b"meta", bytes(4) + handler + _box(b"ilst", items)) if items else b""
    user = _box(b"udta", texts + meta) if texts or meta else b""
    file.seek(start)
    file.write(_box(b"moov", kept + user))
    file.truncate()


def _movie(file: BinaryIO) -> tuple[int, int, bytes] | None:
    """Start, end and content of the movie box."""
    length, at = file_length(file), 0
    for _ in range(10_000):
        if at + 8 > length:
            return None
        file.seek(at)
        size, name = struct.unpack(">I4s", file.read(8))
        head = 8
        if size == 1:
            size, head = struct.unpack(">Q", file.read(8).ljust(8, b"\0"))[0], 16
        elif size == 0:
            size = length - at
        if size < head:
            return None
        if name == b"moov":
            return (at, at + size, file.read(size - head)) if size <= _MAX_MOVIE else None
        at += size
    return None


def _boxes(data: bytes) -> Iterator[tuple[bytes, int, int]]:
    """Name, start and end of the content of the boxes in some bytes."""
    at = 0
    while at + 8 <= len(data):
        size, name = struct.unpack_from(">I4s", data, at)
        size = size or len(data) - at
        if size < 8 or at + size > len(data):
            return
        yield name, at + 8, at + size
        at += size


def _walk(movie: bytes) -> Iterator[tuple[str, bytes]]:
    """Path and content of the boxes that may hold tags."""
    for name, start, end in _boxes(movie):
        if name != b"udta":
            continue
        user = movie[start:end]
        for inner, first, last in _boxes(user):
            yield f"udta/{_name(inner)}", user[first:last]
            if inner == b"meta":
                meta = user[first:last]
                skip = 0 if meta[4:8] == b"hdlr" else 4
                for item, begin, stop in _boxes(meta[skip:]):
                    yield f"udta/meta/{_name(item)}", meta[skip + begin : skip + stop]


def _item(
    name: bytes,
    data: bytes,
    found: TagCollector,
    pictures: list[Picture],
    blocks: list[Block],
) -> None:
    key = _name(name)
    values = [
        (struct.unpack_from(">I", data, start)[0] & 0xFFFFFF, data[start + 8 : end])
        for inner, start, end in _boxes(data)
        if inner == b"data"
    ]
    if key == "----":
        parts = {inner: data[start + 4 : end] for inner, start, end in _boxes(data)}
        label = decoded(parts.get(b"name", b""))
        if label and all(kind == _TEXT for kind, _ in values):
            found.add(canonical(label), *(decoded(value) for _, value in values))
        else:
            blocks.append(Block("MP4", key, data))
    elif key == "covr":
        pictures += [Picture(value, guess_mime(value)) for _, value in values if value]
    elif key in _PAIRS:
        for _, value in values:
            number, total = struct.unpack_from(">2xHH", value)
            label = _PAIRS[key]
            found.add(f"{label}number", str(number) if number else "")
            found.add(f"{label}total", str(total) if total else "")
    elif key in _NUMBERS:
        found.add(_NUMBERS[key][0], *(str(int.from_bytes(v, "big")) for _, v in values))
    elif key == "gnre":
        found.add("genre", *(genre(int.from_bytes(v, "big") - 1) for _, v in values))
    elif values and all(kind == _TEXT for kind, _ in values):
        found.add(FROM_MP4.get(key, key), *(decoded(value) for _, value in values))
    else:
        blocks.append(Block("MP4", key, data))


def _items(metadata: Metadata) -> Iterator[bytes]:
    tags = metadata.tags
    integers = {ours: (name, size) for name, (ours, size) in _NUMBERS.items()}
    for name, values in tags.items():
        if name in ("tracknumber", "tracktotal", "discnumber", "disctotal"):
            continue
        number = integers.get(name)
        if number and values[0].isdecimal() and int(values[0]) < 1 << 8 * number[1]:
            data = int(values[0]).to_bytes(number[1], "big")
            yield _box(number[0].encode(), _data(_INTEGER, data))
            continue
        code = MP4.get(name, name if len(name) == 4 and name[0] == "©" else "")
        texts = b"".join(_data(_TEXT, value.encode("utf-8", "replace")) for value in values)
        if code:
            yield _box(code.encode("latin-1"), texts)
        else:
            mean = _box(b"mean", bytes(4) + _FREE.encode())
            label = _box(b"name", bytes(4) + name.encode("utf-8", "replace"))
            yield _box(b"----", mean + label + texts)
    for code, kind in _PAIRS.items():
        pair = [tags.get(kind + end, ("0",))[0] for end in ("number", "total")]
        if any(text != "0" for text in pair):
            numbers = [int(t) if t.isdecimal() and int(t) < 1 << 16 else 0 for t in pair]
            pad = bytes(2) if code == "trkn" else b""
            yield _box(code.encode(), _data(0, struct.pack(">2xHH", *numbers) + pad))
    covers = b"".join(
        _data(_PICTURE_TYPES.get(picture.mime, 0), picture.data)
        for picture in metadata.pictures
        if not picture.is_address
    )
    if covers:
        yield _box(b"covr", covers)
    for block in metadata.blocks:
        if block.family == "MP4":
            yield _box(block.name.encode("latin-1"), block.data)


def _data(kind: int, value: bytes) -> bytes:
    return _box(b"data", struct.pack(">II", kind, 0) + value)


def _box(name: bytes, content: bytes) -> bytes:
    return struct.pack(">I4s", len(content) + 8, name) + content


def _name(name: bytes) -> str:
    return name.decode("latin-1")

"""Chunks of WAV, RF64 and W64 files beside the sound: LIST INFO, ID3, bext, cue points, others."""

import re
import struct
from collections.abc import Iterable
from dataclasses import replace
from typing import BinaryIO

from soundstage.audio.codecs.riff import chunks, file_length
from soundstage.audio.metadata.id3 import read_id3
from soundstage.audio.metadata.id3_writer import write_id3
from soundstage.audio.metadata.model import (
    Block,
    Lost,
    Marker,
    Metadata,
    TagCollector,
    decoded,
    merged,
)
from soundstage.audio.metadata.names import FROM_INFO, INFO

MAX_CHUNK = 1 << 26  # bytes; a larger one is no metadata
_SOUND = {  # what describes the samples, or nothing
    *(b"fmt ", b"data", b"fact", b"ds64", b"PEAK", b"JUNK", b"junk", b"PAD ", b"FLLR", b"filr"),
    *(b"CSET", b"slnt", b"wavl"),
}
_ID3 = (b"id3 ", b"ID3 ", b"ID32")
_INFO_NAME = re.compile(r"I[A-Z0-9]{3}")
_CODE_PAGES = {65001: "utf-8", 10000: "mac-roman"}  # others are called cp and their number
_SUMMARY = bytes.fromhex("bc945f925a52d21186dc00c04f8edb8a")  # W64's list of tags


def read_wave(file: BinaryIO) -> Metadata:
    """The metadata of a WAV or RF64 file."""
    file.seek(0)
    order = ">" if file.read(4) == b"RIFX" else "<"
    length = file_length(file)
    found, blocks, unread = TagCollector(), [], []
    info: list[tuple[bytes, bytes]] = []
    code_page, bext, rate = "cp1252", None, 0
    id3 = Metadata()
    for name, _, offset, size in chunks(file, 12, f"{order}4sI", length):
        if name == b"fmt ":
            file.seek(offset)
            rate = struct.unpack(f"{order}4xI", file.read(8).ljust(8, b"\0"))[0]
        if name == b"CSET":
            file.seek(offset)
            page = struct.unpack(f"{order}H", file.read(2).ljust(2, b"\0"))[0]
            code_page = _CODE_PAGES.get(page, f"cp{page}") if page else code_page
        if name in _SOUND or not name.strip(b"\0"):
            continue
        if size > MAX_CHUNK or offset + size > length:
            unread.append(Lost(f"{_readable(name)} chunk", "its size is damaged or too large"))
            break
        file.seek(offset)
        data = file.read(size)
        if name == b"LIST" and data[:4] == b"INFO":
            info += list(_inner(data[4:], order))
        elif name in _ID3:
            id3 = read_id3(data)
        elif name == b"bext":
            bext = data
        else:
            blocks.append(Block("RIFF", _readable(name), data))
    for name, value in info:
        key = _readable(name)
        ours = FROM_INFO.get(key, key)
        text = decoded(value, code_page)
        if ours == "tracknumber":
            found.add_numbered(ours, text)
        else:
            found.add(ours, text)
    both = merged(id3, Metadata(tags=found.tags()), "LIST INFO")
    markers = _markers(blocks, order) if order == "<" else ()
    return replace(
        both,
        markers=markers,
        bext=bext,
        blocks=(*blocks, *id3.blocks),
        rate=rate,
        unread=(*both.unread, *unread),
    )


def write_wave(metadata: Metadata, *, even: bool = False) -> bytes:
    """The chunks for a WAV or RF64 file, the bext chunk first.

    Args:
        metadata: to write.
        even: give chunks of odd size a last null of their own: libsndfile and others do not find
            the sound of an RF64 file behind a chunk of odd size.
    """
    parts: list[tuple[bytes, bytes]] = []
    if metadata.bext:
        parts.append((b"bext", metadata.bext))
    info = b"".join(
        _chunk(name.encode(), text.encode("utf-8", "replace") + b"\0")
        for name, text in _info(metadata)
    )
    if info:
        parts.append((b"LIST", b"INFO" + info))
    if _needs_id3(metadata):
        parts.append((b"id3 ", write_id3(metadata)))
    raw = [block for block in metadata.blocks if block.family == "RIFF"]
    parts += [(block.name.encode("latin-1"), block.data) for block in raw]
    if metadata.markers and not any(block.name == "cue " for block in raw):
        parts += _marker_chunks(metadata.markers)
    return b"".join(
        _chunk(name, data + bytes(len(data) % 2) if even else data) for name, data in parts
    )


def read_w64(file: BinaryIO) -> Metadata:
    """The tags of a W64 file."""
    length = file_length(file)
    found, at = TagCollector(), 40
    for _ in range(10_000):
        if at + 24 > length:
            break
        file.seek(at)
        guid, size = struct.unpack("<16sQ", file.read(24))
        if guid == _SUMMARY and size <= MAX_CHUNK:
            data = file.read(size - 24)
            place = 4
            for _ in range(struct.unpack_from("<I", data)[0]):
                name, amount = struct.unpack_from("<4sI", data, place)
                text = data[place + 8 : place + 8 + amount].decode("utf-16-le", "ignore")
                key = FROM_INFO.get(_readable(name), _readable(name))
                if key == "tracknumber":
                    found.add_numbered(key, text.split("\0")[0])
                else:
                    found.add(key, text.split("\0")[0])
                place += 8 + amount
        at += max(size + -size % 8, 24)
    return Metadata(tags=found.tags())


def write_w64(metadata: Metadata) -> bytes:
    """The summary list for a W64 file."""
    entries = [
        (name.encode(), text.encode("utf-16-le", "replace") + b"\0\0")
        for name, text in _info(metadata)
    ]
    if not entries:
        return b""
    body = struct.pack("<I", len(entries)) + b"".join(
        name + struct.pack("<I", len(text)) + text for name, text in entries
    )
    return _SUMMARY + struct.pack("<Q", len(body) + 24) + body + bytes(-len(body) % 8)


def _info(metadata: Metadata) -> Iterable[tuple[str, str]]:
    """Names and texts of LIST INFO; several values of a tag are joined."""
    for name, values in metadata.tags.items():
        if name == "tracknumber":
            total = metadata.tags.get("tracktotal", ())[:1]
            yield "ITRK", "/".join([values[0], *total])
        elif name in INFO or _INFO_NAME.fullmatch(name):
            yield INFO.get(name, name), "; ".join(values)


def _needs_id3(metadata: Metadata) -> bool:
    """Whether something does not fit into LIST INFO."""
    if metadata.pictures or metadata.chapters or metadata.languages:
        return True
    if any(block.family == "ID3" for block in metadata.blocks):
        return True
    fits = {"tracknumber", *(["tracktotal"] if "tracknumber" in metadata.tags else [])}
    return any(
        len(values) > 1 or not (name in INFO or name in fits or _INFO_NAME.fullmatch(name))
        for name, values in metadata.tags.items()
    )


def _inner(data: bytes, order: str) -> Iterable[tuple[bytes, bytes]]:
    """Names and contents of the chunks in a list."""
    at = 0
    while at + 8 <= len(data):
        name, size = struct.unpack_from(f"{order}4sI", data, at)
        yield name, data[at + 8 : at + 8 + size]
        at += 8 + size + size % 2


def _markers(blocks: list[Block], order: str) -> tuple[Marker, ...]:
    """Cue points, with the labels, notes and lengths of the list that belongs to them."""
    found: dict[int, Marker] = {}
    for block in blocks:
        if block.name == "cue " and len(block.data) >= 4:
            count = struct.unpack_from("<I", block.data)[0]
            for k in range(min(count, (len(block.data) - 4) // 24)):
                number, _, _, _, _, frame = struct.unpack_from("<II4sIII", block.data, 4 + 24 * k)
                found[number] = Marker(frame)
    for block in blocks:
        if block.name != "LIST" or block.data[:4] != b"adtl":
            continue
        for name, data in _inner(block.data[4:], order):
            number = struct.unpack_from("<I", data)[0] if len(data) >= 4 else -1
            if number not in found:
                continue
            if name == b"labl":
                found[number] = replace(found[number], label=decoded(data[4:]))
            elif name == b"note":
                found[number] = replace(found[number], note=decoded(data[4:]))
            elif name == b"ltxt" and len(data) >= 8:
                found[number] = replace(found[number], length=struct.unpack_from("<I", data, 4)[0])
    return tuple(sorted(found.values(), key=lambda marker: marker.frame))


def _marker_chunks(markers: tuple[Marker, ...]) -> list[tuple[bytes, bytes]]:
    points = b"".join(
        struct.pack("<II4sIII", k, m.frame, b"data", 0, 0, m.frame)
        for k, m in enumerate(markers, start=1)
        if m.frame < 1 << 32
    )
    texts = b""
    for k, marker in enumerate(markers, start=1):
        number = struct.pack("<I", k)
        if marker.label:
            texts += _chunk(b"labl", number + marker.label.encode("utf-8", "replace") + b"\0")
        if marker.note:
            texts += _chunk(b"note", number + marker.note.encode("utf-8", "replace") + b"\0")
        if marker.length:
            region = struct.pack("<I4s4H", marker.length, b"rgn ", 0, 0, 0, 0)
            texts += _chunk(b"ltxt", number + region)
    cue = (b"cue ", struct.pack("<I", len(points) // 24) + points)
    return [cue, (b"LIST", b"adtl" + texts)] if texts else [cue]


def _chunk(name: bytes, data: bytes) -> bytes:
    return name + struct.pack("<I", len(data)) + data + bytes(len(data) % 2)


def _readable(name: bytes) -> str:
    return name.decode("latin-1")

"""Chunks of AIFF, CAF and AU files that are not sound."""

import struct
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
from soundstage.audio.metadata.wave_chunks import MAX_CHUNK

_AIFF_SOUND = {b"COMM", b"SSND", b"FVER", b"PEAK", b"JUNK", b"FLLR"}
_AIFF_TEXT = {b"NAME": "title", b"AUTH": "artist", b"(c) ": "copyright", b"ANNO": "comment"}
_CAF_NAMES = {  # Apple's names of the entries of an info chunk
    "date": "year",
    "tracknumber": "track number",
    "comment": "comments",
    "encoder": "encoding application",
    "bpm": "tempo",
    "key": "key signature",
}
_CAF_OURS = {theirs: ours for ours, theirs in _CAF_NAMES.items()} | {"software": "encoder"}
_CAF_TECHNICAL = {
    *("approximate duration in seconds", "channel layout", "channel configuration"),
    *("nominal bit rate", "source encoder", "sub title layout"),
}
_CAF_MARKER = ">IdI8xI"  # kind, frame, number of its name, SMPTE time, channel


def read_aiff(file: BinaryIO) -> Metadata:
    """The metadata of an AIFF or AIFC file."""
    length = file_length(file)
    found, blocks, unread = TagCollector(), [], []
    id3, rate = Metadata(), 0
    for name, _, offset, size in chunks(file, 12, ">4sI", length):
        file.seek(offset)
        if name == b"COMM":
            rate = _extended(file.read(18)[8:18])
        if name in _AIFF_SOUND or not name.strip(b"\0"):
            continue
        if size > MAX_CHUNK or offset + size > length:
            unread.append(Lost(f"{decoded(name)} chunk", "its size is damaged or too large"))
            break
        data = file.read(size)
        if name in _AIFF_TEXT:
            found.add(_AIFF_TEXT[name], decoded(data, "mac-roman"))
        elif name in (b"ID3 ", b"id3 "):
            id3 = read_id3(data)
        else:
            blocks.append(Block("AIFF", name.decode("latin-1"), data))
    both = merged(id3, Metadata(tags=found.tags()), "the text chunks")
    markers = [m for block in blocks if block.name == "MARK" for m in _aiff_markers(block.data)]
    return replace(
        both,
        markers=tuple(sorted(markers, key=lambda marker: marker.frame)),
        blocks=(*blocks, *id3.blocks),
        rate=rate,
        unread=(*both.unread, *unread),
    )


def write_aiff(metadata: Metadata) -> bytes:
    """The chunks for an AIFF file: text for old readers, and all of it as ID3."""
    parts = []
    for name, ours in _AIFF_TEXT.items():
        for value in metadata.tags.get(ours, ()):
            parts.append(_aiff_chunk(name, value.encode("utf-8", "replace")))
    tag = write_id3(metadata)
    if tag:
        parts.append(_aiff_chunk(b"ID3 ", tag))
    raw = [block for block in metadata.blocks if block.family == "AIFF"]
    parts += [_aiff_chunk(block.name.encode("latin-1"), block.data) for block in raw]
    markers = [m for m in metadata.markers if m.frame < 1 << 32][:0xFFFF]
    if markers and not any(block.name == "MARK" for block in raw):
        body = struct.pack(">H", len(markers))
        for k, marker in enumerate(markers, start=1):
            label = marker.label.encode("utf-8", "replace")[:255]
            body += struct.pack(">HIB", k, marker.frame, len(label)) + label
            body += bytes((1 + len(label)) % 2)
        parts.append(_aiff_chunk(b"MARK", body))
    return b"".join(parts)


def read_caf(file: BinaryIO) -> Metadata:
    """The metadata of a CAF file."""
    length = file_length(file)
    found, unread = TagCollector(), []
    points: list[tuple[int, int]] = []
    names: dict[int, str] = {}
    rate = 0
    for name, _, offset, size in chunks(file, 8, ">4sq", length, align=1):
        if name in (b"data", b"pakt", b"chan", b"kuki", b"free", b"peak") or size < 0:
            continue
        if size > MAX_CHUNK or offset + size > length:
            unread.append(Lost(f"{decoded(name)} chunk", "its size is damaged or too large"))
            break
        file.seek(offset)
        data = file.read(size)
        if name == b"desc":
            rate = _whole(struct.unpack_from(">d", data)[0])
        elif name == b"info":
            texts = data[4:].split(b"\0")
            for key, value in zip(texts[::2], texts[1::2], strict=False):
                label = decoded(key)
                ours = _CAF_OURS.get(label.casefold(), label)
                if ours.casefold() in _CAF_TECHNICAL:
                    continue
                if ours in ("tracknumber", "discnumber"):
                    found.add_numbered(ours, decoded(value))
                else:
                    found.add(ours, decoded(value))
        elif name == b"mark":
            for k in range(min(struct.unpack_from(">4xI", data)[0], (len(data) - 8) // 28)):
                _, frame, number, _ = struct.unpack_from(_CAF_MARKER, data, 8 + 28 * k)
                points.append((_whole(frame), number))
        elif name == b"strg":
            (count,) = struct.unpack_from(">I", data)
            start = 4 + 12 * count
            for k in range(min(count, (len(data) - 4) // 12)):
                number, place = struct.unpack_from(">Iq", data, 4 + 12 * k)
                names[number] = decoded(data[start + place :]) if place >= 0 else ""
        else:
            unread.append(Lost(f"{decoded(name)} chunk", "its content is not known"))
    return Metadata(
        tags=found.tags(),
        markers=tuple(Marker(frame, names.get(number, "")) for frame, number in sorted(points)),
        rate=rate,
        unread=tuple(unread),
    )


def write_caf(metadata: Metadata) -> bytes:
    """The chunks for a CAF file; several values of a tag are joined."""
    entries = []
    for name, values in metadata.tags.items():
        if name != "tracktotal" or "tracknumber" not in metadata.tags:
            text = "; ".join(values)
            if name == "tracknumber":
                text = "/".join([values[0], *metadata.tags.get("tracktotal", ())[:1]])
            entries.append(f"{_CAF_NAMES.get(name, name)}\0{text}\0".encode("utf-8", "replace"))
    parts = []
    if entries:
        parts.append(_caf_chunk(b"info", struct.pack(">I", len(entries)) + b"".join(entries)))
    markers = metadata.markers
    if markers:
        body = struct.pack(">II", 0, len(markers))
        index, strings = b"", b""
        for k, marker in enumerate(markers, start=1):
            body += struct.pack(_CAF_MARKER, 0, marker.frame, k, 0)
            index += struct.pack(">Iq", k, len(strings))
            strings += marker.label.encode("utf-8", "replace") + b"\0"
        parts.append(_caf_chunk(b"mark", body))
        parts.append(_caf_chunk(b"strg", struct.pack(">I", len(markers)) + index + strings))
    return b"".join(parts)


def caf_layout(kind: int, channels: int) -> bytes:
    """The chunk with the channel layout of a CAF file, such as 190 for ACN and SN3D."""
    return _caf_chunk(b"chan", struct.pack(">III", kind << 16 | channels, 0, 0))


def read_au(file: BinaryIO) -> Metadata:
    """The annotation of an AU file, which is one text without names."""
    file.seek(0)
    head = file.read(8)
    order = ">" if head[:1] == b"." else "<"
    (offset,) = struct.unpack(f"{order}I", head[4:])
    file.seek(24)
    text = decoded(file.read(min(max(offset - 24, 0), MAX_CHUNK)))
    return Metadata.from_tags({"comment": text})


def write_au(metadata: Metadata) -> bytes:
    """The annotation for an AU file: the comment."""
    text = "\n".join(metadata.tags.get("comment", ())).encode("utf-8", "replace")
    return text + bytes(8 - len(text) % 8) if text else b""


def _aiff_markers(data: bytes) -> list[Marker]:
    (count,) = struct.unpack_from(">H", data)
    found, at = [], 2
    for _ in range(count):
        _, frame, size = struct.unpack_from(">HIB", data, at)
        found.append(Marker(frame, decoded(data[at + 7 : at + 7 + size], "mac-roman")))
        at += 7 + size + (1 + size) % 2
    return found


def _aiff_chunk(name: bytes, data: bytes) -> bytes:
    return name + struct.pack(">I", len(data)) + data + bytes(len(data) % 2)


def _caf_chunk(name: bytes, data: bytes) -> bytes:
    return name + struct.pack(">q", len(data)) + data


def _extended(data: bytes) -> int:
    """A sample rate in the 80-bit floating point of AIFF."""
    if len(data) < 10:
        return 0
    exponent, mantissa = struct.unpack(">HQ", data)
    return _whole(mantissa * 2.0 ** ((exponent & 0x7FFF) - 16383 - 63)) if exponent < 17000 else 0


def _whole(value: float) -> int:
    return round(value) if 0 <= value < 1 << 62 else 0

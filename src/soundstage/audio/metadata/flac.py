"""Metadata blocks of FLAC files (RFC 9639)."""

import struct
from collections.abc import Iterator
from dataclasses import replace
from typing import BinaryIO

from soundstage.audio.metadata.id3 import read_id3, tag_size
from soundstage.audio.metadata.model import Block, Lost, Metadata, merged
from soundstage.audio.metadata.vorbis import (
    read_comments,
    read_picture,
    write_comments,
    write_picture,
)

STREAMINFO, PADDING, APPLICATION, SEEKTABLE, COMMENTS, CUESHEET, PICTURE = range(7)
MAX_BLOCK = (1 << 24) - 1
_CARRIED = {APPLICATION: "APPLICATION", CUESHEET: "CUESHEET"}
_KINDS = {name: kind for kind, name in _CARRIED.items()}
_MAX_BLOCKS = 10_000


def read_flac(file: BinaryIO) -> Metadata:
    """The metadata of a FLAC file, with an ID3 tag in front of it."""
    file.seek(0)
    size = tag_size(file.read(10))
    file.seek(0)
    front = read_id3(file.read(size)) if size else Metadata()
    file.seek(size + 4)
    content = Metadata()
    pictures, blocks, unread = [], [], []
    for kind, data in _blocks(file):
        if kind == COMMENTS:
            content = read_comments(data)
        elif kind == PICTURE:
            try:
                pictures.append(read_picture(data))
            except (struct.error, ValueError):
                unread.append(Lost("a picture", "it is damaged"))
        elif kind in _CARRIED:
            blocks.append(Block("FLAC", _CARRIED[kind], data))
        elif kind > PICTURE:
            unread.append(Lost(f"block {kind}", "its kind is not known"))
    content = replace(
        content,
        pictures=(*content.pictures, *pictures),
        blocks=tuple(blocks),
        unread=(*content.unread, *unread),
    )
    return merged(content, front, "the ID3 tag in front")


def write_flac(metadata: Metadata, encoder: bytes) -> bytes:
    """The blocks that follow STREAMINFO, none of them marked as the last.

    What passes 16 MB is left out: blocks cannot be larger.
    """
    parts = [_packed(COMMENTS, write_comments(metadata, encoder, pictures=False))]
    parts += [_packed(PICTURE, write_picture(picture)) for picture in metadata.pictures]
    for block in metadata.blocks:
        if block.family == "FLAC" and block.name in _KINDS:
            parts.append(_packed(_KINDS[block.name], block.data))
    return b"".join(parts)


def _blocks(file: BinaryIO) -> Iterator[tuple[int, bytes]]:
    for _ in range(_MAX_BLOCKS):
        head = file.read(4)
        if len(head) < 4:
            return
        kind, size = head[0] & 0x7F, int.from_bytes(head[1:], "big")
        if kind in (STREAMINFO, PADDING, SEEKTABLE):
            file.seek(size, 1)
        else:
            yield kind, file.read(size)
        if head[0] & 0x80:
            return


def _packed(kind: int, data: bytes) -> bytes:
    return bytes([kind]) + len(data).to_bytes(3, "big") + data if len(data) <= MAX_BLOCK else b""

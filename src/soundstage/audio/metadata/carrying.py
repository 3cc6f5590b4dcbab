"""What of a file's metadata is true of the result, and in which form its container takes it.

Left out is what the new sound makes false: loudness and gains measured on the source, the settings
of its encoder, tables of its bytes. A bext chunk becomes tags where there is no such chunk, and
comes back from them. The line about the software names Soundstage and, behind it, the old one.
"""

import re
import struct
from dataclasses import replace
from importlib.metadata import version

from soundstage.audio.field_mark import FieldMark
from soundstage.audio.formats import SoundFormat
from soundstage.audio.metadata import bext as broadcast
from soundstage.audio.metadata.model import (
    SOFTWARE,
    Block,
    Lost,
    Marker,
    Metadata,
    TagCollector,
)
from soundstage.audio.metadata.names import BEXT

WAVES = ("WAV", "RF64")
"""Containers with bext and other RIFF chunks."""

_FAMILIES = {  # of blocks, by container
    "WAV": ("RIFF", "ID3"),
    "RF64": ("RIFF", "ID3"),
    "AIFF": ("AIFF", "ID3"),
    "MP3": ("ID3",),
    "FLAC": ("FLAC",),
    "MP4": ("MP4",),
    "MOV": ("MP4",),
}
_GAIN = re.compile(
    r"(.*:)?(replaygain_.*|r128_.*|mp3gain_.*|itunnorm|loudness.*|output_gain)", re.IGNORECASE
)
_ENCODING = re.compile(
    r"(.*:)?(itunsmpb|encodersettings|encoder[ _]settings|encoder_options|TFLT|TSIZ)",
    re.IGNORECASE,
)
_LOUDER = "the result has another loudness and peak, measure it again"
_OF_THE_SOURCE = {
    **dict.fromkeys(["RVA2", "RVAD", "XRVA", "RGAD", "EQU2", "EQUA", "dbmd"], _LOUDER),
    **dict.fromkeys(
        ["MLLT", "ASPI", "SEEK", "RBUF", "AENC", "ENCR", "GRID", "SIGN", "levl", "MD5 "],
        "it describes the bytes of the source",
    ),
    **dict.fromkeys(["chna", "axml"], "it describes the channels of the source"),
    "umid": "it identifies the recording of the source",
}
_TEXT_CHUNKS = {"iXML": "iXML", "_PMX": "XMP"}  # chunks of text, and the tags that stand for them


def of_the_result(
    metadata: Metadata,
    form: SoundFormat,
    *,
    source_rate: int,
    rate: int,
    channels: int,
    field: FieldMark | None = None,
) -> tuple[Metadata, list[Lost]]:
    """The metadata to write, and what of the source's was left out because it would be false.

    Args:
        metadata: of the source.
        form: of the result.
        source_rate: of the source, in Hz; 0 if it is unknown.
        rate: of the result, in Hz.
        channels: of the result.
        field: of a sound field, which the line about the software states.
    """
    source_rate = metadata.rate or source_rate or rate
    lost: list[Lost] = []
    tags = TagCollector()
    for name, values in metadata.tags.items():
        if _GAIN.fullmatch(name):
            lost.append(Lost(f"tag {name}", _LOUDER))
        elif _ENCODING.fullmatch(name):
            lost.append(Lost(f"tag {name}", "it describes the encoding of the source"))
        elif name != "encoder":
            tags.add(name, *values)
    tags.add("encoder", _encoder(metadata.tags.get("encoder", ()), field))
    blocks = []
    for block in metadata.blocks:
        why = _OF_THE_SOURCE.get(block.name)
        if why:
            lost.append(Lost(str(block), why))
        else:
            blocks.append(block)
    result = replace(metadata, tags=tags.tags(), blocks=tuple(blocks), unread=())
    if rate != source_rate:
        result, more = _at_rate(result, source_rate, rate)
        lost += more
    if form.container in WAVES:
        result, more = _with_chunks(result)
        lost += more
    if result.bext:
        line = _history_line(form, rate, channels)
        data, more = broadcast.of_the_result(result.bext, line, source_rate=source_rate, rate=rate)
        result = replace(result, bext=data)
        lost += more
    if form.container not in WAVES:
        result = _with_tags(result)
    return replace(result, rate=rate), [*lost, *metadata.unread]


def storable(block: Block, container: str) -> bool:
    """Whether a container takes blocks of that family."""
    return block.family in _FAMILIES.get(container, ())


def stands_for_markers(block: Block) -> bool:
    """Whether a block is the raw form of the markers."""
    return block.name in ("cue ", "MARK") or (block.name == "LIST" and block.data[:4] == b"adtl")


def _history_line(form: SoundFormat, rate: int, channels: int) -> str:
    """A line of a coding history (EBU R 98)."""
    coding = "MPEG1L3" if form.container == "MP3" else form.encoding if form.is_lossy else "PCM"
    mode = {1: "mono", 2: "stereo"}.get(channels, "multi-channel")
    depth = "" if form.is_lossy else f",W={form.integer_bits or 32}"
    return f"A={coding},F={rate}{depth},M={mode},T={SOFTWARE}"


def _encoder(old: tuple[str, ...], field: FieldMark | None) -> str:
    ours = f"{SOFTWARE} {version('soundstage')}"
    if field:
        ours += f" ({field.text})"
    before = "; ".join(old)
    if before.startswith(SOFTWARE + " "):
        before = before.partition("; source: ")[2]
    return f"{ours}; source: {before}" if before else ours


def _at_rate(metadata: Metadata, old: int, new: int) -> tuple[Metadata, list[Lost]]:
    """With positions in frames of another sample rate, and the blocks that cannot follow."""

    def moved(frame: int) -> int:
        return round(frame * new / old)

    markers = [
        Marker(moved(m.frame), m.label, m.note, moved(m.length) if m.length else 0)
        for m in metadata.markers
    ]
    blocks, lost = [], []
    for block in metadata.blocks:
        if block.name == "smpl" and len(block.data) >= 36:
            blocks.append(replace(block, data=_sampler(block.data, old, new)))
        elif block.name in ("CUESHEET", "plst", "smpl"):
            lost.append(Lost(str(block), "its positions count samples of another rate"))
        elif not stands_for_markers(block):
            blocks.append(block)
    tags = dict(metadata.tags)
    if tags.get("time_reference", ("",))[0].isdecimal():
        tags["time_reference"] = (str(moved(int(tags["time_reference"][0]))),)
    moved_on = replace(metadata, tags=tags, markers=tuple(markers), blocks=tuple(blocks))
    return moved_on, lost


def _sampler(data: bytes, old: int, new: int) -> bytes:
    """A smpl chunk at another sample rate: the period, and the ends of the loops."""
    changed = bytearray(data)
    struct.pack_into("<I", changed, 8, round(1e9 / new))
    (loops,) = struct.unpack_from("<I", changed, 28)
    for k in range(min(loops, (len(changed) - 36) // 24)):
        start, end = struct.unpack_from("<II", changed, 36 + 24 * k + 8)
        moved = (min(round(place * new / old), 0xFFFFFFFF) for place in (start, end))
        struct.pack_into("<II", changed, 36 + 24 * k + 8, *moved)
    return bytes(changed)


def _with_tags(metadata: Metadata) -> Metadata:
    """For containers without RIFF chunks: the chunks of text as tags."""
    tags = TagCollector()
    tags.add_missing(metadata.tags)
    if metadata.bext:
        for name, text in broadcast.as_tags(metadata.bext).items():
            tags.add(name, text)
    blocks = []
    for block in metadata.blocks:
        content = _utf_8(block.data) if block.name in _TEXT_CHUNKS else None
        if block.family == "RIFF" and content:
            tags.add(_TEXT_CHUNKS[block.name], content)
        else:
            blocks.append(block)
    return replace(metadata, tags=tags.tags(), bext=None, blocks=tuple(blocks))


def _with_chunks(metadata: Metadata) -> tuple[Metadata, list[Lost]]:
    """For WAV: the chunks that a file without them held as tags, and what they have no room for."""
    tags, blocks = dict(metadata.tags), list(metadata.blocks)
    bext, lost = metadata.bext, []
    if bext is None and not {"originator", "time_reference", "coding_history"}.isdisjoint(tags):
        bext = broadcast.from_tags({name: tags[name][0] for name in BEXT if name in tags})
        lost = broadcast.cut_fields({name: tags[name] for name in BEXT if name in tags})
        for name in BEXT:
            fits = broadcast.as_tags(bext).get(name) == tags.get(name, ("",))[0]
            if fits and len(tags.get(name, ())) == 1:
                del tags[name]
    for name, tag in _TEXT_CHUNKS.items():
        if tag in tags and not any(block.name == name for block in blocks):
            first, *more = tags.pop(tag)
            blocks.append(Block("RIFF", name, first.encode()))
            if more:
                tags[tag] = tuple(more)
    return replace(metadata, tags=tags, bext=bext, blocks=tuple(blocks)), lost


def _utf_8(data: bytes) -> str | None:
    try:
        return data.rstrip(b"\0").decode("utf-8")
    except UnicodeDecodeError:
        return None

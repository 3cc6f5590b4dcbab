"""What a file holds beside its sound, in one form for all containers.

Tags are known by the names of Vorbis comments in lower case (`title`, `albumartist`, ...); a tag
that only one container knows keeps the name that it has there. Each has one or more values.
"""

import struct
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import NamedTuple

from soundstage.errors import quoted

SOFTWARE = "Soundstage"
FRONT_COVER = 3
"""Kind of a picture, by the list that ID3 and FLAC share."""


@dataclass(frozen=True)
class Picture:
    """A picture, such as the cover.

    Attributes:
        data: the bytes of the picture file.
        mime: such as "image/jpeg"; "-->" where `data` is an address.
        kind: by the list of ID3: 0 other, 3 front cover, 4 back cover, ...
        description: a caption.
    """

    data: bytes
    mime: str
    kind: int = FRONT_COVER
    description: str = ""

    def __str__(self) -> str:
        kind = {3: "cover art", 4: "back cover"}.get(self.kind, "picture")
        size = len(self.data)
        amount = f"{size / 1000:.0f} kB" if size >= 1000 else f"{size} bytes"
        return f"{kind} ({self.mime.rpartition('/')[2].upper()}, {amount})"

    @property
    def is_address(self) -> bool:
        """Whether the picture itself is elsewhere."""
        return self.mime == "-->"

    def size(self) -> tuple[int, int]:
        """Width and height in pixels, from the head of a PNG or JPEG file; zeros if unknown."""
        data = self.data
        if data[:8] == b"\x89PNG\r\n\x1a\n" and len(data) >= 24:
            return struct.unpack(">II", data[16:24])
        at = 2
        while data[:2] == b"\xff\xd8" and at + 9 <= len(data) and data[at] == 0xFF:
            if 0xC0 <= data[at + 1] <= 0xCF and data[at + 1] not in (0xC4, 0xC8, 0xCC):
                height, width = struct.unpack(">HH", data[at + 5 : at + 9])
                return width, height
            at += 2 + struct.unpack(">H", data[at + 2 : at + 4])[0]
        return 0, 0


@dataclass(frozen=True)
class Chapter:
    """A chapter, from `start` to `end` in seconds; the end is None if the file does not say."""

    start: float
    end: float | None
    title: str = ""


@dataclass(frozen=True)
class Marker:
    """A cue point or region.

    Attributes:
        frame: position, counted in frames of the file's own sample rate.
        label: its name.
        note: a longer text.
        length: of a region, in frames; 0 for a point.
    """

    frame: int
    label: str = ""
    note: str = ""
    length: int = 0


@dataclass(frozen=True)
class Block:
    """Data that is carried as it is, and only between containers of one family.

    Attributes:
        family: "RIFF", "AIFF", "FLAC", "ID3" or "MP4".
        name: of the chunk, block or frame.
        data: its content, without name and size.
    """

    family: str
    name: str
    data: bytes

    def __str__(self) -> str:
        kind = {"RIFF": "chunk", "AIFF": "chunk", "FLAC": "block", "ID3": "frame", "MP4": "atom"}
        return f"{self.name.strip()} {kind[self.family]}"


class Lost(NamedTuple):
    """Something that did not come along."""

    what: str
    why: str

    def __str__(self) -> str:
        return f"{self.what}: {self.why}"


@dataclass(frozen=True)
class Metadata:
    """What a file holds beside its sound.

    Attributes:
        tags: values by name.
        pictures: in the order of the file.
        chapters: in order of time.
        markers: in order of time.
        bext: content of a broadcast extension chunk (EBU Tech 3285), or None.
        blocks: data of one family of containers.
        rate: sample rate in Hz that the markers count by; 0 without markers.
        streams: of a film, the tracks and attachments beside the main sound, in words.
        languages: codes of three letters that ID3 gives to comments and lyrics, by the name of the
            tag and the value.
        unread: what was seen and not understood.
    """

    tags: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    pictures: tuple[Picture, ...] = ()
    chapters: tuple[Chapter, ...] = ()
    markers: tuple[Marker, ...] = ()
    bext: bytes | None = None
    blocks: tuple[Block, ...] = ()
    rate: int = 0
    streams: tuple[str, ...] = ()
    languages: Mapping[tuple[str, str], tuple[str, ...]] = field(default_factory=dict)
    unread: tuple[Lost, ...] = ()

    @classmethod
    def from_tags(cls, tags: Mapping[str, str | Iterable[str]]) -> "Metadata":
        """From a plain mapping of names to texts; empty texts are left out."""
        found = TagCollector()
        for name, value in tags.items():
            found.add(name, *([value] if isinstance(value, str) else value))
        return cls(tags=found.tags())

    def tag(self, name: str) -> str | None:
        """The first value of a tag, whatever the case of its name, or None."""
        folded = name.casefold()
        return next((v[0] for k, v in self.tags.items() if k.casefold() == folded), None)

    @property
    def made_by_soundstage(self) -> bool:
        """Whether the file is a result of Soundstage."""
        return (self.tag("encoder") or "").startswith(SOFTWARE + " ")


def clean(text: str) -> str:
    """A value as tags hold it: lines end with a line feed, nothing blank is around it."""
    return text.replace("\r\n", "\n").strip("\0").strip()


class TagCollector:
    """Gathers values by name: unlike in case is the same name, and no value comes twice."""

    def __init__(self) -> None:
        self._names: dict[str, str] = {}
        self._values: dict[str, list[str]] = {}

    def add(self, name: str, *values: str) -> str:
        """Add values to a tag, and return its name; empty values are left out."""
        key = self._names.setdefault(name.casefold(), name)
        held = self._values.setdefault(key, [])
        for value in values:
            cleaned = clean(value)
            if cleaned and cleaned not in held:
                held.append(cleaned)
        return key

    def add_missing(self, tags: Mapping[str, Iterable[str]]) -> None:
        """Add the tags whose names are not there yet."""
        present = {name for name, key in self._names.items() if self._values[key]}
        for name, values in tags.items():
            if name.casefold() not in present:
                self.add(name, *values)

    def add_numbered(self, name: str, text: str) -> None:
        """Add a number such as "3" or "3/12" and what it is out of: `tracknumber`, `tracktotal`."""
        number, _, total = text.partition("/")
        self.add(name, number)
        self.add(name.removesuffix("number") + "total", total)

    def tags(self) -> dict[str, tuple[str, ...]]:
        """The tags that have a value."""
        return {name: tuple(values) for name, values in self._values.items() if values}


def merged(first: Metadata, second: Metadata, label: str) -> Metadata:
    """Both, where a file says things twice; the first goes before, and differences are named.

    Args:
        first: newer or fuller.
        second: older or shorter; what it has alone is added.
        label: what the second is, such as "ID3v1".
    """
    unread = []
    date = second.tags.get("date", ("",))[0]
    if _is_zero(first.tags.get("date", ("",))[0]) and date and not _is_zero(date):
        unread.append(Lost(f"date {first.tags['date'][0]}", f"{label} says {quoted(date)}"))
        first = replace(first, tags={k: v for k, v in first.tags.items() if k != "date"})
    tags = TagCollector()
    tags.add_missing(first.tags)
    tags.add_missing(second.tags)
    held = {name.casefold(): values for name, values in first.tags.items()}
    for name, values in second.tags.items():
        known = held.get(name.casefold())
        # The fields of ID3v1 have 30 bytes: a longer text that begins so is the same
        if known and not all(
            any(_begins(text, value) for text in (*known, "; ".join(known))) for value in values
        ):
            unread.append(Lost(f"{name} of {label}", "the file says otherwise in a newer tag"))
    return replace(
        first,
        tags=tags.tags(),
        pictures=(*first.pictures, *(p for p in second.pictures if p not in first.pictures)),
        chapters=first.chapters or second.chapters,
        blocks=(*first.blocks, *second.blocks),
        languages={**second.languages, **first.languages},
        unread=(*first.unread, *second.unread, *unread),
    )


def _begins(text: str, start: str) -> bool:
    """Whether a text begins so; zeros before a number do not matter."""
    return text.startswith(start) or text.lstrip("0").startswith(start.lstrip("0") or start)


def _is_zero(date: str) -> bool:
    """Whether a date such as "0000" only says that there is none."""
    return bool(date) and not date.strip("0-")


def decoded(data: bytes, code_page: str = "cp1252") -> str:
    """Text of a field that does not say how it is encoded, up to its first null.

    UTF-8 if it is valid as such, else the code page, which has a letter for nearly every byte;
    the rest becomes Latin-1.
    """
    data = data.split(b"\0", 1)[0]
    for encoding in ("utf-8", code_page):
        try:
            return data.decode(encoding)
        except (UnicodeDecodeError, LookupError):
            continue
    return data.decode("latin-1")

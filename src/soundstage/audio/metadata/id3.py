"""ID3: tags in front of MP3, and in a chunk of WAV and AIFF files (id3.org, versions 1 to 2.4)."""

import re
import struct
import zlib
from collections.abc import Iterator
from typing import NamedTuple

from soundstage.audio.metadata.model import (
    Block,
    Chapter,
    Lost,
    Metadata,
    Picture,
    TagCollector,
    clean,
    decoded,
)
from soundstage.audio.metadata.names import FROM_ID3, genre

_ENCODINGS = {0: "latin-1", 1: "utf-16", 2: "utf-16-be", 3: "utf-8"}
_OLD = {  # three letters of version 2.2
    "TT2": "TIT2", "TP1": "TPE1", "TP2": "TPE2", "TP3": "TPE3", "TP4": "TPE4", "TAL": "TALB",
    "TYE": "TYER", "TDA": "TDAT", "TIM": "TIME", "TCO": "TCON", "TRK": "TRCK", "TPA": "TPOS",
    "TCM": "TCOM", "TXT": "TEXT", "TCR": "TCOP", "TPB": "TPUB", "TEN": "TENC", "TSS": "TSSE",
    "TBP": "TBPM", "TKE": "TKEY", "TRC": "TSRC", "TLA": "TLAN", "TT1": "TIT1", "TT3": "TIT3",
    "TMT": "TMED", "TOA": "TOPE", "TOT": "TOAL", "TOR": "TDOR", "TS2": "TSO2", "TSA": "TSOA",
    "TSP": "TSOP", "TST": "TSOT", "TSC": "TSOC", "TCP": "TCMP", "TLE": "TLEN", "TFT": "TFLT",
    "TOF": "TOFN", "TXX": "TXXX", "WXX": "WXXX", "COM": "COMM", "ULT": "USLT", "PIC": "APIC",
    "UFI": "UFID", "POP": "POPM", "CNT": "PCNT", "GEO": "GEOB", "SLT": "SYLT", "MCI": "MCDI",
    "WAF": "WOAF", "WAR": "WOAR", "WAS": "WOAS", "WCM": "WCOM", "WCP": "WCOP", "WPB": "WPUB",
}  # fmt: skip
_TEXT = re.compile(r"T[A-Z0-9]{3}")
_APPLE = ("GRP1", "MVNM", "MVIN")  # texts under other letters
_LINK = re.compile(r"W[A-Z0-9]{3}")
_LANGUAGE = re.compile(r"[a-z]{3}")
_NO_LANGUAGE = ("und", "xxx")  # codes that say that it is not known
_DATE_PARTS = ("TYER", "TDAT", "TIME")  # of version 2.3


class _Frame(NamedTuple):
    name: str
    data: bytes


def tag_size(head: bytes) -> int:
    """Bytes of the ID3v2 tag that begins with these ten bytes, with its header; 0 if it is none."""
    if head[:3] != b"ID3" or len(head) < 10 or any(byte & 0x80 for byte in head[6:10]):
        return 0
    return 10 + _unsynchsafe(head[6:10]) + (10 if head[5] & 0x10 else 0)


def read_id3(tag: bytes) -> Metadata:
    """The content of a whole ID3v2 tag; what is damaged in it is left out and named."""
    if not tag_size(tag[:10]):
        return Metadata()
    reader = _Reader()
    try:
        for frame in _frames(tag):
            reader.add(frame)
    except (ValueError, IndexError, struct.error, zlib.error) as error:
        reader.unread.append(Lost("part of the ID3 tag", f"it is damaged ({error})"))
    return reader.metadata()


def read_id3v1(tail: bytes) -> dict[str, tuple[str, ...]]:
    """Tags of the last 128 bytes of a file; empty without ID3v1."""
    if len(tail) != 128 or tail[:3] != b"TAG":
        return {}
    found = TagCollector()
    fields = {"title": (3, 33), "artist": (33, 63), "album": (63, 93), "date": (93, 97)}
    for name, (start, end) in fields.items():
        found.add(name, decoded(tail[start:end]))
    found.add("comment", decoded(tail[97:127] if tail[125] else tail[97:125]))
    if not tail[125] and tail[126]:
        found.add("tracknumber", str(tail[126]))
    if tail[127] != 255:
        found.add("genre", genre(tail[127]))
    return found.tags()


class _Reader:
    def __init__(self) -> None:
        self.found = TagCollector()
        self.pictures: list[Picture] = []
        self.chapters: list[Chapter] = []
        self.blocks: list[Block] = []
        self.unread: list[Lost] = []
        self._date: dict[str, str] = {}
        self._languages: dict[tuple[str, str], tuple[str, ...]] = {}

    def add(self, frame: _Frame) -> None:
        name, data = frame
        if name in ("TRCK", "TPOS"):
            number = {"TRCK": "tracknumber", "TPOS": "discnumber"}[name]
            for text in _texts(data):
                self.found.add_numbered(number, text)
        elif name in _DATE_PARTS:
            self._date[name] = "".join(_texts(data)[:1])
        elif name == "TCON":
            self.found.add("genre", *(g for text in _texts(data) for g in _genres(text)))
        elif name == "TXXX":
            description, *values = _texts(data)
            self.found.add(description or "TXXX", *values)
        elif name == "WXXX":
            label, rest = _split(data[1:], data[0])
            key = f"url:{_text(label, data[0])}".rstrip(":")
            self.found.add(key, decoded(rest))
        elif name in ("COMM", "USLT"):
            label, rest = _split(data[4:], data[0])
            key = {"COMM": "comment", "USLT": "lyrics"}[name]
            caption = _text(label, data[0])
            texts = [text.strip("\0") for text in _text(rest, data[0]).split("\0")]
            key = self.found.add(f"{key}:{caption}" if caption else key, *texts)
            self._note_language(key, texts, data[1:4].decode("latin-1").lower())
        elif name == "APIC":
            self.pictures.append(_picture(data))
        elif name == "CHAP":
            chapter, others = _chapter(data)
            self.chapters.append(chapter)
            self.unread += others
        elif name == "CTOC":
            pass  # an order of chapters, written anew
        elif _TEXT.fullmatch(name) or name in _APPLE:
            self.found.add(FROM_ID3.get(name, name), *_texts(data))
        elif _LINK.fullmatch(name):
            self.found.add(name, decoded(data))
        else:
            self.blocks.append(Block("ID3", name, data))

    def _note_language(self, name: str, texts: list[str], code: str) -> None:
        if code in _NO_LANGUAGE or not _LANGUAGE.fullmatch(code):
            return
        for text in texts:
            key = (name, clean(text))
            if key[1] and code not in self._languages.get(key, ()):
                self._languages[key] = (*self._languages.get(key, ()), code)

    def metadata(self) -> Metadata:
        year, day, time = (self._date.get(part, "") for part in _DATE_PARTS)
        if year:
            date = f"{year}-{day[2:4]}-{day[:2]}" if len(day) == 4 else year
            timed = len(day) == 4 and len(time) == 4
            when = f"{date}T{time[:2]}:{time[2:]}" if timed else date
            self.found.add_missing({"date": [when]})
        return Metadata(
            tags=self.found.tags(),
            pictures=tuple(self.pictures),
            chapters=tuple(sorted(self.chapters, key=lambda chapter: chapter.start)),
            blocks=tuple(self.blocks),
            languages=self._languages,
            unread=tuple(self.unread),
        )


def _frames(tag: bytes) -> Iterator[_Frame]:
    version, flags = tag[3], tag[5]
    body = tag[10 : 10 + _unsynchsafe(tag[6:10])]
    if flags & 0x80 and version < 4:
        body = body.replace(b"\xff\0", b"\xff")
    # Some writers set the flag of an extended header and write none
    if flags & 0x40 and version > 2 and not re.match(rb"[A-Z]{3}[A-Z0-9]", body[:4]):
        size = _unsynchsafe(body[:4]) if version == 4 else 4 + struct.unpack(">I", body[:4])[0]
        body = body[size:]
    head = 6 if version == 2 else 10
    at = 0
    while at + head <= len(body) and body[at]:
        if version == 2:
            name = body[at : at + 3].decode("latin-1")
            name, size, form = _OLD.get(name, name), int.from_bytes(body[at + 3 : at + 6], "big"), 0
        else:
            name = body[at : at + 4].decode("latin-1")
            raw = body[at + 4 : at + 8]
            size = _frame_size(body, at, raw) if version == 4 else int.from_bytes(raw, "big")
            form = body[at + 9]
        data = body[at + head : at + head + size]
        if len(data) < size or not re.fullmatch(r"[A-Z0-9 ]{3,4}", name):
            raise ValueError(f"at byte {at + 10:,}")
        at += head + size
        if not data:
            continue
        data = _unpacked(data, form, version)
        if version == 2 and name == "APIC":
            data = data[:1] + b"image/" + data[1:4].lower() + b"\0" + data[4:]
        yield _Frame(name, data)


def _frame_size(body: bytes, at: int, raw: bytes) -> int:
    """Some writers of version 2.4 count in plain bytes: believed if only that meets a frame."""
    safe, plain = _unsynchsafe(raw), int.from_bytes(raw, "big")
    if safe != plain:
        for size in (safe, plain):
            following = body[at + 10 + size : at + 14 + size]
            if re.fullmatch(rb"[A-Z][A-Z0-9]{3}|\0*", following):
                return size
    return safe


def _unpacked(data: bytes, form: int, version: int) -> bytes:
    if version == 3:
        if form & 0x40:
            raise ValueError("a frame is encrypted")
        if form & 0x80:
            data = _inflated(data[4:])
    elif version == 4:
        if form & 0x04:
            raise ValueError("a frame is encrypted")
        if form & 0x01:
            data = data[4:]
        if form & 0x02:
            data = data.replace(b"\xff\0", b"\xff")
        if form & 0x08:
            data = _inflated(data)
    return data


def _inflated(data: bytes) -> bytes:
    return zlib.decompressobj().decompress(data, 1 << 26)


def _texts(data: bytes) -> list[str]:
    return _text(data[1:], data[0]).rstrip("\0").split("\0")


def _text(data: bytes, encoding: int) -> str:
    if encoding == 0:
        # Declared as Latin-1, but several writers store UTF-8, or the letters of Windows
        try:
            return data.decode("utf-8")
        except UnicodeDecodeError:
            return data.decode("cp1252", errors="replace").replace("\ufffd", "")
    if encoding == 1 and data[:2] not in (b"\xff\xfe", b"\xfe\xff"):
        return data.decode("utf-16-le", errors="ignore")
    texts = data.decode(_ENCODINGS.get(encoding, "utf-8"), errors="ignore")
    return texts.replace("\ufeff", "").replace("\ufffe", "")


def _split(data: bytes, encoding: int) -> tuple[bytes, bytes]:
    """The bytes before and after the first null of that encoding."""
    if encoding not in (1, 2):
        before, _, after = data.partition(b"\0")
        return before, after
    for at in range(0, len(data) - 1, 2):
        if data[at : at + 2] == b"\0\0":
            return data[:at], data[at + 2 :]
    return data, b""


def _genres(text: str) -> list[str]:
    """The genres of a text such as "Jazz", "(17)", "(17)Rock" or "17"."""
    if text.isdecimal():
        return [genre(int(text[:4]))]
    numbers = re.match(r"(?:\(\d{1,3}\))+", text)
    if not numbers:
        return [text]
    rest = text[numbers.end() :]
    return [rest] if rest else [genre(int(n)) for n in re.findall(r"\d+", numbers[0])]


def _picture(data: bytes) -> Picture:
    mime, _, rest = data[1:].partition(b"\0")
    caption, image = _split(rest[1:], data[0])
    name = mime.decode("latin-1").lower()
    name = name if "/" in name or name == "-->" else f"image/{name or 'unknown'}"
    return Picture(image, name.replace("/jpg", "/jpeg"), rest[0], _text(caption, data[0]))


def _chapter(data: bytes) -> tuple[Chapter, list[Lost]]:
    """A chapter, and what it holds beside its title."""
    _, _, rest = data.partition(b"\0")
    start, end = struct.unpack(">II", rest[:8])
    title, others = "", []
    inner = b"ID3\x04\0\0" + synchsafe(len(rest) - 16) + rest[16:]
    for frame in _frames(inner):
        if frame.name == "TIT2":
            title = "".join(_texts(frame.data)[:1])
        else:
            others.append(Lost(f"{frame.name} frame of a chapter", "only titles are carried"))
    return Chapter(start / 1000, end / 1000, title), others


def synchsafe(size: int) -> bytes:
    """A number of 28 bits in four bytes of seven."""
    return bytes(size >> shift & 0x7F for shift in (21, 14, 7, 0))


def _unsynchsafe(data: bytes) -> int:
    size = 0
    for byte in data:
        size = size << 7 | byte & 0x7F
    return size

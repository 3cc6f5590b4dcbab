"""The broadcast extension chunk of WAV files (EBU Tech 3285), and its fields as tags.

FFmpeg reads and writes the fields under the same names as tags, so they survive in containers that
have no such chunk.
"""

import struct
from collections.abc import Iterable, Mapping

from soundstage.audio.metadata.model import Lost, clean, decoded

_TEXTS = {  # name: offset, bytes
    "description": (0, 256),
    "originator": (256, 32),
    "originator_reference": (288, 32),
    "origination_date": (320, 10),
    "origination_time": (330, 8),
}
_TIME, _VERSION, _UMID, _LOUDNESS, _HISTORY = 338, 346, 348, 412, 602  # offsets
_UNKNOWN = struct.pack("<5h", *[0x7FFF] * 5)  # loudness values that are not given


def as_tags(bext: bytes) -> dict[str, str]:
    """The fields that have a value; `time_reference` counts frames since midnight."""
    bext = bext.ljust(_HISTORY, b"\0")
    tags = {name: decoded(bext[at : at + size]).strip() for name, (at, size) in _TEXTS.items()}
    (frames,) = struct.unpack_from("<Q", bext, _TIME)
    tags["time_reference"] = str(frames) if frames else ""
    tags["coding_history"] = clean(decoded(bext[_HISTORY:]))
    return {name: text for name, text in tags.items() if text}


def from_tags(tags: Mapping[str, str]) -> bytes:
    """A chunk from its fields; text that is too long for its field is cut, see `cut_fields`."""
    fixed = bytearray(_HISTORY)
    for name, (at, size) in _TEXTS.items():
        text = tags.get(name, "").encode()[:size]
        fixed[at : at + size] = text.decode(errors="ignore").encode().ljust(size, b"\0")
    frames = tags.get("time_reference", "0")
    if frames.isdecimal() and int(frames) < 1 << 64:
        struct.pack_into("<Q", fixed, _TIME, int(frames))
    history = tags.get("coding_history", "").replace("\n", "\r\n")
    return bytes(fixed) + history.encode()


def cut_fields(tags: Mapping[str, Iterable[str]]) -> list[Lost]:
    """What a chunk from these tags does not say, though the tags themselves stay beside it."""
    made = as_tags(from_tags({name: next(iter(values)) for name, values in tags.items()}))
    lost = []
    for name, (first, *more) in tags.items():
        size = _TEXTS.get(name, (0, 0))[1]
        if size and len(first.encode()) > size:
            why = f"the field has {size} bytes, the whole text stays as a tag"
            lost.append(Lost(f"the end of {name} in bext", why))
        elif made.get(name, "0") != first:  # a time of 0 is in the chunk, but no tag
            lost.append(Lost(f"{name} in bext", "the field cannot hold it, it stays as a tag"))
        if more:
            why = "the field has one value, all stay as a tag"
            lost.append(Lost(f"further values of {name} in bext", why))
    return lost


def of_the_result(
    bext: bytes, line: str, *, source_rate: int, rate: int
) -> tuple[bytes, list[Lost]]:
    """The chunk as it is true of the result: history continued, and what is false left out.

    Args:
        bext: of the source.
        line: the next line of its coding history.
        source_rate: in Hz.
        rate: of the result, in Hz.
    """
    lost = []
    fixed = bytearray(bext[:_HISTORY].ljust(_HISTORY, b"\0"))
    (version,) = struct.unpack_from("<H", fixed, _VERSION)
    loudness = bytes(fixed[_LOUDNESS : _LOUDNESS + 10])
    if version >= 2 and any(loudness) and loudness != _UNKNOWN:
        lost.append(Lost("loudness values of bext", "the result has another loudness"))
        fixed[_LOUDNESS : _LOUDNESS + 10] = _UNKNOWN
    if version >= 1 and any(fixed[_UMID : _UMID + 64]):
        lost.append(Lost("UMID of bext", "it identifies the recording of the source"))
        fixed[_UMID : _UMID + 64] = bytes(64)
    if rate != source_rate:
        (frames,) = struct.unpack_from("<Q", fixed, _TIME)
        struct.pack_into("<Q", fixed, _TIME, min(frames * rate // source_rate, (1 << 64) - 1))
    history = bext[_HISTORY:].rstrip(b"\0")
    if history and not history.endswith(b"\r\n"):
        history += b"\r\n"
    added = f"{line}\r\n".encode()
    return bytes(fixed) + history + (b"" if history.endswith(added) else added), lost

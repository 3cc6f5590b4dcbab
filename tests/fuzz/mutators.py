"""Random damage to files: of bytes, of lengths, of chunks, and of text."""

import json
import math
import re
import struct
from collections.abc import Callable, Sequence

import numpy as np

MAX_BYTES = 400_000  # of a mutated file

EDGES = (0, 1, 2, 3, 7, 8, 0x7F, 0x80, 0xFF, 0x7FFF, 0x8000, 0xFFFF, 0xFFFFFF, 0x7FFFFFFF)
EDGES += (0x80000000, 0xFFFFFFFE, 0xFFFFFFFF, 0x7FFFFFFFFFFFFFFF, 0x8000000000000000, 2**64 - 1)
NUMBERS = ("nan", "NaN", "inf", "-Infinity", "1e308", "-1e308", "1e-320", "-0", "0", "-1", "1e999")
NUMBERS += ("9" * 40, "9" * 5000, "0x_", "0b_", "1__0", "1:2:3", "2020-01-01", "true", "null", "~")
ODD = (
    "=",
    "\0",
    "\x1b]0;title\x07",
    "\u202e",
    "\ufeff",
    "\r",
    "\n",
    "\t",
    "\\",
    '"',
    "'",
    ",",
    ":",
    "=",
)
ODD += ("{", "}", "[", "]", "&a ", "*a", "<<: ", "!!python/none ", "|", ">", "%", "@", "- ", "? ")
ODD += ("[" * 3000, '{"a":' * 3000, "x" * 70_000, "\ud800", "日本", "../" * 5, "/dev/zero", "\x9b")
VALUES = (None, True, -1, 0, 1, 2, 3, 7, 64, 1000, 2**31, 2**63, 10**30, 0.5, -1e308, 1e-320, "")
VALUES += ("F16", "BF16", "F64", "I64", "BOOL", "F8_E4M3", "U8", "C64", "x" * 5000, [], [1], {})
VALUES += ([2**40, 2**40], [0, 0], [0, 16], [[]], {"a": 1}, math.nan, math.inf, "\x1b[2J")
NAMES = ("a\0b", "loop", "../../x", "/dev/zero", "x" * 300, "", ".", "\ud800", "\x1b[2J", "pipe")


def damage_bytes(data: bytes, others: Sequence[bytes], random: np.random.Generator) -> bytes:
    """One kind of damage to a binary file, or a few."""
    for _ in range(_few(random)):
        kind = _BINARY[int(random.integers(len(_BINARY)))]
        data = kind(bytearray(data), others, random)[:MAX_BYTES]
    return data


def damage_text(data: bytes, others: Sequence[bytes], random: np.random.Generator) -> bytes:
    """One kind of damage to a text, or a few, and rarely to its bytes."""
    text = data.decode("utf-8", "replace")
    for _ in range(_few(random)):
        kind = _TEXT[int(random.integers(len(_TEXT)))]
        text = kind(text, others, random)[:MAX_BYTES]
    encoding = _pick(("utf-8",) * 12 + ("utf-16", "utf-8-sig", "utf-32-be"), random)
    damaged = text.encode(encoding, "surrogatepass")
    return damage_bytes(damaged, others, random) if random.random() < 0.1 else damaged


def damage_safetensors(data: bytes, others: Sequence[bytes], random: np.random.Generator) -> bytes:
    """Another value in the JSON header, damage to its text or to the numbers, or to any bytes."""
    length, how = int.from_bytes(data[:8], "little"), random.random()
    header, tensors = data[8 : 8 + length], data[8 + length :]
    if how < 0.5:
        header = _another_value(header, random)
    elif how < 0.65:
        header = damage_text(header, [], random)
    elif how < 0.8:
        tensors = damage_bytes(tensors, [], random)[: len(tensors)].ljust(len(tensors), b"\x7f")
    else:
        return damage_bytes(data, others, random)
    return struct.pack("<Q", len(header)) + header + tensors


def _another_value(header: bytes, random: np.random.Generator) -> bytes:
    """The header with one value or key changed; the config in it is JSON inside of JSON."""
    content = json.loads(header)
    about = json.loads(content["__metadata__"]["soundstage"])
    owner = _pick((about, about, content), random)
    while True:
        keys = list(owner) if isinstance(owner, dict) else list(range(len(owner)))
        key = _pick(keys, random)
        if not isinstance(owner[key], dict | list) or not owner[key] or random.random() < 0.1:
            break
        owner = owner[key]
    if isinstance(owner, dict) and random.random() < 0.15:
        owner[_pick(("dim", "weight", "x" * 2000, "\x1b"), random)] = owner.pop(key)
    else:
        owner[key] = _pick(VALUES, random)
    if "soundstage" in content.get("__metadata__", {}):
        content["__metadata__"]["soundstage"] = json.dumps(about)
    return json.dumps(content).encode()


def _few(random: np.random.Generator) -> int:
    return int(_pick((1, 1, 1, 1, 2, 2, 3, 6), random))


# Bytes


def _place(data: bytearray, random: np.random.Generator) -> int:
    """A position, more often near the start or the end, where the structure is."""
    near = int(random.integers(min(len(data), 256) + 1))
    return int(_pick((near, near, len(data) - near, random.integers(len(data) + 1)), random))


def _flip(data: bytearray, others: Sequence[bytes], random: np.random.Generator) -> bytes:
    for _ in range(_few(random)):
        place = _place(data, random)
        if place < len(data):
            data[place] ^= 1 << int(random.integers(8))
    return bytes(data)


def _overwrite(data: bytearray, others: Sequence[bytes], random: np.random.Generator) -> bytes:
    place, length = _place(data, random), int(random.integers(1, 17))
    data[place : place + length] = random.bytes(length)
    return bytes(data)


def _edge(data: bytearray, others: Sequence[bytes], random: np.random.Generator) -> bytes:
    place, width = _place(data, random), int(_pick((1, 2, 4, 8), random))
    value = int(_pick(EDGES, random)) % (1 << 8 * width)
    order = _pick(("little", "big"), random)
    data[place : place + width] = value.to_bytes(width, order)
    return bytes(data)


def _length(data: bytearray, others: Sequence[bytes], random: np.random.Generator) -> bytes:
    """A size beside the name of a chunk or box."""
    names = [found.start() for found in re.finditer(rb"[A-Za-z][A-Za-z0-9_ ]{3}", data)]
    if not names:
        return _edge(data, others, random)
    name = int(_pick(names, random))
    place = max(name + int(_pick((4, -4), random)), 0)
    order = _pick(("little", "big"), random)
    old = int.from_bytes(data[place : place + 4], order)
    near = old + int(random.integers(-9, 10))
    value = int(_pick((near, 2 * old, old // 2, *EDGES), random)) % (1 << 32)
    data[place : place + 4] = value.to_bytes(4, order)
    return bytes(data)


def _cut(data: bytearray, others: Sequence[bytes], random: np.random.Generator) -> bytes:
    return bytes(data[: _place(data, random)])


def _delete(data: bytearray, others: Sequence[bytes], random: np.random.Generator) -> bytes:
    place, length = _place(data, random), int(2 ** random.uniform(0, 12))
    return bytes(data[:place] + data[place + length :])


def _repeat(data: bytearray, others: Sequence[bytes], random: np.random.Generator) -> bytes:
    place, length = _place(data, random), int(2 ** random.uniform(0, 12))
    part = data[place : place + length]
    return bytes(data[:place] + part * int(random.integers(2, 20)) + data[place + length :])


def _swap(data: bytearray, others: Sequence[bytes], random: np.random.Generator) -> bytes:
    first, second = sorted((_place(data, random), _place(data, random)))
    length = int(2 ** random.uniform(0, 10))
    parts = data[:first], data[first : first + length], data[first + length : second], data[second:]
    return b"".join(bytes(parts[index]) for index in (0, 2, 1, 3))


def _splice(data: bytearray, others: Sequence[bytes], random: np.random.Generator) -> bytes:
    other = _pick(others, random) if others else bytes(data)
    return bytes(data[: _place(data, random)]) + bytes(other)[_place(bytearray(other), random) :]


def _insert(data: bytearray, others: Sequence[bytes], random: np.random.Generator) -> bytes:
    place, length = _place(data, random), int(2 ** random.uniform(0, 14))
    filling = _pick((b"\0", b"\xff", b"ID3\x04\0\0\x7f", random.bytes(64)), random)
    return bytes(data[:place]) + (filling * length)[:length] + bytes(data[place:])


# Text


def _number(text: str, others: Sequence[bytes], random: np.random.Generator) -> str:
    found = list(re.finditer(r"-?\d+(\.\d+)?", text))
    return _replaced(text, found, NUMBERS, random)


def _name(text: str, others: Sequence[bytes], random: np.random.Generator) -> str:
    found = list(re.finditer(r"[A-Za-z_][\w./-]*", text))
    words = tuple(match.group() for match in found)
    return _replaced(text, found, NAMES + words, random)


def _replaced(
    text: str, found: list[re.Match[str]], new: tuple, random: np.random.Generator
) -> str:
    if not found:
        return text
    match = found[int(random.integers(len(found)))]
    return text[: match.start()] + str(_pick(new, random)) + text[match.end() :]


def _odd(text: str, others: Sequence[bytes], random: np.random.Generator) -> str:
    place = int(random.integers(len(text) + 1))
    return text[:place] + str(_pick(ODD, random)) + text[place:]


def _lines(text: str, others: Sequence[bytes], random: np.random.Generator) -> str:
    lines = text.splitlines(keepends=True) or [""]
    place = int(random.integers(len(lines)))
    how = random.random()
    if how < 0.3:
        return "".join(lines[:place] + lines[place + 1 :])
    if how < 0.6:
        return "".join(lines[:place] + [lines[place]] * int(random.integers(2, 60)) + lines[place:])
    return "".join(lines[place:] + lines[:place])


def _shorten(text: str, others: Sequence[bytes], random: np.random.Generator) -> str:
    return text[: int(random.integers(len(text) + 1))]


def _join(text: str, others: Sequence[bytes], random: np.random.Generator) -> str:
    return text + (_pick(others, random).decode("utf-8", "replace") if others else text)


def _pick(choices: Sequence, random: np.random.Generator):
    return choices[int(random.integers(len(choices)))]


Binary = Callable[[bytearray, Sequence[bytes], np.random.Generator], bytes]
_BINARY: tuple[Binary, ...] = (_flip, _flip, _overwrite, _edge, _edge, _length, _length, _cut)
_BINARY += (_delete, _repeat, _swap, _splice, _insert)
_TEXT = (_number, _number, _name, _name, _odd, _odd, _lines, _shorten, _join)

"""A soundfont of one sine, as small as the format allows."""

import struct
from pathlib import Path

import numpy as np

RATE = 44_100
PERIOD = 100  # frames; 441 Hz
KEY = 69  # that the sample sounds at


def write_soundfont(path: Path) -> Path:
    """An SF2 file with the same looped sine as program 0 and as drum kit 0."""
    periods = 44
    sine = 0.5 * np.sin(2 * np.pi * np.arange(periods * PERIOD) / PERIOD)
    samples = np.concatenate([np.rint(32767 * sine), np.zeros(46)]).astype("<i2")
    info = [("ifil", struct.pack("<HH", 2, 1)), ("isng", b"EMU8000\0"), ("INAM", b"sine\0\0")]
    name = "20s"
    presets = struct.pack(f"<{name}HHHIII", b"sine", 0, 0, 0, 0, 0, 0)
    presets += struct.pack(f"<{name}HHHIII", b"drums", 0, 128, 1, 0, 0, 0)
    presets += struct.pack(f"<{name}HHHIII", b"EOP", 0, 0, 2, 0, 0, 0)
    generators = struct.pack("<HH", 54, 1) + struct.pack("<HH", 53, 0)  # loop; the sample
    loop = (PERIOD, len(sine) - PERIOD)
    sample = struct.pack(f"<{name}IIIIIBbHH", b"sine", 0, len(sine), *loop, RATE, KEY, 0, 0, 1)
    pdta = [
        ("phdr", presets),
        ("pbag", struct.pack("<HHHHHH", 0, 0, 1, 0, 2, 0)),
        ("pmod", bytes(10)),
        ("pgen", struct.pack("<HHHHHH", 41, 0, 41, 0, 0, 0)),  # the instrument
        ("inst", struct.pack(f"<{name}H{name}H", b"sine", 0, b"EOI", 1)),
        ("ibag", struct.pack("<HHHH", 0, 0, 2, 0)),
        ("imod", bytes(10)),
        ("igen", generators + bytes(4)),
        ("shdr", sample + struct.pack(f"<{name}26x", b"EOS")),
    ]
    parts = [("INFO", info), ("sdta", [("smpl", samples.tobytes())]), ("pdta", pdta)]
    body = b"sfbk" + b"".join(_list(kind, chunks) for kind, chunks in parts)
    path.write_bytes(b"RIFF" + struct.pack("<I", len(body)) + body)
    return path


def _list(kind: str, chunks: list[tuple[str, bytes]]) -> bytes:
    body = kind.encode() + b"".join(_chunk(name, data) for name, data in chunks)
    return _chunk("LIST", body)


def _chunk(name: str, data: bytes) -> bytes:
    return name.encode() + struct.pack("<I", len(data)) + data + bytes(len(data) % 2)

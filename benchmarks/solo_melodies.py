"""Melodies of one instrument, rendered with fluidsynth, for `content.py`."""

import struct
import subprocess
from pathlib import Path

import numpy as np

SOUNDFONT = Path("/usr/share/sounds/sf2/FluidR3_GM.sf2")  # of Debian's fluid-soundfont-gm, MIT
SECONDS, TICKS = 40, 480
PROGRAMS = (
    *(0, 4, 6, 8, 9, 11, 12, 13, 21, 22, 24, 25, 26, 27, 32, 33, 35, 40, 41, 42, 43, 52, 53, 56),
    *(
        57,
        58,
        59,
        60,
        64,
        65,
        66,
        67,
        68,
        69,
        70,
        71,
        72,
        73,
        74,
        75,
        76,
        77,
        78,
        79,
        104,
        105,
        110,
    ),
)  # of General MIDI: keys, mallets, plucked and bowed strings, brass, reeds, pipes, voices
LOW = {32, 33, 35, 43, 57, 58, 67, 70}
SCALES = ((0, 2, 4, 5, 7, 9, 11), (0, 2, 3, 5, 7, 8, 10), (0, 2, 4, 7, 9))
LENGTHS = (120, 240, 240, 480, 480, 960)  # ticks


def render(path: Path, program: int, *, seed: int) -> None:
    """A random walk over a scale, with rests, as a WAV at 22.05 kHz; one voice at a time."""
    chance = np.random.default_rng(seed)
    score = path.with_suffix(".mid")
    tempo = int(chance.integers(400_000, 900_000))  # microseconds a quarter
    score.write_bytes(_midi(program, _notes(program, chance), tempo))
    room = ["-R", "1" if seed % 3 else "0", "-C", "0", "-g", "0.6", "-r", "22050"]
    command = ["fluidsynth", "-ni", "-q", *room, "-F", str(path), str(SOUNDFONT), str(score)]
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)


def _notes(program: int, chance: np.random.Generator) -> list[tuple[int, int, int, int]]:
    """Start and length in ticks, key, velocity."""
    base = int(chance.integers(36, 48) if program in LOW else chance.integers(55, 70))
    scale = SCALES[chance.integers(len(SCALES))]
    place, time, notes = int(chance.integers(0, 6)), 0, []
    while time < TICKS * SECONDS:
        place = int(np.clip(place + chance.integers(-3, 4), -3, 12))
        octave, step = divmod(place, len(scale))
        length = LENGTHS[chance.integers(len(LENGTHS))]
        if chance.random() >= 0.12:
            held = int(length * chance.uniform(0.6, 1.0))
            velocity = int(chance.integers(50, 115))
            notes.append((time, held, base + 12 * octave + scale[step], velocity))
        time += length
    return notes


def _midi(program: int, notes: list[tuple[int, int, int, int]], tempo: int) -> bytes:
    events = [(start, 0x90, key, velocity) for start, _, key, velocity in notes]
    events += [(start + held, 0x80, key, 0) for start, held, key, _ in notes]
    track = b"\x00\xff\x51\x03" + struct.pack(">I", tempo)[1:] + b"\x00" + bytes([0xC0, program])
    last = 0
    for time, *message in sorted(events):
        track += _variable(time - last) + bytes(message)
        last = time
    track += b"\x00\xff\x2f\x00"
    header = b"MThd" + struct.pack(">IHHH", 6, 0, 1, TICKS)
    return header + b"MTrk" + struct.pack(">I", len(track)) + track


def _variable(value: int) -> bytes:
    parts = [value & 127]
    while value := value >> 7:
        parts.append(value & 127 | 128)
    return bytes(reversed(parts))

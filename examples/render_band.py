"""Render a short piece of music in a room: true stereo, mono fold-down, instrument positions.

    python examples/render_band.py --output FOLDER [--stems] [--bars N]

Thirteen instruments play `score` in `room`. The mix has an ORTF pair for the room, and a spot
microphone on every instrument, time-aligned with the pair and panned to the instrument's azimuth by
the sine-cosine law. So the channels differ in level, time and reverberation.

It writes `band-stereo.wav`, `band-mono.wav` (24 bit, 44.1 kHz) and `band-places.json`. The samples
are integers L = M + S and R = M − S, so (L + R)/2 = M is the mono file, bit for bit.
"""

import argparse
import json
import zlib
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import drums
import instruments
import numpy as np
import room
import score
import soundfile
import voice
from instruments import RATE, Signal
from numpy.typing import NDArray
from scipy.signal import butter, oaconvolve, sosfilt
from score import SECONDS_PER_BEAT, Note

SEED = 1887
TAIL = 2.6  # seconds after the last bar
FULL_SCALE = 2**23  # of 24 bits
MASTER = 0.0335  # brings the loudest peak of the whole piece to about −3 dB of full scale
SPOT = 3.5  # level of a spot microphone beside the direct sound at the pair
PAIR_LOWEST = 120.0  # Hz: high-pass of the pair
RUMBLE = 30.0  # Hz, the high-pass of the whole mix
PAN_RANGE = 60.0  # degrees of azimuth that are panned hard left or right

TIMING = 0.006  # standard deviation of a player's timing, s
TOUCH = 0.06  # relative standard deviation of the velocity


@dataclass(frozen=True)
class Place:
    """Position of an instrument relative to the pair, and its level in the mix."""

    azimuth: float  # degrees, positive left
    distance: float  # m, on the ground
    height: float  # m
    level: float  # dB


PLACES = {
    "violins": Place(54, 3.0, 1.5, -18),
    "left guitar": Place(42, 2.2, 1.0, -10),
    "shaker": Place(34, 2.6, 1.3, -1),
    "tom": Place(26, 3.3, 1.0, -2),
    "snare": Place(14, 3.2, 0.9, 5),
    "bass": Place(7, 2.9, 0.8, 5),
    "voice": Place(0, 1.7, 1.6, 2),
    "kick": Place(-7, 3.4, 0.4, 4),
    "hi-hat": Place(-16, 3.2, 1.1, 3),
    "cymbal": Place(-24, 3.5, 1.4, -4),
    "electric piano": Place(-32, 2.4, 0.9, -7),
    "right guitar": Place(-40, 2.2, 1.0, -4),
    "cello": Place(-56, 2.4, 0.8, -14),
}

GUITAR_BODY = [
    (104.0, 9.0, 1.2),
    (205.0, 14.0, 1.4),
    (410.0, 12.0, 0.8),
    (1900.0, 1.5, 1.4),
    (3300.0, 2.0, 0.8),
]
UPRIGHT_BODY = [(60.0, 5.0, 1.0), (110.0, 7.0, 0.8), (900.0, 1.5, 0.6)]
VIOLIN_BODY = [(275.0, 10.0, 0.8), (460.0, 12.0, 1.2), (560.0, 12.0, 1.0), (1100.0, 4.0, 0.6)]
CELLO_BODY = [(100.0, 8.0, 0.8), (176.0, 10.0, 1.0), (220.0, 10.0, 0.9)]

Sound = Callable[[float, float, float, np.random.Generator], Signal]  # pitch, held, velocity, rng


def drum(name: str) -> Sound:
    """A drum as an instrument; it ignores the duration of the note."""
    hit = drums.KIT[name]
    return lambda pitch, held, velocity, rng: hit(pitch, velocity, rng)


INSTRUMENTS: dict[str, Sound] = {name: drum(name) for name in drums.KIT} | {
    "bass": partial(instruments.plucked, string=instruments.BASS),
    "left guitar": partial(instruments.plucked, string=instruments.STEEL),
    "right guitar": partial(instruments.plucked, string=instruments.NYLON),
    "electric piano": instruments.electric_piano,
    "violins": partial(instruments.bowed, players=4),
    "cello": partial(instruments.bowed, players=1),
}
BODIES = {
    "left guitar": GUITAR_BODY,
    "right guitar": GUITAR_BODY,
    "bass": UPRIGHT_BODY,
    "violins": VIOLIN_BODY,
    "cello": CELLO_BODY,
}


def generator(name: str) -> np.random.Generator:
    """One random generator an instrument, so that no part depends on the others."""
    return np.random.default_rng([SEED, zlib.crc32(name.encode())])


def add(track: Signal, start: float, sound: Signal) -> None:
    """Mix a sound into a track at `start` seconds, in place."""
    first = max(round(start * RATE), 0)
    fits = track[first : first + len(sound)]
    fits += sound[: len(fits)]


def play(name: str, notes: list[Note], frames: int) -> Signal:
    """One part as a dry track, with small random deviations of timing and velocity."""
    rng = generator(name)
    track = np.zeros(frames)
    if name == "voice":
        for phrase in voice.phrases(notes):
            late = 0.012 + TIMING * rng.standard_normal()  # singers lay back
            add(track, phrase[0].beat * SECONDS_PER_BEAT + late, voice.sing(phrase, rng))
        return track
    for note in notes:
        late, touch = TIMING * rng.standard_normal(), 1 + TOUCH * rng.standard_normal()
        held = note.beats * SECONDS_PER_BEAT
        velocity = min(note.velocity * touch, 1.0)
        sound = INSTRUMENTS[name](note.pitch, held, velocity, rng)
        add(track, note.beat * SECONDS_PER_BEAT + late, sound)
    return instruments.body(track, BODIES.get(name, []))


def pan(azimuth: float) -> Signal:
    """Gains of left and right by the sine-cosine law, the same power everywhere."""
    angle = np.pi / 4 * (1 + np.clip(azimuth / PAN_RANGE, -1, 1))
    return np.array([np.sin(angle), np.cos(angle)])


def filtered(signal: Signal, lowest: float) -> Signal:
    """A high-pass of 12 dB an octave at `lowest` Hz, along the last axis."""
    return sosfilt(butter(2, lowest, "highpass", fs=RATE, output="sos"), signal)


def record(name: str, track: Signal) -> Signal:
    """An instrument in the mix, (2, frames): the pair's signal and the panned spot."""
    place = PLACES[name]
    source = room.position(place.azimuth, place.distance, place.height)
    response = room.response(source, RATE, generator(name + " in the room"))
    distance = float(np.linalg.norm(source - room.PAIR))
    response *= distance  # gain compensation
    response = filtered(response, PAIR_LOWEST)  # room modes would pan kick and bass
    response[:, round(distance / room.SPEED * RATE)] += SPOT * pan(place.azimuth)
    gain = MASTER * 10 ** (place.level / 20)
    mixed = oaconvolve(gain * track[None], response, axes=1)[:, : len(track)]
    return filtered(mixed, RUMBLE)


def length(bars: int) -> int:
    """Frames of `bars` bars and the decay after them."""
    return round((bars * score.BEATS_PER_BAR * SECONDS_PER_BEAT + TAIL) * RATE)


def render(first: int = 0, last: int = score.BARS) -> dict[str, Signal]:
    """Stems of bars `first` to `last` − 1, each (2, frames); their sum is the mix."""
    frames = length(last - first)
    parts = score.parts(first, last)
    return {name: record(name, play(name, parts[name], frames)) for name in PLACES}


def quantize(stereo: Signal) -> tuple[NDArray[np.int32], NDArray[np.int32]]:
    """24-bit integers: the channels (2, frames) and their exact fold-down (frames,)."""
    left, right = stereo * FULL_SCALE
    mid = np.round((left + right) / 2).astype(np.int32)
    side = np.round((left - right) / 2).astype(np.int32)
    return np.stack([mid + side, mid - side]), mid


def write(path: Path, samples: NDArray[np.int32]) -> None:
    """Write a 24-bit file of integers, (frames,) or (2, frames)."""
    if np.abs(samples).max() >= FULL_SCALE:
        raise ValueError(f"{path.name} would clip: turn MASTER down")
    soundfile.write(path, samples.T << 8, RATE, subtype="PCM_24")  # left-aligned in 32 bits


def level_difference(stem: Signal) -> float:
    """Left over right in dB, of the whole stem; 0 for silence."""
    left, right = np.sum(stem**2, axis=1) + 1e-20
    return float(10 * np.log10(left / right))


def places(stems: dict[str, Signal]) -> list[dict[str, object]]:
    """Content of `band-places.json`, from left to right."""
    total = sum(float(np.sum(stem**2)) for stem in stems.values()) + 1e-20
    return [
        {
            "name": name,
            "azimuth_degrees": place.azimuth,
            "distance_meters": place.distance,
            "level_difference_db": round(level_difference(stems[name]), 2),
            "energy_share": round(float(np.sum(stems[name] ** 2)) / total, 4),
        }
        for name, place in PLACES.items()
    ]


def main() -> None:
    """Parse, render, write."""
    parser = argparse.ArgumentParser(description="Render the demonstration piece.")
    parser.add_argument("--output", type=Path, required=True, help="folder to write into")
    parser.add_argument("--stems", action="store_true", help="also write every instrument")
    parser.add_argument("--bars", type=int, default=score.BARS, help="number of bars to render")
    options = parser.parse_args()
    options.output.mkdir(parents=True, exist_ok=True)
    stems = render(last=options.bars)
    stereo, mono = quantize(np.sum(list(stems.values()), axis=0))
    write(options.output / "band-stereo.wav", stereo)
    write(options.output / "band-mono.wav", mono)
    listing = json.dumps(places(stems), indent=2) + "\n"
    (options.output / "band-places.json").write_text(listing, encoding="utf-8")
    if options.stems:
        for name, stem in stems.items():
            write(options.output / f"band-{name.replace(' ', '-')}.wav", quantize(stem)[0])
    print(f"{mono.size / RATE:.1f} s of music in {options.output}")


if __name__ == "__main__":
    main()

"""Drums, bass lines and melodies played from one-shots, in styles of sixteen steps a bar.

A kit is a folder of recordings whose names say what they are (kick, snare, hat …). A pattern is
drawn from a style, with its own probability for every step; bars repeat with small changes, end in
fills, and every stroke differs a little in time and force. Room and saturation change by pattern.
"""

import re
from dataclasses import dataclass

import numpy as np
import soxr
from scipy.signal import butter, fftconvolve, sosfilt
from stem_collection import RATE, Mono

STEPS = 16

ROLES = {
    "open": r"open|_op|ohh|hho|^ho_|hihato|hat_op|hh3",
    "hat": r"hat|hh|hihat|cymbal_(closed|pedal)|elec_tick|shaker|maraca",
    "clap": r"clap|snap",
    "rim": r"rim|stick|clave|^sr_|click|wood",
    "snare": r"snare|^sn|_sn_|^sd_|sn\d|drum_1|drum_2|slap",
    "kick": r"kick|^bd|bassdrum|bass_(hard|soft)|_bd_|hse_k|thump|dununba1 head hit",
    "crash": r"crash|splash|china|^cc_|cymbal_hard|^cra|808_cymbal|elec_cymbal",
    "bell": r"cowbell|agogo|tambourine|triangle|^cb",
    "ride": r"ride|^rd|^rc_|cymbal_(open|soft)|bell",
    "tom": r"tom|^tm|^t\d_|^ft_|conga|bongo|djembe.*(tone|bass)|sangban|kenkeni",
}
"""What a recording is, by the first pattern that its name matches."""

LEVELS = {
    "kick": 1.0, "snare": 0.8, "clap": 0.5, "rim": 0.4, "hat": 0.3, "open": 0.3,
    "ride": 0.35, "crash": 0.45, "tom": 0.7, "bell": 0.25,
}  # fmt: skip

STYLES: dict[str, dict[str, str]] = {
    "rock": {"kick": "9...1...7.31....", "snare": "....9......1.9..", "hat": "9.8.9.8.9.8.9.8."},
    "pop": {"kick": "9.....3.9.5.....", "snare": "....9.......9..1", "hat": "9393939393939393"},
    "house": {"kick": "9...9...9...9...", "clap": "....9.......9...", "hat": "1.911.911.911.93",
              "open": "..8...8...8...8."},
    "breaks": {"kick": "9.5....3.59..3..", "snare": "....9..4.3..9..3", "hat": "9.929.929.929.92"},
    "funk": {"kick": "9..5..3.3.9..3..", "snare": "..1.9..3.2.29..2", "hat": "9898989898989898"},
    "hiphop": {"kick": "9......5.59.....", "snare": "....9.......9..1", "hat": "9.919.919.919.93"},
    "trap": {"kick": "9..4...2..8...3.", "snare": "........9.....1.", "hat": "9797979997979799"},
    "half": {"kick": "9.....4...3.....", "snare": "........9.......", "ride": "9...9...9...9..."},
    "latin": {"kick": "9..8..9.9..8..9.", "rim": "9..9..9...9.9...", "hat": "9.9.9.9.9.9.9.9.",
              "tom": "..............98", "bell": "9.9.99.9.9.99.9."},
    "hands": {"kick": "8..4..8...8.4...", "tom": "..95.49.5.95.495", "snare": "....6..2....6...",
              "hat": "7575757575757575", "bell": "9...7.5.9...7.5."},
    "swing": {"kick": "9...3...5...3...", "ride": "9...9..79...9..7", "hat": "....9.......9...",
              "snare": "..1..2.1..2...31"},
    "metal": {"kick": "9.99..9.9.99..95", "snare": "....9.......9...", "crash": "9...4...5...4..."},
}  # fmt: skip
"""Probability of a stroke at each sixteenth, in tenths; "." is never."""


@dataclass(frozen=True)
class Kit:
    """Recordings of one kit by role."""

    name: str
    license: str
    sounds: dict[str, list[Mono]]


def role_of(name: str) -> str | None:
    """What a recording is by its file's name, or None."""
    lower = name.lower()
    return next((role for role, pattern in ROLES.items() if re.search(pattern, lower)), None)


def play(kit: Kit, generator: np.random.Generator, seconds: float = 30.0) -> Mono:
    """A drum part of one kit, at 44.1 kHz."""
    fitting = [s for s in STYLES.values() if sum(role in kit.sounds for role in s) >= 2]
    style = fitting[generator.integers(len(fitting))]
    step = 15 / generator.uniform(80, 175)
    swing = generator.choice([0.0, 0.0, generator.uniform(0.05, 0.33)])
    chosen = {
        role: [sounds[i] for i in generator.permutation(len(sounds))[:4]]
        for role, sounds in kit.sounds.items()
    }
    out = np.zeros(int(seconds * RATE) + 4 * RATE, np.float32)  # a bar lasts 3 s at most
    pattern = _bar(style, generator)
    for bar in range(int(seconds / (step * STEPS)) + 1):
        if generator.random() < 0.3:
            pattern = _bar(style, generator)
        strokes = list(pattern)
        if bar % 4 == 3 and generator.random() < 0.7:
            first = int(generator.choice([8, 12]))
            strokes = [s for s in strokes if s[1] < first or s[0] == "kick"]
            fill = [r for r in ("tom", "snare") if r in chosen]
            strokes += [
                (fill[generator.integers(len(fill))], at, generator.uniform(0.5, 1))
                for at in range(first, STEPS)
                if fill and generator.random() < 0.75
            ]
        if bar % 4 == 0 and "crash" in chosen and generator.random() < 0.6:
            strokes.append(("crash", 0, 1.0))
        for role, at, force in strokes:
            sounds = chosen.get(role)
            if not sounds:
                continue
            late = swing * step * (at % 2) + generator.normal(0, 0.004)
            start = max(int((bar * STEPS + at) * step * RATE + late * RATE), 0)
            sound = sounds[generator.integers(len(sounds))][: len(out) - start]
            gain = LEVELS[role] * force * generator.uniform(0.85, 1.1)
            out[start : start + len(sound)] += gain * sound
    return finished(out[: int(seconds * RATE)], generator)


def line(
    sound: Mono,
    pitch: float,
    generator: np.random.Generator,
    root: tuple[float, float] = (41, 65),
    seconds: float = 30.0,
) -> Mono:
    """A line of one recording of known pitch in Hz, transposed to its notes.

    Args:
        sound: one note.
        pitch: its pitch in Hz.
        generator: what decides.
        root: range of the pitch of the key in Hz; E1 to C2, where basses live, unless given.
        seconds: length of the line.
    """
    step = 15 / generator.uniform(80, 160)
    scale = np.array([0, 3, 5, 7, 10] if generator.random() < 0.6 else [0, 2, 4, 7, 9])
    key = generator.uniform(*root)
    figure = generator.random(STEPS) < generator.choice([0.3, 0.5, 0.8])
    figure[0] = True
    chords = generator.choice([0, 5, 7, -4, -2, 3], 4)
    out = np.zeros(int(seconds * RATE) + 4 * RATE, np.float32)  # a bar lasts 3 s at most
    notes: dict[int, Mono] = {}
    for bar in range(int(seconds / (step * STEPS)) + 1):
        onsets = np.flatnonzero(figure if generator.random() < 0.8 else generator.random(16) < 0.4)
        for at, after in zip(onsets, [*onsets[1:], STEPS], strict=True):
            first = at == onsets[0] or generator.random() < 0.6
            semitones = int(chords[bar % 4]) + (0 if first else int(generator.choice(scale)))
            if semitones not in notes:
                ratio = key * 2 ** (semitones / 12) / pitch
                notes[semitones] = soxr.resample(sound, RATE, RATE / ratio).astype(np.float32)
            start = int((bar * STEPS + at) * step * RATE)
            length = int((after - at) * step * RATE * generator.uniform(0.5, 1))
            note = notes[semitones][: min(length, len(out) - start)]
            if len(note) < 64:
                continue
            release = min(len(note), 441)
            note = note * generator.uniform(0.75, 1)
            note[-release:] *= np.linspace(1, 0, release)
            out[start : start + len(note)] += note
    return finished(out[: int(seconds * RATE)], generator, room=0.3)


def synthetic_bass(generator: np.random.Generator, pitch: float = 55.0) -> Mono:
    """Three seconds of a subtractive bass: saw, square or sine, a falling lowpass, an octave."""
    time = np.arange(3 * RATE) / RATE
    orders = np.arange(1, 120)[:, None]
    shape = generator.integers(3)
    weights = [1 / orders, (orders % 2) / orders, 1.0 * (orders == 1) + 0.3 / orders**2][shape]
    start, end = generator.uniform(6, 40), generator.uniform(1.5, 6)  # cutoff in harmonics
    cutoff = end + (start - end) * np.exp(-time / generator.uniform(0.05, 0.6))
    tone = np.zeros(len(time))
    for order, weight in zip(orders[:, 0], weights[:, 0], strict=True):
        if weight and order * pitch < 8000:
            tone += weight * np.sin(2 * np.pi * order * pitch * time) / (1 + (order / cutoff) ** 4)
    decay = np.exp(-time / generator.uniform(0.3, 4)) * np.clip(time / 0.004, 0, 1)
    return np.tanh(generator.uniform(0.5, 3) * tone * decay).astype(np.float32)


def pitch_of(sound: Mono, highest: float = 200.0) -> float | None:
    """Pitch of a note from 25 Hz to `highest` by autocorrelation, or None where there is none."""
    part = sound[RATE // 20 : RATE // 20 + 16384]
    if len(part) < 8192:
        return None
    spectrum = np.abs(np.fft.rfft(part - part.mean(), 4 * len(part))) ** 2
    correlation = np.fft.irfft(spectrum)
    lags = np.arange(int(RATE / highest), RATE // 25)
    best = int(lags[np.argmax(correlation[lags])])
    return RATE / best if correlation[best] > 0.6 * correlation[0] else None


def finished(samples: Mono, generator: np.random.Generator, room: float = 1.0) -> Mono:
    """In a room, a little saturated and colored, as a producer leaves it."""
    if generator.random() < 0.6 * room:
        length = int(generator.uniform(0.1, 0.8) * RATE)
        tail = generator.normal(size=length) * np.exp(-5 * np.arange(length) / length)
        tail = sosfilt(butter(1, generator.uniform(3000, 9000), fs=RATE, output="sos"), tail)
        wet = fftconvolve(samples, tail / np.sqrt((tail**2).sum()))[: len(samples)]
        samples = samples + generator.uniform(0.05, 0.35) * wet
    if generator.random() < 0.5:
        drive = generator.uniform(1, 4) / (np.abs(samples).max() + 1e-9)
        samples = np.tanh(drive * samples)
    return samples.astype(np.float32)


def _bar(style: dict[str, str], generator: np.random.Generator) -> list[tuple[str, int, float]]:
    """One bar of a style: role, step, force."""
    return [
        (role, at, generator.uniform(0.75, 1) if tenths > "6" else generator.uniform(0.3, 0.7))
        for role, steps in style.items()
        for at, tenths in enumerate(steps)
        if tenths != "." and generator.random() < int(tenths) / 9
    ]

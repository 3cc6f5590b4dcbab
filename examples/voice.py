"""The lead: a singing voice as harmonics of a gliding pitch under a moving formant envelope.

The k-th harmonic of the pitch f(t) has the amplitude E(k·f(t), t), where E is a sum of resonance
peaks at the formants of the vowel (levels and frequencies near the alto table of the Csound
manual's appendix on formant values, the upper formants raised as close singing has them). Pitch,
vowel and loudness change every 5 ms: notes glide into each other, long notes have vibrato, and
every syllable starts with its consonant.
"""

import numpy as np
from instruments import RATE, Signal, frequency
from scipy.ndimage import gaussian_filter1d
from scipy.signal import butter, sosfilt
from score import SECONDS_PER_BEAT, Note

STEP = 220  # frames between control points: 5 ms
HIGHEST = 16000.0  # Hz, of the harmonics
WIDTHS = np.array([80.0, 100.0, 160.0, 220.0, 400.0])  # bandwidths, Hz
VOWELS = {  # formant frequencies in Hz, levels in dB
    "a": ([800, 1150, 2800, 3500, 4950], [0, -4, -10, -14, -24]),
    "e": ([430, 1750, 2700, 3400, 4950], [0, -10, -12, -16, -26]),
    "i": ([350, 1900, 2750, 3700, 4950], [0, -11, -12, -15, -24]),
    "o": ([460, 850, 2830, 3500, 4950], [0, -6, -12, -16, -30]),
    "u": ([340, 750, 2600, 3500, 4950], [0, -8, -15, -19, -32]),
}
CONSONANTS = {  # of a noise: lowest Hz, highest Hz, seconds, level
    "s": (5500, 13000, 0.09, 0.07),
    "t": (3000, 11000, 0.025, 0.11),
    "d": (2000, 8000, 0.015, 0.06),
}


def phrases(notes: list[Note]) -> list[list[Note]]:
    """Groups of notes without a rest between them: one breath each."""
    groups: list[list[Note]] = []
    for note in notes:
        previous = groups[-1][-1] if groups else None
        if previous and note.beat - previous.beat - previous.beats < 0.01:
            groups[-1].append(note)
        else:
            groups.append([note])
    return groups


def pitch_curve(t: Signal, starts: list[float], phrase: list[Note], wander: Signal) -> Signal:
    """Pitch in Hz at the control times: glides of 50 ms, and a vibrato 0.25 s into a note."""
    which = np.clip(np.searchsorted(starts, t, side="right") - 1, 0, None)
    steps = np.array([note.pitch for note in phrase], float)[which]
    since = t - np.array(starts)[which]
    depth = 0.35 * np.clip((since - 0.25) / 0.3, 0, 1)  # a third of a semitone
    glide = gaussian_filter1d(steps, 0.02 * RATE / STEP, mode="nearest")
    scoop = -0.6 * np.exp(-t / 0.05)  # the first note is reached from below
    bent = glide + scoop + depth * np.sin(2 * np.pi * 5.6 * t) + wander
    return np.array([frequency(pitch) for pitch in bent])


def loudness_curve(t: Signal, starts: list[float], phrase: list[Note]) -> Signal:
    """Level at the control times: a dip before each syllable, a breath's end after the last."""
    which = np.clip(np.searchsorted(starts, t, side="right") - 1, 0, None)
    level = np.array([note.velocity for note in phrase])[which]
    since = t - np.array(starts)[which]
    level *= (0.25 + 0.75 * np.minimum(since / 0.07, 1)) * (0.7 + 0.3 * np.exp(-since / 0.5))
    end = starts[-1] + phrase[-1].beats * SECONDS_PER_BEAT - 0.06
    level *= np.clip((end + 0.14 - t) / 0.2, 0, 1) * np.minimum(t / 0.04, 1)
    return gaussian_filter1d(level, 2.0, mode="constant")


def envelope(f: Signal, formants: Signal, levels: Signal) -> Signal:
    """Amplitude at frequencies f (points,) under formants of shape (points, 5)."""
    distance = (f[:, None] - formants) / (WIDTHS / 2)
    peaks = np.sum(levels / np.sqrt(1 + distance**2), axis=1)
    return peaks / np.sqrt(1 + (f / 6000) ** 2)


def sing(phrase: list[Note], rng: np.random.Generator) -> Signal:
    """One phrase, from its first note's start."""
    starts = [(note.beat - phrase[0].beat) * SECONDS_PER_BEAT for note in phrase]
    frames = int((starts[-1] + phrase[-1].beats * SECONDS_PER_BEAT + 0.2) * RATE)
    grid = np.arange(0, frames + STEP, STEP)
    t, now = grid / RATE, np.arange(frames)
    wander = gaussian_filter1d(rng.standard_normal(len(t)), 6) * 0.25
    f0 = pitch_curve(t, starts, phrase, wander)
    loud = loudness_curve(t, starts, phrase)

    which = np.clip(np.searchsorted(starts, t, side="right") - 1, 0, None)
    vowels = [VOWELS[note.syllable[-1]] for note in phrase]
    formants = gaussian_filter1d(np.array([v[0] for v in vowels], float)[which], 6, axis=0)
    levels = gaussian_filter1d(np.array([v[1] for v in vowels], float)[which], 6, axis=0)
    levels = 10 ** (levels / 20)

    phase = 2 * np.pi * np.cumsum(np.interp(now, grid, f0)) / RATE
    turn = np.exp(1j * phase)
    harmonic = np.ones(frames, complex)
    out = np.zeros(frames)
    for k in range(1, int(HIGHEST / f0.min()) + 1):
        harmonic *= turn
        amplitude = envelope(k * f0, formants, levels) * loud * (k * f0 < HIGHEST)
        out += np.interp(now, grid, amplitude) * harmonic.imag
    sos = butter(2, [1500, 12000], "bandpass", fs=RATE, output="sos")
    breath = sosfilt(sos, rng.standard_normal(frames))
    out += 0.05 * np.interp(now, grid, loud) * breath * (1 + 0.5 * np.sin(phase))
    return out + consonants(phrase, starts, frames, rng)


def consonants(
    phrase: list[Note], starts: list[float], frames: int, rng: np.random.Generator
) -> Signal:
    """Hisses and bursts that begin the syllables which have one."""
    out = np.zeros(frames)
    for note, start in zip(phrase, starts, strict=True):
        if note.syllable[0] in CONSONANTS:
            low, high, length, level = CONSONANTS[note.syllable[0]]
            count = int(length * RATE)
            sos = butter(2, [low, high], "bandpass", fs=RATE, output="sos")
            hiss = sosfilt(sos, rng.standard_normal(count)) * np.hanning(count)
            first = int(start * RATE)
            out[first : first + count] += 4 * level * note.velocity * hiss
    return out

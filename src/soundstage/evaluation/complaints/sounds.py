"""The sounds of the fitness table: made by code, or real stems and speech from a folder.

Everything is at 44.1 kHz and the same each time. The band has a lead with vibrato, a bass, chords
and drums, each on its own, so that the lead can be followed through a result. The voice is a train
of pulses through three formants, in syllables and pauses.
"""

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
from jaxtyping import Float
from scipy.signal import lfilter

from soundstage.audio import expand_inputs
from soundstage.corpora import open_corpus, read_excerpt
from soundstage.errors import InputError
from soundstage.evaluation.eval_items import find_lead
from soundstage.stereo import RATE

SECONDS = 12.0  # of music and speech
LEAD_IN = 1.5  # seconds of groove before the music of a disc
HISS_DB, CLICK_DB = -30.0, 3.0  # hiss below the music in rms, clicks above its peak: a worn disc
Mono = Float[np.ndarray, " frames"]


@dataclass(frozen=True)
class Material:
    """Real sound in place of what code makes, if there is any.

    Raises:
        InputError: a folder cannot be used.
    """

    stems: Path | None = None
    """A collection of songs with their stems; the one with the loudest lead is taken."""
    speech: Path | None = None
    """A file of one voice, or a folder of them, whose first one is taken."""

    @cached_property
    def song(self) -> tuple[Mono, Mono]:
        """A mix, and the lead in it."""
        return np.sum(list(self.parts.values()), axis=0), self.parts["lead"]

    @cached_property
    def parts(self) -> dict[str, Mono]:
        """The parts of the mix by name, one of them "lead"."""
        parts = _band() if self.stems is None else _stems(self.stems)
        gain = 0.25 / np.abs(np.sum(list(parts.values()), axis=0)).max()
        return {name: gain * part for name, part in parts.items()}

    @cached_property
    def voice(self) -> Mono:
        """A person who speaks."""
        if self.speech is None:
            return _speech()
        path = expand_inputs([self.speech])[0]
        speech = read_excerpt(path, RATE, SECONDS).mean(axis=0, dtype=np.float64)
        if not speech.any():
            raise InputError(f"{path} is silent: name a recording of one voice.")
        return _leveled(speech)

    @cached_property
    def disc(self) -> tuple[Mono, Mono, Mono]:
        """The song after a lead-in groove, and the hiss and the clicks of a worn disc."""
        song = np.concatenate([np.zeros(round(LEAD_IN * RATE)), self.song[0]])
        rng = np.random.default_rng(5)
        hiss = rng.standard_normal(song.size)
        hiss *= 10 ** (HISS_DB / 20) * np.sqrt(np.square(self.song[0]).mean())
        clicks = np.zeros(song.size)
        for place in rng.integers(0, song.size - 30, size=int(2 * SECONDS)):
            burst = rng.standard_normal(30) * np.exp(-np.arange(30) / 8)
            clicks[place : place + 30] += burst / np.abs(burst).max()
        return song, hiss, clicks * 10 ** (CLICK_DB / 20) * np.abs(song).max()


def white_noise(seconds: float = 5.0) -> Mono:
    """For responses."""
    return 0.1 * np.random.default_rng(1).standard_normal(round(seconds * RATE))


def click() -> tuple[Mono, int]:
    """A click in silence, and its place."""
    sound = np.zeros(2 * RATE)
    sound[RATE : RATE + 8] = 0.5 * np.hanning(10)[1:-1]
    return sound, RATE


def drum_hits() -> tuple[Mono, list[int]]:
    """Bursts with instant attacks, and their places."""
    places = [RATE // 2 + number * RATE // 2 for number in range(10)]
    return _drums(6 * RATE, places), places


def _stems(folder: Path) -> dict[str, Mono]:
    """The part of a song where its lead is loudest beside the rest: "lead", and "rest"."""
    best, share = None, 0.0
    for clip in open_corpus(folder).clips:
        index = find_lead(clip)
        if index is None:
            continue
        sounds = [read_excerpt(path, RATE).mean(axis=0, dtype=np.float64) for path in clip.stems]
        length = min(sound.size for sound in sounds)
        lead = sounds.pop(index)[:length]
        rest = sum((sound[:length] for sound in sounds), np.zeros(length))
        size = round(SECONDS * RATE)
        starts = range(0, max(length - size, 0) + 1, RATE)
        start = max(starts, key=lambda at: np.square(lead[at : at + size]).sum())
        parts = {"lead": lead[start : start + size], "rest": rest[start : start + size]}
        energies = [np.square(part).sum() for part in parts.values()]
        if energies[0] > share * sum(energies):
            best, share = parts, energies[0] / sum(energies)
    if best is None:
        raise InputError(f"{folder}: no song has a stem with lead or vocals in its name.")
    return best


def _band() -> dict[str, Mono]:
    length = round(SECONDS * RATE)
    time = np.arange(length) / RATE
    rng = np.random.default_rng(2)
    beat = (time / 0.5).astype(int)
    lead_notes = 440 * 2 ** (np.array([0, 3, 5, 7, 5, 3, 2, 0])[beat % 8] / 12)
    vibrato = 1 + 0.006 * np.sin(2 * np.pi * 5.5 * time)
    bass_notes = 55 * 2 ** (np.array([0, 0, 5, 7])[(beat // 4) % 4] / 12)
    gate = np.minimum(1, 12 * np.mod(time, 0.5)) * np.exp(-1.2 * np.mod(time, 0.5))
    chords = [
        _harmonics(bass_notes * 4 * 2 ** (step / 12), 9, 1.4) for step in (0, 4.02, 7.01, 10.98)
    ]
    strum = np.exp(-2.5 * np.mod(time + 0.25, 1.0))
    guitar = sum(chords) * strum
    places = [number * RATE // 4 for number in range(int(SECONDS * 4))]
    return {
        "lead": 0.35 * _harmonics(lead_notes * vibrato, 14, 0.9) * gate,
        "bass": 0.5 * _harmonics(bass_notes, 5, 1.5) * gate,
        "chords": 0.22 * guitar + 0.08 * _room(guitar, rng),
        "drums": 0.7 * _drums(length, places),
    }


def _harmonics(hertz: Mono, count: int, slope: float) -> Mono:
    """A tone of the given pitch, harmonic n at n^−slope, as far as 16 kHz."""
    phase = 2 * np.pi * np.cumsum(hertz) / RATE
    parts = [
        np.sin(number * phase) * (number * hertz < 16_000) / number**slope
        for number in range(1, count + 1)
    ]
    return np.sum(parts, axis=0)


def _room(sound: Mono, rng: np.random.Generator) -> Mono:
    """Half a second of reverberation."""
    time = np.arange(RATE // 2) / RATE
    response = rng.standard_normal(time.size) * np.exp(-9 * time) / 30
    size = sound.size + time.size
    return np.fft.irfft(np.fft.rfft(sound, size) * np.fft.rfft(response, size), size)[: sound.size]


def _drums(length: int, places: list[int]) -> Mono:
    """Kick, hat, snare, hat, and so on, at the given places."""
    rng = np.random.default_rng(3)
    time = np.arange(RATE // 5) / RATE
    kick = np.sin(2 * np.pi * 60 * time) * np.exp(-25 * time)
    kick[:40] += np.linspace(1, 0, 40)
    snare = rng.standard_normal(time.size) * np.exp(-35 * time)
    hat = np.diff(rng.standard_normal(time.size + 1)) * np.exp(-120 * time) * 0.3
    sound = np.zeros(length + time.size)
    for number, place in enumerate(places):
        sound[place : place + time.size] += (kick, hat, snare, hat)[number % 4] * 0.3
    return sound[:length]


def _speech() -> Mono:
    """Syllables of random vowels with consonants between, a pause after each phrase."""
    rng = np.random.default_rng(4)
    vowels = ((730, 1090, 2440), (270, 2290, 3010), (300, 870, 2240), (530, 1840, 2480))
    parts: list[Mono] = []
    length = 0
    while length < SECONDS * RATE:
        for _ in range(rng.integers(5, 12)):
            parts += [_consonant(rng), _syllable(rng, vowels[rng.integers(len(vowels))])]
        parts.append(np.zeros(int(rng.uniform(0.3, 0.7) * RATE)))
        length = sum(part.size for part in parts)
    return _leveled(np.concatenate(parts)[: round(SECONDS * RATE)])


def _consonant(rng: np.random.Generator) -> Mono:
    size = int(rng.uniform(0.04, 0.09) * RATE)
    noise = np.diff(rng.standard_normal(size + 1))
    return 0.02 * noise * np.hanning(size)


def _syllable(rng: np.random.Generator, formants: tuple[int, ...]) -> Mono:
    size = int(rng.uniform(0.1, 0.2) * RATE)
    pitch = rng.uniform(100, 135) * np.linspace(1.08, 0.92, size)
    phase = np.cumsum(pitch) / RATE
    pulses = np.diff(np.floor(phase), prepend=0.0) + 0.002 * rng.standard_normal(size)
    sound = lfilter([1], [1, -0.95], pulses)
    for formant, width in zip(formants, (80, 100, 140), strict=True):
        radius = np.exp(-np.pi * width / RATE)
        poles = [1, -2 * radius * np.cos(2 * np.pi * formant / RATE), radius**2]
        sound = lfilter([sum(poles)], poles, sound)
    return sound * np.hanning(size) ** 0.5


def _leveled(sound: Mono) -> Mono:
    return 0.25 * sound / np.abs(sound).max()

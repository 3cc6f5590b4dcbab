"""Singing made of speech: every speaker sings, alone and in harmony.

A recording is analyzed by WORLD (Morise et al., 2016, as pip's `pyworld`, MIT) into pitch, envelope
and aperiodicity. Its syllables are stretched to the beats of a song, mostly in their voiced frames,
and every syllable gets a note of a melody with glides and vibrato in place of its pitch. The
envelope stays, so that the words and the speaker stay. A second and third voice on other degrees of
the scale, a little late and detuned, make a choir of one speaker.
"""

from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import soxr
from jaxtyping import Float, Int
from scipy.ndimage import gaussian_filter1d, uniform_filter1d
from scipy.signal import find_peaks, istft, stft

RATE = 44100
PERIOD = 0.005
"""Seconds between the frames of WORLD."""
SCALES = ([0, 2, 4, 5, 7, 9, 11], [0, 2, 3, 5, 7, 8, 10], [0, 2, 3, 5, 7, 9, 10], [0, 2, 4, 7, 9])
BEATS = (0.5, 1.0, 1.0, 1.0, 1.5, 2.0, 2.0, 3.0, 4.0)
"""Lengths of notes in eighths, as often as they are drawn."""


@dataclass(frozen=True)
class Speech:
    """A recording as WORLD sees it."""

    rate: int
    pitch: Float[np.ndarray, " frames"]
    """In Hz; 0 where there is no voice."""
    envelope: Float[np.ndarray, "frames bins"]
    aperiodicity: Float[np.ndarray, "frames bins"]


@dataclass(frozen=True)
class Song:
    """The notes of one performance, a frame each of its own time."""

    frames: Float[np.ndarray, " frames"]
    """The frame of the recording that is heard."""
    degrees: Int[np.ndarray, " frames"]
    """Degree of the scale, counted through the octaves."""
    onsets: Float[np.ndarray, " frames"]
    """Seconds since the note began."""
    scale: list[int]
    base: float
    """Pitch of degree 0 in Hz."""


def analyze(samples: Float[np.ndarray, " length"], rate: int) -> Speech:
    """Pitch, envelope and aperiodicity of a recording."""
    import pyworld

    signal = samples.astype(np.float64)
    coarse, times = pyworld.dio(signal, rate, frame_period=1000 * PERIOD)
    pitch = pyworld.stonemask(signal, coarse, times, rate)
    envelope = pyworld.cheaptrick(signal, pitch, times, rate)
    return Speech(rate, pitch, envelope, pyworld.d4c(signal, pitch, times, rate))


def compose(speech: Speech, generator: np.random.Generator) -> Song:
    """Syllables laid on beats, and a melody over them."""
    loudness = gaussian_filter1d(np.log(speech.envelope.sum(1) + 1e-9), 8)
    dips, _ = find_peaks(-loudness, distance=24)  # no syllable is shorter than 120 ms
    edges = np.concatenate([[0], dips, [len(loudness)]])
    eighth = 30 / generator.uniform(65, 150)
    voiced = speech.pitch > 0
    scale = SCALES[generator.integers(len(SCALES))]
    size = len(scale)
    degree = int(generator.integers(0, size))
    frames, degrees, onsets = [], [], []
    for start, end in pairwise(edges):
        spoken = (end - start) * PERIOD
        wanted = eighth * BEATS[generator.integers(len(BEATS))]
        sung = np.clip(wanted, 1.0 * spoken, 3.0 * spoken)
        weights = np.where(voiced[start:end], 1.0, 0.25)  # consonants keep their length
        extra = max(sung / spoken - 1, 0) * len(weights) * weights / weights.sum()
        times = np.concatenate([[0], np.cumsum(1 + extra)])
        count = max(round(times[-1]), 1)
        frames.append(start + np.interp(np.arange(count), times, np.arange(len(times))))
        degrees.append(np.full(count, degree))
        onsets.append(np.arange(count) * PERIOD)
        step = int(generator.choice([-3, -2, -1, -1, 0, 0, 1, 1, 2, 3, 4]))
        degree = int(np.clip(degree + step, -2, size + 3))
    spoken_pitch = float(np.median(speech.pitch[voiced])) if voiced.any() else 150.0
    base = spoken_pitch * 2 ** (generator.integers(-4, 5) / 12)
    return Song(
        np.concatenate(frames), np.concatenate(degrees), np.concatenate(onsets), scale, base
    )


def sing(
    speech: Speech, song: Song, generator: np.random.Generator, harmony: int = 0
) -> Float[np.ndarray, " length"]:
    """One voice at 44.1 kHz, `harmony` degrees of the scale above the melody."""
    import pyworld

    octave, degree = np.divmod(song.degrees + harmony, len(song.scale))
    semitones = 12.0 * octave + np.array(song.scale)[degree]
    semitones = gaussian_filter1d(semitones, generator.uniform(4, 12))  # glides of 20 to 60 ms
    time = np.arange(len(semitones)) * PERIOD
    depth = generator.uniform(0.1, 0.6) * np.clip((song.onsets - 0.15) / 0.4, 0, 1)
    rate = generator.uniform(4.8, 6.5)
    vibrato = depth * np.sin(2 * np.pi * rate * time + generator.uniform(0, 6))
    drift = gaussian_filter1d(generator.normal(0, 1, len(time)), 20)
    detuning = generator.normal(0, 0.06) + 0.5 * drift
    nearest = np.minimum(song.frames.round().astype(int), len(speech.pitch) - 1)
    pitch = song.base * 2 ** ((semitones + vibrato + detuning) / 12)
    pitch = np.where(speech.pitch[nearest] > 0, pitch, 0.0)
    tract = 2 ** generator.normal(0, 0.04)  # another length of the vocal tract
    envelope = _warped(speech.envelope, tract)[nearest]
    aperiodicity = speech.aperiodicity[nearest]
    sound = pyworld.synthesize(pitch, envelope, aperiodicity, speech.rate, 1000 * PERIOD)
    return with_highs(resampled(sound.astype(np.float32), speech.rate), speech.rate, generator)


def choir(
    speech: Speech, song: Song, generator: np.random.Generator
) -> Float[np.ndarray, " length"]:
    """Two or three voices of one speaker on other degrees, each a little late and off."""
    harmonies = generator.permutation([2, 4, -3, 7, 0])[: generator.integers(2, 4)]
    voices = []
    for harmony in harmonies:
        voice = sing(speech, song, generator, int(harmony))
        late = int(RATE * generator.uniform(0, 0.04))
        voices.append(np.pad(voice, (late, 0))[: len(voice)] * generator.uniform(0.6, 1))
    return np.sum(voices, axis=0)


def resampled(samples: Float[np.ndarray, " length"], rate: int) -> Float[np.ndarray, " resampled"]:
    """At 44.1 kHz."""
    return samples if rate == RATE else soxr.resample(samples, rate, RATE)


def with_highs(
    samples: Float[np.ndarray, " length"], rate: int, generator: np.random.Generator
) -> Float[np.ndarray, " length"]:
    """Noise above the band of a 16 or 22 kHz recording that follows the band below.

    The magnitudes of the octave under the edge are repeated above it, falling by 6 to 14 dB an
    octave, with the phases of noise: breath and sibilants reach up as they do in a studio.
    """
    edge = 0.475 * rate
    if edge > 15000:
        return samples
    frequencies, _, spectrum = stft(samples, RATE, nperseg=1024, noverlap=768)
    first = int(np.searchsorted(frequencies, edge))
    source = np.arange(first // 2, first)
    magnitude = uniform_filter1d(np.abs(spectrum), 5, axis=0)
    target = np.arange(first, len(frequencies))
    slope = generator.uniform(6, 14)
    octaves = np.log2(frequencies[target] / edge) + 0.5
    gain = 10 ** (-slope * octaves / 20) * (frequencies[target] < 18000)
    noise = generator.normal(size=(2, len(target), magnitude.shape[1]))
    copied = magnitude[source[(target - first) % len(source)]] * gain[:, None]
    spectrum[target] = copied * (noise[0] + 1j * noise[1]) / np.sqrt(2)
    _, extended = istft(spectrum, RATE, nperseg=1024, noverlap=768)
    return extended[: len(samples)].astype(np.float32)


def _warped(
    envelope: Float[np.ndarray, "frames bins"], factor: float
) -> Float[np.ndarray, "frames bins"]:
    """The envelope with its formants moved by a factor."""
    bins = np.arange(envelope.shape[1])
    position = np.minimum(bins / factor, bins[-1])
    below = position.astype(int)
    above = np.minimum(below + 1, bins[-1])
    part = position - below
    return envelope[:, below] * (1 - part) + envelope[:, above] * part

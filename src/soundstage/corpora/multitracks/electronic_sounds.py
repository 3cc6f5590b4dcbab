"""Synthesized sounds of electronic music: basses, leads, plucks, pads, sweeps.

Band-limited oscillators (PolyBLEP, Välimäki and Huovilainen 2007), frequency modulation (Chowning
1973), and a resonant low-pass whose cutoff moves. The filter is a bank of fixed second-order
low-passes whose outputs are cross-faded along the cutoff. Drums stand in `electronic_drums`.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Float32
from scipy.signal import lfilter

from soundstage.corpora.multitracks.arrangement import Part
from soundstage.corpora.multitracks.electronic_drums import DrumMachine

Signal = Float[np.ndarray, " frames"]

_CUTOFFS = np.geomspace(60, 16000, 10)  # Hz, of the bank
_RISE, _FALL = 60, 61  # pitches of sweeps; any other is a hit
_A4, _A4_HZ = 69, 440.0


@dataclass(frozen=True)
class Patch:
    """Settings of a sound, drawn for each part.

    Attributes:
        detune: spread of oscillators in semitones.
        cutoff: of the filter at rest, in Hz.
        sweep: of the filter's envelope, in octaves.
        decay: of the filter's envelope, in seconds.
        resonance: quality factor of the filter.
        attack: of the level, in seconds.
        release: of the level, in seconds.
        duty: of a pulse, 0.1 to 0.5.
        ratio: frequency of the modulator over that of the carrier.
        index: of modulation.
        vibrato: depth in semitones.
        drive: gain before saturation.
    """

    detune: float
    cutoff: float
    sweep: float
    decay: float
    resonance: float
    attack: float
    release: float
    duty: float
    ratio: float
    index: float
    vibrato: float
    drive: float


def draw_patch(random: np.random.Generator) -> Patch:
    """A patch in sensible ranges."""
    return Patch(
        detune=float(random.uniform(0.05, 0.35)),
        cutoff=float(np.exp(random.uniform(np.log(250), np.log(3000)))),
        sweep=float(random.uniform(0.5, 4.5)),
        decay=float(np.exp(random.uniform(np.log(0.06), np.log(0.6)))),
        resonance=float(random.uniform(0.7, 3.0)),
        attack=float(random.uniform(0.002, 0.012)),
        release=float(random.uniform(0.03, 0.25)),
        duty=float(random.choice([0.125, 0.25, 0.5, random.uniform(0.1, 0.5)])),
        ratio=float(random.choice([1.0, 2.0, 3.5, 1.41, 0.5, 3.0, 5.0])),
        index=float(random.uniform(0.8, 5.0)),
        vibrato=float(random.uniform(0.0, 0.3)),
        drive=float(random.uniform(0.8, 3.0)),
    )


def render_electronic(
    part: Part, seconds: float, rate: int, random: np.random.Generator
) -> Float32[np.ndarray, " frames"]:
    """The sound of a part, mono.

    Args:
        part: its `sound.electronic` is one of `SOUNDS`, "kit" or "sweeps".
        seconds: duration of the result.
        rate: sample rate in Hz.
        random: draws the patch, phases and noise.
    """
    frames = round(seconds * rate)
    mix = np.zeros(frames, np.float64)
    name = part.sound.electronic or ""
    machine = DrumMachine(rate, random) if name == "kit" else None
    patch = draw_patch(random)
    ready: dict[tuple[int, int], Signal] = {}
    for note in part.notes:
        start = round(note.start * rate)
        duration = round(note.duration, 3)
        key = (note.pitch, 0 if machine else round(1000 * duration))
        if key not in ready or name == "sweeps":
            if machine:
                ready[key] = machine.hit(note.pitch)
            elif name == "sweeps":
                ready[key] = _sweep(note.pitch, duration, rate, random)
            else:
                hz = _A4_HZ * 2 ** ((note.pitch - _A4) / 12)
                ready[key] = SOUNDS[name](hz, duration, rate, patch, random)
        sound = ready[key][: max(frames - start, 0)]
        mix[start : start + len(sound)] += (note.velocity / 127) ** 1.5 * sound
    return mix.astype(np.float32)


# Oscillators and envelopes


def saw(hz: Signal, rate: int, phase: float) -> Signal:
    """A saw from −1 to 1 whose steps are rounded over two samples.

    Args:
        hz: frequency of each sample.
        rate: sample rate in Hz.
        phase: at the start, in periods.
    """
    step = hz / rate
    place = (phase + np.cumsum(step)) % 1.0
    return 2 * place - 1 - _step_residual(place, step)


def pulse(hz: Signal, rate: int, phase: float, duty: float) -> Signal:
    """A pulse from −1 to 1 without offset: the difference of two saws."""
    return 0.5 * (saw(hz, rate, phase) - saw(hz, rate, phase + duty))


def _step_residual(place: Signal, step: Signal) -> Signal:
    residual = np.zeros_like(place)
    after = place < step
    x = place[after] / step[after]
    residual[after] = 2 * x - x**2 - 1
    before = place > 1 - step
    x = (place[before] - 1) / step[before]
    residual[before] = x**2 + 2 * x + 1
    return residual


def low_pass(signal: Signal, cutoff: Signal, resonance: float, rate: int) -> Signal:
    """A low-pass with a cutoff in Hz for each sample."""
    place = np.interp(np.log(cutoff), np.log(_CUTOFFS), np.arange(len(_CUTOFFS)))
    lowest, highest = int(place.min()), min(int(np.ceil(place.max())), len(_CUTOFFS) - 1)
    filtered = np.zeros_like(signal)
    for index in range(lowest, highest + 1):
        weight = np.clip(1 - np.abs(place - index), 0, None)
        filtered += weight * lfilter(*_biquad(_CUTOFFS[index], resonance, rate), signal)
    return filtered


def _biquad(hz: float, quality: float, rate: int) -> tuple[np.ndarray, np.ndarray]:
    """A low-pass of the Audio EQ Cookbook (Bristow-Johnson)."""
    angle = 2 * np.pi * min(hz, 0.45 * rate) / rate
    alpha, cosine = np.sin(angle) / (2 * quality), np.cos(angle)
    forward = np.array([(1 - cosine) / 2, 1 - cosine, (1 - cosine) / 2])
    backward = np.array([1 + alpha, -2 * cosine, 1 - alpha])
    return forward / (1 + alpha), backward / (1 + alpha)


def _gate(duration: float, attack: float, release: float, rate: int) -> Signal:
    """Level 0 to 1: a rise, a hold, and an exponential release."""
    held, tail = max(round(duration * rate), 1), max(round(4 * release * rate), 1)
    level = np.minimum(np.arange(1, held + 1) / max(attack * rate, 1), 1.0)
    fall = np.exp(-np.arange(tail) / (release * rate)) * np.linspace(1, 0, tail)
    return np.concatenate([level, level[-1] * fall])


def _decay(frames: int, seconds: float, rate: int) -> Signal:
    return np.exp(-np.arange(frames) / (seconds * rate))


def _pitch(hz: float, frames: int, rate: int, vibrato: float) -> Signal:
    """Frequency of each sample, with a vibrato that sets in after 0.2 s."""
    if vibrato < 0.02:
        return np.full(frames, hz)
    time = np.arange(frames) / rate
    depth = vibrato * np.clip((time - 0.2) / 0.3, 0, 1)
    return np.asarray(hz * 2 ** (depth * np.sin(2 * np.pi * 5.5 * time) / 12))


def _unison(
    hz: Signal, voices: int, detune: float, rate: int, random: np.random.Generator
) -> Signal:
    offsets = np.linspace(-1, 1, voices) * detune if voices > 1 else np.zeros(1)
    total = sum(saw(hz * 2 ** (offset / 12), rate, random.random()) for offset in offsets)
    return np.asarray(total) / np.sqrt(voices)


# Sounds

Maker = Callable[[float, float, int, Patch, np.random.Generator], Signal]


def _subtractive(
    *,
    voices: int = 2,
    wave: str = "saw",
    attack: float | None = None,
    release: float | None = None,
    sweep: float = 1.0,
    resonance: float = 1.0,
    brightness: float = 1.0,
    vibrato: float = 0.0,
    sustain: float = 1.0,
) -> Maker:
    """Oscillators through the filter.

    Args:
        voices: detuned oscillators.
        wave: "saw", "pulse" or "triangle".
        attack: seconds in place of the patch's.
        release: seconds in place of the patch's.
        sweep: factor of the patch's sweep.
        resonance: factor of the patch's resonance.
        brightness: factor of the patch's cutoff.
        vibrato: factor of the patch's vibrato.
        sustain: level after the decay, 0 to 1.
    """

    def make(
        hz: float, duration: float, rate: int, patch: Patch, random: np.random.Generator
    ) -> Signal:
        gate = _gate(duration, attack or patch.attack, release or patch.release, rate)
        frames = len(gate)
        frequency = _pitch(hz, frames, rate, vibrato * patch.vibrato)
        if wave == "pulse":
            tone = pulse(frequency, rate, random.random(), patch.duty)
        elif wave == "triangle":
            tone = 2 * np.abs(2 * ((np.cumsum(frequency) / rate) % 1.0) - 1) - 1
        else:
            tone = _unison(frequency, voices, patch.detune, rate, random)
        envelope = _decay(frames, patch.decay, rate)
        base = max(patch.cutoff * brightness, 1.2 * hz)
        cutoff = np.clip(base * 2 ** (sweep * patch.sweep * envelope), 60, 16000)
        level = sustain + (1 - sustain) * envelope
        return gate * level * low_pass(tone, cutoff, patch.resonance * resonance, rate)

    return make


def _sub_bass(
    hz: float, duration: float, rate: int, patch: Patch, random: np.random.Generator
) -> Signal:
    gate = _gate(duration, 0.006, patch.release, rate)
    time = np.arange(len(gate)) / rate
    tone = np.tanh(patch.drive * np.sin(2 * np.pi * hz * time))
    return np.asarray(gate * (tone + 0.08 * patch.drive * np.sin(4 * np.pi * hz * time)))


def _modulated(ratio: float | None, decay: float, index: float) -> Maker:
    """Frequency modulation with an index that decays."""

    def make(
        hz: float, duration: float, rate: int, patch: Patch, random: np.random.Generator
    ) -> Signal:
        gate = _gate(duration, 0.002, max(patch.release, 0.3 * decay), rate)
        frames = len(gate)
        time = np.arange(frames) / rate
        used = ratio or patch.ratio
        depth = index * min(patch.index, 0.4 * rate / hz / used) * _decay(frames, 0.4 * decay, rate)
        modulator = np.sin(2 * np.pi * hz * used * time)
        carrier = np.sin(2 * np.pi * hz * time + depth * modulator)
        return np.asarray(gate * carrier * (0.15 + 0.85 * _decay(frames, decay, rate)))

    return make


SOUNDS: dict[str, Maker] = {
    "sub bass": _sub_bass,
    "saw bass": _subtractive(voices=2, sweep=0.8, brightness=0.5),
    "square bass": _subtractive(wave="pulse", sweep=0.6, brightness=0.6),
    "FM bass": _modulated(None, 0.5, 0.6),
    "acid bass": _subtractive(voices=1, resonance=4.0, brightness=0.5, sustain=0.6),
    "reese bass": _subtractive(voices=3, sweep=0.2, brightness=0.6, release=0.1),
    "saw lead": _subtractive(voices=2, brightness=2.0, vibrato=1.0),
    "pulse lead": _subtractive(wave="pulse", brightness=4.0, vibrato=0.8, release=0.04),
    "triangle": _subtractive(wave="triangle", brightness=6.0, release=0.03),
    "sine lead": _subtractive(wave="triangle", brightness=0.6, sweep=0.3, vibrato=1.5),
    "supersaw": _subtractive(voices=7, brightness=3.0, sweep=0.6),
    "saw pad": _subtractive(voices=5, attack=0.35, release=0.5, sweep=0.2),
    "soft pad": _subtractive(voices=3, attack=0.6, release=0.7, sweep=0.1, brightness=0.5),
    "pluck": _subtractive(voices=2, release=0.15, sustain=0.0, brightness=0.7),
    "acid pluck": _subtractive(voices=1, resonance=3.5, sustain=0.1, brightness=0.6),
    "FM bell": _modulated(None, 1.2, 0.5),
    "FM piano": _modulated(1.0, 1.5, 0.3),
}


def _sweep(pitch: int, duration: float, rate: int, random: np.random.Generator) -> Signal:
    """Noise and a tone that rise or fall over the duration, or a noise hit."""
    frames = max(round(duration * rate), 1)
    noise = random.standard_normal(frames)
    way = np.linspace(0, 1, frames)
    if pitch not in (_RISE, _FALL):
        return 0.5 * low_pass(noise * _decay(frames, 0.15, rate), np.full(frames, 4000.0), 1, rate)
    way = way if pitch == _RISE else 1 - way
    cutoff = 200 * 2 ** (6 * way)
    swept = low_pass(noise, cutoff, 2.5, rate) - low_pass(noise, cutoff / 4, 0.7, rate)
    tone = saw(120 * 2 ** (3 * way), rate, random.random())
    level = way**1.5 * np.minimum(np.arange(frames)[::-1] / (0.01 * rate), 1)
    return np.asarray(level * (0.4 * swept + random.uniform(0, 0.25) * tone))

"""Effects on a rendered part: reverberation, chorus, saturation, pumping."""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Float32
from scipy.signal import butter, oaconvolve, sosfilt

OFFSET_HZ = 20.0  # samples of instruments have offsets, which steps of level make audible

Signal = Float[np.ndarray, " frames"]


@dataclass(frozen=True)
class Effects:
    """Effects of a part; None or 0 is off."""

    reverb: float = 0.0
    """Reverberation time in seconds."""
    reverb_level: float = -15.0
    """Energy of the reverberation in dB relative to the dry sound."""
    chorus: float = 0.0
    """Level of the delayed copy relative to the dry sound."""
    drive: float = 0.0
    """Gain of the signal's 99.9th percentile into tanh."""
    pump: float = 0.0
    """Depth of the ducking on every beat, 0 to 1."""


def draw_effects(kind: str, electronic: bool, random: np.random.Generator) -> Effects:
    """Effects for a part: none for half of all; little on bass and drums.

    Args:
        kind: of the stem.
        electronic: whether the song is electronic music, where parts may pump.
        random: draws.
    """
    wet = {"drums": 0.25, "bass": 0.05}.get(kind, 0.5)
    loudest = -14 if kind in ("drums", "bass") else -6
    reverb = random.random() < wet
    return Effects(
        reverb=float(np.exp(random.uniform(np.log(0.3), np.log(3.0)))) if reverb else 0.0,
        reverb_level=float(random.uniform(-24, loudest)),
        chorus=float(random.uniform(0.3, 0.8))
        if kind == "object" and random.random() < 0.15
        else 0.0,
        drive=float(random.uniform(0.4, 3.0)) if random.random() < 0.12 else 0.0,
        pump=float(random.uniform(0.3, 0.9))
        if electronic and kind != "drums" and random.random() < 0.35
        else 0.0,
    )


def apply_effects(
    sound: Float32[np.ndarray, " frames"],
    effects: Effects,
    rate: int,
    tempo: float,
    random: np.random.Generator,
) -> Float32[np.ndarray, " frames"]:
    """The sound without offset, with its effects, as long as before.

    Args:
        sound: of one part.
        effects: to apply.
        rate: sample rate in Hz.
        tempo: beats per minute, for pumping.
        random: draws the room.
    """
    result = np.asarray(sosfilt(butter(2, OFFSET_HZ, "highpass", fs=rate, output="sos"), sound))
    if effects.drive:
        result = _saturated(result, effects.drive)
    if effects.chorus:
        result = result + effects.chorus * _wobbled(result, rate, random)
    if effects.pump:
        result = result * _pumping(len(result), effects.pump, rate, tempo)
    if effects.reverb:
        result = result + _reverberation(result, effects, rate, random)
    return result.astype(np.float32)


def _saturated(sound: Signal, drive: float) -> Signal:
    reference = np.percentile(np.abs(sound), 99.9)
    if reference == 0:
        return sound
    return np.asarray(np.tanh(drive * sound / reference) * reference / drive)


def _wobbled(sound: Signal, rate: int, random: np.random.Generator) -> Signal:
    """A copy delayed by 8 to 20 ms, which vary by some milliseconds."""
    time = np.arange(len(sound))
    hz, depth = random.uniform(0.2, 1.5), random.uniform(0.001, 0.004)
    base = random.uniform(0.008, 0.02)
    delay = rate * (base + depth * np.sin(2 * np.pi * hz * time / rate))
    return np.interp(time - delay, time, sound, left=0.0)


def _pumping(frames: int, depth: float, rate: int, tempo: float) -> Signal:
    """A gain that falls on every beat and recovers, as under a compressor that a kick drives."""
    place = (np.arange(frames) / rate * tempo / 60) % 1
    return 1 - depth * np.clip(1 - place / 0.6, 0, 1) ** 1.5


def _reverberation(
    sound: Signal, effects: Effects, rate: int, random: np.random.Generator
) -> Signal:
    """Low-passed noise that decays by 60 dB in the reverberation time, after a pre-delay."""
    length = round(effects.reverb * rate)
    delay = round(random.uniform(0.002, 0.03) * rate)
    decay = 10 ** (-3 * np.arange(length) / length)
    response = random.standard_normal(length) * decay
    low_pass = butter(1, random.uniform(2000, 9000), fs=rate, output="sos")
    response = sosfilt(low_pass, response)
    response *= 10 ** (effects.reverb_level / 20) / np.sqrt((response**2).sum())
    late = np.concatenate([np.zeros(delay), response])
    return np.asarray(oaconvolve(sound, late)[: len(sound)])

"""The drum kit: membranes and plates as sums of decaying modes, wires and beads as noise.

A circular membrane rings at its first frequency times the ratios of Bessel zeros (Fletcher and
Rossing 1998, §3); its pitch falls while the tension of the stroke relaxes. A cymbal has a dense set
of modes, with random frequencies at the constant density of a plate; high modes decay first.
"""

import numpy as np
from instruments import RATE, Signal, frequency, seconds
from scipy.signal import butter, sosfilt

MEMBRANE = np.array([1.0, 1.594, 2.136, 2.296, 2.653, 2.918])  # zeros j_mn over j_01


def band(noise: Signal, low: float, high: float) -> Signal:
    """Noise between two frequencies, in Hz."""
    return sosfilt(butter(2, [low, high], "bandpass", fs=RATE, output="sos"), noise)


def membrane(f0: float, length: float, decay: float, glide: float, weights: Signal) -> Signal:
    """A drum head: `decay` of its lowest mode in seconds (1/e), `glide` the first pitch over f0."""
    t = seconds(int(length * RATE))
    cycles = f0 * (t + (glide - 1) * 0.03 * (1 - np.exp(-t / 0.03)))
    out = np.zeros(len(t))
    for ratio, weight in zip(MEMBRANE, weights, strict=True):
        out += weight * np.sin(2 * np.pi * ratio * cycles) * np.exp(-t * ratio / decay)
    return out


def plate(
    length: float, low: float, high: float, modes: int, decay: float, rng: np.random.Generator
) -> Signal:
    """A metal plate: modes evenly dense from low to high, decaying as `decay`·√(1 kHz/f) (1/e)."""
    t = seconds(int(length * RATE))
    out = np.zeros(len(t))
    for f in np.sort(rng.uniform(low, high, modes)):
        fall = np.exp(-t / (decay * np.sqrt(1000 / f)))
        out += rng.uniform(0.4, 1) * fall * np.sin(2 * np.pi * f * t + rng.uniform(0, 2 * np.pi))
    return out / np.sqrt(modes)


def kick(pitch: float, velocity: float, rng: np.random.Generator) -> Signal:
    """A bass drum: a falling low mode, and the beater's click."""
    out = membrane(52, 0.45, 0.13, 4.0, np.array([1, 0.25, 0.12, 0.08, 0.05, 0.04]))
    click = band(rng.standard_normal(600), 1500, 7000) * np.exp(-seconds(600) / 0.003)
    out[:600] += 0.55 * velocity * click
    return velocity * np.tanh(1.6 * out)


def snare(pitch: float, velocity: float, rng: np.random.Generator) -> Signal:
    """A snare drum: the head under a burst of the wires' noise, brighter when hit harder."""
    out = membrane(188, 0.35, 0.09, 1.25, np.array([0.8, 0.5, 0.3, 0.25, 0.15, 0.1]))
    t = seconds(len(out))
    noise = rng.standard_normal(len(out))
    wires = band(noise, 900, 5000 + 8000 * velocity) * np.exp(-t / (0.05 + 0.05 * velocity))
    crack = band(noise, 2500, 12000) * np.exp(-t / 0.006)
    return velocity * np.tanh(0.8 * out + 0.9 * wires + 0.8 * crack)


def tom(pitch: float, velocity: float, rng: np.random.Generator) -> Signal:
    """A tom-tom of the given pitch, with the stick's tap."""
    out = membrane(frequency(pitch), 0.8, 0.28, 1.35, np.array([1, 0.6, 0.35, 0.25, 0.2, 0.15]))
    tap = band(rng.standard_normal(500), 1000, 9000) * np.exp(-seconds(500) / 0.003)
    out[:500] += 0.5 * tap
    return velocity * np.tanh(out)


def hi_hat(pitch: float, velocity: float, rng: np.random.Generator) -> Signal:
    """Two closed cymbals: a short plate, and the sizzle between them."""
    out = plate(0.22, 3500, 15000, 40, 0.09, rng)
    t = seconds(len(out))
    sizzle = band(rng.standard_normal(len(out)), 6000, 16000)
    return velocity * (0.7 * out + 0.6 * sizzle) * np.exp(-t / (0.015 + 0.03 * velocity))


def cymbal(pitch: float, velocity: float, rng: np.random.Generator) -> Signal:
    """A crash: a bloom of modes over half a second, then a long ring."""
    out = plate(3.0, 300, 15000, 160, 1.3, rng)
    t = seconds(len(out))
    wash = band(rng.standard_normal(len(out)), 3000, 16000) * np.exp(-t / 0.3)
    return velocity * (out * np.minimum(t / 0.015, 1) + 0.5 * wash) * np.clip((3 - t) / 1.5, 0, 1)


def shaker(pitch: float, velocity: float, rng: np.random.Generator) -> Signal:
    """Beads in a shell: a swish that swells before it strikes."""
    t = seconds(int(0.11 * RATE))
    swish = np.where(t < 0.04, (t / 0.04) ** 2, np.exp(-(t - 0.04) / 0.018))
    return velocity * band(rng.standard_normal(len(t)), 4500, 14000) * swish


KIT = {
    "kick": kick,
    "snare": snare,
    "tom": tom,
    "hi-hat": hi_hat,
    "cymbal": cymbal,
    "shaker": shaker,
}

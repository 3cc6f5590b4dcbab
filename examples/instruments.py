"""Pitched instruments: plucked strings, bowed strings and an electric piano.

**Plucked.** A string is a loop: the wave returns after one period, attenuated and low-passed
(Karplus and Strong 1983; as a waveguide: Smith 1992). In the frequency domain the closed loop is
one division,

    Y(f) = X(f) / (1 − G(f)·exp(−2πi·k(f))),    f = k·f₀·√(1 + B·k²),

with k(f) the (real) number of the partial at f on a string of stiffness B (Fletcher 1964), and
G the loss of one period, 60 dB in T60(f). Tuning and inharmonicity are exact at any sample rate.

**Bowed.** Stick and slip make a sawtooth (Helmholtz motion); several players differ in pitch.

**Electric piano.** Two FM pairs (Chowning 1973): a 1:1 pair for the tone, whose index grows with
the velocity, and a 14:1 pair that decays in a tenth of a second for the tine.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.fft import irfft, next_fast_len, rfft, rfftfreq
from scipy.signal import butter, lfilter, sosfilt

RATE = 44100
Signal = NDArray[np.float64]  # shape (frames,), full scale about 1

WRAP = 1e3  # extra decay within the FFT size, undone afterwards: avoids wrap-around


def frequency(pitch: float) -> float:
    """Hz of a MIDI number, A4 = 69 = 440 Hz."""
    return float(440.0 * 2 ** ((pitch - 69) / 12))


def seconds(frames: int) -> Signal:
    """Time of every frame."""
    return np.arange(frames) / RATE


def release(frames: int, held: float, fade: float) -> Signal:
    """One while a key is held (s), then a raised cosine down to zero within `fade` seconds."""
    past = np.clip((seconds(frames) - held) / fade, 0, 1)
    return 0.5 + 0.5 * np.cos(np.pi * past)


@dataclass(frozen=True)
class String:
    """Material of a plucked string, and plucking position."""

    sustain: float  # T60 of the lowest partials, s
    dulling: float  # how much 1/T60 grows a kHz, 1/s
    stiffness: float  # B
    position: float  # plucking position, as a fraction of the length from the bridge
    brightness: float  # corner of the pick's low-pass at full velocity, Hz
    noise: float  # the pick's scrape beside its impulse


STEEL = String(3.5, 0.45, 8e-5, 0.13, 9000, 0.25)
NYLON = String(2.8, 0.8, 3e-5, 0.21, 6500, 0.2)
BASS = String(3.0, 1.6, 1.2e-4, 0.17, 3500, 0.1)


def plucked(
    pitch: float, held: float, velocity: float, rng: np.random.Generator, string: String
) -> Signal:
    """One plucked note, damped after `held` seconds; long notes have a longer release."""
    f0 = frequency(pitch)
    fade = 0.05 + 0.15 * held
    frames = int((held + fade) * RATE)
    size = next_fast_len(frames, real=True)
    f = rfftfreq(size, 1 / RATE)
    b = string.stiffness
    partial = np.sqrt((np.sqrt(1 + 4 * b * (f / f0) ** 2) - 1) / (2 * b))
    decay = np.log(1e3) * (1 / string.sustain + string.dulling * f / 1000)  # 60 dB in T60
    extra = np.log(WRAP) * RATE / size
    loop = np.exp(-(decay + extra) / f0 - 2j * np.pi * partial)

    z = np.exp(-2j * np.pi * f / RATE)  # one frame's delay
    pole = np.exp(-2 * np.pi * string.brightness * (0.4 + 0.6 * velocity) / RATE)
    pick = ((1 + z) / 2) ** 2 * (1 - pole) / (1 - pole * z) * z**32
    pick = pick / (1 - np.exp(-2 * np.pi * f0 / RATE) * z)  # a displacement: its force is a step
    scrape = rng.standard_normal(int(0.006 * RATE)) * np.hanning(int(0.006 * RATE))
    pick = pick * (1 + string.noise * rfft(scrape, size))
    comb = 1 - np.exp(-2j * np.pi * partial * string.position * (1 + 0.1 * rng.uniform(-1, 1)))
    tone = irfft(pick * comb / (1 - loop), size)[:frames] * np.exp(extra * seconds(frames))
    return velocity * tone * release(frames, held, fade)


def body(signal: Signal, modes: list[tuple[float, float, float]]) -> Signal:
    """Add the resonances of a wooden body: (frequency in Hz, quality factor, gain) each."""
    out = signal.copy()
    for center, quality, gain in modes:
        w = 2 * np.pi * center / RATE
        bandwidth = np.sin(w) / (2 * quality)
        b = np.array([bandwidth, 0, -bandwidth]) / (1 + bandwidth)
        a = np.array([1 + bandwidth, -2 * np.cos(w), 1 - bandwidth]) / (1 + bandwidth)
        out += gain * lfilter(b, a, signal)
    return out


def electric_piano(pitch: float, held: float, velocity: float, rng: np.random.Generator) -> Signal:
    """One note of a tine piano: brighter at high velocity, with a long decay."""
    f0 = frequency(pitch)
    frames = int((held + 0.35) * RATE)
    t = seconds(frames)
    fall = np.exp(-t / (1.6 * (220 / f0) ** 0.4))
    phase = 2 * np.pi * f0 * t
    detune = 2 * np.pi * rng.uniform(0.3, 0.7) * t  # two tone bars never beat alike
    tone = np.sin(phase + (0.4 + 2.2 * velocity**2) * np.exp(-t / 0.5) * np.sin(phase + detune))
    tine = np.sin(phase + 0.9 * velocity * np.exp(-t / 0.08) * np.sin(14 * phase))
    strike = np.minimum(t / 0.002, 1)
    return velocity * strike * fall * (0.6 * tone + 0.4 * tine) * release(frames, held, 0.3)


def wavetable(f0: float, size: int = 2048) -> Signal:
    """One period of a bowed string below 16 kHz: a sawtooth, rounded by bow width and bridge."""
    k = np.arange(1, int(16000 / f0) + 1)
    f = k * f0
    bridge = 1 + 1.5 * np.exp(-(((f - 2600) / 1100) ** 2))  # the "bridge hill"
    amplitude = bridge / (k * np.sqrt(1 + (f / 3500) ** 2))
    spectrum = np.zeros(size // 2 + 1, complex)
    spectrum[k] = -0.5j * size * amplitude
    return irfft(spectrum, size)


def bowed(
    pitch: float, held: float, velocity: float, rng: np.random.Generator, players: int
) -> Signal:
    """One note of a section: each player with a pitch, a vibrato and an attack of their own."""
    frames = int((held + 0.4) * RATE)
    t = seconds(frames)
    table = wavetable(frequency(pitch))
    out = np.zeros(frames)
    for _ in range(players):
        f0 = frequency(pitch + 0.05 * rng.standard_normal())
        speed, start = rng.uniform(4.8, 6.2), rng.uniform(0, 2 * np.pi)
        depth = 0.006 * np.minimum(t / 0.5, 1)  # ten cents, after the note has settled
        cycles = f0 * t - f0 * depth / (2 * np.pi * speed) * np.cos(2 * np.pi * speed * t + start)
        place = (cycles + rng.uniform(0, 1)) % 1 * len(table)
        below = place.astype(np.int64)
        part = place - below
        sound = (1 - part) * table[below % len(table)] + part * table[(below + 1) % len(table)]
        out += sound * np.minimum(t / rng.uniform(0.06, 0.16), 1)
    hair = butter(1, [1500, 7000], "bandpass", fs=RATE, output="sos")
    rosin = sosfilt(hair, rng.standard_normal(frames)) * np.minimum(t / 0.1, 1)
    swell = 0.8 + 0.2 * np.sin(np.pi * np.clip(t / max(held, 0.1), 0, 1))
    return velocity * (out / players**0.5 + 0.03 * rosin) * swell * release(frames, held, 0.35)

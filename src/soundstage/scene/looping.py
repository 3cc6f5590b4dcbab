"""Endless textures: sounds made longer, and sounds that repeat without a seam.

The end of one part is crossfaded into the beginning of the next. With gains a and b of the two
parts, of equal power and with the correlation ρ, the power of their sum is

    a² + b² + 2ρ·a·b

so the quarter circle a = cos φ, b = sin φ keeps the power of uncorrelated parts such as rain, and
would raise that of equal ones, such as a hum, by 3 dB. The sum is divided by the root of this
expression, with the measured ρ, so that both keep their level.
"""

import numpy as np
from jaxtyping import Float, Float32

CROSSFADE = 0.5  # s: longer than the grain of rain, shorter than a gust of wind
MAX_SHARE = 0.25  # of a short sound that its crossfade takes
LEAST_CORRELATION = -0.9  # opposite parts would vanish, and their gain explode


def extended(
    samples: Float[np.ndarray, "*channels frames"], rate: int, seconds: float, seed: int
) -> Float32[np.ndarray, "*channels longer"]:
    """A sound of exactly this length: cut, or continued from random places in its first half.

    Args:
        samples: the sound.
        rate: in Hz.
        seconds: length of the result.
        seed: of the places.
    """
    frames, given = round(seconds * rate), samples.shape[-1]
    overlap = min(round(CROSSFADE * rate), int(MAX_SHARE * given))
    random = np.random.default_rng(seed)
    result = np.zeros((*samples.shape[:-1], frames), np.float32)
    filled = min(given, frames)
    result[..., :filled] = samples[..., :filled]
    while filled < frames:
        start = int(random.integers(0, given // 2 + 1))
        part = samples[..., start : start + frames - filled + overlap]
        seam = slice(filled - overlap, filled)
        result[..., seam] = crossfade(result[..., seam], part[..., :overlap])
        last = filled - overlap + part.shape[-1]
        result[..., filled:last] = part[..., overlap:]
        filled = last
    return result


def seamless(
    samples: Float[np.ndarray, "*channels frames"], frames: int, overlap: int
) -> Float32[np.ndarray, "*channels period"]:
    """A period of `frames` frames whose end continues at its start.

    Args:
        samples: at least `frames` + `overlap` frames, of which the rest is dropped.
        frames: length of the period, at least `overlap`.
        overlap: length of the crossfade, at its start.
    """
    period = np.array(samples[..., :frames], np.float32)
    after = samples[..., frames : frames + overlap]
    period[..., :overlap] = crossfade(after, samples[..., :overlap])
    return period


def texture(
    samples: Float[np.ndarray, "*channels frames"], rate: int, frames: int, seed: int
) -> Float32[np.ndarray, "*channels period"]:
    """A seamless period of `frames` frames of a sound of any length.

    Args:
        samples: the sound.
        rate: in Hz.
        frames: length of the period.
        seed: of `extended`.
    """
    overlap = min(round(CROSSFADE * rate), int(MAX_SHARE * min(frames, samples.shape[-1])))
    longer = extended(samples, rate, (frames + overlap) / rate, seed)
    return seamless(longer, frames, overlap)


def crossfade(
    ending: Float[np.ndarray, "*channels frames"], beginning: Float[np.ndarray, "*channels frames"]
) -> Float32[np.ndarray, "*channels frames"]:
    """The transition between two parts of equal length, with constant power."""
    phase = np.pi / 2 * (np.arange(ending.shape[-1]) + 0.5) / max(ending.shape[-1], 1)
    falling, rising = np.cos(phase), np.sin(phase)
    power = np.sqrt(float(np.square(ending).sum()) * float(np.square(beginning).sum()))
    correlation = float((ending * beginning).sum()) / power if power > 0 else 0.0
    correlation = min(max(correlation, LEAST_CORRELATION), 1.0)
    gain = 1 / np.sqrt(1 + 2 * correlation * falling * rising)
    return (gain * (falling * ending + rising * beginning)).astype(np.float32)

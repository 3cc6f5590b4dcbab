"""Levels of a clip: where its sound starts and ends, how steady it is, and its loudest segment.

Levels are those of frames of 10 ms, in dB relative to the loudest one. A texture such as rain has
a steady level; an event such as a bark has a start and an end.
"""

from typing import NamedTuple

import numpy as np
from jaxtyping import Float

FRAME_SECONDS = 0.01
ACTIVE_DB = -45.0  # of the loudest frame: what is below it, before and after, is cut
MARGIN_SECONDS = 0.02  # kept around the active frames, so that no attack is cut
LONG_FRAMES = 10  # 0.1 s, the frames of `level_spread`
TEXTURE_SPREAD_DB = 6.0  # a steady level varies less
MIN_TEXTURE_SECONDS = 2.0  # for a crossfade that is not heard as a rhythm
FADE_IN_SECONDS = 0.005  # at a cut: no click, and the attack stays
FADE_OUT_SECONDS = 0.05
SILENCE = 1e-10  # of power: −100 dB of full scale

Sound = Float[np.ndarray, " frames"]


class Segment(NamedTuple):
    """Frames from `start` to before `stop`."""

    start: int
    stop: int


def frame_powers(sound: Sound, rate: int, count: int = 1) -> Float[np.ndarray, " n"]:
    """Mean power of frames of `count` times 10 ms; the rest of the last frame is left out."""
    size = min(count * round(FRAME_SECONDS * rate), len(sound))
    whole = len(sound) - len(sound) % size
    squares = np.square(sound[:whole], dtype=np.float64)
    powers: Float[np.ndarray, " n"] = squares.reshape(-1, size).mean(axis=1)
    return powers


def active_segment(sound: Sound, rate: int) -> Segment:
    """The sound without the silence before and after it; the whole of a silent sound."""
    powers = frame_powers(sound, rate)
    if powers.max() < SILENCE:
        return Segment(0, len(sound))
    active = np.flatnonzero(powers > powers.max() * 10 ** (ACTIVE_DB / 10))
    frame, margin = round(FRAME_SECONDS * rate), round(MARGIN_SECONDS * rate)
    start, stop = int(active[0]) * frame - margin, (int(active[-1]) + 1) * frame + margin
    return Segment(max(start, 0), min(stop, len(sound)))


def level_spread(sound: Sound, rate: int) -> float:
    """Standard deviation of the levels of 0.1 s, in dB; frames under −45 dB count as that."""
    powers = frame_powers(sound, rate, LONG_FRAMES)
    if powers.max() < SILENCE:
        return 0.0
    floor = powers.max() * 10 ** (ACTIVE_DB / 10)
    return float(np.std(10 * np.log10(np.maximum(powers, floor))))


def is_steady(sound: Sound, rate: int) -> bool:
    """Whether the level is that of a texture, and the sound long enough for crossfades."""
    long = len(sound) >= MIN_TEXTURE_SECONDS * rate
    return long and level_spread(sound, rate) < TEXTURE_SPREAD_DB


def loudest_segment(sound: Sound, rate: int, frames: int) -> Segment:
    """The segment of `frames` frames with the largest energy, on a grid of 10 ms.

    A sound that is shorter is returned whole.
    """
    if len(sound) <= frames:
        return Segment(0, len(sound))
    step = max(round(FRAME_SECONDS * rate), 1)
    energy = np.concatenate([[0.0], np.cumsum(np.square(sound, dtype=np.float64))])
    starts = np.arange(0, len(sound) - frames + 1, step)
    start = int(starts[np.argmax(energy[starts + frames] - energy[starts])])
    return Segment(start, start + frames)


def cut(sound: Sound, segment: Segment, rate: int) -> Sound:
    """A copy of a segment, faded where it is cut inside of the sound."""
    part = sound[segment.start : segment.stop].astype(np.float32)
    fades = (
        (segment.start > 0, FADE_IN_SECONDS, part),
        (segment.stop < len(sound), FADE_OUT_SECONDS, part[::-1]),
    )
    for is_cut, seconds, view in fades:
        length = min(round(seconds * rate), len(part) // 2)
        if is_cut and length:
            ramp = np.sin(0.5 * np.pi * (np.arange(length) + 0.5) / length) ** 2
            view[:length] *= ramp.astype(np.float32)
    return part

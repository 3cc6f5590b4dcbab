"""Dry stems: the sound of an event, made for the time that it plays.

A sound that plays once is cut with a short fade where it is longer than its time. A texture is a
seamless period of its time, or a shorter one that repeats. In a loop, of period P, it lasts one
period and needs no fades; if it moves and does not end where it began, it is crossfaded with its
own beginning,

    w(t) + w(t + P) = 1,    w rising as sin² over X at its start and falling over X after P

so that nothing jumps at the seam.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
from jaxtyping import Float32

from soundstage.scene.event_sounds import EventSound
from soundstage.scene.looping import texture

MAX_STEM = 60.0  # s: a longer texture repeats
CUT_FADE = 0.1  # s, at the end of a sound that is cut
TEXTURE_FADES = (0.05, 1.0)  # s, at the start and the end of a texture
FADE_SHARE = 0.2  # of a texture, at most, for each fade
SEAM = 1.0  # s of the crossfade of a motion with its own beginning
SEAM_SHARE = 0.25  # of a period, at most
_DIGITS = 4


@dataclass(frozen=True)
class Playing:
    """How a sound plays.

    Attributes:
        seconds: of its time; one period, if it wraps.
        is_texture: whether it is made to last as long as its time.
        wraps: whether it goes on over the end of a loop.
        seam: length of the crossfade with its own beginning, in s.
        turn: part of the period by which it is rotated, 0 to 1: copies all around differ by it.
        seed: of a texture.
    """

    seconds: float
    is_texture: bool = False
    wraps: bool = False
    seam: float = 0.0
    turn: float = 0.0
    seed: int = 0


def stem(
    sound: EventSound, playing: Playing
) -> tuple[Float32[np.ndarray, "channels frames"], dict[str, Any]]:
    """The samples of a stem, and its length, loop and fades for the scene file."""
    if playing.is_texture:
        return _texture(sound, playing)
    if sound.seconds <= playing.seconds + 1 / sound.rate:
        return sound.samples, {}
    fade = min(CUT_FADE, playing.seconds / 2)
    return sound.samples, _rounded(length=playing.seconds, fade_out=fade)


def seam_of(seconds: float) -> float:
    """Length of the crossfade of a motion over the end of a loop of this period, in s."""
    return min(SEAM, SEAM_SHARE * seconds)


def _texture(
    sound: EventSound, playing: Playing
) -> tuple[Float32[np.ndarray, "channels frames"], dict[str, Any]]:
    frames = max(round(playing.seconds * sound.rate), 1)
    longest = round(MAX_STEM * sound.rate)
    period = min(frames, longest)
    if playing.wraps:  # a whole number of periods, if there is one of a suitable length
        numbers = range(-(-frames // longest), 4 * -(-frames // longest))
        period = next((frames // n for n in numbers if frames % n == 0), frames)
    samples = texture(sound.samples, sound.rate, period, playing.seed)
    samples = np.roll(samples, -round(playing.turn * period), axis=-1)
    values: dict[str, Any] = {}
    if period < frames or playing.seam:
        values = {"loop": True} | _rounded(length=playing.seconds + playing.seam)
    if playing.seam:
        return samples, values | _rounded(fade_in=playing.seam, fade_out=playing.seam)
    if not playing.wraps:
        rise, fall = (min(fade, FADE_SHARE * playing.seconds) for fade in TEXTURE_FADES)
        values |= _rounded(fade_in=rise, fade_out=fall)
    return samples, values


def _rounded(**values: float) -> dict[str, float]:
    return {name: round(value, _DIGITS) for name, value in values.items()}

"""Levels of a scene: each dry sound at one loudness, so that distance and words set the balance.

A dry sound is brought to −23 LUFS, the target of EBU R 128, as long as its peak stays 3 dB under
full scale; ambience under events is 6 dB softer. On top come the gain that the prompt states and,
in the renderer, the distance. A scene in which everything is far away would be faint as a whole, so
all of it is raised together until its loudest sound has −33 LUFS.
"""

import math

import numpy as np
from jaxtyping import Float, Float32

from soundstage.audio.loudness import LoudnessMeter
from soundstage.binaural.presets import RADIUS

LOUDNESS = -23.0  # LUFS of a dry sound
HEADROOM = -3.0  # dB of full scale: highest peak of a dry sound
AMBIENCE = -6.0  # dB of continuous sound under events
FAINTEST = -10.0  # dB of the loudest sound of a scene, relative to `LOUDNESS`
_BLOCK = 0.4  # s: the shortest sound that has a loudness
_SILENCE = -70.0  # LUFS, the absolute gate of BS.1770


def normalized(
    samples: Float[np.ndarray, "channels frames"], rate: int
) -> Float32[np.ndarray, "channels frames"]:
    """A dry sound at `LOUDNESS`; silence stays silent."""
    loudness = active_loudness(samples, rate)
    peak = float(np.abs(samples).max(initial=0.0))
    if loudness <= _SILENCE or not peak:
        return samples.astype(np.float32)
    gain = min(10 ** ((LOUDNESS - loudness) / 20), 10 ** (HEADROOM / 20) / peak)
    return (np.float32(gain) * samples).astype(np.float32)


def active_loudness(samples: Float[np.ndarray, "channels frames"], rate: int) -> float:
    """Loudness in LUFS of the part that sounds; −70 for silence.

    A sound that is shorter than a block of the standard is repeated until it fills some.
    """
    shortest = math.ceil(3 * _BLOCK * rate)
    if 0 < samples.shape[1] < shortest:
        samples = np.tile(samples, (1, math.ceil(shortest / samples.shape[1])))
    meter = LoudnessMeter(rate, samples.shape[0])
    meter.push(samples)
    loudness = meter.integrated()
    return loudness if loudness > _SILENCE else _SILENCE


def distance_gain(distance: float) -> float:
    """Gain of the renderer by distance, in dB: 0 at 1.5 m."""
    return 20 * math.log10(RADIUS / distance)

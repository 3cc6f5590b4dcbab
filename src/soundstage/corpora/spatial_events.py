"""Sound events from 12 directions: mono clips convolved with measured head-related responses.

The data of DualSpec (§V-C): clips at 16 kHz of at least 1 s, cut or zero-padded to 5 s, and

    y_e(t) = Σ_τ h_e(θ, τ)·x(t − τ),    ear e, azimuth θ = 0°, 30°, …, 330° at elevation 0°

Azimuth counts counter-clockwise from ahead, so 90° is left; the paper does not state its sense. The
paper's head is subject pp96 of HUTUBS; here any head can be given, and the level of a set is
normalized, so that events of different heads have comparable levels.
"""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from soundstage.binaural import HrtfInterpolator, load_hrtf, to_cartesian
from soundstage.corpora.events import EventClip, read_event

RATE = 16_000  # Hz
SECONDS = 5.0  # of an example
MIN_SECONDS = 1.0  # of a clip; shorter ones are not used
AZIMUTHS = tuple(range(0, 360, 30))  # degrees counter-clockwise from ahead

LEAD = 0.001  # s kept ahead of the earliest response, for its rise
RISE = 1e-2  # of the largest sample: where a response begins
TAIL = 1e-3  # of the largest sample: where the last response has ended


def horizontal_hrirs(
    source: str | Path, azimuths: Sequence[float] = AZIMUTHS, rate: int = RATE
) -> Float[Tensor, "azimuths 2 taps"]:
    """Head-related impulse responses in the horizontal plane, left ear first.

    Directions that are not measured are interpolated. The common delay is cut to `LEAD`, and the
    mean energy of a response over azimuths and ears is 1.

    Args:
        source: a bundled HRTF set, a SOFA file, or a WAV file of the SoundScape Renderer; see
            `load_hrtf`.
        azimuths: in degrees counter-clockwise from ahead.
        rate: of the responses, in Hz.

    Raises:
        WeightsError: there is no bundled set of this name.
        InputError: the file cannot be read.
    """
    angles = np.asarray(azimuths, dtype=np.float64)
    positions = np.stack([angles, np.zeros_like(angles), np.ones_like(angles)], axis=-1)
    responses = HrtfInterpolator(load_hrtf(source).resampled(rate)).responses(
        to_cartesian(positions)
    )
    largest = np.abs(responses).max(axis=(0, 1)) / np.abs(responses).max()
    start = max(int((largest > RISE).argmax()) - round(LEAD * rate), 0)
    stop = int(np.flatnonzero(largest > TAIL)[-1]) + 1
    kept = torch.from_numpy(np.ascontiguousarray(responses[..., start:stop]))
    return kept / kept.square().sum(dim=-1).mean().sqrt()


def event_sound(clip: EventClip) -> Float[Tensor, " samples"] | None:
    """The mono sound of a clip at `RATE`; None if it is shorter than `MIN_SECONDS`.

    Raises:
        InputError: the file cannot be read.
    """
    sound = torch.from_numpy(read_event(clip.path, RATE))
    return sound if len(sound) >= MIN_SECONDS * RATE else None


def five_seconds(
    sound: Float[Tensor, "*batch samples"], start: int = 0
) -> Float[Tensor, "*batch 80000"]:
    """`SECONDS` of a sound from sample `start` on, zero-padded at the end if it is shorter."""
    length = round(SECONDS * RATE)
    part = sound[..., start : start + length]
    return torch.nn.functional.pad(part, (0, length - part.shape[-1]))


def spatialize(
    sound: Float[Tensor, "*batch samples"], hrir: Float[Tensor, "*batch 2 taps"]
) -> Float[Tensor, "*batch 2 samples"]:
    """A mono sound at the two ears: convolved with a pair of responses, cut to its length.

    Leading axes are broadcast: one sound with the responses of 12 azimuths gives 12 sounds.
    """
    samples = sound.shape[-1]
    size = 1 << (samples + hrir.shape[-1] - 2).bit_length()  # no wrap-around
    spectrum = torch.fft.rfft(sound, size)[..., None, :] * torch.fft.rfft(hrir, size)
    return torch.fft.irfft(spectrum, size)[..., :samples]

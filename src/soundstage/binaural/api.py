"""The renderers in one call, on a file or on sound in memory."""

from pathlib import Path

import numpy as np

from soundstage.audio import Audio
from soundstage.binaural.presets import constant
from soundstage.binaural.registry import DEFAULT_RENDERER, load_renderer
from soundstage.binaural.renderers import Renderer, render, summed
from soundstage.binaural.scenes import LOUDSPEAKER_GAIN, LOUDSPEAKERS
from soundstage.binaural.trajectories import Trajectory
from soundstage.errors import InputError


def binauralize(
    source: str | Path | Audio,
    trajectory: Trajectory | None = None,
    *,
    renderer: str | Renderer = DEFAULT_RENDERER,
) -> Audio:
    """What two ears hear of a sound.

    Args:
        source: a path or an `Audio`, of one channel or two.
        trajectory: its way; None puts mono ahead and stereo on two loudspeakers.
        renderer: a name out of `RENDERERS`, or one that is set up, such as
            `HrtfRenderer(load_hrtf(), room=ShoeBox((6, 4, 3), 0.4))`.

    Returns:
        Left and right ear at the rate of the source, with what rings on after its end, in floating
        point: never clipped.

    Raises:
        InputError: the source cannot be read, is empty or not finite, has more than two channels,
            or is stereo and has one trajectory for both channels.
        OptionError: there is no such renderer, or the source cannot be where it is wanted.

    >>> from soundstage.binaural import constant
    >>> click = Audio([1.0] + 99 * [0.0], 44_100)
    >>> left, right = binauralize(click, constant(90)).samples
    >>> bool(abs(left).max() > abs(right).max())
    True
    """
    made = load_renderer(renderer) if isinstance(renderer, str) else renderer
    audio = source if isinstance(source, Audio) else Audio.read(source)
    if not audio.frames or not np.isfinite(audio.samples).all():
        raise InputError("The sound is empty or holds samples that are not numbers: mend it first.")
    if audio.channels == 1:
        way = trajectory or constant(0.0)
        return Audio(render(audio.samples[0], way, audio.rate, made), audio.rate)
    if audio.channels > 2 or trajectory:
        raise InputError(
            f"A sound of {audio.channels} channels has no place of its own: give one channel, or "
            "stereo without a trajectory to hear two loudspeakers."
        )
    heard = [
        render(LOUDSPEAKER_GAIN * channel, constant(azimuth), audio.rate, made)
        for channel, azimuth in zip(audio.samples, (LOUDSPEAKERS, -LOUDSPEAKERS), strict=True)
    ]
    return Audio(summed(heard), audio.rate)

"""The mono signal of an input: one channel, dual mono, or a stereo mix that is folded down."""

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
from jaxtyping import Float

from soundstage.audio import SoundReader
from soundstage.errors import InputError
from soundstage.stereo import MidSideMeter

READ_FRAMES = 1 << 16  # frames read at a time


class Channels(NamedTuple):
    """Properties of the channels of an input."""

    dual_mono: bool
    """There are two that sound the same."""
    identical: bool
    """There is one, or there are two with the same samples."""


def inspect_channels(sound: SoundReader, *, downmix: bool) -> Channels:
    """Check the channels of an input; reads a stereo file once, and nothing of a mono file.

    Args:
        sound: the input.
        downmix: whether stereo is allowed.

    Raises:
        InputError: there are more than two channels, or two that differ without `downmix`.
    """
    if sound.channels > 2:
        raise InputError(
            f"{sound.name} has {sound.channels} channels, but upmixing takes one: export one of "
            "them, or a stereo version to be folded down."
        )
    if sound.channels == 1:
        return Channels(dual_mono=False, identical=True)
    meter, identical = MidSideMeter(), True
    for block in sound.blocks(READ_FRAMES):
        meter.push(block)
        identical = identical and np.array_equal(block[0], block[1])
    dual_mono = meter.is_dual_mono()
    if not dual_mono and not downmix:
        raise InputError(
            f"{sound.name} is stereo already: give a mono version, or use `downmix` to "
            "fold it down first."
        )
    return Channels(dual_mono, identical)


def mid_of(block: Float[np.ndarray, "channels frames"]) -> Float[np.ndarray, " frames"]:
    """The mean of one channel or two."""
    if block.shape[0] == 1:
        return block[0]
    return (block[0] + block[1]) * np.asarray(0.5, block.dtype)


def mid_blocks(sound: SoundReader) -> Iterator[Float[np.ndarray, " frames"]]:
    """The mono signal of an input, from its start."""
    return map(mid_of, sound.blocks(READ_FRAMES))

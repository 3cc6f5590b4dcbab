"""What to do with a file that is not mono: recognize dual mono, fold down only when asked."""

from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import numpy as np
from jaxtyping import Float

from soundstage.audio import SoundReader
from soundstage.errors import InputError
from soundstage.metrics import ImageMeter

READ_FRAMES = 1 << 16  # frames read at a time


class Channels(NamedTuple):
    """What the channels of a file are."""

    dual_mono: bool
    """There are two, and they sound the same."""
    identical: bool
    """There is one, or there are two that agree in every sample."""


def check_channels(channels: int, name: str | Path) -> None:
    """Refuse what no upmixer takes.

    Raises:
        InputError: there are more than two channels.
    """
    if channels > 2:
        raise InputError(
            f"{name} has {channels} channels and upmixing takes one: export one of them, or a "
            "stereo version to be folded down with --downmix."
        )


def find_dual_mono(sound: SoundReader, *, downmix: bool) -> Channels:
    """What the channels of a file are; reads a stereo file once, and costs nothing for mono.

    Raises:
        InputError: the file is true stereo and `downmix` is false, or has more than two channels.
    """
    check_channels(sound.channels, sound.name)
    if sound.channels == 1:
        return Channels(dual_mono=False, identical=True)
    meter, identical = ImageMeter(), True
    for block in sound.blocks(READ_FRAMES):
        meter.push(block)
        identical = identical and np.array_equal(block[0], block[1])
    dual_mono = meter.is_dual_mono()
    if not dual_mono and not downmix:
        raise InputError(
            f"{sound.name} is stereo already: fold it down first with --downmix, "
            "or give a mono version."
        )
    return Channels(dual_mono, identical)


def mid_of(block: Float[np.ndarray, "channels frames"]) -> Float[np.ndarray, " frames"]:
    """The mono signal of a block of one channel or two."""
    if block.shape[0] == 1:
        return block[0]
    return (block[0] + block[1]) * np.asarray(0.5, block.dtype)


def mid_blocks(sound: SoundReader) -> Iterator[Float[np.ndarray, " frames"]]:
    """The mono signal of a file, from its start."""
    return map(mid_of, sound.blocks(READ_FRAMES))

"""The middle of a record, at the rate wanted, without holding all of it."""

from pathlib import Path

import numpy as np
from jaxtyping import Float

from soundstage.audio import open_sound
from soundstage.audio.resampling import resample
from soundstage.errors import InputError

BLOCK_SECONDS = 5


def read_excerpt(path: Path, rate: int, seconds: float = 0) -> Float[np.ndarray, "channels frames"]:
    """The middle `seconds` of a file, or all of it where it is shorter.

    The file is decoded from its start, never sought: a lossy decoder gives other samples after a
    seek.

    Args:
        path: of the file.
        rate: of the result, in Hz.
        seconds: how much; 0 for the whole file.

    Raises:
        InputError: the file cannot be read, is empty, or holds samples that are not numbers.
    """
    with open_sound(path) as sound:
        step = BLOCK_SECONDS * sound.rate
        wanted = round(seconds * sound.rate)
        start, stop = 0, None
        if wanted:
            frames = sound.frames
            if frames is None:  # only decoding can tell
                frames = sum(block.shape[1] for block in sound.blocks(step))
            start = max((frames - wanted) // 2, 0)
            stop = start + wanted
        parts, place = [], 0
        for block in sound.blocks(step):
            end = None if stop is None else max(stop - place, 0)
            parts.append(block[:, max(start - place, 0) : end].astype(np.float32))
            place += block.shape[1]
            if stop is not None and place >= stop:
                break
        samples = np.concatenate(parts, axis=1) if parts else np.zeros((sound.channels, 0))
        if not samples.shape[1]:
            raise InputError(f"{path} is empty: it has no samples.")
        return resample(samples, sound.rate, rate)

"""`separate()`: the sources of a sound, which add up to it."""

import os

import numpy as np

from soundstage.audio import Audio, Source, open_sound
from soundstage.errors import OptionError
from soundstage.precision import in_single_precision
from soundstage.separation.registry import DEFAULT_SEPARATOR, load_separator
from soundstage.separation.separator import Separator, SongSeparator
from soundstage.separation.sound_sources import SoundSources, fit_to_sound

READ_FRAMES = 1 << 16  # frames read at a time


@in_single_precision
def separate(
    source: Source,
    method: "str | Separator | SongSeparator" = DEFAULT_SEPARATOR,
    *,
    weights: str | os.PathLike[str] | None = None,
    device: str = "auto",
) -> dict[str, Audio]:
    """The sources of a whole sound, by name; the sum of all is the sound, to rounding.

    >>> import numpy as np
    >>> noise = np.random.default_rng(0).normal(0, 0.1, 44_100)
    >>> sources = separate((noise, 44_100), "hpss")
    >>> list(sources), float(abs(sum(s.samples for s in sources.values()) - noise).max()) < 1e-6
    (['harmonic', 'percussive'], True)

    Args:
        source: a path, a binary file object, an `Audio`, or (samples, rate), with any number of
            channels: of stereo, what is found in the mean of the channels is taken out of each.
        method: one of `soundstage.separation.SEPARATORS`, or what `load_separator` returned.
        weights: in place of the usual ones of a separator by name.
        device: "auto", "cpu", "cuda" or "mps", of a separator by name.

    Returns:
        Sources of the rate, length and channels of the sound, float32. The last one of kind
        "residual", else the last, holds what the others leave.

    Raises:
        InputError: the source cannot be read, is empty, or not finite.
        OptionError: the separator or the device is unknown, or a package that it needs is not
            installed.
        WeightsError: the weights are missing, damaged, or of another network.
    """
    with open_sound(source) as sound:
        loaded = as_separator(method, weights=weights, device=device)
        separator = fit_to_sound(loaded, sound.blocks(READ_FRAMES), sound.rate)
        sources = SoundSources(separator, sound.rate, sound.channels)
        blocks = [sources.push(block) for block in sound.blocks(READ_FRAMES)]
        blocks.append(sources.finish())
    samples = np.concatenate(blocks, axis=-1)
    return {
        info.name: Audio(np.asarray(each, np.float32), sound.rate)
        for info, each in zip(sources.sources, samples, strict=True)
    }


def as_separator(
    method: "str | Separator | SongSeparator",
    *,
    weights: str | os.PathLike[str] | None = None,
    device: str = "auto",
) -> Separator | SongSeparator:
    """The separator of that name, or one that is loaded.

    Raises:
        OptionError: as `load_separator`, or weights are given for one that is loaded.
    """
    if isinstance(method, str):
        path = None if weights is None else os.fspath(weights)
        return load_separator(method, weights=path, device=device)
    if weights is not None:
        raise OptionError("`weights` need a separator by name: give them when loading it.")
    return method

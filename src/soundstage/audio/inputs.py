"""Every kind of sound that a caller may pass: `as_audio` reads it whole, `open_sound` in blocks."""

import os
from typing import Any, BinaryIO, TypeAlias, TypeGuard

from soundstage.audio.audio_buffer import Audio
from soundstage.audio.codecs.input_file import is_file_object
from soundstage.audio.reading import MemorySource, SoundReader, open_file
from soundstage.audio.samples import as_rate, as_samples, channels_first
from soundstage.errors import InputError

Source: TypeAlias = str | os.PathLike[str] | BinaryIO | Audio | tuple[Any, Any]
"""A path, a binary file object, an `Audio`, or (samples, rate)."""

_BLOCK = 1 << 16  # frames checked at a time


def as_audio(source: Source | Any, *, rate: int | None = None) -> Audio:
    """A whole sound in memory.

    Args:
        source: a path or a binary file object with anything that `open_sound` reads; an `Audio`; or
            (samples, rate) with real samples as a NumPy array, torch tensor or list. Floats have a
            full scale of 1, integers that of their type. Layouts are (frames,), (channels, frames)
            and (frames, channels).
        rate: in Hz, of samples that are given without one.

    Raises:
        InputError: the sound cannot be read, is empty, holds a sample that is not finite, has a
            rate beyond 8 to 192 kHz, or its layout is ambiguous.

    >>> import numpy as np
    >>> as_audio((np.array([0, 16384], np.int16), 44_100)).samples.tolist()
    [[0.0, 0.5]]
    """
    if _is_file(source):
        _refuse_rate(rate)
        return Audio.read(source)
    audio = _in_memory(source, rate)
    for _ in open_sound(audio).blocks(_BLOCK):  # which checks all samples
        pass
    return audio


def open_sound(source: Source | Any, *, rate: int | None = None) -> SoundReader:
    """Inspect a sound and prepare to read it in blocks; files are not read whole.

    Args:
        source: as for `as_audio`; of a film the main sound track is read.
        rate: as for `as_audio`.

    Raises:
        InputError: the file is missing, unreadable, empty, no sound, cut short, or needs a package
            that is not installed; the samples are empty or of an ambiguous layout; the rate is
            beyond 8 to 192 kHz.
    """
    if _is_file(source):
        _refuse_rate(rate)
        return open_file(source)
    audio = _in_memory(source, rate)
    return SoundReader(MemorySource(audio.samples, audio.rate), name="The sound")


def _is_file(source: Any) -> TypeGuard[str | os.PathLike[str] | BinaryIO]:
    return isinstance(source, str | os.PathLike) or is_file_object(source)


def _in_memory(source: Any, rate: int | None) -> Audio:
    if isinstance(source, Audio):
        _refuse_rate(rate)
        return source
    samples = source
    if isinstance(source, tuple):
        _refuse_rate(rate)
        if len(source) != 2:
            raise InputError(f"A tuple of {len(source)} items is not (samples, rate).")
        samples, rate = source
        if not _is_scalar(rate) and _is_scalar(samples):
            raise InputError("A sound is (samples, rate) in this order, not (rate, samples).")
    elif rate is None:
        raise InputError(
            f"{type(source).__name__} is not a sound: give a path, a binary file, an Audio, or "
            "(samples, rate)."
        )
    return Audio(channels_first(as_samples(samples)), as_rate(rate))


def _is_scalar(value: Any) -> bool:
    return not hasattr(value, "__len__") or getattr(value, "ndim", 1) == 0


def _refuse_rate(rate: int | None) -> None:
    if rate is not None:
        raise InputError("This sound has a sample rate already: give none, or resample it after.")

"""Upmixing in memory and as a generator, for programs."""

from collections.abc import Iterable, Iterator
from pathlib import Path

import numpy as np
from jaxtyping import Float

from soundstage.audio import Audio, open_sound
from soundstage.errors import InputError, OptionError
from soundstage.metrics import ImageMeter
from soundstage.upmixing.controls import Controls
from soundstage.upmixing.downmix import (
    READ_FRAMES,
    check_channels,
    find_dual_mono,
    mid_blocks,
    mid_of,
)
from soundstage.upmixing.engine import upmix_blocks
from soundstage.upmixing.generative.style import Style
from soundstage.upmixing.registry import DEFAULT_METHOD, load_method
from soundstage.upmixing.upmixer import Upmixer

Source = str | Path | Audio | tuple[np.ndarray, int]


def upmix(
    source: Source,
    *,
    method: str | Upmixer = DEFAULT_METHOD,
    seed: int = 0,
    width: float = 1.0,
    bass_mono_hz: float = 0.0,
    center_focus: float = 0.0,
    style: str | Style | None = None,
    downmix: bool = False,
) -> Audio:
    """Stereo from mono.

    Args:
        source: a path, an `Audio`, or (samples, rate) with samples (frames,) or (channels, frames).
        method: a name out of `soundstage models`, or what `load_method` returned (which saves
            loading it again, and may hold weights of your own).
        seed: which take; the same seed gives the same samples.
        width: gain of the side signal, 0 to 2.
        bass_mono_hz: crossover below which everything is centered, 20 to 500 Hz; 0 is off.
        center_focus: how far voices and leads are drawn to the center, 0 to 1.
        style: what a generative method is asked for, such as "wide, narrow bass" (docs/style.md);
            only with the name of a method.
        downmix: fold down a stereo source whose channels differ, instead of refusing it.

    Returns:
        Two channels at the rate and of the length of the source, in floating point: never clipped,
        and with (L+R)/2 equal to the source to the rounding of float32.

    Raises:
        InputError: the source cannot be read, is empty, not finite, or not mono.
        OptionError: the method or a word of the style is unknown, a control is out of its range,
            or the method takes no style.
    """
    controls = Controls(width, bass_mono_hz, center_focus)
    upmixer = _loaded(method, style)
    if isinstance(source, str | Path):
        with open_sound(source) as sound:
            find_dual_mono(sound, downmix=downmix)
            blocks = upmix_blocks(
                mid_blocks(sound), upmixer, sound.rate, controls=controls, seed=seed
            )
            return _joined((block.left_right() for block in blocks), sound.rate)
    audio = source if isinstance(source, Audio) else _audio_of(*source)
    mid = _checked_mid(audio, downmix=downmix)
    cut = (mid[start : start + READ_FRAMES] for start in range(0, mid.size, READ_FRAMES))
    made = upmix_blocks(cut, upmixer, audio.rate, controls=controls, seed=seed)
    return _joined((block.left_right() for block in made), audio.rate)


def upmix_stream(
    blocks: Iterable[Float[np.ndarray, " frames"]],
    rate: int,
    *,
    method: str | Upmixer = DEFAULT_METHOD,
    seed: int = 0,
    controls: Controls | None = None,
    style: str | Style | None = None,
) -> Iterator[Float[np.ndarray, "2 frames"]]:
    """Stereo blocks from mono blocks of any size, in bounded memory.

    What comes out lags behind what goes in by up to three seconds, or four with a filter on the
    side; together the blocks are as long as the input, and the same samples as `upmix` gives for it
    in one piece.
    """
    upmixer = _loaded(method, style)
    for block in upmix_blocks(blocks, upmixer, rate, controls=controls, seed=seed):
        yield block.left_right()


def _loaded(method: str | Upmixer, style: str | Style | None) -> Upmixer:
    if isinstance(method, str):
        return load_method(method, style=style)
    if style is not None:
        raise OptionError("A style belongs to the method: give it to load_method.")
    return method


def _audio_of(samples: np.ndarray, rate: int) -> Audio:
    if not np.issubdtype(np.asarray(samples).dtype, np.floating):
        raise InputError("The samples are not floats: scale them so that full scale is 1.")
    return Audio(samples, rate)


def _checked_mid(audio: Audio, *, downmix: bool) -> np.ndarray:
    name = "The sound"
    check_channels(audio.channels, name)
    if not audio.frames:
        raise InputError(f"{name} has no samples.")
    if not np.isfinite(audio.samples).all():
        raise InputError(f"{name} has samples that are not finite numbers.")
    if audio.channels == 2 and not downmix:
        meter = ImageMeter()
        meter.push(audio.samples)
        if not meter.is_dual_mono():
            raise InputError(f"{name} is stereo already; pass downmix=True to fold it down first.")
    return mid_of(audio.samples)


def _joined(blocks: Iterator[np.ndarray], rate: int) -> Audio:
    return Audio(np.concatenate(list(blocks), axis=1).astype(np.float32, copy=False), rate)

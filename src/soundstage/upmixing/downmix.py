"""The mono signal of an input, and the facts about the input that the upmix depends on.

One channel is the mono signal. Two equal channels are dual mono, and their mean is. Two channels of
one recording with lag, gain or noise between them, a digitized mono disc or tape, are refused until
it is said how they become one: `align` or `downmix`. All other stereo needs `downmix`.

The input is read once for this: lag and gain of two channels, content, hiss and clicks.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float

from soundstage.audio import SoundReader
from soundstage.errors import InputError
from soundstage.metrics.content import Content, ContentMeter
from soundstage.spectra import PowerFrames
from soundstage.stereo import Alignment, AlignmentMeter, MidSideMeter, SurfaceNoise
from soundstage.stereo.alignment import AlignedSum
from soundstage.stereo.surface_noise import SurfaceNoiseMeter

READ_FRAMES = 1 << 16  # frames read at a time


@dataclass(frozen=True)
class Channels:
    """Facts about the channels of an input and their sound."""

    dual_mono: bool
    """There are two that sound the same."""
    identical: bool
    """There is one, or there are two with the same samples."""
    alignment: Alignment | None = None
    """Of two channels that differ; None if one is silent."""
    aligned: bool = False
    """Whether the mono signal is their aligned sum."""
    mix: str = "mean"
    """How they are summed."""
    content: Content | None = None
    """Of the mono signal; None if it was not asked for."""
    noise: SurfaceNoise | None = None
    """Of the mono signal; None if it was not asked for."""

    @property
    def warning(self) -> str | None:
        """A sentence if the plain sum of the channels damages the sound."""
        if self.aligned or self.dual_mono or not self.alignment:
            return None
        if not (self.alignment.is_near_mono and self.alignment.needs_alignment):
            return None
        return f"the channels are one recording, but {self.alignment.describe()}: use `align`"

    @property
    def facts(self) -> tuple[str, ...]:
        """What became of two channels that are one recording, for a report."""
        if not self.alignment or self.dual_mono:
            return ()
        described = self.alignment.describe()
        if self.aligned:
            found = f" ({described})" if described else ""
            weighted = ", the better channel weighted by band" if self.mix == "best" else ""
            return (f"both channels were aligned{found} and summed{weighted}",)
        return (self.warning,) if self.warning else ()


def inspect_channels(
    sound: SoundReader,
    *,
    downmix: bool,
    align: bool = False,
    mix: str = "mean",
    content: bool = True,
) -> Channels:
    """Check the channels of an input and inspect its sound; reads the input once.

    Args:
        sound: the input.
        downmix: whether stereo is allowed, and folded down by the mean of its channels.
        align: whether two channels of one recording are aligned before they are summed.
        mix: of aligned channels, "mean" or "best".
        content: whether to find content and noise; without, a mono input is not read.

    Raises:
        InputError: there are more than two channels, two that differ without `align` or `downmix`,
            or two with `align` that are not one recording.
    """
    if sound.channels > 2:
        raise InputError(
            f"{sound.name} has {sound.channels} channels, but upmixing takes one: export one of "
            "them, or a stereo version to be folded down."
        )
    stereo = _inspect_stereo(sound, downmix=downmix, align=align, mix=mix)
    if not content:
        return stereo
    frames = PowerFrames(sound.rate)
    contents, noises = ContentMeter(frames), SurfaceNoiseMeter(frames)
    for mid in mid_blocks(sound, stereo):
        power = frames.push(mid)
        contents.push(power)
        noises.push(mid, power)
    found = contents.content()
    noise = noises.noise()
    return Channels(**{**vars(stereo), "content": found, "noise": noise})


def _inspect_stereo(sound: SoundReader, *, downmix: bool, align: bool, mix: str) -> Channels:
    if sound.channels == 1:
        return Channels(dual_mono=False, identical=True)
    meter, aligner, identical = MidSideMeter(), AlignmentMeter(sound.rate), True
    for block in sound.blocks(READ_FRAMES):
        meter.push(block)
        same = np.array_equal(block[0], block[1])
        if not (same and identical):  # a lag of equal channels is 0
            aligner.push(block)
        identical = identical and same
    if meter.is_dual_mono():
        return Channels(dual_mono=True, identical=identical)
    alignment = aligner.alignment()
    one_recording = alignment is not None and (
        alignment.is_near_mono or (align and alignment.is_alignable)
    )
    if align and one_recording:
        return Channels(False, False, alignment, aligned=True, mix=mix)
    if not downmix:
        raise InputError(_refusal(sound.name, alignment, align=align))
    return Channels(False, False, alignment)


def _refusal(name: str, alignment: Alignment | None, *, align: bool) -> str:
    if align:
        found = f"correlate by {alignment.correlation:.2f}" if alignment else "are not alike"
        return (
            f"{name} is not one recording in two channels, which `align` needs: they {found}. Use "
            "`downmix` to fold it down."
        )
    if alignment and alignment.is_near_mono:
        described = alignment.describe()
        return (
            f"{name} has one recording in two channels that differ"
            f"{f' ({described})' if described else ''}: use `align` to align and sum them, or "
            "`downmix` for the plain sum."
        )
    return f"{name} is stereo already: give a mono version, or use `downmix` to fold it down first."


def mid_of(block: Float[np.ndarray, "channels frames"]) -> Float[np.ndarray, " frames"]:
    """The mean of one channel or two."""
    if block.shape[0] == 1:
        return block[0]
    return (block[0] + block[1]) * np.asarray(0.5, block.dtype)


def mid_blocks(sound: SoundReader, channels: Channels) -> Iterator[Float[np.ndarray, " frames"]]:
    """The mono signal of an input, from its start: one channel, the mean, or the aligned sum."""
    if not channels.aligned or channels.alignment is None:
        yield from map(mid_of, sound.blocks(READ_FRAMES))
        return
    total = AlignedSum(channels.alignment, channels.mix)
    for block in sound.blocks(READ_FRAMES):
        ready = total.push(block)
        if ready.size:
            yield ready
    rest = total.finish()
    if rest.size:
        yield rest

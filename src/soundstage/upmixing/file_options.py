"""Options of the files of all takes; importing them loads no torch."""

import math
import operator
from dataclasses import dataclass, field
from numbers import Real
from pathlib import Path
from typing import NamedTuple

import numpy as np

from soundstage.ambisonics.conventions import CONVENTIONS, ORDERS, field_label
from soundstage.audio.formats import SoundFormat
from soundstage.errors import OptionError, quoted
from soundstage.upmixing.controls import Controls, check_mix

OUTPUTS = {
    "stereo": 2,
    "mid-side": 2,
    "side": 1,
    **{f"{name}{order}": (order + 1) ** 2 for name in CONVENTIONS for order in ORDERS},
}
"""What a file may hold, and the number of its channels; `ambix1` is a sound field of order 1."""

COMPARABLE = ("stereo", "mid-side")
"""What holds a whole stereo image in two channels."""

MAX_GAIN = 120.0  # dB

CODECS = {
    "mp3": (SoundFormat("MP3", "MPEG_LAYER_III"), ".mp3"),
    "aac": (SoundFormat("MP4", "AAC"), ".m4a"),
    "opus": (SoundFormat("OGG", "OPUS"), ".opus"),
    "vorbis": (SoundFormat("OGG", "VORBIS"), ".ogg"),
}
"""Formats and suffixes of the codecs that a result can be tried with."""

_KILOBITS = 8, 512  # each codec has limits of its own within these


def plan_path(target: Path) -> Path:
    """The file of the plan of a take.

    >>> plan_path(Path("song-stereo.wav")).name
    'song-stereo.wav.plan.json'
    """
    return target.with_name(f"{target.name}.plan.json")


def field_order(outputs: str) -> int:
    """Order of the sound field that a file holds; 0 for stereo, and for mid and side.

    >>> field_order("ambix3"), field_order("mid-side")
    (3, 0)
    """
    return int(outputs[-1]) if outputs[-1].isdigit() else 0


def outputs_for(
    *,
    mid_side: bool = False,
    side_only: bool = False,
    ambix: int | None = None,
    convention: str | None = None,
) -> str:
    """What a file is to hold, from options of which one at most is set.

    Args:
        mid_side: mid and side.
        side_only: the side alone.
        ambix: a sound field of this order.
        convention: of the field, "ambix", "n3d" or "fuma".

    Raises:
        OptionError: two exclude each other, or there is no such convention or order.
    """
    chosen = {"mid_side": mid_side, "side_only": side_only, "ambix": ambix is not None}
    names = [name for name, is_set in chosen.items() if is_set]
    if len(names) > 1:
        raise OptionError(f"`{names[0]}` and `{names[1]}` exclude each other: choose one.")
    if label := field_label(ambix, convention):
        return label
    return "mid-side" if mid_side else "side" if side_only else "stereo"


class Codec(NamedTuple):
    """A codec at a bit rate."""

    name: str
    bit_rate: int
    """In bit/s, of both channels."""


def parse_codec(text: str) -> Codec:
    """A codec from text.

    Args:
        text: its name and kbit/s of both channels, such as "mp3:128".

    Raises:
        OptionError: it has another form, or there is no such codec.

    >>> parse_codec("opus:96")
    Codec(name='opus', bit_rate=96000)
    """
    name, _, kilobits = str(text).strip().lower().partition(":")
    if name not in CODECS or not (kilobits.isascii() and kilobits.isdigit()):
        raise OptionError(
            f"`codec_checks` has {quoted(text)}: give a codec ({', '.join(CODECS)}) and its "
            "kbit/s, such as mp3:128."
        )
    lowest, highest = _KILOBITS
    if not lowest <= int(kilobits[:6]) <= highest:
        raise OptionError(
            f"`codec_checks` has {quoted(text)}: a bit rate is from {lowest} to {highest} kbit/s."
        )
    return Codec(name, 1000 * int(kilobits))


@dataclass(frozen=True)
class FileOptions:
    """Checked options of the files of all takes.

    Raises:
        OptionError: a value is unknown, of a wrong type, or out of its range.
    """

    controls: Controls = field(default_factory=Controls)
    downmix: bool = False
    """Fold a stereo input down instead of refusing it."""
    bit_depth: str | None = None
    """"16", "24", "32", "float", ...; by default that of the input."""
    overwrite: bool = False
    """Replace existing targets."""
    method: str = ""
    """Name of the method, for the reports."""
    style: str | None = None
    """Requested style, for the reports."""
    rate: int | None = None
    """Of the result in Hz; by default that of the input, or the next that the format holds."""
    bit_rate: int | None = None
    """Of a lossy result, in bit/s of all channels; by default a high one."""
    outputs: str = "stereo"
    """"stereo": left and right; "mid-side": the mid, then the side; "side": the side alone;
    "ambix1" to "ambix3", "n3d1", "fuma1", ...: a sound field of that convention and order."""
    gain_db: float | None = None
    """Gain of the result in dB; by default 0, or as far below as clipping demands."""
    proof: bool = True
    """Read every result back before it gets its name, and compare its mono sum with the input."""
    codec_checks: tuple[str, ...] = ()
    """Codecs that the result is tried with, such as "mp3:128", in kbit/s."""
    keep_original: bool = False
    """Keep the sound of the source, bit for bit, as a second track of a film or M4A."""
    align: bool = False
    """Align two channels of one recording, and sum them."""
    mix: str = "mean"
    """How aligned channels are summed: "mean", or "best" with the least noise."""
    write_plan: bool = False
    """Write the plan of each take beside it."""
    write_stems: Path | None = None
    """A folder for the sources that the method places."""

    def __post_init__(self) -> None:
        object.__setattr__(self, "controls", self.controls.for_style(self.style))
        check_mix(self.mix, align=self.align)
        if self.outputs not in OUTPUTS:
            raise OptionError(
                f"There is no kind of `outputs` {quoted(self.outputs)}: "
                f"choose one of {', '.join(OUTPUTS)}."
            )
        self._check_whole("rate", 8_000, 192_000, unit="Hz")
        self._check_whole("bit_rate", 1_000, 10_000_000, unit="bit/s")
        if self.gain_db is not None:
            gain = self.gain_db
            if isinstance(gain, bool | np.bool_) or not isinstance(gain, Real):
                raise OptionError(f"`gain_db` must be a number, not {quoted(gain)}.")
            if not math.isfinite(gain) or abs(gain) > MAX_GAIN:
                raise OptionError(f"`gain_db` must be from -120 to 120 dB, not {gain:g}.")
            object.__setattr__(self, "gain_db", float(gain))
        if self.codec_checks and self.outputs != "stereo":
            raise OptionError("`codec_checks` codes left and right alone: leave it out.")
        _ = self.codecs

    @property
    def codecs(self) -> list[Codec]:
        """The codecs of `codec_checks`."""
        return [parse_codec(text) for text in self.codec_checks]

    def _check_whole(self, name: str, lowest: int, highest: int, *, unit: str) -> None:
        value = getattr(self, name)
        if value is None:
            return
        try:
            if isinstance(value, bool | np.bool_):
                raise TypeError
            whole = operator.index(value)
        except TypeError:
            raise OptionError(f"`{name}` must be a whole number, not {quoted(value)}.") from None
        if not lowest <= whole <= highest:
            raise OptionError(
                f"`{name}` must be from {lowest:,} to {highest:,} {unit}, not {whole:,}."
            )
        object.__setattr__(self, name, whole)

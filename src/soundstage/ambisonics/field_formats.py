"""Order and convention of an ambisonic file: what it says of itself, or a guess from its sound.

The number of channels tells the order. The convention is asked of the file in this order:

1. a tag, as ours are written: "Ambisonics: AmbiX (ACN, SN3D) of order 1"
2. the container: the B-format GUID of WAVE (FuMa), the channel layout of CAF (ACN, SN3D or
   N3D), the channel mapping of Opus (AmbiX)
3. the name: "ambix", "acn", "sn3d", "n3d", "fuma"
4. the sound. Plane waves that do not interfere have as much power in a degree of SN3D as in W,
   from wherever they come, so that in degree 1

       ρ = (P_X + P_Y + P_Z)/P_W

   is 1 in SN3D, 3 in N3D and 2 in FuMa, as read; and there is less from above and below than from
   around, so that Z, the third channel in ACN and the fourth in FuMa, is mostly the quietest.
"""

import re
import struct
from pathlib import Path
from typing import NamedTuple

import numpy as np
from jaxtyping import Float

from soundstage.ambisonics.conventions import (
    CONVENTIONS,
    Convention,
    check_convention,
    describe,
    order_of,
    to_ambix,
)
from soundstage.audio import FieldMark, SoundReader
from soundstage.audio.codecs.riff import wave_format
from soundstage.errors import InputError

TAG = "Ambisonics: "
FIELD_CHANNELS = (4, 9, 16)
HEARD = 60.0  # s of a file that a guess hears, in blocks spread over it
MARGIN = 1.5  # dB between the best two conventions, from which on a guess is likely
HEIGHT_DB = 3.0  # Z counts as louder than another channel of degree 1 from here on
_BLOCK = 1.0  # s
_SILENCE = 1e-12
_NAMES: tuple[tuple[Convention, str], ...] = (
    ("fuma", r"fuma|furse"),
    ("n3d", r"(?<!s)n3d"),
    ("ambix", r"ambix|sn3d|(?<![a-z])acn(?![a-z])"),
)
_FIELD_NAME = re.compile(r"fuma|furse|n3d|ambi|b-?format|(?<![a-z])(?:foa|hoa|acn)(?![a-z])", re.I)
_B_FORMAT = bytes.fromhex("2107d3118644c8c1ca000000")  # of both GUIDs, PCM and float, from byte 4
_EXTENSIBLE = 40  # bytes of a format with a GUID
_OPUS_FAMILIES = (2, 3)  # channel mappings of ambisonics (RFC 8486)
_CAF_LAYOUTS: dict[int, Convention] = {190: "ambix", 191: "n3d"}  # kCAFChannelLayoutTag_HOA_…


class FieldFormat(NamedTuple):
    """Order and convention of an ambisonic sound."""

    order: int
    convention: Convention
    reason: str
    """How the convention is known, as half a sentence."""
    is_guess: bool
    """Whether it was guessed from the sound."""

    @property
    def sentence(self) -> str:
        """Order and convention with their reason.

        >>> FieldFormat(1, "fuma", "its name says so", False).sentence
        'Furse-Malham (FuMa) of order 1: its name says so'
        """
        return f"{describe(self.order, self.convention)}: {self.reason}"


def field_mark(order: int, convention: str) -> FieldMark:
    """What an ambisonic file says of itself.

    >>> field_mark(1, "ambix").text
    'Ambisonics: AmbiX (ACN, SN3D) of order 1'
    """
    return FieldMark(check_convention(convention), order, TAG + describe(order, convention))


def is_field(sound: SoundReader) -> bool:
    """Whether a sound is ambisonic: it says so, or nothing else has 9 or 16 channels."""
    if sound.channels not in FIELD_CHANNELS:
        return False
    if sound.channels > FIELD_CHANNELS[0]:
        return True
    return _stated(sound) is not None or bool(_FIELD_NAME.search(Path(sound.name).name))


def field_format(sound: SoundReader, convention: str | None = None) -> FieldFormat:
    """Order and convention of a sound.

    Args:
        sound: of 4, 9 or 16 channels.
        convention: if the user knows it.

    Raises:
        InputError: another number of channels; for a guess, if the sound cannot be read.
        OptionError: there is no such convention.
    """
    try:
        order = order_of(sound.channels)
    except InputError as error:
        raise InputError(f"{sound.name}: {error}") from None
    if convention is not None:
        return FieldFormat(order, check_convention(convention), "as requested", False)
    if stated := _stated(sound):
        return FieldFormat(order, *stated, False)
    return _guessed(sound, order)


def _stated(sound: SoundReader) -> tuple[Convention, str] | None:
    """The convention that a file states, and where."""
    for values in sound.metadata.tags.values():
        for value in values:
            if (at := value.find(TAG)) >= 0:
                rest = value[at + len(TAG) :]
                for convention in CONVENTIONS:
                    if rest.startswith(describe(1, convention)[:-1]):
                        return convention, "its tag says so"
    if sound.path is not None and (found := _of_container(sound.path)):
        return found, "its container says so"
    name = Path(sound.name).name
    for convention, pattern in _NAMES:
        if re.search(pattern, name, re.I):
            return convention, "its name says so"
    return None


def _of_container(path: Path) -> Convention | None:
    with path.open("rb") as file:
        if found := wave_format(file):
            file.seek(found[0])
            return "fuma" if _B_FORMAT in file.read(min(found[1], _EXTENSIBLE)) else None
        file.seek(0)
        head = file.read(1 << 16)
    if head[:4] == b"OggS" and (at := head.find(b"OpusHead")) >= 0 and len(head) > at + 18:
        return "ambix" if head[at + 18] in _OPUS_FAMILIES else None
    if head[:4] == b"caff" and (at := head.find(b"chan", 8)) >= 0 and len(head) >= at + 16:
        return _CAF_LAYOUTS.get(struct.unpack(">I", head[at + 12 : at + 16])[0] >> 16)
    return None


def _guessed(sound: SoundReader, order: int) -> FieldFormat:
    powers = _powers(sound)
    if powers[0] < _SILENCE:
        return FieldFormat(order, "ambix", "a guess: W is silent, and AmbiX is usual", True)
    errors = {convention: _error_db(powers, convention) for convention in CONVENTIONS}
    best, second = sorted(errors, key=lambda convention: errors[convention])[:2]
    likely = "likely" if errors[second] - errors[best] >= MARGIN else "uncertain"
    ratio = powers[1:4].sum() / powers[0]
    reason = f"a guess from its levels, {likely} (degree 1 has {10 * np.log10(ratio):+.1f} dB of W)"
    return FieldFormat(order, best, reason, True)


def _error_db(powers: Float[np.ndarray, " channels"], convention: Convention) -> float:
    """How far the powers are from those that a convention gives to plane waves, in dB."""
    ambix = np.square(to_ambix(np.sqrt(powers)[:, None], convention)[:, 0])
    y, z, x = ambix[1:4]
    error = abs(10 * float(np.log10(max(x + y + z, _SILENCE) / ambix[0])))
    quietest = min(x, y)
    above = 10 * float(np.log10(max(z, _SILENCE) / max(quietest, _SILENCE)))
    return error + max(above - HEIGHT_DB, 0.0)


def _powers(sound: SoundReader) -> Float[np.ndarray, " channels"]:
    """Mean power of every channel as read, over `HEARD` seconds."""
    frames = max(round(_BLOCK * sound.rate), 1)
    blocks = round(HEARD / _BLOCK)
    step = 1 if sound.seconds is None else max(int(sound.seconds / _BLOCK) // blocks, 1)
    total, count = np.zeros(sound.channels), 0
    for number, block in enumerate(sound.blocks(frames)):
        if number % step == 0:
            total += np.square(block, dtype=np.float64).sum(axis=1)
            count += block.shape[1]
        if count >= HEARD * sound.rate:
            break
    return total / max(count, 1)

"""Containers and encodings of sound files, and the encoding to write for a suffix.

Containers and encodings carry libsndfile's names; the four containers that FFmpeg writes (MP4, MOV,
MATROSKA, WEBM) and their encodings (AAC among them) are named alike. In MATROSKA, PCM_16 and
PCM_24 are packed as FLAC, with the same samples.

The encoding of the target when no bit depth is given:

| source          | target holds it | target can be lossless  | target is lossy           |
| --------------- | --------------- | ----------------------- | ------------------------- |
| 8 to 32 bits    | kept            | next larger, or largest | its usual encoding        |
| float, double   | kept            | float, or largest       | its usual encoding        |
| MP3, AAC, ...   | kept            | PCM_16, or AAC          | its usual encoding        |
| µ-law, ADPCM    | never kept      | PCM_16, or AAC          | its usual encoding        |

So a lossless track stays lossless in MP4 (ALAC) and MOV (PCM), and a lossy one becomes AAC there
and in Matroska. A bit depth asks for a lossless encoding, a bit rate for a lossy one.
"""

import re
from dataclasses import dataclass
from pathlib import Path

from soundstage.audio.field_mark import FieldMark
from soundstage.errors import OptionError, OutputError

BIT_DEPTHS = ("8", "16", "24", "32", "float", "double")

_SUFFIXES = {
    ".wav": "WAV",
    ".wave": "WAV",
    ".bwf": "WAV",
    ".rf64": "RF64",
    ".w64": "W64",
    ".flac": "FLAC",
    ".mp3": "MP3",
    ".ogg": "OGG",
    ".oga": "OGG",
    ".opus": "OGG",
    ".aif": "AIFF",
    ".aiff": "AIFF",
    ".aifc": "AIFF",
    ".au": "AU",
    ".snd": "AU",
    ".caf": "CAF",
    ".m4a": "MP4",
    ".mp4": "MP4",
    ".m4v": "MP4",
    ".mov": "MOV",
    ".mkv": "MATROSKA",
    ".mka": "MATROSKA",
    ".webm": "WEBM",
}

# The first is the default: for lossy sources, and for any source in a lossy container
_HOLDS = {
    "WAV": ("PCM_16", "PCM_U8", "PCM_24", "PCM_32", "FLOAT", "DOUBLE"),
    "RF64": ("PCM_16", "PCM_U8", "PCM_24", "PCM_32", "FLOAT", "DOUBLE"),
    "W64": ("PCM_16", "PCM_U8", "PCM_24", "PCM_32", "FLOAT", "DOUBLE"),
    "AIFF": ("PCM_16", "PCM_S8", "PCM_24", "PCM_32", "FLOAT", "DOUBLE"),
    "AU": ("PCM_16", "PCM_S8", "PCM_24", "PCM_32", "FLOAT", "DOUBLE"),
    # libsndfile writes ALAC of more than 16 bits wrongly where it cannot be compressed
    "CAF": ("PCM_16", "PCM_S8", "PCM_24", "PCM_32", "FLOAT", "DOUBLE", "ALAC_16"),
    "FLAC": ("PCM_16", "PCM_S8", "PCM_24"),
    "MP3": ("MPEG_LAYER_III",),
    "OGG": ("VORBIS", "OPUS"),
    "MP4": ("AAC", "ALAC_16", "ALAC_24"),
    "MOV": ("AAC", "PCM_16", "PCM_24", "PCM_32", "FLOAT", "ALAC_16", "ALAC_24"),
    "MATROSKA": ("AAC", "OPUS", "PCM_16", "PCM_24", "PCM_32", "FLOAT"),
    "WEBM": ("OPUS",),
}

MEDIA_CONTAINERS = frozenset({"MP4", "MOV", "MATROSKA", "WEBM"})
"""Containers that FFmpeg writes."""

WRITABLE_SUFFIXES = frozenset(_SUFFIXES)
"""Suffixes, lower case, that `output_format` accepts."""

MEDIA_SUFFIXES = frozenset(
    (
        *(".m4a", ".m4b", ".mp4", ".m4v", ".mov", ".3gp", ".3g2", ".mkv", ".mka", ".webm", ".avi"),
        *(".aac", ".ac3", ".adts", ".amr", ".ape", ".asf", ".dts", ".eac3", ".flv", ".m2ts"),
        *(".mp1", ".mp2", ".mpa", ".mpg", ".mxf", ".spx", ".tak", ".ts", ".tta", ".vob", ".wma"),
        *(".wmv", ".wv"),
    )
)
"""Suffixes, lower case, of files that FFmpeg reads."""

READABLE_SUFFIXES = WRITABLE_SUFFIXES | MEDIA_SUFFIXES | {".voc", ".nist", ".sph", ".avr"}
"""Suffixes, lower case, of the sound files in a folder; a file named by itself may have any."""

_RATES = {  # Hz; other encodings take any
    "MPEG_LAYER_III": (8000, 11025, 12000, 16000, 22050, 24000, 32000, 44100, 48000),
    "OPUS": (8000, 12000, 16000, 24000, 48000),
    "AAC": (8000, 11025, 12000, 16000, 22050, 24000, 32000, 44100, 48000, 64000, 88200, 96000),
}
_CHANNELS = {"MPEG_LAYER_III": 2, "FLAC": 8, "OPUS": 8, "VORBIS": 8, "CAF": 8}
_MOST_CHANNELS = 256

_INTEGER = re.compile(r"(?:PCM_[SU]?|ALAC_|DWVW_)(\d+)")


@dataclass(frozen=True)
class SoundFormat:
    """Container and encoding of a sound file.

    Attributes:
        container: such as "WAV", "FLAC", "OGG", "MP4"; "memory" for sound in memory.
        encoding: such as "PCM_24", "FLOAT", "VORBIS", "AAC".
    """

    container: str
    encoding: str

    def __str__(self) -> str:
        return "in memory" if self.container == "memory" else f"{self.container} {self.encoding}"

    @property
    def integer_bits(self) -> int | None:
        """Bits of a lossless integer sample; None for floating point and lossy encodings."""
        found = _INTEGER.fullmatch(self.encoding)
        return int(found[1]) if found else None

    @property
    def is_lossy(self) -> bool:
        """Whether decoding changes the samples."""
        return self.integer_bits is None and not self.is_floating

    @property
    def is_floating(self) -> bool:
        """Whether samples are stored as floats, which do not clip."""
        return self.encoding in ("FLOAT", "DOUBLE")


AMBISONIC_OPUS = SoundFormat("OGG", "OPUS")
"""The format that has a mapping for the channels of sound fields."""


def container_of(suffix: str) -> str:
    """The container of a suffix, with or without its dot.

    Raises:
        OptionError: files with that suffix cannot be written.
    """
    try:
        return _SUFFIXES["." + suffix.lower().lstrip(".")]
    except KeyError:
        raise OptionError(
            f"Files ending in {suffix or 'nothing'!r} cannot be written: "
            f"choose one of {' '.join(sorted(WRITABLE_SUFFIXES))}."
        ) from None


def output_format(
    source: SoundFormat, suffix: str, bit_depth: str | None, *, lossy: bool = False
) -> SoundFormat:
    """The format of a file with this suffix.

    Args:
        source: format of the input; its encoding is kept where the target can hold it.
        suffix: of the target, such as ".flac".
        bit_depth: "8", "16", "24", "32", "float" or "double"; None follows the source.
        lossy: take a lossy encoding, because a bit rate is asked for.

    Raises:
        OptionError: the suffix is unknown, or its container has no such bit depth.
    """
    container = container_of(suffix)
    encodings = ("OPUS",) if suffix.lower().endswith("opus") else _HOLDS[container]
    if lossy:
        return SoundFormat(container, _lossy_encoding(container, source, encodings, bit_depth))
    if bit_depth is not None:
        return SoundFormat(container, _encoding_of_depth(container, encodings, bit_depth))
    if source.encoding in encodings:
        return SoundFormat(container, source.encoding)
    first = SoundFormat(container, encodings[0])
    depths = {e: bits for e in encodings if (bits := SoundFormat(container, e).integer_bits)}
    if source.is_lossy or not depths:
        return first
    wanted = source.integer_bits
    if wanted is None:
        largest = max(depths, key=lambda e: depths[e])
        return SoundFormat(container, "FLOAT" if "FLOAT" in encodings else largest)
    enough = [e for e in depths if depths[e] >= wanted]
    nearest = (
        min(enough, key=lambda e: depths[e]) if enough else max(depths, key=lambda e: depths[e])
    )
    return SoundFormat(container, nearest)


def check_encoding(container: str, encoding: str) -> SoundFormat:
    """The format of a container and an encoding, by libsndfile's names.

    Raises:
        OptionError: the container cannot hold the encoding.
    """
    if container not in _HOLDS:
        raise OptionError(f"{container} files cannot be written: choose {', '.join(_HOLDS)}.")
    if encoding.upper() not in _HOLDS[container]:
        raise OptionError(
            f"{container} files cannot hold {encoding!r}: choose one of "
            f"{', '.join(_HOLDS[container])}."
        )
    return SoundFormat(container, encoding.upper())


def supported_rate(form: SoundFormat, rate: int) -> int:
    """The rate nearest to `rate`, in Hz, that a format holds: not below it if there is one."""
    rates = _RATES.get(form.encoding, (rate,))
    return min((each for each in rates if each >= rate), default=rates[-1])


def check_limits(
    path: Path, form: SoundFormat, rate: int, channels: int, *, field: FieldMark | None = None
) -> None:
    """Refuse a sample rate or number of channels that the format cannot hold.

    Args:
        path: of the file, for the message.
        form: container and encoding.
        rate: in Hz.
        channels: number of channels.
        field: of an ambisonic sound field.

    Raises:
        OutputError: with an alternative.
    """
    nearest = supported_rate(form, rate)
    if nearest != rate:
        raise OutputError(
            f"{path}: {form.encoding} cannot hold a sample rate of {rate:,} Hz; resample to "
            f"{nearest:,} Hz first, or choose another format such as .flac."
        )
    most = min(_CHANNELS.get(name, _MOST_CHANNELS) for name in (form.container, form.encoding))
    if form.container in MEDIA_CONTAINERS:
        most = 2
    if field and form == AMBISONIC_OPUS:
        if field.convention != "ambix":
            raise OutputError(
                f"{path}: Opus holds ambisonics in AmbiX alone; leave `convention` out."
            )
        most = _MOST_CHANNELS
    if not 1 <= channels <= most:
        raise OutputError(
            f"{path}: {form.container} with {form.encoding} holds 1 to {most} channels, not "
            f"{channels}; choose another format such as .wav."
        )


def _lossy_encoding(
    container: str, source: SoundFormat, encodings: tuple[str, ...], bit_depth: str | None
) -> str:
    lossy = [encoding for encoding in encodings if SoundFormat(container, encoding).is_lossy]
    if not lossy:
        raise OptionError(f"{container} files are lossless and have no `bit_rate`: leave it out.")
    if bit_depth is not None:
        raise OptionError("A lossy encoding has no `bit_depth`: give it or `bit_rate`, not both.")
    return source.encoding if source.encoding in lossy else lossy[0]


def _encoding_of_depth(container: str, encodings: tuple[str, ...], bit_depth: str) -> str:
    if bit_depth not in BIT_DEPTHS:
        raise OptionError(
            f"There is no bit depth {bit_depth!r}: choose one of {', '.join(BIT_DEPTHS)}."
        )
    depths = {_depth_of(SoundFormat(container, e)): e for e in reversed(encodings)}
    if bit_depth not in depths:
        offered = [depth for depth in BIT_DEPTHS if depth in depths]
        instead = f"choose {', '.join(offered)}" if offered else "it has none, so leave it out"
        raise OptionError(f"{container} files cannot have bit depth {bit_depth}: {instead}.")
    return depths[bit_depth]


def _depth_of(form: SoundFormat) -> str | None:
    if form.encoding in ("FLOAT", "DOUBLE"):
        return form.encoding.lower()
    return None if form.integer_bits is None else str(form.integer_bits)

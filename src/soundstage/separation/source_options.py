"""Options of the files of sources, and the format that follows from them."""

from dataclasses import dataclass
from pathlib import Path

from soundstage.audio import SoundFormat, output_format
from soundstage.errors import OptionError


@dataclass(frozen=True)
class SourceOptions:
    """Options of the files of sources."""

    suffix: str | None = None
    """Of the files, with or without its dot; by default that of the input if its format is
    lossless, else ".wav"."""
    bit_depth: str | None = None
    """As for `output_format`; by default that of an input of integers, else "float"."""
    overwrite: bool = False
    proof: bool = True
    """Read all files back and compare their sum with the input, before they get their names."""
    method: str = ""
    """Name of the separator, for the report."""


def sources_format(
    source: SoundFormat, path: Path | None, options: SourceOptions
) -> tuple[SoundFormat, str]:
    """The format of the files and their suffix.

    Raises:
        OptionError: the suffix is unknown, or its container has no such bit depth.
    """
    suffix, depth = options.suffix, options.bit_depth
    if suffix is None:
        own = path.suffix if path else ""
        lossless = source.integer_bits or source.is_floating
        suffix = own if lossless and _can_be_written(source, own) else ".wav"
    suffix = "." + suffix.lstrip(".")
    if depth is None and not source.integer_bits:
        as_float = SoundFormat("memory", "FLOAT")
        return output_format(source if source.is_floating else as_float, suffix, None), suffix
    return output_format(source, suffix, depth), suffix


def _can_be_written(source: SoundFormat, suffix: str) -> bool:
    try:
        return not output_format(source, suffix, None).is_lossy
    except OptionError:
        return False

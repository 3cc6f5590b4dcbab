"""Options of the files of all takes; importing them loads no torch."""

from dataclasses import dataclass, field

from soundstage.upmixing.controls import Controls


@dataclass(frozen=True)
class FileOptions:
    """Options of the files of all takes."""

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

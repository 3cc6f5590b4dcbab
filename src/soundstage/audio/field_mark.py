"""How a file says that it holds an ambisonic sound field."""

from typing import NamedTuple


class FieldMark(NamedTuple):
    """Convention and order of the field of a file; `soundstage.ambisonics` makes it.

    It stands in the tag of the software, and where the container has a place for it: the GUID of
    B-format in WAVE (FuMa), the channel layout of CAF (ACN order), the mapping of Opus (AmbiX).
    """

    convention: str
    """"ambix", "n3d" or "fuma"."""
    order: int
    """1 to 3."""
    text: str
    """Such as "Ambisonics: AmbiX (ACN, SN3D) of order 1"."""

    @property
    def channels(self) -> int:
        """Number of channels."""
        return (self.order + 1) ** 2

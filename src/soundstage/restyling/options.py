"""Options of restyling; importing them loads no torch."""

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from soundstage.errors import OptionError
from soundstage.upmixing.generative.style import Style, parse_style
from soundstage.upmixing.stage_options import StageOptions

if TYPE_CHECKING:
    from soundstage.audio import Source

METHOD = "restyle"  # in reports, plans and names of files
SCALED = ("width", "diffuseness")  # of a style


@dataclass(frozen=True)
class RestyleOptions:
    """Checked options of restyling.

    Raises:
        OptionError: `amount` is out of its range, or the style has values that no place has.
    """

    amount: float = 1.0
    """0 leaves all as it is, 1 moves the sources to their places."""
    correct: bool = True
    """Whether lag, balance and treble of the channels are corrected first."""
    stage: StageOptions = field(default_factory=StageOptions)
    """Requested places."""
    style: Style | None = None
    """Words about instruments are requests; a width and a diffuseness scale all places."""

    like: "Source | None" = None
    """A reference record, whose pan histogram and width the result gets."""

    def __post_init__(self) -> None:
        if isinstance(self.amount, bool) or not isinstance(self.amount, int | float):
            raise OptionError(f"`amount` must be a number, not {self.amount!r}.")
        if not 0 <= self.amount <= 1:
            raise OptionError(f"`amount` must be from 0 to 1, not {self.amount:g}.")
        others = [
            name for name in (self.style.requested() if self.style else ()) if name not in SCALED
        ]
        if others:
            raise OptionError(
                f"A style of restyling has {' and '.join(SCALED)}, and places of instruments, but "
                f"no {others[0]}."
            )

    @property
    def has_requests(self) -> bool:
        """Whether places are requested, which a modern mix gets too."""
        return bool(self.stage.requested or self.style or self.like is not None)


def restyle_style(text: str | Style | None) -> Style | None:
    """A style in which "bass" and "drums" are instruments.

    Raises:
        OptionError: a word is unknown, or a value out of its range.
    """
    return parse_style(text, places=True) if isinstance(text, str) else text

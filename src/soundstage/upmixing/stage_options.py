"""Options of the methods that give every source a place; importing them loads no torch.

`place` says in words where sources stand, such as "lead=0, other=wide", and `plan` names the places
of a whole stage. `stems` is a folder with stems of the recording, which then need not be separated;
`separator` separates what they do not hold.
"""

import os
from dataclasses import dataclass, fields
from pathlib import Path
from typing import TYPE_CHECKING

from soundstage.errors import OptionError, quoted

if TYPE_CHECKING:
    from soundstage.upmixing.plan import Plan

AnyPath = str | os.PathLike[str]


@dataclass(frozen=True)
class StageOptions:
    """Checked options; none is set by default, and the method places all sources by its rules.

    Raises:
        OptionError: `place` is not understood, or the separator is unknown.
        InputError: the stems are no folder of sounds.
    """

    place: str | None = None
    """Requested places; see docs/placement.md."""
    plan: "Plan | None" = None
    """Places of the sources that it names; the others follow the rules."""
    stems: Path | None = None
    """A folder with one file a source: all stems of the recording, or some of them."""
    separator: str | None = None
    """One of `soundstage.separation.SEPARATORS`; by default that of the method."""

    def __post_init__(self) -> None:
        if self.place is not None:
            from soundstage.upmixing.places import parse_places

            parse_places(self.place)
        if self.separator is not None:
            from soundstage.separation.registry import check_separator

            check_separator(self.separator)
        if self.stems is not None:
            from soundstage.upmixing.stem_files import find_stems

            find_stems(self.stems)

    @property
    def requested(self) -> tuple[str, ...]:
        """Names of the options that are set."""
        return tuple(each.name for each in fields(self) if getattr(self, each.name) is not None)


def stage_options(
    *,
    place: str | None = None,
    plan: "Plan | AnyPath | None" = None,
    stems: AnyPath | None = None,
    separator: str | None = None,
) -> StageOptions:
    """The options of a call, with the plan read from its file.

    Args:
        place: where sources stand, such as "lead=0, other=wide".
        plan: a plan, or the JSON file of one.
        stems: a folder of sound files.
        separator: name of a separator.

    Raises:
        OptionError: a value is unknown or of a wrong type.
        InputError: the plan cannot be read, or the stems are no folder of sounds.
    """
    for name, text in (("place", place), ("separator", separator)):
        if text is not None and not isinstance(text, str):
            raise OptionError(f"`{name}` must be text, not {quoted(text)}.")
    if plan is not None:
        from soundstage.upmixing.plan import Plan

        if isinstance(plan, str | os.PathLike):
            plan = Plan.read(plan)
        if not isinstance(plan, Plan):
            raise OptionError(f"`plan` must be a plan or its file, not {quoted(plan)}.")
    if not isinstance(stems, str | os.PathLike | None):
        raise OptionError(f"`stems` must be a folder, not {quoted(stems)}.")
    return StageOptions(place, plan, None if stems is None else Path(stems), separator)

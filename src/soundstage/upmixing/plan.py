"""Plans: who stands where in one take of a song, as a value and as a JSON file.

    {
      "version": 1,
      "method": "placed",
      "seed": 0,
      "sources": [
        {"name": "lead", "kind": "lead", "pan_db": 0.0, "diffuseness": 0.3, "energy": 0.41},
        {"name": "other-1", "kind": "object", "pan_db": -6.5, "diffuseness": 1.0, "energy": 0.08}
      ]
    }

A method makes the plan of a take with `make_plan`. A plan that is given to it, edited or not, holds
the sources that it names; the others follow the rules of `separation/placement.py`. `method`,
`seed` and `energy` only tell where a plan comes from, and need not be there.
"""

import json
import os
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, fields, replace
from numbers import Real
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from jaxtyping import Float

from soundstage.atomic_files import write_atomically
from soundstage.errors import InputError, OptionError, quoted
from soundstage.separation.placement import (
    DIFFUSENESS,
    MAX_DIFFUSENESS,
    MAX_PAN_DB,
    PlaceRequest,
    place_sources,
)
from soundstage.separation.stage_balance import pan_gain
from soundstage.text_files import TextKind, read_json

if TYPE_CHECKING:
    from soundstage.separation.separator import Kind, SourceInfo

VERSION = 1
MAX_SOURCES = 256
MAX_NAME = 100  # characters
RANGES = {"pan_db": (-MAX_PAN_DB, MAX_PAN_DB), "diffuseness": (0.0, MAX_DIFFUSENESS)}
FILE = TextKind("a plan", 1 << 20)


@dataclass(frozen=True)
class PlacedSource:
    """A source with its place.

    Raises:
        OptionError: a value is of a wrong type or out of its range.
    """

    name: str
    """Unique in the plan, such as "lead" or "other-2"."""
    kind: "Kind"
    pan_db: float = 0.0
    """Level of left over right, −12 to 12 dB."""
    diffuseness: float = 1.0
    """Gain of the decorrelated part, 0 to 3; 1 is the typical one of music."""
    energy: float = 0.0
    """Its share of the energy of the song, 0 to 1; 0 if not known."""

    def __post_init__(self) -> None:
        if not (isinstance(self.name, str) and 0 < len(self.name.strip()) <= MAX_NAME):
            raise OptionError(
                f"the name of a source must be text of 1 to {MAX_NAME} characters, not "
                f"{quoted(self.name)}."
            )
        if self.kind not in tuple(DIFFUSENESS):  # a tuple, as a value from a file may be a list
            raise OptionError(
                f"{quoted(self.name)}: kind must be one of {', '.join(DIFFUSENESS)}, not "
                f"{quoted(self.kind)}."
            )
        for name, (low, high) in {**RANGES, "energy": (0.0, 1.0)}.items():
            value = getattr(self, name)
            if not _is_number(value):
                problem = f"{name} must be a number, not {quoted(value)}."
                raise OptionError(f"{quoted(self.name)}: {problem}")
            if not low <= value <= high:
                problem = f"{name} must be from {low:g} to {high:g}, not {quoted(value)}."
                raise OptionError(f"{quoted(self.name)}: {problem}")
            object.__setattr__(self, name, float(value))


@dataclass(frozen=True)
class Plan:
    """The places of the sources of one take.

    Raises:
        OptionError: it has too many sources, or two of one name.
    """

    sources: tuple[PlacedSource, ...]
    seed: int = 0
    """Of the take."""
    method: str = ""
    """That made it."""

    def __post_init__(self) -> None:
        object.__setattr__(self, "sources", tuple(self.sources))
        if len(self.sources) > MAX_SOURCES:
            raise OptionError(f"a plan has at most {MAX_SOURCES} sources.")
        names = [source.name for source in self.sources]
        for at, name in enumerate(names):
            if name in names[:at]:
                raise OptionError(f"two sources have the name {quoted(name)}.")
        if not isinstance(self.method, str) or len(self.method) > MAX_NAME:
            raise OptionError(f"method must be text of at most {MAX_NAME} characters.")
        if isinstance(self.seed, bool) or not isinstance(self.seed, int) or self.seed < 0:
            raise OptionError(f"seed must be an integer from 0, not {quoted(self.seed)}.")

    def to_gains(self) -> tuple[float, ...]:
        """The gain a of each source in the side: L = (1 + a)·s, R = (1 − a)·s."""
        return tuple(pan_gain(source.pan_db) for source in self.sources)

    def requests(self) -> dict[str, PlaceRequest]:
        """Requests that give a song these places, by name of the source."""
        return {
            source.name: PlaceRequest(source.pan_db, source.diffuseness) for source in self.sources
        }

    def placed(
        self, name: str, *, pan_db: float | None = None, diffuseness: float | None = None
    ) -> "Plan":
        """The plan with another place of one source.

        Args:
            name: of the source.
            pan_db: None leaves it.
            diffuseness: None leaves it.

        Raises:
            OptionError: it has no such source, or a value is out of its range.
        """
        names = [source.name for source in self.sources]
        if name not in names:
            raise OptionError(
                f"The plan has no source {quoted(name)}: it has {', '.join(names) or 'none'}."
            )
        at = names.index(name)
        old = self.sources[at]
        moved = replace(
            old,
            pan_db=old.pan_db if pan_db is None else pan_db,
            diffuseness=old.diffuseness if diffuseness is None else diffuseness,
        )
        return replace(self, sources=(*self.sources[:at], moved, *self.sources[at + 1 :]))

    def to_json(self) -> str:
        """The text of its file."""
        content = {"version": VERSION, "method": self.method, "seed": self.seed}
        rows = [json.dumps(asdict(source), ensure_ascii=False) for source in self.sources]
        head = json.dumps(content, indent=2, ensure_ascii=False).removesuffix("\n}")
        body = ",\n    ".join(rows)
        return head + ',\n  "sources": [' + (f"\n    {body}\n  " if rows else "") + "]\n}\n"

    @classmethod
    def from_json(cls, content: Any) -> "Plan":
        """The plan of the parsed content of a file.

        Raises:
            OptionError: a key is unknown or missing, or a value is wrong.
        """
        values = _checked_keys(content, "a plan", {"sources", "version"}, {"seed", "method"})
        if isinstance(values["version"], bool) or values["version"] != VERSION:
            raise OptionError(
                f"version must be {VERSION}, not {quoted(values['version'])}: the plan is of "
                "another release."
            )
        rows = values.pop("sources")
        if not isinstance(rows, list):
            raise OptionError(f"sources must be a list, not {quoted(rows)}.")
        optional = {field.name for field in fields(PlacedSource)} - {"name", "kind"}
        sources = [_checked_keys(row, "a source", {"name", "kind"}, optional) for row in rows]
        del values["version"]
        return cls(tuple(PlacedSource(**source) for source in sources), **values)

    @classmethod
    def read(cls, path: str | os.PathLike[str]) -> "Plan":
        """The plan of a file.

        Raises:
            InputError: the file cannot be read, is not JSON, or is not a plan.
        """
        content = read_json(Path(path), FILE)
        try:
            return cls.from_json(content)
        except OptionError as error:
            raise InputError(f"{os.fspath(path)}: {error}") from None

    def write(self, path: str | os.PathLike[str], *, overwrite: bool = True) -> None:
        """Write it to a file, which `read` reads.

        Raises:
            OutputError: it cannot be written, or is there and must not be replaced.
        """
        write_atomically(Path(path), self.to_json(), overwrite=overwrite)


def make_plan(
    sources: "Sequence[SourceInfo]",
    seed: int = 0,
    *,
    method: str = "",
    energies: Float[np.ndarray, "sources bands"] | None = None,
    requested: Mapping[str, PlaceRequest] | None = None,
) -> Plan:
    """The plan of one take by the rules of placement; see `place_sources`.

    Args:
        sources: of the song, with unique names.
        seed: of the take.
        method: that makes it.
        energies: of the sources in the bands of `stage_balance.BALANCE_EDGES`.
        requested: places, by name of the source.
    """
    places = place_sources(sources, seed, energies=energies, requested=requested)
    return Plan(
        tuple(
            PlacedSource(
                source.name,
                source.kind,
                place.pan_db,
                place.diffuseness,
                round(min(max(source.energy, 0.0), 1.0), 6),
            )
            for source, place in zip(sources, places, strict=True)
        ),
        seed,
        method,
    )


def _checked_keys(
    content: Any, noun: str, required: set[str], optional: set[str]
) -> dict[str, Any]:
    """A copy of a mapping with these keys.

    Raises:
        OptionError: it is no mapping, a key is missing, or one is unknown.
    """
    if not isinstance(content, dict):
        raise OptionError(f"{noun} must have keys and values in braces, not {quoted(content)}.")
    for name in content:
        if name not in required | optional:
            known = ", ".join(sorted(required | optional))
            raise OptionError(f"{noun} has no key {quoted(name)}: choose among {known}.")
    for name in sorted(required - content.keys()):
        raise OptionError(f"{noun} needs the key '{name}'.")
    return dict(content)


def _is_number(value: object) -> bool:
    return isinstance(value, Real) and not isinstance(value, bool)

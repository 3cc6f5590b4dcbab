"""Places in words: "lead=0, drums=center, other=wide, other-1=half left".

A name is that of a source ("other-2", or of a stem of your own), or a word for a kind of source. A
place is a level of left over right in dB, or words, a side and a width together if need be; the
tables are in `place_words.py`. `check_places` refuses what a separator
cannot tell apart before anything is loaded: a request for a guitar must not move a piano.

Nothing here imports torch.
"""

import re
from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from soundstage.errors import OptionError, quoted, shortened
from soundstage.separation.placement import PlaceRequest, lead_names
from soundstage.upmixing.place_words import (
    NUMBERED,
    PLACE_WORDS,
    SOURCE_WORDS,
    is_source,
    normalized,
    parse_place,
    singular,
    words_of_place,
)

if TYPE_CHECKING:
    from soundstage.separation.separator import Kind, SourceInfo
    from soundstage.upmixing.plan import Plan


@dataclass(frozen=True)
class NamedRequest:
    """A request for the sources of one name."""

    name: str
    """As written."""
    place: str
    """As written."""
    request: PlaceRequest

    @property
    def key(self) -> str:
        """The name in lower case, with spaces for hyphens."""
        return normalized(self.name)

    @property
    def kinds(self) -> "tuple[Kind, ...]":
        """The kinds of sources that it means; empty for the name of one source."""
        return SOURCE_WORDS.get(self.key, ())

    def __str__(self) -> str:
        return f"{self.name}={self.place}"


Places = tuple[NamedRequest, ...]


def parse_places(text: str) -> Places:
    """The requests of a text, in its order.

    >>> [each.request.pan_db for each in parse_places("lead=0, other-1 = half left; bass=-2 dB")]
    [0.0, 4.0, -2.0]

    Raises:
        OptionError: a part is not NAME=PLACE, a place is unknown or out of range, or two parts
            contradict each other.
    """
    found: list[NamedRequest] = []
    for part in re.split(r"[,;]|\band\b", text):
        if not (written := part.strip()):
            continue
        name, equals, place = (each.strip() for each in written.partition("="))
        if not equals or not name or not normalized(name):
            raise OptionError(
                f"In the places, {quoted(written)} must be a name, an equals sign and a place, as "
                "in lead=0 or other=wide."
            )
        found.append(NamedRequest(name, place, parse_place(place, name)))
    return checked_places(found)


def find_request(phrase: str, names: Collection[str] = ()) -> NamedRequest | None:
    """The request of a phrase of a style, such as "wide guitars" or "drums on the left".

    Args:
        phrase: words in any order, with the name of a source or an instrument among them.
        names: of further sources.

    Returns:
        None if no instrument is in the phrase.

    Raises:
        OptionError: one is, and the rest is no place.
    """
    words = normalized(phrase).split()
    further = {singular(name) for name in names}
    for length in range(len(words), 0, -1):
        for start in range(len(words) - length + 1):
            name = " ".join(words[start : start + length])
            if not is_source(name, further):
                continue
            rest = " ".join(words[:start] + words[start + length :])
            request = words_of_place(rest)
            if request is None:
                known = ", ".join(PLACE_WORDS)
                raise OptionError(
                    f"{quoted(phrase.strip())} in a style needs a place for {name!r}, of the "
                    f"words {known}."
                )
            return NamedRequest(name, rest, request)
    return None


def checked_places(requests: Sequence[NamedRequest]) -> Places:
    """The requests without repetitions.

    Raises:
        OptionError: two of them are for the same sources, and differ.
    """
    kept: dict[object, NamedRequest] = {}
    for each in requests:
        other = kept.setdefault(each.kinds or each.key, each)
        if other.request != each.request:
            raise OptionError(
                f"The places contradict each other: {quoted(str(other))} and {quoted(str(each))}; "
                "leave one out."
            )
    return tuple(kept.values())


def check_places(
    places: Places,
    kinds: "Collection[Kind]",
    names: Collection[str] = (),
    separator: str = "The separator",
) -> None:
    """Check that a separator can tell the named sources apart.

    Args:
        places: the requests.
        kinds: of the sources that it tells apart.
        names: of further sources, such as stems of one's own.
        separator: its name, which begins the sentence.

    Raises:
        OptionError: it cannot tell one of them apart.
    """
    further = {singular(name) for name in names}
    for each in places:
        if singular(each.name) in further or set(each.kinds) & set(kinds):
            continue
        if not each.kinds and NUMBERED.fullmatch(each.key) and "object" in kinds:
            continue  # such as "other-2": known once the song is separated
        raise OptionError(
            f"{separator} does not tell {quoted(each.name)} apart, so it cannot be placed: choose "
            f"among {', '.join(known_names(kinds, names))}."
        )


def known_names(kinds: "Collection[Kind]", names: Collection[str] = ()) -> list[str]:
    """The names that `check_places` accepts, without synonyms."""
    first = {of[0]: word for word, of in reversed(list(SOURCE_WORDS.items())) if len(of) == 1}
    found = [word for word, of in SOURCE_WORDS.items() if word == first[of[0]] and of[0] in kinds]
    numbered = ["other-1", "other-2, ..."] if "object" in kinds else []
    return [*found, *numbered, *(shortened(name, 40) for name in names)]


def requests_for(places: Places, sources: "Sequence[SourceInfo]") -> dict[str, PlaceRequest]:
    """The requests by name of the source; one for a source goes before one for its kind.

    Args:
        places: the requests.
        sources: of the song. A kind that is not in it is left out.

    Raises:
        OptionError: the name of one source is not among them.
    """
    lead = lead_names(sources)
    by_name = {singular(source.name): source.name for source in sources}
    found: dict[str, PlaceRequest] = {}
    for each in sorted(places, key=lambda each: -len(each.kinds)):
        for source in sources if each.kinds else ():
            kind = "lead" if source.name in lead else source.kind
            if kind in each.kinds:
                found[source.name] = each.request
    for each in places:
        if name := by_name.get(singular(each.name)):
            found[name] = each.request
        elif not each.kinds:
            known = ", ".join(shortened(source.name, 40) for source in sources)
            raise OptionError(f"This song has no source {quoted(each.name)}: it has {known}.")
    return found


def stage_requests(
    sources: "Sequence[SourceInfo]",
    *,
    plan: "Plan | None" = None,
    words: Places = (),
    place: str | None = None,
) -> dict[str, PlaceRequest]:
    """All that is requested of the places of a song, by name of the source, for `make_plan`.

    Args:
        sources: of the song.
        plan: holds the sources that it names.
        words: of a style; they change these.
        place: goes before both.

    Raises:
        OptionError: as `requests_for`, or the plan has none of the sources.
    """
    found = {} if plan is None else plan.requests()
    if found and sources and not found.keys() & {source.name for source in sources}:
        known = ", ".join(shortened(source.name, 40) for source in sources)
        raise OptionError(
            f"This song has no source of the plan, which begins with {quoted(next(iter(found)))}: "
            f"it has {known}."
        )
    for places in (words, parse_places(place or "")):
        for name, request in requests_for(places, sources).items():
            found[name] = _merged(found.get(name), request)
    return found


def _merged(first: PlaceRequest | None, then: PlaceRequest) -> PlaceRequest:
    """A later request over an earlier one: a width changes the place that was requested."""
    if first is None or then.pan_db is not None:
        return then
    width = 1.0 if then.width is None else then.width
    pan_db = None if first.pan_db is None else width * first.pan_db
    diffuseness = None if first.diffuseness is None else width * first.diffuseness
    if pan_db is None and diffuseness is None:
        return then
    return replace(first, pan_db=pan_db, diffuseness=diffuseness, width=then.width)

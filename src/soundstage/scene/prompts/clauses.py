"""Clauses: the words of one event with every part that belongs to it, wherever it stands.

A segment without words, such as ", on the left,", belongs to the event before it or after it. Where
both are possible and the meaning differs, the prompt is ambiguous, and that is an error.
"""

from dataclasses import dataclass, field, replace
from itertools import pairwise
from typing import TypeVar

from soundstage.errors import OptionError, quoted
from soundstage.scene.prompts import lexicon, motion_words, quantities, scene_words, times
from soundstage.scene.prompts.direction import Direction
from soundstage.scene.prompts.segments import Item, Segment
from soundstage.scene.prompts.tokens import Prompt

T = TypeVar("T")
_PRONOUNS = frozenset({"it", "he", "she", "they", "it's", "this", "that", "one", "him", "them"})
_PLACES = (Direction, scene_words.Around, motion_words.Path)
_SCENE_PARTS = (scene_words.Room, times.Total, scene_words.Filler, scene_words.Order)


@dataclass
class Clause:
    """One event."""

    segment: Segment
    """That has its words."""
    items: list[Item] = field(default_factory=list)
    """Its parts, in the order of the prompt."""
    repeats: bool = False
    """Whether its sound is that of the clause before it: "then it flies away"."""

    @property
    def link(self) -> str:
        """How it follows the clause before it: "then", "together", "and" or ""."""
        return self.segment.order or ("and" if self.segment.before == "and" else "")

    def values(self, kind: type[T]) -> list[T]:
        """The values of its parts of a kind."""
        return [item.value for item in self.items if isinstance(item.value, kind)]

    def of(self, *kinds: type) -> list[Item]:
        """Its parts of some kinds."""
        return [item for item in self.items if isinstance(item.value, kinds)]


def read_clauses(prompt: Prompt, segments: list[Segment]) -> list[Clause]:
    """The events of a prompt.

    Raises:
        OptionError: a segment could belong to two events, or there is no event.
    """
    kinds = [_kind(prompt, segment) for segment in segments]
    _pass_on_orders(segments, kinds)
    clauses: list[Clause] = []
    waiting: list[Item] = []
    for index, (segment, kind) in enumerate(zip(segments, kinds, strict=True)):
        if kind == "event" and clauses and _continues(prompt, segment, clauses[-1]):
            clauses[-1].items += segment.items
            clauses[-1].segment = replace(
                clauses[-1].segment, items=clauses[-1].segment.items + segment.items
            )
        elif kind == "event":
            clauses.append(Clause(segment, waiting + segment.items))
            waiting = []
        elif kind == "again" and clauses:
            clauses.append(Clause(segment, waiting + segment.items, repeats=True))
            waiting = []
        elif kind != "scene":
            if _belongs_before(prompt, segments, kinds, index, clauses):
                clauses[-1].items += segment.items
            else:
                waiting += segment.items
    if not clauses:
        return [_only_verb(prompt, segments)]
    clauses[-1].items += waiting
    return clauses


def _pass_on_orders(segments: list[Segment], kinds: list[str]) -> None:
    """Give "then on the left, a dog" to the dog: only ", then on the left" repeats the sound."""
    for index, (segment, after) in enumerate(pairwise(segments)):
        leads = (
            kinds[index] == "again" and not segment.words() and not segment.of(motion_words.Verb)
        )
        if (
            leads
            and kinds[index + 1] == "event"
            and after.before == "comma"
            and not after.has_place
        ):
            kinds[index], after.order = "part", segment.order


def _continues(prompt: Prompt, segment: Segment, before: Clause) -> bool:
    """Whether a participle belongs to the sound before it: "a dog, barking on the left"."""
    first = segment.items[0]
    is_participle = first.value is None and prompt.word(first.start).endswith("ing")
    if segment.before != "comma" or not is_participle or len(segment.words()) > 1:
        return False
    words = [prompt.word(at) for at in before.segment.words()]
    is_noun = words[:1] and words[0] in lexicon.DETERMINERS and not words[-1].endswith("ing")
    return bool(is_noun) and not before.of(*_PLACES, motion_words.Verb)


def _only_verb(prompt: Prompt, segments: list[Segment]) -> Clause:
    """The event of a prompt whose only words are a verb of motion: "galloping"."""
    for segment in segments:
        if segment.of(motion_words.Verb):
            return Clause(segment, segment.items)
    raise OptionError(
        f'{quoted(prompt.text)} names no sound: add one, as in "a dog barking on the left".'
    )


def _kind(prompt: Prompt, segment: Segment) -> str:
    """Such as "event", "again" for the same sound, "scene" for a room or a duration, or "part"."""
    words = [prompt.word(at) for at in segment.words()]
    if words and all(word in _PRONOUNS | {"is", "are", "and"} for word in words):
        return "again"
    if any(word not in _EMPTY for word in words):
        return "event"
    if segment.order == "then" and segment.of(Direction, motion_words.Verb, motion_words.Path):
        return "again"
    if all(isinstance(item.value, _SCENE_PARTS) or item.value is None for item in segment.items):
        return "scene"
    return "part"


_EMPTY = frozenset({"a", "an", "the", "some", "and", "is", "are", "with", "of", "in", "at", "to"})


def _belongs_before(
    prompt: Prompt, segments: list[Segment], kinds: list[str], index: int, clauses: list[Clause]
) -> bool:
    """Whether a segment without words belongs to the event before it.

    Raises:
        OptionError: it could belong to the event after it as well.
    """
    segment = segments[index]
    after = segments[index + 1] if index + 1 < len(segments) else None
    has_next = after is not None and kinds[index + 1] == "event" and after.before != "stop"
    if not clauses:
        return False
    if not has_next or after is None:
        return True
    if after.before == "colon":
        return False
    if segment.before in ("", "stop", "order"):
        return False
    if segment.before in ("open", "colon") or after.before in ("and", "with", "order"):
        return True
    if starts := segment.of(times.Start):
        return prompt.word(starts[0].start).startswith(("start", "begin"))
    if segment.of(motion_words.Verb, motion_words.Path):
        return True
    if not segment.of(*_PLACES, quantities.Distance):
        return True
    return _nearer(prompt, segments, kinds, index, clauses[-1])


def _nearer(
    prompt: Prompt, segments: list[Segment], kinds: list[str], index: int, before: Clause
) -> bool:
    """Whether a place between two events belongs to the first: the other one has its own."""
    segment, after = segments[index], segments[index + 1]
    stated: tuple[type, ...] = _PLACES if segment.has_place else (quantities.Distance,)
    following = segments[index + 2] if index + 2 < len(segments) else None
    has_own = bool(after.of(*_PLACES, quantities.Distance)) or (
        following is not None
        and kinds[index + 2] == "part"
        and following.has_place
        and following.before not in ("stop", "order")
    )
    if has_own:
        return True
    if before.of(*stated):
        return False
    words = prompt.quote(segment.items[0].start, segment.items[-1].end)
    raise OptionError(
        f"{quoted(words)} could belong to the sound before it or to the one after it: join it to "
        "its sound without a comma."
    )

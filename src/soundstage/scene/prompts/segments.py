"""A prompt as segments: runs of words and understood parts between commas, stops and "and".

At each token the longest part that can be read there is taken; every other token is a word of an
event. Separators then cut the sequence. "And" is one of them only where a further sound follows:
"a dog and a cat", but not "thunder and lightning".
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from soundstage.scene.prompts import lexicon, motion_words, quantities, scene_words, times
from soundstage.scene.prompts.direction import Direction
from soundstage.scene.prompts.directions import read_direction
from soundstage.scene.prompts.phrases import NAMES, Read
from soundstage.scene.prompts.tokens import COMMA, STOP, Prompt


class Item(NamedTuple):
    """A part of the prompt; None is a word of an event."""

    value: Any
    start: int
    end: int


@dataclass
class Segment:
    """Items between two separators."""

    items: list[Item] = field(default_factory=list)
    before: str = ""
    """The separator before it: "", "stop", "comma", "colon", "open", "and", "with" or "order"."""
    order: str = ""
    """From an order word: "then" or "together"."""

    def words(self) -> list[int]:
        """Indices of the tokens that are words of an event."""
        return [item.start for item in self.items if item.value is None]

    def of(self, *kinds: type) -> list[Item]:
        """Its items of some kinds."""
        return [item for item in self.items if isinstance(item.value, kinds)]

    @property
    def has_place(self) -> bool:
        """Whether it states where its event is."""
        return bool(self.of(Direction, scene_words.Around, motion_words.Path))


READERS: tuple[Callable[[Prompt, int], Read[Any] | None], ...] = (
    read_direction,
    scene_words.read_around,
    scene_words.read_room,
    times.read_time,
    quantities.read_distance,
    quantities.read_level,
    scene_words.read_continuous,
    motion_words.read_manner,
    motion_words.read_sense,
    quantities.read_count,
    scene_words.read_order,
    scene_words.read_filler,
    motion_words.read_verb,
)
_DETERMINERS = frozenset({"a", "an", "the", "some", "another", "my", "someone", "somebody", "two"})
_SEPARATORS = {STOP: "stop", COMMA: "comma", ":": "colon", "(": "open", ")": "comma"}
_SEPARATORS |= {"-": "comma", "/": "comma", "+": "and", "&": "and", "plus": "and", "=": "colon"}
_JOINING = frozenset({"and", "but", "with"})


def read_items(prompt: Prompt) -> list[Item]:
    """The parts and words of a prompt, in their order.

    Raises:
        OptionError: a part is out of its range, or contradicts itself.
    """
    items, at = list[Item](), 0
    while at < len(prompt.tokens):
        name = NAMES.read(prompt, at)
        longest = _longest(prompt, at)
        if name is not None and (longest is None or longest.end <= name.end):
            items += [Item(None, index, index + 1) for index in range(at, name.end)]
            at = name.end
        elif longest is not None:
            items.append(Item(longest.value, at, longest.end))
            at = longest.end
        else:
            items.append(Item(None, at, at + 1))
            at += 1
    return items


def _longest(prompt: Prompt, at: int) -> Read[Any] | None:
    """The longest part at an index; a path before the directions that it consists of."""
    if (path := motion_words.read_path(prompt, at)) is not None:
        return path
    found = [read(prompt, at) for read in READERS]
    return max((each for each in found if each), key=lambda each: each.end, default=None)


def split(prompt: Prompt, items: list[Item]) -> list[Segment]:
    """The segments of a prompt; none of them is empty."""
    segments = [Segment()]
    for index, item in enumerate(items):
        separator = _separator(prompt, items, index, segments[-1])
        if separator is None:
            segments[-1].items.append(item)
            continue
        order = item.value.kind if isinstance(item.value, scene_words.Order) else ""
        if segments[-1].items:
            segments.append(Segment(before=separator, order=order))
        else:
            last = segments[-1]
            strongest = "stop" if "stop" in (separator, last.before) else separator
            segments[-1] = Segment(before=strongest, order=order or last.order)
    return [segment for segment in segments if segment.items]


def _separator(prompt: Prompt, items: list[Item], index: int, segment: Segment) -> str | None:
    """The separator that an item is; None for a part of its segment."""
    item = items[index]
    if isinstance(item.value, scene_words.Order):
        return "order"
    if item.value is not None:
        return None
    word = prompt.word(item.start)
    if word in _SEPARATORS:
        return _SEPARATORS[word]
    if word not in _JOINING or index + 1 == len(items):
        return None
    following = prompt.word(items[index + 1].start)
    if word == "with":
        known = following in lexicon.SOUND_NOUNS or (
            following in _DETERMINERS and prompt.word(item.end + 1) in lexicon.SOUND_NOUNS
        )
        return "with" if known and segment.words() else None
    if not segment.items:
        return "and"
    return "and" if _begins_sound(prompt, items, index + 1, segment) else None


def _begins_sound(prompt: Prompt, items: list[Item], index: int, segment: Segment) -> bool:
    """Whether a further sound begins after "and"."""
    item = items[index]
    word = prompt.word(item.start)
    if word in _DETERMINERS or isinstance(
        item.value, quantities.Count | scene_words.Filler | quantities.Level
    ):
        return True
    rest = _until_separator(prompt, items[index:])
    has_words = any(each.value is None for each in rest)
    if segment.has_place and has_words:
        return True
    before = segment.words()
    both = len(before) > 0 and prompt.word(before[-1]) in lexicon.SOUND_NOUNS
    return both and item.value is None and word in lexicon.SOUND_NOUNS


def _until_separator(prompt: Prompt, items: list[Item]) -> list[Item]:
    found = []
    for item in items:
        if item.value is None and prompt.word(item.start) in _SEPARATORS | {"and": ""}:
            break
        if isinstance(item.value, scene_words.Order):
            break
        found.append(item)
    return found

"""Words of the whole scene: rooms, order, what is everywhere or continuous, and fillers."""

from typing import NamedTuple

from soundstage.scene.prompts import lexicon
from soundstage.scene.prompts.phrases import (
    Phrases,
    Read,
    ends,
    is_start,
    listed,
    phrases,
    takes_object,
)
from soundstage.scene.prompts.tokens import PUNCTUATION, Prompt


class Around(NamedTuple):
    """From all sides, or around the listener if something moves."""

    can_move: bool


class Continuous(NamedTuple):
    """Through the whole scene."""


class Room(NamedTuple):
    """Of the scene."""

    name: str


class Order(NamedTuple):
    """When an event starts: "then", or "together" with the one before it."""

    kind: str


class Filler(NamedTuple):
    """Words without a meaning of their own here."""


_EVERYWHERE = Phrases(
    {phrase: phrase.startswith("around") for phrase in (*lexicon.EVERYWHERE, "around")}
)
_TURNING = frozenset(
    {"turn", "turns", "turning", "look", "looking", "spin", "spins", "spinning", "rotating"}
    | {"messing", "playing", "fooling", "lying", "sitting", "standing", "the", "a"}
)
_CONTINUOUS = phrases(lexicon.CONTINUOUS)
_ROOMS = Phrases(lexicon.ROOMS)
_ROOM_ADJECTIVES = lexicon.word_set(
    "busy dark empty old quiet deep long narrow stone gothic damp reverberant echoing echoey "
    "wooden tiled crowded very nice medium-sized spacious dense wet cold noisy underground public"
)
_THEN = listed(
    """
    then|and then|after that|and after that|afterward|afterwards|after which|followed by|before
    is followed by|which is followed by|next|and next|later|later on|subsequently|eventually
    finally|and finally|lastly|and lastly|at the end|in the end|soon after|shortly after
    """
)
_TOGETHER = listed(
    """
    while|whilst|as|all the while|meanwhile|and meanwhile|at the same time|and at the same time
    simultaneously|and simultaneously|together with|along with|accompanied by
    """
)
_ORDERS = Phrases({**dict.fromkeys(_THEN, "then"), **dict.fromkeys(_TOGETHER, "together")})
_NEEDS_NOUN = frozenset({"before", "as"})
_ONLY_AT_START = frozenset({"next", "later", "eventually", "at the end", "in the end", "later on"})
_FILLERS = phrases(
    listed(
        """
        i hear|i can hear|we hear|you hear|you can hear|one hears|there is|there's|there are|here is
        imagine|please|generate|make|create|give me|play|add|put|place|let there be|the sound of
        the sounds of|sound of|sounds of|first|firstly|at first|to begin with|slowly
        to start|quickly|can be heard|is heard|are heard|it is|also|again|audio of|a recording of
        rapidly|    sound effect of|some kind of|kind of|gradually|swiftly|a scene with
        a scene of|a scene where|suddenly
        that is|that are|which is|which are|who is|is coming|are coming|binaural
        spatial audio of|i want
        listen to|somewhere|briskly|smoothly|steadily moving|very fast|very slowly|fast
        """
    )
)


def read_around(prompt: Prompt, at: int) -> Read[Around] | None:
    """Such as "all around", "everywhere", "around me"."""
    found = _EVERYWHERE.read(prompt, at)
    if found is not None and found.end == at + 1 and prompt.word(at - 1) in _TURNING:
        return None
    if found is None or (prompt.word(found.end - 1) not in ("me", "us", "you", "head") and (
        not ends(prompt, found.end) or takes_object(prompt, found.end)
    )):  # fmt: skip
        return None
    return Read(Around(found.value), found.end)


def read_continuous(prompt: Prompt, at: int) -> Read[Continuous] | None:
    """Such as "constantly", "in a loop"."""
    found = _CONTINUOUS.read(prompt, at)
    return Read(Continuous(), found.end) if found else None


def read_room(prompt: Prompt, at: int) -> Read[Room] | None:
    """Such as "in a large hall", "outdoors", "on the street"."""
    preposition = prompt.word(at) in ("in", "inside", "on", "at", "within")
    preposition = preposition and prompt.word(at + 1) not in PUNCTUATION
    here = prompt.has(at, "in", "the", "middle", "of") or prompt.has(at, "inside", "of")
    here = here or at + preposition
    determined = here > at and prompt.word(here) in ("a", "an", "the", "my", "our")
    here += determined
    while here > at and prompt.word(here) in _ROOM_ADJECTIVES:
        here += 1
    found = _ROOMS.read(prompt, here)
    if found is None or not (ends(prompt, found.end)):
        return None
    noun = prompt.quote(here, found.end).lower()
    if here == at:
        is_free = not takes_object(prompt, found.end)
        adverb = noun in ("outdoors", "outside", "indoors") and is_free
        alone = is_start(prompt, at) and not prompt.word(found.end).isalpha()
        return Read(Room(found.value), found.end) if adverb or alone else None
    if noun == "open" and not determined:
        return None
    if prompt.word(at) in ("on", "at") and found.value not in ("street", "outdoors", "large hall"):
        return None
    return Read(Room(found.value), found.end)


def read_order(prompt: Prompt, at: int) -> Read[Order] | None:
    """Such as "then", "followed by", "meanwhile"."""
    found = _ORDERS.read(prompt, at)
    if found is None:
        return None
    words = prompt.quote(at, found.end).lower()
    if words in _NEEDS_NOUN and prompt.word(found.end) not in ("a", "an", "the", "some", "another"):
        return None
    if words in _ONLY_AT_START and not is_start(prompt, at):
        return None
    return Read(Order(found.value), found.end)


def read_filler(prompt: Prompt, at: int) -> Read[Filler] | None:
    """Words such as "I hear" and "there is"."""
    found = _FILLERS.read(prompt, at)
    return Read(Filler(), found.end) if found else None

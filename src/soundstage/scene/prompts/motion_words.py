"""Words of motion: paths, verbs, and where they lead.

    a path       "from right to left", "from far left to near right", "left to right"
    a verb       "passes", "circles", "approaches", "drives"
    its manner   "toward me", "away", "past", "back and forth"

A word is one of motion only where it is about the listener: "a bee circling the flower" and "an
alarm going off" are sounds and their wording.
"""

from functools import partial
from typing import NamedTuple

from soundstage.errors import OptionError, quoted
from soundstage.scene.prompts import lexicon
from soundstage.scene.prompts.direction import Direction, opposite
from soundstage.scene.prompts.directions import read_endpoint, read_part
from soundstage.scene.prompts.phrases import LISTENER, Phrases, Read, ends, is_start, phrases
from soundstage.scene.prompts.tokens import COMMA, Prompt


class Path(NamedTuple):
    """From one direction to others."""

    points: tuple[Direction, ...]
    via: Direction | None = None
    """Where it passes, between the first two."""


class Verb(NamedTuple):
    """A verb of motion, which stays in the words of its event."""

    kind: str
    """move, pass, circle, approach or recede."""


class Manner(NamedTuple):
    """Words after a verb of motion: "toward me", "away", "past"."""

    kind: str
    """As of `Verb`, or sway."""


class Sense(NamedTuple):
    """Of rotation."""

    turn: int
    """1 is counter-clockwise, −1 clockwise."""


_KINDS = {
    **dict.fromkeys(lexicon.MOVES, "move"),
    **dict.fromkeys(lexicon.PASSES, "pass"),
    **dict.fromkeys(lexicon.CIRCLES, "circle"),
    **dict.fromkeys(lexicon.APPROACHES, "approach"),
    **dict.fromkeys(lexicon.RECEDES, "recede"),
}
_MANNERS = Phrases(
    {
        **{f"toward {listener}": "approach" for listener in lexicon.LISTENER},
        **{f"up to {listener}": "approach" for listener in lexicon.LISTENER},
        **{f"to {listener}": "approach" for listener in lexicon.LISTENER},
        **{f"at {listener}": "approach" for listener in lexicon.LISTENER},
        **{f"away from {listener}": "recede" for listener in lexicon.LISTENER},
        **{f"past {listener}": "pass" for listener in lexicon.LISTENER},
        **{f"by {listener}": "pass" for listener in lexicon.LISTENER},
        "closer": "approach",
        "nearer": "approach",
        "closer to me": "approach",
        "closer and closer": "approach",
        "away": "recede",
        "off": "recede",
        "off into the distance": "recede",
        "into the distance": "recede",
        "past": "pass",
        "by": "pass",
        "back and forth": "sway",
        "to and fro": "sway",
        "from side to side": "sway",
        "side to side": "sway",
        "from ear to ear": "sway",
        "in circles": "circle",
        "in a circle": "circle",
        "in circles around me": "circle",
        "in a circle around me": "circle",
        "in circles around my head": "circle",
    }
)
_FREE_MANNERS = frozenset({"sway", "circle"})
_AFTER_PARTICIPLES = lexicon.word_set(
    "from to toward around past by over away off closer nearer back me clockwise counterclockwise "
    "in"
)
_GROWING = frozenset({"get", "gets", "getting", "draws", "drawing", "grows", "growing"})
_NOT_OFF = lexicon.word_set("go goes going come comes coming turn turns turning fall falls falling")
_BARE = frozenset({*lexicon.SIDES, "front", "back"})  # "left to right"
_BACK = phrases(
    ["and back", "and back again", "and then back", "then back", "and back to the start"]
)
_SENSES = {"clockwise": -1, "counterclockwise": 1}


def read_path(prompt: Prompt, at: int) -> Read[Path] | None:
    """Such as "from right to left", "left to right" and "from behind me to the front and back"."""
    word = prompt.word(at)
    if word in _BARE and prompt.word(at + 1) == "to" and prompt.word(at + 2) in _BARE:
        bare = [read_endpoint(prompt, at), read_endpoint(prompt, at + 2)]
        both = tuple(each.value for each in bare if each)
        return Read(Path(both), at + 3) if len(set(both)) == 2 else None
    if word not in ("from", "between"):
        return None
    starts = (at + 1, at) if word == "from" else (at + 1,)
    first = next(filter(None, (_first_point(prompt, start) for start in starts)), None)
    if first is None:
        return None
    begin, via, here = first
    points = [begin]
    joints = ("and",) if word == "between" else ("to", "toward", "into")
    while (joint := _joint(prompt, here, joints, len(points))) is not None:
        joins = partial(_joins, points[-1])
        following = read_endpoint(prompt, joint + 1, joins) or read_endpoint(prompt, joint, joins)
        if following is None:
            break
        points.append(following.value)
        here = following.end
    if len(points) < 2:
        return None
    _check_begin(prompt, at, here, points)
    if back := _BACK.read(prompt, here):
        points.append(points[0])
        here = back.end
    return Read(Path(tuple(points), via), here)


def _first_point(prompt: Prompt, at: int) -> tuple[Direction, Direction | None, int] | None:
    """The begin of a path, and where it passes: "from behind me over my head"."""
    begin = read_endpoint(prompt, at, lambda one, two: not (two.vertical and one.is_horizontal))
    if begin is None:
        return None
    via = read_part(prompt, begin.end)
    if via is None or not via.value.vertical:
        return begin.value, None, begin.end
    return begin.value, via.value, via.end


def _check_begin(prompt: Prompt, start: int, end: int, points: list[Direction]) -> None:
    """Refuse "from the left behind me to the right", which has two readings."""
    first = read_part(prompt, start + 1, bare=True) or read_part(prompt, start)
    begin = first.value.to_azimuth() if first else None
    goal = points[1].to_azimuth()
    if first is None or begin is None or goal is None or first.value == points[0]:
        return
    if opposite(begin, goal):
        raise OptionError(
            f"{quoted(prompt.quote(start, end))} has two readings: state first where it goes from "
            'and to, as in "from left to right behind me".'
        )


def _joins(begin: Direction, end: Direction, further: Direction) -> bool:
    """Whether a further part states the end of a path, and not where it passes."""
    if further.vertical and end.is_horizontal:
        return False
    one, two = begin.to_azimuth(), end.to_azimuth()
    return one is None or two is None or not opposite(one, two)


def _joint(prompt: Prompt, at: int, joints: tuple[str, ...], count: int) -> int | None:
    """The index of the "to" before a further point."""
    here = at
    while prompt.word(here) in ("over", "across", "around", "straight", "all", "the", "way"):
        here += 1
    if count >= 2:
        here += prompt.word(here) == COMMA
        here += prompt.word(here) == "and"
        here += prompt.word(here) == "then"
        here += prompt.word(here) == "back"
        if here == at:
            return None
    return here if prompt.word(here) in joints else None


def read_verb(prompt: Prompt, at: int) -> Read[Verb] | None:
    """A verb of motion that is no adjective: not in "a passing train"."""
    kind = _KINDS.get(prompt.word(at))
    if kind is None:
        return None
    before, word = prompt.word(at - 1), prompt.word(at)
    if before in lexicon.DETERMINERS or (prompt.number(at - 1) is not None):
        return None  # "a stream", "a passing train"
    if before in ("of", "by") or (word.endswith("ing") and before == "and"):
        return None
    if is_start(prompt, at) and before not in ("then", "and") and not _leads_away(prompt, at):
        return None
    if kind == "move":
        return Read(Verb(kind), at + 1)
    if prompt.word(at + 1) in ("a", "an", "the", "his", "her", "their"):
        return None  # around, past or toward something else
    listener = LISTENER.read(prompt, at + 1)
    return Read(Verb(kind), listener.end if listener else at + 1)


def _leads_away(prompt: Prompt, at: int) -> bool:
    """Whether a participle is followed by where its motion goes: ", passing from left to right"."""
    return prompt.word(at).endswith("ing") and prompt.word(at + 1) in _AFTER_PARTICIPLES


def read_manner(prompt: Prompt, at: int) -> Read[Manner] | None:
    """Such as "toward me", "away", "back and forth"; most of them only after a verb of motion."""
    found = _MANNERS.read(prompt, at)
    if found is None:
        return None
    before = at - 1
    while prompt.word(before).endswith("ly") or prompt.word(before) in (
        "fast",
        "right",
        "straight",
    ):
        before -= 1
    verb = prompt.word(before)
    word = prompt.word(at)
    if found.value not in _FREE_MANNERS:
        closing = word in ("closer", "nearer") and verb in _GROWING
        if verb not in _KINDS and not closing:
            return None
    if word == "off" and found.end == at + 1 and verb in _NOT_OFF:
        return None
    listener = LISTENER.read(prompt, at + 1)
    is_short = word in ("past", "by", "away", "off") and not listener
    if is_short and (prompt.word(found.end) in lexicon.DETERMINERS or not ends(prompt, found.end)):
        return None
    return Read(Manner(found.value), found.end)


def read_sense(prompt: Prompt, at: int) -> Read[Sense] | None:
    """Such as "clockwise", "in a counter-clockwise circle"."""
    here = prompt.has(at, "in", "a") or at
    sense = _SENSES.get(prompt.word(here))
    if sense is None:
        return None
    end = here + 1 + (prompt.word(here + 1) in ("direction", "circle", "circles", "orbit"))
    return Read(Sense(sense), end) if here == at or end > here + 1 else None

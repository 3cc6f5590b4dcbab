"""Quantities of an event: distance, level, count."""

from typing import NamedTuple

from soundstage.binaural.trajectories import FARTHEST, NEAREST
from soundstage.errors import OptionError, quoted
from soundstage.scene.description import MAX_COUNT, MAX_GAIN, MIN_GAIN
from soundstage.scene.prompts import lexicon
from soundstage.scene.prompts.lexicon import METERS, SECONDS
from soundstage.scene.prompts.phrases import Phrases, Read, ends, phrases, takes_object
from soundstage.scene.prompts.tokens import Prompt


class Distance(NamedTuple):
    """How far an event is."""

    meters: float


class Level(NamedTuple):
    """How loud an event is."""

    db: float


class Count(NamedTuple):
    """How many sounds an event has, or how many turns."""

    number: int
    times: bool = False


_UNITS = frozenset({*METERS, *SECONDS, "degrees", "o'clock", "db", "decibels"})
_FEW = Phrases({"a couple of": 2.0, "a few": 3.0, "several": 4.0, "half a": 0.5, "half an": 0.5})
ABOUT = frozenset({"about", "roughly", "approximately", "some", "around", "exactly"})
_AWAY = phrases(
    [
        "away",
        "off",
        "distant",
        "out",
        "away from me",
        "from me",
        "distance",
        "close",
        "from the head",
    ]
)
_SINGULAR = frozenset({"meter", "foot", "mile", "inch", "yard", "kilometer", "second", "minute"})
_DISTANCES = Phrases(lexicon.DISTANCES)
_ADJECTIVES = frozenset({"distant", "nearby"})  # before a noun, too
_LEVELS = Phrases(
    {
        **lexicon.LEVELS,
        "at low volume": -12.0,
        "at a low volume": -12.0,
        "at high volume": 6.0,
        "at full volume": 10.0,
    }
)
_COUNTS = Phrases(lexicon.COUNTS)
_NO_COUNT_AFTER = lexicon.word_set("at from to azimuth around for lasting within every")


def read_distance(prompt: Prompt, at: int) -> Read[Distance] | None:
    """Such as "3 meters away", "half a kilometer", "nearby", "in the distance".

    Raises:
        OptionError: it is out of the range of distances.
    """
    if found := _DISTANCES.read(prompt, at):
        adjective = prompt.word(at) in _ADJECTIVES
        is_whole = prompt.word(at) in ("in", "at", "from", "on", "off")  # "in the distance"
        is_free = ends(prompt, found.end) and (is_whole or not takes_object(prompt, found.end))
        return Read(Distance(found.value), found.end) if adjective or is_free else None
    here = at
    if prompt.word(at) == "distance":
        here += 1 + (prompt.word(at + 1) in (":", "=", "of"))
    while prompt.word(here) in ABOUT or (here == at and prompt.word(here) in ("at", "from")):
        here += 1
    found = measure(prompt, here, METERS)
    if found is None:
        return None
    meters, end = found
    if not NEAREST <= meters <= FARTHEST:
        raise OptionError(
            f"{quoted(prompt.quote(at, end))} is out of range: distances are from {NEAREST:g} to "
            f"{FARTHEST:,g} m."
        )
    away = _AWAY.read(prompt, end)
    return Read(Distance(meters), away.end if away else end)


def measure(prompt: Prompt, at: int, units: dict[str, float]) -> Read[float] | None:
    """A number and a unit: "3 m", "half a minute", "a few seconds", "a meter"."""
    few = _FEW.read(prompt, at)
    number, here = prompt.number(at), at + 1
    if few:
        number, here = few.value, few.end
    elif number is None and prompt.word(at) in ("a", "an"):
        number = 1.0
    unit = prompt.word(here)
    if number is None or unit not in units:
        return None
    if unit in _SINGULAR and number not in (1.0, 0.5) and not ends(prompt, here + 1):
        return None  # "a 10 meter dive"
    return Read(number * units[unit], here + 1)


def read_level(prompt: Prompt, at: int) -> Read[Level] | None:
    """Such as "quiet", "at -6 dB", "6 dB louder".

    Raises:
        OptionError: it is out of the range of levels.
    """
    if found := _LEVELS.read(prompt, at):
        return Read(Level(found.value), found.end)
    here = at + (prompt.word(at) in ("at", "by"))
    value = prompt.number(here)
    if value is None or prompt.word(here + 1) not in ("db", "decibel", "decibels"):
        return None
    end = here + 2
    if prompt.word(end) in ("quieter", "softer", "lower", "down", "louder", "up", "higher"):
        if value < 0:
            raise OptionError(
                f"{quoted(prompt.quote(at, end + 1))} is not understood as a level: write "
                "'-6 dB' or '6 dB quieter'."
            )
        value = value if prompt.word(end) in ("louder", "up", "higher") else -value
        end += 1
    if not MIN_GAIN <= value <= MAX_GAIN:
        raise OptionError(
            f"{quoted(prompt.quote(at, end))} is out of range: levels are from {MIN_GAIN:g} to "
            f"{MAX_GAIN:g} dB."
        )
    return Read(Level(value), end)


def read_count(prompt: Prompt, at: int) -> Read[Count] | None:
    """Such as "three" before a noun, "a couple of", "twice", "three times".

    Raises:
        OptionError: there are too many.
    """
    if prompt.word(at) in ("once", "twice", "thrice"):
        return Read(Count(("once", "twice", "thrice").index(prompt.word(at)) + 1, True), at + 1)
    if found := _COUNTS.read(prompt, at):
        return Read(Count(found.value), found.end) if not ends(prompt, found.end) else None
    number, before = prompt.number(at), prompt.word(at - 1)
    if number is None:
        return None
    times = prompt.word(at + 1) in ("times", "turns", "rounds", "laps")
    if number in lexicon.NUMBERED or prompt.word(at + 1) in _UNITS:
        return None
    if not times and (ends(prompt, at + 1) or before in _NO_COUNT_AFTER):
        return None
    if number % 1 or not 1 <= number <= MAX_COUNT:
        end = at + 2
        raise OptionError(
            f"{quoted(prompt.quote(at, end))} is not understood: an event has 1 to {MAX_COUNT} "
            "sounds, and other numbers need a unit."
        )
    return Read(Count(int(number), times), at + 1 + times)

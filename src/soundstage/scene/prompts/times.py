"""Times: durations and starts of events, and the duration of the scene."""

from typing import NamedTuple

from soundstage.errors import OptionError, quoted
from soundstage.scene.description import MAX_SECONDS
from soundstage.scene.prompts.lexicon import SECONDS
from soundstage.scene.prompts.phrases import Read, ends, is_start, listed, phrases
from soundstage.scene.prompts.quantities import ABOUT, measure
from soundstage.scene.prompts.tokens import Prompt


class Duration(NamedTuple):
    """Of an event."""

    seconds: float


class Start(NamedTuple):
    """Of an event, in the scene or after the one before it."""

    seconds: float
    relative: bool = False
    duration: float | None = None


class Total(NamedTuple):
    """Duration of the scene."""

    seconds: float


_BEFORE_DURATION = phrases(
    listed("for|over|over the course of|lasting|lasts|for about|during|that lasts|which lasts")
)
_BEFORE_START = phrases(
    listed(
        """
        at|starting at|starts at|beginning at|begins at|start at|from|starting from|starting after
        beginning after|starts after|begins after|at the|coming in at|entering at
        """
    )
)
_BEFORE_TOTAL = phrases(
    listed(
        """
        total|in total|total duration|total length|duration|length|overall|altogether|all in all
        a total of|for a total of|total of|the whole scene lasts|the scene lasts
        the whole thing lasts
        for a duration of|duration of|length of
        """
    )
)
_AFTER_TOTAL = phrases(["in total", "total", "overall", "altogether", "in all"])
_AFTER_DELAY = phrases(["later", "after that", "afterwards", "after it", "after this", "later on"])


_UNSUPPORTED = frozenset({"every", "each", "within", "until", "than", "between", "per", "wait"})


def read_time(prompt: Prompt, at: int) -> Read[Duration | Start | Total] | None:
    """A duration, a start or the duration of the scene.

    Raises:
        OptionError: it is out of the range of times.
    """
    if lead := _BEFORE_TOTAL.read(prompt, at):
        here = lead.end + (prompt.word(lead.end) in (":", "=", "is", "of"))
        if found := _seconds(prompt, here):
            return Read(Total(found.value), found.end)
    if (lead := _BEFORE_DURATION.read(prompt, at)) and (found := _seconds(prompt, lead.end)):
        return Read(Duration(found.value), found.end)
    if prompt.word(at) == "after" and (found := _seconds(prompt, at + 1)):
        return Read(Start(found.value), found.end)
    if (lead := _BEFORE_START.read(prompt, at)) and (found := _seconds(prompt, lead.end)):
        return _read_start(prompt, at, found)
    found = _seconds(prompt, at)
    if found is None or prompt.word(at - 1) in _UNSUPPORTED:
        return None
    if after := _AFTER_DELAY.read(prompt, found.end):
        return Read(Start(found.value, relative=True), after.end)
    if after := _AFTER_TOTAL.read(prompt, found.end):
        return Read(Total(found.value), after.end)
    if prompt.word(found.end) in ("long", "of"):
        is_alone = is_start(prompt, at) and ends(prompt, found.end + 1)
        long = prompt.word(found.end) == "long" and is_alone
        return Read(Total(found.value) if long else Duration(found.value), found.end + 1)
    alone = is_start(prompt, at) and ends(prompt, found.end)
    return Read(Total(found.value) if alone else Duration(found.value), found.end)


def _read_start(prompt: Prompt, at: int, found: Read[float]) -> Read[Duration | Start | Total]:
    """Such as "at 2 s", and "from 2 s to 5 s"."""
    end = found.end + (prompt.word(found.end) == "mark")
    if prompt.word(end) in ("to", "until") and (last := _seconds(prompt, end + 1)):
        if last.value <= found.value:
            raise OptionError(
                f"{quoted(prompt.quote(at, last.end))} ends before it starts: swap the times."
            )
        return Read(Start(found.value, duration=last.value - found.value), last.end)
    return Read(Start(found.value), end)


def _seconds(prompt: Prompt, at: int) -> Read[float] | None:
    """A duration: "8 seconds", "1 min 30 s", "a minute and 20 seconds"."""
    found = _time(prompt, at)
    if found is None:
        return None
    here = found.end + (prompt.word(found.end) == "and")
    more = _time(prompt, here)
    if more and found.value >= 60 > more.value:
        found = Read(found.value + more.value, more.end)
    if not 0 <= found.value <= MAX_SECONDS:
        raise OptionError(
            f"{quoted(prompt.quote(at, found.end))} is out of range: times are from 0 to "
            f"{MAX_SECONDS:,g} s."
        )
    return found


def _time(prompt: Prompt, at: int) -> Read[float] | None:
    while prompt.word(at) in ABOUT:
        at += 1
    found = measure(prompt, at, SECONDS)
    if found is None and prompt.number(at) is not None and prompt.word(at + 1) in SECONDS:
        found = Read((prompt.number(at) or 0.0) * SECONDS[prompt.word(at + 1)], at + 2)
    return found

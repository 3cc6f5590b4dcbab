"""When each event of a scene sounds.

An event starts at the time that the prompt states, at the end of the event that it follows, or at
the start of the scene. It lasts as long as the prompt states, or as its sound. A continuous event
lasts from its start to the end of the scene; one that follows it starts a moment after it.

The scene is as long as the prompt states, or as its last event. Where its events are longer, those
of no stated duration are shortened by one factor, so that their order remains.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

from soundstage.errors import OptionError, quoted
from soundstage.scene.description import SceneEvent

GAP = 0.2  # s between an event and the one that follows it
MOMENT = 1.5  # s of a continuous event before the one that follows it
CONTINUOUS_SECONDS = 10.0  # of a scene without any other duration
SHORTEST = 0.25  # s: an event is not shortened below it, and a continuous one not cut below it
DIGITS = 4  # of times in a scene file
LEAST_SHARE = 0.1  # of its duration that a shortened event keeps


class Span(NamedTuple):
    """Start and duration of an event, in seconds."""

    start: float
    seconds: float

    @property
    def end(self) -> float:
        """In seconds."""
        return self.start + self.seconds


@dataclass(frozen=True)
class Length:
    """Duration of the sounds of an event."""

    seconds: float
    """Of the sounds as they are."""
    is_continuous: bool = False
    """Lasts to the end of the scene."""


@dataclass(frozen=True)
class Schedule:
    """Times of a scene."""

    spans: tuple[Span, ...]
    """Of each event."""
    seconds: float
    """Of the scene, without reverberation."""
    share: float
    """Of their durations that shortened events keep; 1 if none is shortened."""


def schedule(
    events: Sequence[SceneEvent], lengths: Sequence[Length], seconds: float | None
) -> Schedule:
    """When each event sounds.

    Args:
        events: in the order of the prompt.
        lengths: of each event.
        seconds: of the scene; None is as long as its events.

    Raises:
        OptionError: an event would start after the end of the scene.
    """
    share = 1.0
    if seconds is None:
        seconds = _own_length(events, lengths)
    elif _last_end(events, lengths, share, seconds) > seconds:
        share = _fitting_share(events, lengths, seconds)
    spans = _spans(events, lengths, share, seconds)
    for event, span in zip(events, spans, strict=True):
        if span.start >= seconds:
            raise OptionError(
                f"{quoted(event.text)} would start at {span.start:.1f} s, but the scene ends at "
                f"{seconds:g} s: make `seconds` longer, or start it earlier."
            )
    cut = [Span(at, round(min(lasting, seconds - at), DIGITS)) for at, lasting in spans]
    return Schedule(tuple(cut), seconds, share)


def _own_length(events: Sequence[SceneEvent], lengths: Sequence[Length]) -> float:
    """The end of the last event.

    A continuous event counts only if it starts after the start of the scene ("a dog, then rain"),
    or if there is no other; it then lasts `CONTINUOUS_SECONDS` at least.
    """
    spans = _spans(events, lengths, 1.0, None)
    ends = []
    for event, span, length in zip(events, spans, lengths, strict=True):
        if not length.is_continuous:
            ends.append(span.end)
        elif event.after is not None or event.start:
            ends.append(span.start + min(length.seconds, CONTINUOUS_SECONDS))
    if any(not length.is_continuous for length in lengths):
        return max(ends)
    return max(
        span.start + max(length.seconds, CONTINUOUS_SECONDS)
        for span, length in zip(spans, lengths, strict=True)
    )


def _last_end(
    events: Sequence[SceneEvent], lengths: Sequence[Length], share: float, seconds: float
) -> float:
    return max(span.end for span in _spans(events, lengths, share, seconds))


def _fitting_share(
    events: Sequence[SceneEvent], lengths: Sequence[Length], seconds: float
) -> float:
    """The largest factor of unstated durations with which all events end in time."""
    low, high = LEAST_SHARE, 1.0
    for _ in range(20):
        middle = (low + high) / 2
        if _last_end(events, lengths, middle, seconds) > seconds:
            high = middle
        else:
            low = middle
    return round(low, 6)


def _spans(
    events: Sequence[SceneEvent],
    lengths: Sequence[Length],
    share: float,
    seconds: float | None,
) -> list[Span]:
    """Times with shortened durations; without an end, continuous events have no duration."""
    spans: list[Span] = []
    for event, length in zip(events, lengths, strict=True):
        start = event.start or 0.0
        if event.after is not None:
            before = spans[event.after]
            endless = lengths[event.after].is_continuous
            start = before.start + MOMENT if endless else before.end
            start += GAP if event.start is None else event.start
        if event.seconds is not None:
            duration = event.seconds
        elif length.is_continuous:
            duration = max((seconds or 0.0) - start, SHORTEST)
        else:
            duration = max(share * length.seconds, min(length.seconds, SHORTEST))
        spans.append(Span(round(start, DIGITS), round(duration, DIGITS)))
    return spans

"""From a prompt to a scene: the paper's template or free English; see `parse_prompt`."""

from dataclasses import replace

from soundstage.errors import OptionError, quoted
from soundstage.scene.description import MAX_EVENTS, SceneDescription, SceneEvent, Understood
from soundstage.scene.prompts import lexicon, quantities, scene_words, times
from soundstage.scene.prompts.clauses import Clause, read_clauses
from soundstage.scene.prompts.direction import Direction
from soundstage.scene.prompts.events import build_event, shared
from soundstage.scene.prompts.guards import check_rest, check_words
from soundstage.scene.prompts.segments import Item, Segment, read_items, split
from soundstage.scene.prompts.spelling import corrected
from soundstage.scene.prompts.template import parse_template
from soundstage.scene.prompts.tokens import Prompt, tokenize


def parse_prompt(text: str) -> SceneDescription:
    """The scene that a prompt describes.

    >>> scene = parse_prompt("a dog barking behind me to the left, rain all around")
    >>> [(event.text, event.azimuth, event.around) for event in scene.events]
    [('dog barking', 135.0, False), ('rain', None, True)]

    Args:
        text: English, or the template of Zhao et al. (2025); at most 2,000 characters.

    Raises:
        OptionError: a direction is not understood, words contradict each other, or no sound is
            named; the sentence quotes the words.
    """
    if (template := parse_template(text)) is not None:
        return template
    prompt, notes = corrected(tokenize(text))
    check_words(prompt)
    segments = split(prompt, read_items(prompt))
    for segment in segments:
        check_rest(prompt, segment)
    clauses = read_clauses(prompt, segments)
    if len(clauses) > MAX_EVENTS:
        raise OptionError(
            f"The prompt has {len(clauses)} sounds; a scene has {MAX_EVENTS} at most."
        )
    events, found = _events(prompt, clauses)
    room, seconds, of_scene = _scene_parts(prompt, segments, clauses)
    if seconds is None and len(events) > 1:
        events, seconds = _duration_at_end(events, clauses, segments)
    return SceneDescription(
        tuple(events), room, seconds, text=text, understood=(*notes, *found, *of_scene)
    )


def _events(prompt: Prompt, clauses: list[Clause]) -> tuple[list[SceneEvent], list[Understood]]:
    events, found = list[SceneEvent](), list[Understood]()
    for index, clause in enumerate(clauses):
        before = events[-1] if events else None
        built = build_event(prompt, clause, before)
        event = _timed(clause, built.event, before, index)
        if starts := clause.of(times.Start):
            words = prompt.quote(starts[0].start, starts[0].end)
            found.append(Understood(words, f"start at {event.start:g} s" + _after(event)))
        events.append(event)
        found += built.understood
    _share_places(prompt, clauses, events, found)
    return events, found


def _after(event: SceneEvent) -> str:
    return "" if event.after is None else " after the sound before"


def _timed(clause: Clause, event: SceneEvent, before: SceneEvent | None, index: int) -> SceneEvent:
    """The event with its start, from words of order and of time."""
    starts = clause.values(times.Start)
    if before is not None and clause.link == "then":
        event = replace(event, after=index - 1)
    elif before is not None and clause.link == "together":
        event = replace(event, after=before.after, start=before.start)
    if not starts:
        return event
    start = starts[0]
    event = replace(event, start=start.seconds)
    if start.duration is not None:
        event = replace(event, seconds=start.duration)
    if start.relative and before is not None and clause.link != "then":
        event = replace(event, after=before.after, start=start.seconds + (before.start or 0.0))
    return event


def _share_places(
    prompt: Prompt, clauses: list[Clause], events: list[SceneEvent], found: list[Understood]
) -> None:
    """Give two sounds that are joined by "and" one place, if only one of them states it."""
    for index in reversed(range(len(events) - 1)):
        if clauses[index + 1].link != "and":
            continue
        one, two = events[index], events[index + 1]
        if _determined(prompt, clauses[index]) != _determined(prompt, clauses[index + 1]):
            continue
        if _is_free(one) and _is_placed(two):
            if _place_is_first(clauses[index + 1]):
                continue
            events[index] = shared(one, two)
        elif _is_free(two) and _is_placed(one) and _place_is_first(clauses[index]):
            events[index + 1] = shared(two, one)
        else:
            continue
        found.append(Understood(f"{one.text} and {two.text}", "at the same place"))


def _determined(prompt: Prompt, clause: Clause) -> bool:
    """Whether its sound has an article or a number, as both or none of two joined sounds have."""
    at = clause.segment.words()[0] if clause.segment.words() else 0
    counts = clause.of(quantities.Count)
    return bool(counts) or prompt.word(at) in lexicon.DETERMINERS


def _is_free(event: SceneEvent) -> bool:
    return event.azimuth is None and not (event.trajectory or event.around or event.elevation)


def _is_placed(event: SceneEvent) -> bool:
    return event.azimuth is not None or event.around


def _place_is_first(clause: Clause) -> bool:
    """Whether its place stands before its words: "on the left a dog"."""
    places = clause.of(Direction, scene_words.Around)
    words = clause.segment.words()
    return bool(places and words) and places[0].start < words[0]


def _scene_parts(
    prompt: Prompt, segments: list[Segment], clauses: list[Clause]
) -> tuple[str | None, float | None, list[Understood]]:
    items = [item for segment in segments for item in segment.items]
    rooms = [item for item in items if isinstance(item.value, scene_words.Room)]
    totals = [item for item in items if isinstance(item.value, times.Total)]
    found = []
    room = _one(prompt, rooms, "rooms").name if rooms else None
    if rooms:
        found.append(Understood(prompt.quote(rooms[0].start, rooms[0].end), f"room: {room}"))
    seconds = _one(prompt, totals, "durations").seconds if totals else None
    if totals:
        words = prompt.quote(totals[0].start, totals[0].end)
        found.append(Understood(words, f"duration of the scene: {seconds:g} s"))
    return room, seconds, found


def _one(prompt: Prompt, items: list[Item], noun: str):  # type: ignore[no-untyped-def]
    if any(item.value != items[0].value for item in items):
        one, two = items[0], next(item for item in items if item.value != items[0].value)
        raise OptionError(
            f"{quoted(prompt.quote(one.start, one.end))} and "
            f"{quoted(prompt.quote(two.start, two.end))} are two {noun}; a scene has one."
        )
    return items[0].value


def _duration_at_end(
    events: list[SceneEvent], clauses: list[Clause], segments: list[Segment]
) -> tuple[list[SceneEvent], float | None]:
    """A duration in a segment of its own at the end is that of the scene."""
    last = segments[-1]
    durations = last.of(times.Duration)
    if not durations or last.words() or last.of(Direction):
        return events, None
    seconds = durations[0].value.seconds
    return [*events[:-1], replace(events[-1], seconds=None)], seconds

"""Events from clauses: place or trajectory, level, count, start; and the words that say so.

Everything that is not understood as a part of the scene is the wording of the sound, which the
source of sounds gets: "a dog is barking loudly behind me" leaves "dog barking".
"""

from dataclasses import replace
from typing import Any, NamedTuple

from soundstage.errors import OptionError, quoted
from soundstage.scene.description import SceneEvent, Understood
from soundstage.scene.prompts import lexicon, motion_words, quantities, scene_words, times
from soundstage.scene.prompts.clauses import Clause
from soundstage.scene.prompts.direction import (
    ContradictionError,
    Direction,
    direction_words,
    wrapped,
)
from soundstage.scene.prompts.phrases import contradiction
from soundstage.scene.prompts.segments import Item
from soundstage.scene.prompts.template import counted
from soundstage.scene.prompts.tokens import Prompt
from soundstage.scene.prompts.trajectories import Motion, trajectory_of

_MOTION_PARTS = (
    Direction, motion_words.Path, motion_words.Verb, motion_words.Manner, motion_words.Sense,
    scene_words.Around,
)  # fmt: skip
_LEADING = lexicon.word_set(
    "a an the some is are was were there and with of by from in on at to that which who as but it "
    "comes coming come be heard now another one"
)
_TRAILING = lexicon.word_set(
    "a an the and with of by from in on at to that which who is are was were as but it comes "
    "coming come heard located situated while its"
)
_AUXILIARIES = frozenset({"is", "are", "was", "were", "being", "be"})


class Built(NamedTuple):
    """An event, and what was understood."""

    event: SceneEvent
    understood: tuple[Understood, ...]


def build_event(prompt: Prompt, clause: Clause, before: SceneEvent | None) -> Built:
    """The event of a clause.

    Args:
        prompt: the prompt.
        clause: of the event.
        before: the event before it, of whose sound a clause such as "then it stops" is.

    Raises:
        OptionError: its parts contradict each other, or it names no sound.
    """
    text = before.text if clause.repeats and before else _wording(prompt, clause)
    stated = _motion(prompt, clause)
    if clause.repeats and before and not (stated.origin or stated.path):
        stated = _going_on(stated, _end_of(before))
    trajectory = trajectory_of(stated)
    notes: list[Understood] = []
    values: dict[str, Any] = {}
    if trajectory is not None:
        values |= {"trajectory": trajectory.waypoints, "along_sphere": trajectory.along_sphere}
        notes.append(Understood(stated.words, trajectory.meaning))
    elif clause.of(scene_words.Around):
        values["around"] = True
        notes.append(Understood(_quote(prompt, clause.of(scene_words.Around)), "from all sides"))
        if clause.of(Direction):
            raise contradiction(prompt, *_span(clause.of(Direction, scene_words.Around)))
    else:
        values |= _place(prompt, clause, stated, notes)
    values |= _quantities(prompt, clause, stated, notes)
    notes += [
        Understood(prompt.quote(at, at + 3), "wording of the sound, no direction")
        for at in clause.segment.words()
        if prompt.word(at) in lexicon.RELATIONS and prompt.word(at + 1) in lexicon.DETERMINERS
    ]
    return Built(SceneEvent(text, **values), tuple(notes))


def _going_on(stated: Motion, end: Direction | None) -> Motion:
    """The motion of the sound of the event before: from its place, or away from it."""
    if stated.goal is not None:
        return replace(stated, origin=end)
    is_radial = stated.kinds & {"recede", "approach"}
    return replace(stated, place=end) if is_radial and stated.place is None else stated


def _end_of(event: SceneEvent) -> Direction | None:
    """Where a sound is at its end."""
    last = event.trajectory[-1] if event.trajectory else event
    if last.azimuth is None:
        return None
    return Direction(azimuth=wrapped(last.azimuth), height=last.elevation)


def _quantities(
    prompt: Prompt, clause: Clause, stated: Motion, notes: list[Understood]
) -> dict[str, Any]:
    values: dict[str, Any] = {}
    counts = [
        item
        for item in clause.of(quantities.Count)
        if not (item.value.times and "circle" in stated.kinds)
    ]
    if counts:
        values["count"] = max(item.value.number for item in counts)
    if values.get("count", 1) != 1:
        notes.append(Understood(_quote(prompt, counts), f"{values['count']} sounds"))
    if levels := clause.of(quantities.Level):
        values["gain_db"] = sum(item.value.db for item in levels)
        notes.append(Understood(_quote(prompt, levels), f"level {values['gain_db']:+g} dB"))
    if continuous := clause.of(scene_words.Continuous):
        values["loop"] = True
        notes.append(Understood(_quote(prompt, continuous), "through the whole scene"))
    if durations := clause.of(times.Duration):
        values["seconds"] = _only(prompt, durations).seconds
        notes.append(Understood(_quote(prompt, durations), f"duration {values['seconds']:g} s"))
    return values


def _wording(prompt: Prompt, clause: Clause) -> str:
    """The words of the sound."""
    items = clause.segment.items
    indices = [
        item.start
        for item, following in zip(items, [*items[1:], None], strict=True)
        if _is_verb(item.value)
        or (item.value is None and not (prompt.word(item.start) == "and" and _is_verb(following)))
    ]
    words = [
        " ".join(prompt.quote(at, at + 1).lower().split())
        for at in indices
        if prompt.word(at) not in _AUXILIARIES and prompt.word(at)[:1].isalnum()
    ]
    while words and words[0] in _LEADING:
        del words[0]
    while words and words[-1] in _TRAILING:
        del words[-1]
    if not words or all(word in lexicon.SILENT for word in words):
        part = prompt.quote(clause.segment.items[0].start, clause.segment.items[-1].end)
        raise OptionError(
            f'{quoted(part)} names no sound: add one, as in "a dog barking on the left".'
        )
    return " ".join(words)


def _is_verb(value: object) -> bool:
    value = value.value if isinstance(value, Item) else value
    return isinstance(value, motion_words.Verb)


def _place(
    prompt: Prompt, clause: Clause, stated: Motion, notes: list[Understood]
) -> dict[str, Any]:
    """The place of an event at rest."""
    values: dict[str, Any] = {}
    if items := clause.of(Direction):
        place = _merged(prompt, items)
        azimuth, elevation = place.to_azimuth(), place.to_elevation()
        meaning = direction_words(azimuth, elevation)
        if azimuth is not None and place.angle is not None and not place.side:
            meaning += counted(azimuth)
        notes.append(Understood(_quote(prompt, items), meaning))
        values |= {"azimuth": azimuth, "elevation": elevation}
    if stated.distance is not None:
        words = _quote(prompt, clause.of(quantities.Distance)) or stated.words
        notes.append(Understood(words, f"distance {stated.distance:g} m"))
        values["distance"] = stated.distance
    return values


def _motion(prompt: Prompt, clause: Clause) -> Motion:
    """The directions and the motion that the clause states."""
    verbs = clause.of(motion_words.Verb, motion_words.Manner)
    kinds = {item.value.kind for item in verbs}
    around = clause.of(scene_words.Around)
    if around:
        moves = around[0].value.can_move and _moves(clause, around[0], kinds)
        kinds = kinds | {"circle"} if moves else kinds - {"circle"}
    if _passes(prompt, clause):
        kinds.add("pass")
    directions = clause.of(Direction)
    origins = [item for item in directions if kinds and _leads(prompt, item, {"from"})]
    goals = [item for item in directions if _is_goal(prompt, clause, item)]
    places = [item for item in directions if item not in origins and item not in goals]
    place, origin, goal = (
        _merged(prompt, items) if items else None for items in (places, origins, goals)
    )
    paths = clause.of(motion_words.Path)
    if len(paths) > 1 or (paths and (origin or goal)):
        raise contradiction(prompt, *_span([*paths, *origins, *goals]))
    words = [item for item in clause.items if isinstance(item.value, _MOTION_PARTS)]
    repeats = [count.number for count in clause.values(quantities.Count) if count.times]
    senses = clause.values(motion_words.Sense)
    vehicles = {prompt.word(item.start) for item in verbs} & lexicon.VEHICLES
    return Motion(
        words=_quote(prompt, words),
        kinds=frozenset(kinds),
        path=paths[0].value if paths else None,
        place=place,
        origin=origin,
        goal=goal,
        distance=_distance(prompt, clause),
        around_head=bool(around) and prompt.word(around[0].end - 1) == "head",
        turns=float(repeats[0]) if repeats else None,
        sense=senses[0].turn if senses else 0,
        passes=bool(vehicles) or "pass" in kinds,
    )


def _distance(prompt: Prompt, clause: Clause) -> float | None:
    """The distance that is stated, by itself or in a direction such as "far to the left"."""
    items = clause.of(quantities.Distance)
    stated = [_only(prompt, items).meters] if items else []
    stated += [
        direction.distance
        for direction in clause.values(Direction)
        if direction.distance is not None
    ]
    return min(stated, default=None)


def _moves(clause: Clause, around: Item, kinds: set[str]) -> bool:
    """Whether "around me" is where something moves: a verb of motion stands right before it."""
    if "circle" in kinds:
        return True
    verbs = [
        item.end
        for item in clause.of(
            motion_words.Verb, motion_words.Manner, motion_words.Sense, scene_words.Filler
        )
    ]
    return bool(clause.of(motion_words.Verb)) and around.start in verbs


def _passes(prompt: Prompt, clause: Clause) -> bool:
    """Whether it goes "past my left ear", or a verb of motion goes on as "over my head"."""
    verbs = {item.end for item in clause.of(motion_words.Verb)}
    starts = [item.start for item in clause.of(Direction)]
    over = any(prompt.word(at) == "over" and at in verbs for at in starts)
    return over or any(prompt.word(at) == "past" for at in starts)


def _is_goal(prompt: Prompt, clause: Clause, direction: Item) -> bool:
    """Whether a direction is where the event goes: "drives to the left"."""
    ends = [
        item.end
        for item in clause.of(
            motion_words.Verb, motion_words.Manner, scene_words.Filler, scene_words.Around
        )
        if clause.of(motion_words.Verb)
    ]
    toward = _leads(prompt, direction, {"to", "toward", "leftward", "rightward"})
    return toward and direction.start in ends and prompt.word(direction.end - 1) != "me"


def _leads(prompt: Prompt, direction: Item, words: set[str]) -> bool:
    """Whether one of the words leads a direction, perhaps after an adverb."""
    first = [prompt.word(at) for at in range(direction.start, direction.end)][:2]
    return bool(words & set(first))


def _merged(prompt: Prompt, items: list[Item]) -> Direction:
    found = items[0].value
    for item in items[1:]:
        try:
            found = found.merged(item.value)
        except ContradictionError:
            raise contradiction(prompt, *_span(items)) from None
    return found


def shared(event: SceneEvent, place: SceneEvent) -> SceneEvent:
    """The event at the place of another one: "a dog and a cat on the left"."""
    return replace(
        event,
        azimuth=place.azimuth,
        elevation=place.elevation,
        distance=place.distance if event.distance is None else event.distance,
        around=place.around,
    )


def _only(prompt: Prompt, items: list[Item]) -> Any:
    """The value of parts that state the same."""
    if any(item.value != items[0].value for item in items):
        raise OptionError(
            f"{quoted(prompt.quote(*_span(items)))} states two different values for one sound: "
            "leave one."
        )
    return items[0].value


def _span(items: list[Item]) -> tuple[int, int]:
    return min(item.start for item in items), max(item.end for item in items)


def _quote(prompt: Prompt, items: list[Item]) -> str:
    """The words of parts, joined where they are apart."""
    pieces: list[list[int]] = []
    for item in sorted(items, key=lambda each: each.start):
        if pieces and item.start - pieces[-1][1] <= 1:
            pieces[-1][1] = item.end
        else:
            pieces.append([item.start, item.end])
    return " … ".join(prompt.quote(start, end) for start, end in pieces)

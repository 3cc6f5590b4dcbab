"""A generator of band arrangements: one seed gives one song.

A song has a style, a key, a tempo and sections (intro, verse, chorus, break, solo, outro), which
come back with the same chords, rhythms and motifs. Its players, four to nine, come and go with the
sections.
"""

from collections.abc import Sequence

import numpy as np

from soundstage.corpora.multitracks import drum_patterns, lines
from soundstage.corpora.multitracks.arrangement import (
    PITCH_BEND,
    Arrangement,
    Change,
    Groove,
    Note,
    Part,
    Section,
    Sound,
)
from soundstage.corpora.multitracks.harmony import Chord, Key, nearest_pitch, progression
from soundstage.corpora.multitracks.players import ROLES, Role, choose_program
from soundstage.corpora.multitracks.styles import STYLES, Style

PLAYERS = (4, 9)
LEAST_SHARE = 0.4  # of a song in which a player plays
_ENERGY = {"intro": 0.4, "verse": 0.6, "chorus": 1.0, "break": 0.35, "solo": 0.8, "outro": 0.5}
_FORMS = (
    ("intro", "verse", "chorus", "verse", "chorus", "break", "chorus", "outro"),
    ("verse", "chorus", "verse", "chorus", "solo", "break", "chorus", "outro"),
    ("chorus", "verse", "break", "chorus", "solo", "verse", "chorus", "outro"),
    ("intro", "verse", "verse", "chorus", "break", "verse", "chorus", "chorus"),
    ("intro", "break", "chorus", "verse", "solo", "chorus", "break", "outro"),
)
_MODULATION, _EXPRESSION = 1, 11  # MIDI controllers
_BENT = {*range(24, 31), *range(56, 80), 22, *range(80, 88), 40, 42, 110}  # programs

Random = np.random.Generator


def compose(seed: Sequence[int], seconds: float = 50.0, *, style: str | None = None) -> Arrangement:
    """An arrangement.

    Args:
        seed: one or more integers, 0 or more.
        seconds: wanted duration; the song ends with the bar that is nearest.
        style: one of `STYLES`, chosen if not given.

    >>> compose((1, 2)) == compose((1, 2))
    True
    """
    random = np.random.default_rng((*seed, 0))
    if style is None:
        weights = np.array([style.weight for style in STYLES.values()])
        style = str(random.choice(list(STYLES), p=weights / weights.sum()))
    manner = STYLES[style]
    tempo = round(random.uniform(*manner.tempo), 1)
    meter = 3 if random.random() < manner.waltz else 4
    key = Key(int(random.integers(12)), str(random.choice(manner.modes)))
    groove = Groove(tempo, random.uniform(*manner.swing), manner.pair, manner.looseness)
    count = max(round(seconds * tempo / 60 / meter), 4)  # of bars
    sections = _sections(count, meter, 8 if tempo > 118 and random.random() < 0.6 else 4, random)
    chords = {
        section.start: _chords(key, section, meter, manner, (*seed, 1)) for section in sections
    }
    names = _players(manner, random)
    electronic = random.random() < manner.electronic
    presence = _presence(names, sections, random)
    parts: list[Part] = []
    for place, name in enumerate(names):
        own = np.random.default_rng((*seed, 2, place))
        role = ROLES[name]
        sound = _sound(role, manner, electronic, own)
        notes: list[Note] = []
        for section in sections:
            if section.start in presence[name]:
                topic = list(_ENERGY).index(section.name)
                choice = np.random.default_rng((*seed, 3, place, topic))
                played = chords[section.start]
                notes += _write(name, manner, key, section, played, choice, own)
        tight = Groove(tempo, groove.swing, groove.pair, 0.0) if sound.electronic else groove
        timed = tight.played(_octaves_moved(role, notes), own)
        changes = _changes(role, sound, timed, own)
        level = role.level + float(own.uniform(-2.5, 2.5))
        parts.append(Part(name, role.kind, sound, timed, changes, level))
    duration = groove.seconds(count * meter)
    used = tuple(part for part in parts if part.notes)
    return Arrangement(style, tempo, meter, key.name, tuple(sections), used, duration)


def _sections(bars: int, meter: int, length: int, random: Random) -> list[Section]:
    """Sections of `length` bars; the last has the bars that are left."""
    form = _FORMS[random.integers(len(_FORMS))]
    sections: list[Section] = []
    done = 0
    while done < bars:
        name = form[len(sections) % len(form)]
        short = name == "intro" and random.random() < 0.5
        size = min(length // 2 if short else length, bars - done)
        if 0 < bars - done - size < 2:
            size = bars - done
        energy = float(np.clip(_ENERGY[name] + random.normal(0, 0.07), 0.2, 1.0))
        sections.append(Section(name, done * meter, size, energy))
        done += size
    return sections


def _chords(
    key: Key, section: Section, meter: int, style: Style, seed: tuple[int, ...]
) -> list[Chord]:
    """Chords of a section in the song; those of equal name are equal, and a solo is a verse."""
    topic = {"solo": "verse", "intro": "chorus", "outro": "chorus"}.get(section.name, section.name)
    random = np.random.default_rng((*seed, list(_ENERGY).index(topic)))
    chords = progression(key, section.bars, meter, random, sevenths=style.sevenths)
    return [
        Chord(chord.start + section.start, chord.beats, chord.classes, meter) for chord in chords
    ]


def _players(style: Style, random: Random) -> list[str]:
    """The required players and some of the others, in the order of `ROLES`."""
    count = int(random.integers(PLAYERS[0], PLAYERS[1] + 1))
    chosen = set(style.required)
    for name in random.permutation(style.optional):
        if len(chosen) >= count:
            break
        chosen.add(str(name))
    return [name for name in ROLES if name in chosen]


def _presence(
    names: Sequence[str], sections: Sequence[Section], random: Random
) -> dict[str, set[float]]:
    """Starts of the sections in which each player plays.

    Sections of one name mostly have the same players; nobody plays less than `LEAST_SHARE` of the
    song, and nowhere are there fewer than two players.
    """
    bars = sum(section.bars for section in sections)
    presence: dict[str, set[float]] = {}
    for name in names:
        writer = ROLES[name].writer
        weight = {"drums": 0.55, "bass": 0.5, "melody": 0.1, "effects": 0.3}.get(writer, 0.25)
        usual = {
            topic: random.random() < weight + 0.6 * energy for topic, energy in _ENERGY.items()
        }
        playing = [usual[section.name] ^ (random.random() < 0.08) for section in sections]
        for index in random.permutation(len(sections)):
            shares = (s.bars for s, plays in zip(sections, playing, strict=True) if plays)
            if sum(shares) >= LEAST_SHARE * bars:
                break
            playing[index] = True
        presence[name] = {s.start for s, plays in zip(sections, playing, strict=True) if plays}
    for section in sections:
        order = [str(name) for name in random.permutation(names)]
        while sum(section.start in starts for starts in presence.values()) < 2:
            presence[order.pop()].add(section.start)
    return presence


def _sound(role: Role, style: Style, electronic: bool, random: Random) -> Sound:
    if role.electronic and (role.writer == "effects" or (electronic and random.random() < 0.8)):
        name = str(random.choice(role.electronic))
        return Sound(0, role.writer == "drums", name)
    if role.writer == "drums":
        return Sound(int(random.choice(style.kits)), kit=True)
    if role.writer == "percussion":
        return Sound(int(random.choice(role.programs)), kit=True)
    if role.writer == "bass":
        usual = role.programs or style.basses
        return Sound(choose_program(usual, random, low=True))
    if role.writer == "timpani":
        return Sound(role.programs[0])
    return Sound(choose_program(role.programs, random))


def _write(
    name: str,
    style: Style,
    key: Key,
    section: Section,
    chords: Sequence[Chord],
    choice: Random,
    random: Random,
) -> list[Note]:
    """The notes of a player in a section, in beats."""
    role, meter = ROLES[name], chords[0].meter
    if role.writer == "drums":
        family = str(choice.choice(style.grooves))
        return drum_patterns.drum_kit(family, section, meter, choice, random)
    if role.writer == "percussion":
        return drum_patterns.percussion(section, meter, choice, random)
    if role.writer == "timpani":
        roots = [(chord.start, nearest_pitch(chord.classes[0], role.center)) for chord in chords]
        return drum_patterns.timpani(section, meter, roots, random)
    if role.writer == "effects":
        return _effects(section, meter, random)
    if role.writer == "bass":
        pattern = str(choice.choice(style.bass_patterns))
        notes = lines.bass_line(pattern, chords, role.center, choice, random)
    elif role.writer == "comp":
        notes = lines.comping(
            str(choice.choice(style.comps.get(name, role.patterns))),
            chords,
            role.center,
            choice,
            random,
            size=role.size,
            strummed=role.strummed,
            power=role.power,
        )
    elif role.writer == "arpeggio":
        notes = lines.arpeggio(chords, role.center, choice, random, ringing=role.ringing)
    elif role.writer == "melody":
        cells = str(choice.choice(role.patterns or style.cells))
        notes = lines.melody(cells, chords, key.classes, role.center, choice, random)
    else:
        notes = lines.guide_tones(chords, role.center, choice, random, size=role.size)
    factor = 0.75 + 0.25 * section.energy
    return [
        Note(note.start, note.duration, note.pitch, round(note.velocity * factor)) for note in notes
    ]


def _octaves_moved(role: Role, notes: list[Note]) -> list[Note]:
    pitched = role.writer not in ("drums", "percussion", "effects")
    return lines.in_range(notes, role.low, role.high) if pitched else notes


def _effects(section: Section, meter: int, random: Random) -> list[Note]:
    """Sweeps: a rise to the end of the section, or a fall from its start; 60 and 61 as pitches."""
    bars = min(section.bars, int(random.integers(1, 5)))
    end = section.start + section.bars * meter
    rise = Note(end - bars * meter, bars * meter, 60, 100)
    fall = Note(section.start, min(2, section.bars) * meter, 61, 90)
    notes = [rise, fall] if random.random() < 0.4 else [rise if random.random() < 0.6 else fall]
    if random.random() < 0.5:
        notes += [
            Note(section.start + bar * meter, 1.0, 62, 90) for bar in range(0, section.bars, 2)
        ]
    return notes


def _changes(role: Role, sound: Sound, notes: Sequence[Note], random: Random) -> tuple[Change, ...]:
    """Swells of long notes, vibrato and bends of solo instruments; times in seconds."""
    changes: list[Change] = []
    if role.writer == "guide" and random.random() < 0.7:
        for note in notes:
            if note.duration > 1.0:
                shape = np.sin(np.linspace(0.25, 0.9, 8) * np.pi)
                for place, height in enumerate(shape):
                    at = note.start + note.duration * place / 8
                    changes.append(Change(at, _EXPRESSION, float(round(60 + 65 * height))))
    if role.writer == "melody" and sound.program in _BENT:
        for note in notes:
            changes.append(Change(note.start, _MODULATION, 0))
            if note.duration > 0.5:
                depth = float(random.integers(20, 90))
                changes.append(Change(note.start + 0.3, _MODULATION, depth))
            if note.duration > 0.3 and random.random() < 0.15:
                for place in range(7):
                    bend = -0.5 * (1 - place / 6)
                    changes.append(Change(note.start + 0.012 * place, PITCH_BEND, bend))
    return tuple(sorted(changes, key=lambda change: change.start))

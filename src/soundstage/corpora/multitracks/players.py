"""Players of a band: programs, registers, levels and ways to play.

Programs are those of General MIDI, from 0; kits those of the GS standard. Most programs of a player
are usual ones; sometimes it is another one, so that a separator learns to follow sounds and not
instruments.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

import numpy as np

from soundstage.corpora.multitracks.arrangement import Kind

Writer = Literal[
    "drums", "percussion", "timpani", "bass", "comp", "arpeggio", "melody", "guide", "effects"
]

UNUSUAL = 0.12  # probability of a program that a player does not usually have
_NO_UNUSUAL = {*range(112, 120), 47, 55}  # percussion, timpani, orchestra hit
_LOW = (*range(6), 16, 19, 27, 29, *range(32, 40), 42, 43, 57, 58, 62, 67, 70, 80, 81, 87)

PROGRAM_NAMES = (
    "grand piano", "bright piano", "electric grand", "honky-tonk piano", "electric piano",
    "FM piano", "harpsichord", "clavinet", "celesta", "glockenspiel", "music box", "vibraphone",
    "marimba", "xylophone", "tubular bells", "dulcimer", "drawbar organ", "percussive organ",
    "rock organ", "church organ", "reed organ", "accordion", "harmonica", "bandoneon",
    "nylon guitar", "steel guitar", "jazz guitar", "clean guitar", "muted guitar",
    "overdriven guitar", "distorted guitar", "guitar harmonics", "upright bass", "fingered bass",
    "picked bass", "fretless bass", "slap bass", "popped bass", "synth bass 1", "synth bass 2",
    "violin", "viola", "cello", "contrabass", "tremolo strings", "pizzicato strings", "harp",
    "timpani", "string ensemble", "slow strings", "synth strings 1", "synth strings 2",
    "choir aahs", "voice oohs", "synth voice", "orchestra hit", "trumpet", "trombone", "tuba",
    "muted trumpet", "french horn", "brass section", "synth brass 1", "synth brass 2",
    "soprano sax", "alto sax", "tenor sax", "baritone sax", "oboe", "english horn", "bassoon",
    "clarinet", "piccolo", "flute", "recorder", "pan flute", "bottle", "shakuhachi", "whistle",
    "ocarina", "square lead", "saw lead", "calliope lead", "chiff lead", "charang lead",
    "voice lead", "fifths lead", "bass lead", "new age pad", "warm pad", "polysynth pad",
    "choir pad", "bowed pad", "metallic pad", "halo pad", "sweep pad", "rain", "soundtrack",
    "crystal", "atmosphere", "brightness", "goblins", "echoes", "sci-fi", "sitar", "banjo",
    "shamisen", "koto", "kalimba", "bagpipe", "fiddle", "shanai", "tinkle bell", "agogo",
    "steel drums", "woodblock", "taiko", "melodic tom", "synth drum", "reverse cymbal",
    "fret noise", "breath noise", "seashore", "bird tweet", "telephone", "helicopter", "applause",
    "gunshot",
)  # fmt: skip
KITS = {0: "standard", 8: "room", 16: "power", 24: "electronic", 25: "TR-808", 32: "jazz"}
KITS |= {40: "brush", 48: "orchestra"}


@dataclass(frozen=True)
class Role:
    """A player."""

    writer: Writer
    programs: tuple[int, ...] = ()
    kind: Kind = "object"
    center: float = 60
    """Middle of the register, a MIDI number."""
    low: int = 36
    """Lowest pitch."""
    high: int = 96
    """Highest pitch."""
    level: float = -7.0
    """Loudness in LU relative to drums."""
    patterns: tuple[str, ...] = ()
    """Of `comping` or `melody`; a style may have others."""
    size: int = 3
    """Pitches at a time."""
    strummed: bool = False
    power: bool = False
    ringing: bool = False
    electronic: tuple[str, ...] = ()
    """Sounds of `electronic_sounds` that suit."""


ROLES: Mapping[str, Role] = {
    "drums": Role("drums", kind="drums", level=0.0, electronic=("kit",)),
    "percussion": Role("percussion", (0, 0, 8, 25), kind="drums", level=-9.0),
    "timpani": Role("timpani", (47,), kind="drums", center=45, low=38, high=55, level=-4.0),
    "bass": Role("bass", kind="bass", center=36, low=26, high=55, level=-2.5),
    "synth bass": Role(
        "bass",
        (38, 39, 38, 39, 87),
        kind="bass",
        center=35,
        low=24,
        high=55,
        level=-2.5,
        electronic=("sub bass", "saw bass", "square bass", "FM bass", "acid bass", "reese bass"),
    ),
    "strummed guitar": Role(
        "comp", (24, 25, 25, 27), center=57, low=40, high=80, level=-7, size=5, strummed=True,
        patterns=("strum", "strum", "quarters"),
    ),
    "power guitar": Role(
        "comp", (29, 30, 30), center=45, low=38, high=70, level=-5, power=True,
        patterns=("pulse", "halves", "held", "strum"),
    ),
    "picked guitar": Role(
        "arpeggio", (24, 25, 26, 27, 28, 104, 105), center=58, low=40, high=84, level=-7.5,
        ringing=True,
    ),
    "rhythm guitar": Role(
        "comp", (26, 27, 28, 27), center=60, low=45, high=80, level=-7.5, size=3, strummed=True,
        patterns=("funk", "offbeat", "charleston"),
    ),
    "piano": Role(
        "comp", (0, 0, 1, 2, 3), center=60, low=36, high=90, level=-6,
        patterns=("quarters", "halves", "held", "charleston", "strum"),
    ),
    "broken piano": Role("arpeggio", (0, 0, 1, 2, 46, 10), center=60, level=-6, ringing=True),
    "electric piano": Role(
        "comp", (4, 5, 4, 5, 7, 11), center=60, level=-7, size=4,
        patterns=("charleston", "halves", "held", "offbeat"), electronic=("FM piano",),
    ),
    "clavinet": Role("comp", (7, 7, 6), center=57, level=-8, size=2, patterns=("funk", "pulse")),
    "organ": Role(
        "comp", (16, 17, 18, 18, 20), center=62, level=-8.5,
        patterns=("held", "held", "offbeat", "quarters"),
    ),
    "accordion": Role("comp", (21, 23), center=64, level=-8, patterns=("offbeat", "held")),
    "pad": Role(
        "guide", (88, 89, 90, 92, 93, 94, 95, 50, 51), center=62, level=-10, size=3,
        electronic=("saw pad", "soft pad"),
    ),
    "strings": Role("guide", (48, 48, 49, 50, 44), center=65, high=91, level=-9, size=3),
    "string line": Role("guide", (48, 40, 41, 42), center=72, high=94, level=-9, size=1),
    "horn section": Role(
        "comp", (61, 61, 62, 63, 56), center=65, high=84, level=-7, patterns=("stabs",)
    ),
    "choir": Role(
        "guide", (52, 52, 53, 53, 54, 91), kind="voice", center=65, low=45, high=84, level=-8,
        size=3,
    ),
    "backing line": Role(
        "melody", (53, 52, 54), kind="voice", center=67, low=52, high=84, level=-8,
        patterns=("calm",),
    ),
    "lead guitar": Role(
        "melody", (29, 30, 27, 26), center=69, low=50, high=88, level=-3,
        patterns=("moving", "busy"),
    ),
    "saxophone": Role("melody", (64, 65, 66, 67), center=65, low=46, high=84, level=-3),
    "flute": Role("melody", (73, 72, 74, 75, 77, 79), center=77, low=60, high=96, level=-4),
    "violin": Role("melody", (40, 40, 110, 42), center=72, low=55, high=96, level=-4),
    "trumpet": Role("melody", (56, 59, 56, 61), center=69, low=54, high=84, level=-4),
    "clarinet": Role("melody", (71, 68, 69, 70), center=67, low=50, high=88, level=-4),
    "harmonica": Role("melody", (22, 21, 109), center=70, low=55, high=90, level=-4),
    "lead piano": Role("melody", (0, 1, 4, 11, 12), center=72, low=48, high=96, level=-4),
    "synth lead": Role(
        "melody", (80, 81, 82, 83, 84, 86), center=70, low=48, high=94, level=-4,
        patterns=("moving", "busy"),
        electronic=("saw lead", "pulse lead", "sine lead", "supersaw", "FM bell"),
    ),
    "arpeggio": Role(
        "arpeggio", (80, 81, 5, 98, 96, 90), center=69, high=100, level=-8,
        electronic=("pluck", "pulse lead", "FM bell", "acid pluck"),
    ),
    "pluck": Role(
        "comp", (45, 46, 98, 108, 12, 107), center=66, high=96, level=-8, size=2,
        patterns=("house", "offbeat", "strum"), electronic=("pluck", "FM bell", "pulse lead"),
    ),
    "synth chords": Role(
        "comp", (81, 90, 50, 62, 63), center=64, level=-6, size=4,
        patterns=("house", "offbeat", "quarters", "held"), electronic=("supersaw", "saw pad"),
    ),
    "mallets": Role("arpeggio", (11, 12, 13, 9, 8, 114), center=74, low=53, level=-7.5),
    "harp": Role("arpeggio", (46, 15, 107), center=66, low=36, level=-8, ringing=True),
    "horns": Role("guide", (60, 61, 57, 60), center=57, low=40, high=77, level=-8, size=2),
    "low strings": Role("bass", (42, 43, 43, 48), kind="bass", center=40, low=28, level=-4),
    "violas": Role(
        "comp", (41, 48, 44, 45), center=60, low=48, high=84, level=-8,
        patterns=("pulse", "quarters", "tremolo", "offbeat"),
    ),
    "tuba": Role("bass", (58, 58, 57), kind="bass", center=38, low=26, level=-3),
    "trombones": Role(
        "comp", (57, 60), center=56, low=40, high=76, level=-6, patterns=("offbeat", "quarters")
    ),
    "chip chords": Role(
        "arpeggio", (80, 80, 81), center=67, level=-7, electronic=("pulse lead", "triangle")
    ),
    "effects": Role("effects", level=-12, electronic=("sweeps",)),
}  # fmt: skip


def choose_program(
    usual: tuple[int, ...], random: np.random.Generator, *, low: bool = False
) -> int:
    """A usual program, or sometimes any program with a pitch; `low` for one with low pitches."""
    if random.random() < UNUSUAL:
        options = _LOW if low else [p for p in range(120) if p not in _NO_UNUSUAL]
        return int(random.choice(options))
    return int(random.choice(usual))

"""Styles: who plays in a band, how fast, and in which patterns."""

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True)
class Style:
    """A style."""

    tempo: tuple[float, float]
    modes: tuple[str, ...]
    grooves: tuple[str, ...]
    required: tuple[str, ...]
    optional: tuple[str, ...]
    kits: tuple[int, ...] = (0, 0, 8, 16)
    basses: tuple[int, ...] = (33, 34, 33, 35)
    bass_patterns: tuple[str, ...] = ("pulse", "fifths", "held", "syncopated")
    cells: tuple[str, ...] = ("calm", "moving")
    swing: tuple[float, float] = (0.5, 0.5)
    pair: float = 1.0
    """Beats of the pair that swings."""
    waltz: float = 0.0
    """Probability of three beats in a bar."""
    sevenths: float = 0.1
    looseness: float = 0.008
    """Standard deviation of starts in seconds."""
    electronic: float = 0.0
    """Probability of synthesized sounds."""
    weight: float = 1.0
    comps: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    """Patterns of comping players in this style."""


MAJOR_MINOR = ("major", "major", "minor", "mixolydian")
STYLES: Mapping[str, Style] = {
    "pop": Style(
        (84, 128), MAJOR_MINOR, ("rock", "disco", "hiphop"),
        ("drums", "bass"),
        ("piano", "strummed guitar", "picked guitar", "pad", "strings", "choir", "synth lead",
         "lead guitar", "electric piano", "percussion", "organ", "rhythm guitar", "saxophone"),
        weight=1.6,
    ),
    "rock": Style(
        (96, 160), ("major", "minor", "mixolydian", "dorian"), ("rock",),
        ("drums", "bass", "power guitar"),
        ("strummed guitar", "lead guitar", "organ", "piano", "choir", "picked guitar",
         "rhythm guitar", "percussion", "saxophone", "harmonica"),
        kits=(0, 8, 16, 16), basses=(34, 33, 34), bass_patterns=("pulse", "pulse", "syncopated"),
        weight=1.4,
    ),
    "funk": Style(
        (88, 118), ("dorian", "mixolydian", "minor"), ("funk",),
        ("drums", "bass", "rhythm guitar"),
        ("horn section", "clavinet", "electric piano", "organ", "saxophone", "percussion",
         "trumpet", "synth lead", "backing line", "strings"),
        basses=(33, 36, 37, 33), bass_patterns=("funk", "funk", "octaves"), sevenths=0.8,
        cells=("busy", "moving"), swing=(0.5, 0.58), pair=0.5,
    ),
    "jazz": Style(
        (90, 190), ("major", "minor", "dorian"), ("jazz", "jazz", "latin"),
        ("drums", "bass"),
        ("piano", "rhythm guitar", "saxophone", "trumpet", "mallets", "lead piano", "clarinet",
         "horns", "trombones", "organ", "flute", "strings"),
        kits=(32, 40, 0, 40), basses=(32, 32, 35), bass_patterns=("walking", "walking", "fifths"),
        cells=("moving", "busy"), swing=(0.6, 0.67), sevenths=1.0, looseness=0.012, waltz=0.1,
        comps={"piano": ("charleston", "charleston", "stabs"), "rhythm guitar": ("quarters",)},
    ),
    "ballad": Style(
        (58, 84), MAJOR_MINOR, ("ballad",),
        ("bass",),
        ("drums", "broken piano", "picked guitar", "strings", "string line", "choir", "pad",
         "lead piano", "violin", "saxophone", "flute", "electric piano", "backing line", "drums"),
        kits=(0, 8, 40), basses=(33, 35, 32), bass_patterns=("slow", "held", "fifths"),
        cells=("calm",), waltz=0.2, sevenths=0.3, looseness=0.012,
    ),
    "soul": Style(
        (68, 112), ("major", "minor", "dorian"), ("ballad", "hiphop", "funk"),
        ("drums", "bass"),
        ("organ", "electric piano", "rhythm guitar", "horn section", "choir", "strings",
         "saxophone", "backing line", "percussion", "lead guitar", "piano"),
        bass_patterns=("syncopated", "funk", "slow"), swing=(0.5, 0.62), pair=0.5, sevenths=0.6,
    ),
    "reggae": Style(
        (66, 92), MAJOR_MINOR, ("reggae",),
        ("drums", "bass", "rhythm guitar"),
        ("organ", "piano", "horn section", "clavinet", "percussion", "choir", "saxophone",
         "lead guitar"),
        bass_patterns=("syncopated", "slow"), swing=(0.5, 0.6),
        comps={"rhythm guitar": ("offbeat",), "piano": ("offbeat",), "organ": ("offbeat",)},
    ),
    "latin": Style(
        (90, 140), ("minor", "major", "dorian"), ("latin",),
        ("drums", "bass", "percussion"),
        ("piano", "picked guitar", "strummed guitar", "trumpet", "horn section", "flute",
         "trombones", "accordion", "mallets", "choir"),
        basses=(32, 33, 35), bass_patterns=("syncopated",), sevenths=0.5,
        comps={"piano": ("funk", "charleston")},
    ),
    "folk": Style(
        (80, 140), ("major", "major", "dorian", "mixolydian"), ("folk",),
        ("strummed guitar", "bass"),
        ("picked guitar", "violin", "flute", "accordion", "harmonica", "drums", "percussion",
         "backing line", "mallets", "harp", "clarinet", "organ"),
        basses=(32, 33, 32), bass_patterns=("fifths", "held"), waltz=0.3,
    ),
    "orchestral": Style(
        (66, 132), ("major", "minor", "minor"), ("orchestral",),
        ("low strings", "violas", "strings"),
        ("timpani", "drums", "violin", "flute", "clarinet", "horns", "trumpet", "harp", "choir",
         "string line", "mallets", "trombones"),
        kits=(48,), bass_patterns=("held", "slow", "pulse", "fifths"), waltz=0.25, looseness=0.015,
    ),
    "brass band": Style(
        (90, 132), ("major", "major", "minor"), ("march",),
        ("drums", "tuba", "trombones", "trumpet"),
        ("horns", "clarinet", "flute", "saxophone", "mallets", "horn section"),
        kits=(0, 48), bass_patterns=("fifths",), waltz=0.15, looseness=0.012, weight=0.6,
    ),
    "synth-pop": Style(
        (98, 132), ("minor", "major", "minor"), ("disco", "rock"),
        ("drums", "synth bass"),
        ("synth lead", "arpeggio", "pad", "synth chords", "pluck", "choir", "electric piano",
         "rhythm guitar", "percussion", "backing line", "effects"),
        kits=(24, 25, 16), bass_patterns=("pulse", "octaves", "sixteenths"), looseness=0.0,
        electronic=0.45, weight=1.5,
    ),
    "house": Style(
        (118, 130), ("minor", "dorian"), ("disco",),
        ("drums", "synth bass"),
        ("synth chords", "piano", "pad", "pluck", "arpeggio", "synth lead", "strings", "organ",
         "percussion", "effects", "choir"),
        kits=(24, 25), bass_patterns=("offbeat", "octaves", "syncopated"), looseness=0.0,
        sevenths=0.5, electronic=0.5, weight=1.3,
    ),
    "drum and bass": Style(
        (160, 176), ("minor", "dorian"), ("breaks",),
        ("drums", "synth bass"),
        ("pad", "arpeggio", "synth lead", "pluck", "electric piano", "strings", "choir", "effects"),
        kits=(24, 0, 16), bass_patterns=("held", "slow", "syncopated", "sixteenths"),
        looseness=0.0, electronic=0.5,
    ),
    "hip-hop": Style(
        (72, 100), ("minor", "dorian"), ("hiphop",),
        ("drums", "synth bass"),
        ("electric piano", "pluck", "strings", "pad", "picked guitar", "mallets", "flute",
         "choir", "horn section", "piano", "effects"),
        kits=(25, 24, 8), bass_patterns=("slow", "held", "syncopated"), looseness=0.004,
        swing=(0.5, 0.62), pair=0.5, electronic=0.35,
    ),
    "chiptune": Style(
        (110, 170), ("minor", "major"), ("disco", "rock", "breaks"),
        ("drums", "synth bass", "chip chords", "synth lead"),
        ("arpeggio", "pluck", "pad", "chip chords"),
        kits=(24, 25), bass_patterns=("octaves", "pulse", "sixteenths"),
        cells=("moving", "busy"), looseness=0.0, electronic=0.7, weight=0.6,
    ),
    "ambient": Style(
        (60, 96), ("minor", "major", "dorian"), ("ballad", "hiphop"),
        ("pad", "bass"),
        ("broken piano", "arpeggio", "choir", "strings", "string line", "mallets", "pluck",
         "drums", "flute", "picked guitar", "effects"),
        basses=(35, 39, 38), bass_patterns=("held", "slow"), cells=("calm",), sevenths=0.6,
        electronic=0.3, weight=0.6,
    ),
}  # fmt: skip

"""What a user of `generate` gives: a prompt, and options. Imports neither torch nor a source."""

from dataclasses import dataclass
from pathlib import Path

from soundstage.ambisonics.conventions import field_label
from soundstage.audio import MAX_RATE, MIN_RATE
from soundstage.binaural.render_options import DEFAULT_RENDERER, RenderOptions, check_renderer
from soundstage.binaural.room.shoebox import ShoeBox
from soundstage.errors import InputError, OptionError
from soundstage.scene.description import MAX_SECONDS, SceneDescription
from soundstage.scene.prompts import parse_prompt
from soundstage.scene.rooms import ROOMS, room_named
from soundstage.scene.sources.registry import DEFAULT_SOURCE, check_source
from soundstage.text_files import TextKind, read_json

RATE = 48_000  # Hz, of production sound
MIN_SECONDS = 0.1
KIND = TextKind("a description of a scene", 1_000_000)  # bytes


@dataclass(frozen=True)
class GenerateOptions:
    """What the user sets beside the prompt.

    Attributes:
        source: a name of the registry, or NAME=PLACE.
        library: a folder of sounds, of the source `library` or `auto`.
        seconds: of the scene, 0.1 to 3,600; None is that of the prompt, or as long as its events.
        rate: sample rate in Hz.
        loop: the end continues at the start; up to 1,200 s.
        room: a name, a size such as "6x4x3", or a room; None is that of the prompt.
        hrtf: a SOFA file or the name of an HRTF set; None is KEMAR.
        bit_depth: of files; None is 24, where a format has it.
        ambix: order of an ambisonic field in place of ear signals, 1 to 3.
        convention: of files of a field: "ambix", "n3d" or "fuma"; None is the first.

    Raises:
        OptionError: a value is out of its range, there is no such source or room, or a field is to
            have an HRTF set or a source of ear signals.
    """

    source: str = DEFAULT_SOURCE
    library: str | None = None
    seconds: float | None = None
    rate: int = RATE
    loop: bool = False
    room: str | ShoeBox | None = None
    hrtf: str | None = None
    bit_depth: str | None = None
    ambix: int | None = None
    convention: str | None = None

    def __post_init__(self) -> None:
        entry, place = check_source(self.source)
        if self.library is not None and (place or entry.name not in ("auto", "library")):
            raise OptionError(
                f"`library` is a folder of the sources auto and library, not of {self.source}: "
                "leave one of them out."
            )
        if field_label(self.ambix, self.convention) and entry.kind == "binaural":
            raise OptionError(
                f"{entry.name} makes ear signals, which have no direction in an ambisonic field: "
                "choose the `source` library or mono, or leave out `ambix`."
            )
        check_renderer(DEFAULT_RENDERER, RenderOptions(self.hrtf, ambix=self.ambix))
        if self.seconds is not None and not MIN_SECONDS <= self.seconds <= MAX_SECONDS:
            raise OptionError(
                f"`seconds` is {MIN_SECONDS:g} to {MAX_SECONDS:,g}, not {self.seconds:g}."
            )
        if not MIN_RATE <= self.rate <= MAX_RATE:
            raise OptionError(
                f"`rate` must be from {MIN_RATE:,} to {MAX_RATE:,} Hz, not {self.rate:,}."
            )
        if isinstance(self.room, str):
            room_named(self.room)

    def room_of(self, description: SceneDescription) -> ShoeBox | None:
        """The room of a scene; None has no walls."""
        if isinstance(self.room, ShoeBox):
            return self.room
        if self.room is not None:
            return room_named(self.room)
        return None if description.room is None else ROOMS[description.room]


def read_prompt(prompt: str) -> SceneDescription:
    """The description of a sentence, or of a file that `SceneDescription.to_json` makes.

    Args:
        prompt: a sentence, or the name of a .json file.

    Raises:
        OptionError: the sentence is not understood; names the words.
        InputError: the file cannot be read, or is not a description.
    """
    if not prompt.lower().endswith(".json"):
        return parse_prompt(prompt)
    content = read_json(Path(prompt), KIND)
    try:
        return SceneDescription.from_json(content)
    except OptionError as error:
        raise InputError(f"{prompt}: {error}") from error


def understood_lines(description: SceneDescription) -> list[str]:
    """What a prompt says, for the user."""
    understood = [f"  {each.words}: {each.meaning}" for each in description.understood]
    return ["Understood:", *understood] if understood else []

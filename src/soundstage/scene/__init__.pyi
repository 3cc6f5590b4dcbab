from .api import SceneGenerator, SpatialAudio, generate
from .composed import ComposedScene, PlacedEvent
from .description import SceneDescription, SceneEvent, Understood, Waypoint
from .options import GenerateOptions, read_prompt
from .prompts import parse_prompt, template_prompt
from .rooms import ROOMS, room_named
from .sources.registry import SOURCES, load_source
from .sources.source import BinauralSource, DrySound, SoundSource, SourceOptions
from .takes import plan_takes

__all__ = [
    "ROOMS",
    "SOURCES",
    "BinauralSource",
    "ComposedScene",
    "DrySound",
    "GenerateOptions",
    "PlacedEvent",
    "SceneDescription",
    "SceneEvent",
    "SceneGenerator",
    "SoundSource",
    "SourceOptions",
    "SpatialAudio",
    "Understood",
    "Waypoint",
    "generate",
    "load_source",
    "parse_prompt",
    "plan_takes",
    "read_prompt",
    "room_named",
    "template_prompt",
]

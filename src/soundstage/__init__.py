"""Soundstage: mono into stereo that folds back to the original.

    import soundstage
    stereo = soundstage.upmix("old.flac")
    stereo.write("old-stereo.flac")

Names are loaded when they are first used, so that the command line answers before torch is there.
"""

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from soundstage.audio import Audio
    from soundstage.binaural import binauralize
    from soundstage.errors import SoundstageError
    from soundstage.evaluation import evaluate
    from soundstage.metrics import analyze
    from soundstage.upmixing import (
        METHODS,
        Controls,
        Style,
        load_method,
        upmix,
        upmix_file,
        upmix_stream,
        upmix_takes,
    )
    from soundstage.weights import list_models, model_card

_HOMES = {
    "METHODS": "soundstage.upmixing",
    "Audio": "soundstage.audio",
    "Controls": "soundstage.upmixing",
    "SoundstageError": "soundstage.errors",
    "Style": "soundstage.upmixing",
    "analyze": "soundstage.metrics",
    "binauralize": "soundstage.binaural",
    "evaluate": "soundstage.evaluation",
    "model_card": "soundstage.weights",
    "load_method": "soundstage.upmixing",
    "list_models": "soundstage.weights",
    "upmix": "soundstage.upmixing",
    "upmix_file": "soundstage.upmixing",
    "upmix_stream": "soundstage.upmixing",
    "upmix_takes": "soundstage.upmixing",
}

__all__ = [
    "METHODS",
    "Audio",
    "Controls",
    "SoundstageError",
    "Style",
    "analyze",
    "binauralize",
    "evaluate",
    "model_card",
    "load_method",
    "list_models",
    "upmix",
    "upmix_file",
    "upmix_stream",
    "upmix_takes",
]


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(_HOMES[name]), name)


def __dir__() -> list[str]:
    return sorted([*globals(), *__all__])

from .audio import Audio
from .binaural import binauralize
from .errors import InputError, OptionError, OutputError, SoundstageError, WeightsError
from .evaluation import evaluate
from .metrics import analyze
from .upmixing import (
    METHODS,
    Controls,
    Style,
    load_method,
    upmix,
    upmix_file,
    upmix_stream,
    upmix_takes,
)
from .weights import list_models, model_card

__all__ = [
    "METHODS",
    "Audio",
    "Controls",
    "InputError",
    "OptionError",
    "OutputError",
    "SoundstageError",
    "Style",
    "WeightsError",
    "__version__",
    "analyze",
    "binauralize",
    "evaluate",
    "list_models",
    "load_method",
    "model_card",
    "upmix",
    "upmix_file",
    "upmix_stream",
    "upmix_takes",
]

__version__: str

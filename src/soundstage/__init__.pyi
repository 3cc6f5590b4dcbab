from .audio import Audio
from .binaural import binauralize
from .errors import (
    InputError,
    MethodError,
    OptionError,
    OutputError,
    SoundstageError,
    WeightsError,
)
from .evaluation import evaluate, fitness
from .listening import write_listening_page
from .metrics import analyze, analyze_field
from .restyling import restyle
from .scene import generate
from .separation import SEPARATORS, load_separator, separate, separate_to_files
from .upmixing import (
    METHODS,
    Controls,
    Plan,
    Style,
    Upmixer,
    register_method,
    upmix,
    upmix_batch,
    upmix_file,
    upmix_stream,
)
from .weights import list_models, model_card

__all__ = [
    "METHODS",
    "SEPARATORS",
    "Audio",
    "Controls",
    "InputError",
    "MethodError",
    "OptionError",
    "OutputError",
    "Plan",
    "SoundstageError",
    "Style",
    "Upmixer",
    "WeightsError",
    "__version__",
    "analyze",
    "analyze_field",
    "binauralize",
    "evaluate",
    "fitness",
    "generate",
    "list_models",
    "load_separator",
    "model_card",
    "register_method",
    "restyle",
    "separate",
    "separate_to_files",
    "upmix",
    "upmix_batch",
    "upmix_file",
    "upmix_stream",
    "write_listening_page",
]

__version__: str

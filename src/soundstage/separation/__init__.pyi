from .api import separate
from .registry import DEFAULT_SEPARATOR, SEPARATORS, load_separator
from .separation_files import separate_to_files
from .separation_report import SeparationReport, SourceFile
from .separator import SourceInfo
from .source_options import SourceOptions

__all__ = [
    "DEFAULT_SEPARATOR",
    "SEPARATORS",
    "SeparationReport",
    "SourceFile",
    "SourceInfo",
    "SourceOptions",
    "load_separator",
    "separate",
    "separate_to_files",
]

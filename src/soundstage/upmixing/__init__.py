"""Mono to stereo: the engine, the methods, files and batches of them."""

from soundstage.upmixing.api import upmix, upmix_stream
from soundstage.upmixing.comparison import TakesComparison
from soundstage.upmixing.controls import Controls
from soundstage.upmixing.engine import (
    MidSide,
    UpmixStream,
    UpmixTakes,
    upmix_blocks,
    upmix_takes_blocks,
)
from soundstage.upmixing.generative.style import Style, parse_style
from soundstage.upmixing.jobs import Job, by_source, plan_batch, plan_sheets, run_job, run_takes
from soundstage.upmixing.registry import (
    DEFAULT_METHOD,
    METHODS,
    READY_METHODS,
    Method,
    find_method,
    load_method,
)
from soundstage.upmixing.upmix_files import Report, Takes, upmix_file, upmix_takes
from soundstage.upmixing.upmixer import Predictor, Upmixer, make_side

__all__ = [
    "DEFAULT_METHOD",
    "METHODS",
    "READY_METHODS",
    "Controls",
    "Job",
    "Method",
    "MidSide",
    "Predictor",
    "Report",
    "Style",
    "Takes",
    "TakesComparison",
    "UpmixStream",
    "UpmixTakes",
    "Upmixer",
    "by_source",
    "find_method",
    "load_method",
    "make_side",
    "parse_style",
    "plan_batch",
    "plan_sheets",
    "run_job",
    "run_takes",
    "upmix",
    "upmix_blocks",
    "upmix_file",
    "upmix_stream",
    "upmix_takes",
    "upmix_takes_blocks",
]

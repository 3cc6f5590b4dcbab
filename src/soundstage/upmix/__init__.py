"""Mono to stereo: the engine, the methods, files and batches of them."""

from soundstage.upmix.batch import Job, plan_batch, run_job
from soundstage.upmix.controls import Controls
from soundstage.upmix.engine import MidSide, UpmixStream, upmix_blocks
from soundstage.upmix.files import Report, upmix_file
from soundstage.upmix.memory import upmix, upmix_stream
from soundstage.upmix.methods import DEFAULT_METHOD, METHODS, Method, find_method, load_method
from soundstage.upmix.upmixer import Predictor, Upmixer, make_side

__all__ = [
    "DEFAULT_METHOD",
    "METHODS",
    "Controls",
    "Job",
    "Method",
    "MidSide",
    "Predictor",
    "Report",
    "UpmixStream",
    "Upmixer",
    "find_method",
    "load_method",
    "make_side",
    "plan_batch",
    "run_job",
    "upmix",
    "upmix_blocks",
    "upmix_file",
    "upmix_stream",
]

"""Mono to stereo: the engine, the methods, files and batches of them."""

from soundstage.upmixing.batch import Job, plan_batch, run_job
from soundstage.upmixing.controls import Controls
from soundstage.upmixing.engine import MidSide, UpmixStream, upmix_blocks
from soundstage.upmixing.files import Report, upmix_file
from soundstage.upmixing.memory import upmix, upmix_stream
from soundstage.upmixing.methods import DEFAULT_METHOD, METHODS, Method, find_method, load_method
from soundstage.upmixing.upmixer import Predictor, Upmixer, make_side

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

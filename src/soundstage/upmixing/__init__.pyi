from .api import upmix, upmix_file, upmix_stream
from .batch import FileResult, upmix_batch
from .comparison import TakesComparison
from .controls import Controls
from .engine import MidSide, UpmixMethod, UpmixStream, upmix_blocks
from .file_options import FileOptions
from .generative.style import Style, list_styles, parse_style
from .jobs import Job, Take, UpmixWork, plan_jobs
from .parametric import ParametricMethod, Predictor
from .plan import PlacedSource, Plan
from .plan_differences import plan_differences
from .registry import (
    DEFAULT_METHOD,
    METHODS,
    READY_METHODS,
    Method,
    check_method,
    find_method,
    load_method,
    register_method,
)
from .report import Report
from .song_pass import fit_to_song, make_side, plans_of
from .stage_options import StageOptions
from .stereo_stream import StereoStream
from .take_files import TakesResult
from .upmix_files import measure_gain
from .upmixer import Upmixer

__all__ = [
    "DEFAULT_METHOD",
    "METHODS",
    "READY_METHODS",
    "Controls",
    "FileOptions",
    "FileResult",
    "Job",
    "Method",
    "MidSide",
    "ParametricMethod",
    "PlacedSource",
    "Plan",
    "Predictor",
    "Report",
    "StageOptions",
    "StereoStream",
    "Style",
    "Take",
    "TakesComparison",
    "TakesResult",
    "UpmixMethod",
    "UpmixStream",
    "UpmixWork",
    "Upmixer",
    "check_method",
    "find_method",
    "fit_to_song",
    "list_styles",
    "load_method",
    "make_side",
    "measure_gain",
    "parse_style",
    "plan_differences",
    "plan_jobs",
    "plans_of",
    "register_method",
    "upmix",
    "upmix_batch",
    "upmix_blocks",
    "upmix_file",
    "upmix_stream",
]

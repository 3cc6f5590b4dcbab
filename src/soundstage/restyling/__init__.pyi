from .api import restyle
from .corrections import Corrections
from .engine import RestyleStream
from .options import RestyleOptions
from .pan_histogram import PanHistogram
from .placing import make_plans
from .song import SurveyedSong, survey_song
from .survey import Stage, StageSource, survey_stage

__all__ = [
    "Corrections",
    "PanHistogram",
    "RestyleOptions",
    "RestyleStream",
    "Stage",
    "StageSource",
    "SurveyedSong",
    "make_plans",
    "restyle",
    "survey_song",
    "survey_stage",
]

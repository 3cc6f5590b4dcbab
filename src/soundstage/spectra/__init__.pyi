from .filterbanks import erb_band_edges
from .power_frames import PowerFrames
from .stft import STFT, AnalysisStream, ShortWindowSTFT, SynthesisStream
from .streaming import SampleQueue, StreamingConvolver

__all__ = [
    "STFT",
    "AnalysisStream",
    "PowerFrames",
    "SampleQueue",
    "ShortWindowSTFT",
    "StreamingConvolver",
    "SynthesisStream",
    "erb_band_edges",
]

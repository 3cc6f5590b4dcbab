"""Spectra: short-time Fourier transforms, perceptual filter banks and streaming convolution."""

from soundstage.spectra.filterbanks import erb_band_edges
from soundstage.spectra.stft import STFT, AnalysisStream, ShortWindowSTFT, SynthesisStream
from soundstage.spectra.streaming import SampleQueue, StreamingConvolver

__all__ = [
    "STFT",
    "AnalysisStream",
    "SampleQueue",
    "ShortWindowSTFT",
    "StreamingConvolver",
    "SynthesisStream",
    "erb_band_edges",
]

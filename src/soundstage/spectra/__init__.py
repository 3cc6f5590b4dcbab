"""Spectra: short-time Fourier transforms, perceptual bands and long filters, whole or in blocks."""

from soundstage.spectra.bands import erb_band_edges
from soundstage.spectra.compression import compress, expand
from soundstage.spectra.convolution import StreamingConvolver
from soundstage.spectra.sample_queue import SampleQueue
from soundstage.spectra.short_window import ShortWindowSTFT
from soundstage.spectra.stft import STFT, AnalysisStream, SynthesisStream

__all__ = [
    "STFT",
    "AnalysisStream",
    "SampleQueue",
    "ShortWindowSTFT",
    "StreamingConvolver",
    "SynthesisStream",
    "compress",
    "erb_band_edges",
    "expand",
]

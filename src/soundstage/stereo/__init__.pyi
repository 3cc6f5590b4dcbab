from .alignment import Alignment, AlignmentMeter
from .decoding import Decoder, DecoderStream, decode_signal
from .decorrelator import TransientStream, allpass_response
from .encoding import (
    BANDS,
    FRAME_RATE,
    RATE,
    TOKENS,
    TRANSFORM,
    Parameters,
    band_energy,
    band_sums,
    dequantize,
    encode,
    encode_signal,
    quantize,
)
from .mid_side import MidSideMeter, is_dual_mono, to_left_right, to_mid_side
from .surface_noise import SurfaceNoise, SurfaceNoiseMeter

__all__ = [
    "BANDS",
    "FRAME_RATE",
    "RATE",
    "TOKENS",
    "TRANSFORM",
    "Alignment",
    "AlignmentMeter",
    "Decoder",
    "DecoderStream",
    "MidSideMeter",
    "Parameters",
    "SurfaceNoise",
    "SurfaceNoiseMeter",
    "TransientStream",
    "allpass_response",
    "band_energy",
    "band_sums",
    "decode_signal",
    "dequantize",
    "encode",
    "encode_signal",
    "is_dual_mono",
    "quantize",
    "to_left_right",
    "to_mid_side",
]

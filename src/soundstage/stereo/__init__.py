"""The parametric stereo coder: mid and side, parameters, quantizer, decorrelator, decoders."""

from soundstage.stereo.decoding import Decoder, DecoderStream, decode_signal
from soundstage.stereo.decorrelator import allpass_response
from soundstage.stereo.midside import to_left_right, to_mid_side
from soundstage.stereo.parameters import (
    BANDS,
    FRAME_RATE,
    RATE,
    TRANSFORM,
    Parameters,
    band_energy,
    band_sums,
    encode,
    encode_signal,
)
from soundstage.stereo.quantization import TOKENS, dequantize, quantize
from soundstage.stereo.transients import TransientStream

__all__ = [
    "BANDS",
    "FRAME_RATE",
    "RATE",
    "TOKENS",
    "TRANSFORM",
    "Decoder",
    "DecoderStream",
    "Parameters",
    "TransientStream",
    "allpass_response",
    "band_energy",
    "band_sums",
    "decode_signal",
    "dequantize",
    "encode",
    "encode_signal",
    "quantize",
    "to_left_right",
    "to_mid_side",
]

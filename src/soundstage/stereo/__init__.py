"""Parametric stereo: mid and side, encoding, decorrelator, decoder, features and style descriptors.

- `mid_side`: the fold-down identity, and the dual-mono test
- `encoding`: level difference and coherence per band and frame, and their tokens
- `prediction`, `decorrelator`, `decoding`: from a mid and parameters to the side
- `features`, `side_parameters`, `compressed_stft`: inputs and targets of the networks
- `descriptors`, `style_prior`: the style of a stage
"""

from soundstage.stereo.decoding import Decoder, DecoderStream, decode_signal
from soundstage.stereo.decorrelator import TransientStream, allpass_response
from soundstage.stereo.encoding import (
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
from soundstage.stereo.mid_side import MidSideMeter, is_dual_mono, to_left_right, to_mid_side

__all__ = [
    "BANDS",
    "FRAME_RATE",
    "RATE",
    "TOKENS",
    "TRANSFORM",
    "Decoder",
    "DecoderStream",
    "MidSideMeter",
    "Parameters",
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

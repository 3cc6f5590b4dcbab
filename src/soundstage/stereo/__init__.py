"""Parametric stereo: mid and side, encoding, decorrelator, decoder, features and style descriptors.

- `mid_side`: the fold-down identity, and the dual-mono test
- `encoding`: level difference and coherence per band and frame, and their tokens
- `prediction`, `decorrelator`, `decoding`: from a mid and parameters to the side
- `features`, `side_parameters`, `compressed_stft`: inputs and targets of the networks
- `descriptors`, `style_prior`: the style of a stage
"""

from lazy_loader import attach_stub

__getattr__, __dir__, __all__ = attach_stub(__name__, __file__)

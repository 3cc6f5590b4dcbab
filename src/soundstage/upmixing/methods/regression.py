"""`regression` (PS-Reg): a transformer tells the mean of what a mid could sound like in stereo.

The baseline of Serrà et al. (2023, §4.1): the network of their generative models, trained by mean
squared error on level differences and coherences that are not quantized. Left and right are
equally likely, so that the mean of the level differences is near the center, while coherence,
which has no side, is told well: the result is wide where music is wide, and nothing has a place.

A signal is heard in windows of 256 frames (5.9 s) that begin every 192 frames; over the 64 that
two windows share, the answer goes smoothly from one to the other. Windows lie at fixed frames, so
the result does not depend on how a signal is cut; the last one is as short as what is left.

Takes: a seed serves the decorrelator alone.
"""

import torch
from jaxtyping import Complex, Float
from torch import Tensor

from soundstage.errors import WeightsError
from soundstage.networks.models.stereo_regression import StereoRegression, StereoRegressionConfig
from soundstage.spectra import SampleQueue
from soundstage.stereo import Parameters
from soundstage.stereo.features import FEATURES, LEVELS, mid_levels, parameters_from_features
from soundstage.weights.model import load_model

FAMILY = "regression"
WINDOW = 256  # frames; what the shipped model was trained with
HOP = 192
SHARED = WINDOW - HOP


class RegressionPredictor:
    """Parameters by a network.

    Args:
        network: in evaluation mode.
    """

    def __init__(self, network: StereoRegression) -> None:
        self._network = network.eval().requires_grad_(False)

    @classmethod
    def load(cls, source: str = FAMILY) -> "RegressionPredictor":
        """With the shipped network, or with that of a file made by `soundstage train`.

        Raises:
            WeightsError: the file is missing, damaged, or its tensors make no such network.
        """
        model = load_model(source, StereoRegressionConfig)
        if (model.config.n_levels, model.config.n_outputs) != (LEVELS, FEATURES):
            raise WeightsError(
                f"{model.source}: the network was trained for another analysis of the sound."
            )
        return cls(model.network)

    def stream(self, *, seed: int) -> "RegressionStream":
        """Begin a signal; every seed gives the same parameters."""
        return RegressionStream(self._network)


class RegressionStream:
    """One signal on its way through the network; up to 256 frames are held back."""

    def __init__(self, network: StereoRegression) -> None:
        self._network = network
        self._levels = SampleQueue((LEVELS,))
        self._open: Tensor | None = None  # what the last window said of the frames it shares
        self._context: Tensor | None = None  # levels of those frames

    def push(self, spectrogram: Complex[Tensor, "bins frames"]) -> Parameters:
        """Parameters of the frames that whole windows cover."""
        if spectrogram.shape[1]:
            self._levels.push(mid_levels(spectrogram).T)
        parts = [torch.zeros(FEATURES, 0)]
        while len(self._levels) >= self._wanted():
            told = self._window(self._levels.pop(self._wanted()))
            self._open = told[:, HOP:]
            parts.append(told[:, :HOP])
        return parameters_from_features(torch.cat(parts, dim=1))

    def finish(self) -> Parameters:
        """Parameters of the rest."""
        if len(self._levels):
            told = self._window(self._levels.pop(len(self._levels)))
        else:
            told = torch.zeros(FEATURES, 0) if self._open is None else self._open
        return parameters_from_features(told)

    def _wanted(self) -> int:
        """New frames that the next window needs."""
        return WINDOW if self._context is None else HOP

    def _window(self, new: Float[Tensor, "levels frames"]) -> Float[Tensor, "features frames"]:
        """What the network says of a window, its beginning blended with the end of the last."""
        levels = new if self._context is None else torch.cat([self._context, new], dim=1)
        told: Tensor = self._network(levels.T[None])[0].T
        self._context = levels[:, HOP:]
        if self._open is not None:
            rise = (torch.arange(SHARED) + 0.5) / SHARED
            blended = self._open + rise * (told[:, :SHARED] - self._open)
            told = torch.cat([blended, told[:, SHARED:]], dim=1)
        return told

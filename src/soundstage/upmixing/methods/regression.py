"""`regression` (PS-Reg): a transformer predicts the mean stereo parameters, given the mid.

The baseline of Serrà et al. (2023, §4.1): the transformer of their generative models, trained with
mean squared error on level differences and coherences that are not quantized. Left and right are
equally likely, so that the mean of the level differences is near zero, while coherence, which has
no side, is predicted well: the result has the width of music, without panning.

A signal is processed in windows of 256 frames (5.9 s), one every 192 frames, with a crossfade over
the 64 frames that two of them share. Windows lie at fixed frames, so that the result does not
depend on the block size; the last one is as short as the rest.

All takes have the same parameters; a seed changes the decorrelator alone.
"""

from collections.abc import Sequence

import torch
from jaxtyping import Complex, Float
from torch import Tensor

from soundstage.errors import WeightsError
from soundstage.networks.models.stereo_regression import StereoRegression, StereoRegressionConfig
from soundstage.spectra import SampleQueue
from soundstage.stereo import Decoder, Parameters
from soundstage.stereo.features import FEATURES, LEVELS, mid_levels, parameters_from_features
from soundstage.upmixing.generative.style import Style
from soundstage.upmixing.parametric import ParametricMethod
from soundstage.weights.model import load_model

FAMILY = "regression"
WINDOW = 256  # frames, as in the training of the pretrained weights
HOP = 192
OVERLAP = WINDOW - HOP


class RegressionPredictor:
    """Parameters by a network.

    Args:
        network: in evaluation mode.
        device: where it runs.
    """

    def __init__(self, network: StereoRegression, device: torch.device | str = "cpu") -> None:
        self._network, self._device = network.eval().requires_grad_(False).to(device), device

    def stream(self, seeds: Sequence[int]) -> "RegressionStream":
        """Start a signal."""
        return RegressionStream(self, takes=len(seeds))

    def predict(self, levels: Float[Tensor, "levels frames"]) -> Float[Tensor, "features frames"]:
        """Features of the parameters of a window."""
        features: Tensor = self._network(levels.T[None].to(self._device))[0].T
        return features.cpu()


class RegressionStream:
    """One signal in windows; up to a window is held back."""

    def __init__(self, predictor: RegressionPredictor, *, takes: int) -> None:
        self._predictor, self._takes = predictor, takes
        self._levels = SampleQueue((LEVELS,))
        self._last: Tensor | None = None  # features of the frames shared with the next window
        self._context: Tensor | None = None  # levels of those frames

    def push(self, spectrogram: Complex[Tensor, "bins frames"], /) -> Parameters:
        """Parameters of the frames that whole windows cover, (takes, bands, ready)."""
        if spectrogram.shape[1]:
            self._levels.push(mid_levels(spectrogram).T)
        parts = [torch.zeros(FEATURES, 0)]
        while len(self._levels) >= self._next_frames():
            features = self._window(self._levels.pop(self._next_frames()))
            self._last = features[:, HOP:]
            parts.append(features[:, :HOP])
        return self._parameters(torch.cat(parts, dim=1))

    def finish(self) -> Parameters:
        """Parameters of the rest."""
        if len(self._levels):
            return self._parameters(self._window(self._levels.pop(len(self._levels))))
        return self._parameters(torch.zeros(FEATURES, 0) if self._last is None else self._last)

    def _next_frames(self) -> int:
        """New frames of the next window."""
        return WINDOW if self._context is None else HOP

    def _window(self, new: Float[Tensor, "levels frames"]) -> Float[Tensor, "features frames"]:
        """Features of a window, crossfaded with the end of the last one."""
        levels = new if self._context is None else torch.cat([self._context, new], dim=1)
        features = self._predictor.predict(levels)
        self._context = levels[:, HOP:]
        if self._last is not None:
            rise = (torch.arange(OVERLAP) + 0.5) / OVERLAP
            blended = self._last + rise * (features[:, :OVERLAP] - self._last)
            features = torch.cat([blended, features[:, OVERLAP:]], dim=1)
        return features

    def _parameters(self, features: Float[Tensor, "features frames"]) -> Parameters:
        takes = (each.expand(self._takes, -1, -1) for each in parameters_from_features(features))
        return Parameters(*takes)


def load(
    weights: str = FAMILY,
    *,
    style: Style | None = None,
    decoder: Decoder = "prediction",
    device: torch.device | str = "cpu",
) -> ParametricMethod:
    """The method with its weights.

    Raises:
        WeightsError: the weights are missing, damaged, or of another family.
    """
    return ParametricMethod(
        RegressionPredictor(_load_network(weights, device), device), decoder=decoder
    )


def _load_network(source: str, device: torch.device | str) -> StereoRegression:
    model = load_model(source, StereoRegressionConfig, device)
    if (model.config.n_levels, model.config.n_outputs) != (LEVELS, FEATURES):
        raise WeightsError(
            f"{model.source}: the network was trained for another analysis of the sound."
        )
    return model.network

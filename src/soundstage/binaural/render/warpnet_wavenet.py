"""`warpnet` and `wavenet`: regression of the ear signals by one pass of a network.

`warpnet` (Richard et al. 2021): the mono signal is warped to each ear by its distance and a learned
part, monotone and causal (`networks/backbones/neural_warp.py`), and filtered by a stack of
convolutions with pose-conditioned weights (`networks/models/binaural_wavenet.py`).

`wavenet`: a pose-conditioned WaveNet, the baseline of Richard et al. (2021) and Leng et al. (2022).
It has no geometric warping and must learn even the delays.
"""

import math
from typing import cast

from jaxtyping import Float32
from torch import Tensor

from soundstage.binaural.geometry import HEAD_RADIUS
from soundstage.binaural.render.neural_stream import (
    SAMPLES_PER_METER,
    NetworkInputs,
    NeuralRenderer,
    load_network,
)
from soundstage.networks.models.binaural_wavenet import (
    BinauralWaveNet,
    BinauralWaveNetConfig,
    WarpNet,
    WarpNetConfig,
)
from soundstage.weights.model import LoadedModel

LEARNED_DELAY = 96  # samples assumed for the learned part of a delay: 2 ms


class WarpNetRenderer(NeuralRenderer):
    """The method `warpnet`.

    Args:
        loaded: the network.
        as_recorded: keep the level of the training recordings.
    """

    def __init__(self, loaded: LoadedModel[WarpNetConfig], *, as_recorded: bool = False) -> None:
        super().__init__(loaded, as_recorded=as_recorded)
        self._network = cast(WarpNet, loaded.network)

    @property
    def receptive_field(self) -> tuple[int, int]:
        """Samples before and after."""
        farthest = math.ceil((self.calibration.farthest + HEAD_RADIUS) * SAMPLES_PER_METER)
        return self._network.receptive_field(farthest + LEARNED_DELAY)

    def predict(self, inputs: NetworkInputs) -> Float32[Tensor, "2 samples"]:
        """The ear signals of a window."""
        return self._network(inputs.mono, inputs.pose, inputs.delays)[0]


class WaveNetRenderer(NeuralRenderer):
    """The method `wavenet`.

    Args:
        loaded: the network.
        as_recorded: keep the level of the training recordings.
    """

    def __init__(
        self, loaded: LoadedModel[BinauralWaveNetConfig], *, as_recorded: bool = False
    ) -> None:
        super().__init__(loaded, as_recorded=as_recorded)
        self._network = cast(BinauralWaveNet, loaded.network)

    @property
    def receptive_field(self) -> tuple[int, int]:
        """Samples before and after."""
        return self._network.receptive_field

    def predict(self, inputs: NetworkInputs) -> Float32[Tensor, "2 samples"]:
        """The ear signals of a window."""
        return self._network(inputs.mono, inputs.pose)[0]


def load_warpnet(source: str = WarpNetConfig.family, *, device: str = "auto") -> WarpNetRenderer:
    """Load `warpnet`, pretrained or from a file made by `soundstage train`.

    Raises:
        WeightsError: the file is missing, damaged, or of another network.
        OptionError: the device is unavailable.
    """
    return WarpNetRenderer(load_network(source, WarpNetConfig, device))


def load_wavenet(
    source: str = BinauralWaveNetConfig.family, *, device: str = "auto"
) -> WaveNetRenderer:
    """Load `wavenet`, pretrained or from a file made by `soundstage train`.

    Raises:
        WeightsError: the file is missing, damaged, or of another network.
        OptionError: the device is unavailable.
    """
    return WaveNetRenderer(load_network(source, BinauralWaveNetConfig, device))

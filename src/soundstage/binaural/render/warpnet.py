"""`warpnet`: what two ears hear by neural time warping and hyper-convolutions.

The renderer of Richard et al. (2021): the mono signal is warped to each ear by its distance and by
a part that is learned, monotone and causal (`networks/backbones/neural_warp.py`), and a stack of convolutions
whose weights the pose makes filters both ears together (`networks/models/binaural_wavenet.py`).
"""

import math
from typing import cast

from jaxtyping import Float32
from torch import Tensor

from soundstage.binaural.geometry import HEAD_RADIUS
from soundstage.binaural.render.neural_stream import A_METER, NeuralRenderer, Told
from soundstage.binaural.render.neural_weights import LoadedNetwork, WarpNetShape, load_network
from soundstage.networks.models.binaural_wavenet import WarpNet

LEARNED = 96  # samples that the learned part of a delay is taken to reach: 2 ms


class WarpNetRenderer(NeuralRenderer):
    """The method, ready to run.

    Args:
        loaded: the network, out of `load_network`.
        as_recorded: leave the level as in the recordings that were learned from.
    """

    def __init__(self, loaded: LoadedNetwork[WarpNetShape], *, as_recorded: bool = False) -> None:
        super().__init__(loaded, as_recorded=as_recorded)
        self._network = cast(WarpNet, loaded.network)

    @property
    def reach(self) -> tuple[int, int]:
        """Samples before and after one that the result there depends on."""
        farthest = math.ceil((self.calibration.farthest + HEAD_RADIUS) * A_METER)
        return self._network.reach(farthest + LEARNED)

    def ears(self, told: Told) -> Float32[Tensor, "2 samples"]:
        """What is heard of a window."""
        return self._network(told.mono, told.view, told.delays)[0]


def load_warpnet(source: str = WarpNetShape.family) -> WarpNetRenderer:
    """The method with shipped weights, or with those of a file made by `soundstage train`.

    Raises:
        WeightsError: the file is missing, damaged, or its tensors make no such network.
    """
    return WarpNetRenderer(load_network(source, WarpNetShape))

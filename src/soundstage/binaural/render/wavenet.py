"""`wavenet`: what two ears hear by one pass of a WaveNet that is told the pose.

The plain baseline of Richard et al. (2021) and of Leng et al. (2022): no geometry, so that even the
delays have to be learned (`networks/models/binaural_wavenet.py`).
"""

from typing import cast

from jaxtyping import Float32
from torch import Tensor

from soundstage.binaural.render.neural_stream import NeuralRenderer, Told
from soundstage.binaural.render.neural_weights import (
    BinauralWaveNetConfig,
    LoadedNetwork,
    load_network,
)
from soundstage.networks.models.binaural_wavenet import BinauralWaveNet


class WaveNetRenderer(NeuralRenderer):
    """The method, ready to run.

    Args:
        loaded: the network, out of `load_network`.
        as_recorded: leave the level as in the recordings that were learned from.
    """

    def __init__(
        self, loaded: LoadedNetwork[BinauralWaveNetConfig], *, as_recorded: bool = False
    ) -> None:
        super().__init__(loaded, as_recorded=as_recorded)
        self._network = cast(BinauralWaveNet, loaded.network)

    @property
    def reach(self) -> tuple[int, int]:
        """Samples before and after one that the result there depends on."""
        return self._network.reach

    def ears(self, told: Told) -> Float32[Tensor, "2 samples"]:
        """What is heard of a window."""
        return self._network(told.mono, told.view)[0]


def load_wavenet(source: str = BinauralWaveNetConfig.family) -> WaveNetRenderer:
    """The method with shipped weights, or with those of a file made by `soundstage train`.

    Raises:
        WeightsError: the file is missing, damaged, or its tensors make no such network.
    """
    return WaveNetRenderer(load_network(source, BinauralWaveNetConfig))

"""`warpnet`: what two ears hear by neural time warping and hyper-convolutions.

The renderer of Richard et al. (2021): the mono signal is warped to each ear by its distance and by
a part that is learnt, monotone and causal (`networks/neural_warp.py`), and a stack of convolutions
whose weights the pose makes filters both ears together (`networks/binaural_wavenet.py`).
"""

import math
from typing import cast

from jaxtyping import Float32
from torch import Tensor

from soundstage.binaural.geometry import HEAD_RADIUS
from soundstage.binaural.neural_stream import A_METRE, NeuralStream, Told
from soundstage.binaural.neural_weights import LoadedNetwork, WarpNetShape, load_network
from soundstage.binaural.trajectories import Trajectory
from soundstage.networks.binaural_wavenet import WarpNet

LEARNT = 96  # samples that the learnt part of a delay is taken to reach: 2 ms


class WarpNetRenderer:
    """The method, ready to run.

    Args:
        loaded: the network, out of `load_network`.
        as_recorded: leave the level as in the recordings that were learnt from.
    """

    frame = 1

    def __init__(self, loaded: LoadedNetwork[WarpNetShape], *, as_recorded: bool = False) -> None:
        self._network = cast(WarpNet, loaded.network)
        self._as_recorded = as_recorded
        self.calibration = loaded.calibration
        self.view, self.levelled = loaded.shape.view_name, loaded.shape.levelled

    @property
    def reach(self) -> tuple[int, int]:
        """Samples before and after one that the result there depends on."""
        farthest = math.ceil((self.calibration.farthest + HEAD_RADIUS) * A_METRE)
        return self._network.reach(farthest + LEARNT)

    def stream(
        self, trajectory: Trajectory, rate: int, *, no_delay: float | None = None
    ) -> NeuralStream:
        """Begin a sound; see `Renderer.stream`."""
        nearest = trajectory.nearest if no_delay is None else no_delay
        return NeuralStream(self, trajectory, rate, no_delay=nearest, as_recorded=self._as_recorded)

    def ears(self, told: Told) -> Float32[Tensor, "2 samples"]:
        """What is heard of a window."""
        return self._network(told.mono, told.view, told.delays)[0]


def load_warpnet(source: str = WarpNetShape.family) -> WarpNetRenderer:
    """The method with shipped weights, or with those of a file made by `soundstage train`.

    Raises:
        WeightsError: the file is missing, damaged, or its tensors make no such network.
    """
    return WarpNetRenderer(load_network(source, WarpNetShape))

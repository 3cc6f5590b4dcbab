"""Weights of the neural renderers: a network of any size, and all that says how to run it.

A file holds the tensors of its network in half precision, a row of whole numbers, `shape`, and one
of others, `calibration`. Both are checked before anything is built.
"""

from collections.abc import Mapping
from dataclasses import asdict, astuple, dataclass, fields
from typing import ClassVar, Final, Generic, NamedTuple, TypeVar

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor, nn

from soundstage.binaural.render.pose_encoding import POSE_FEATURES, POSE_HOP, POSE_ENCODINGS, PoseEncoding, uses_distance_law
from soundstage.binaural.trajectories import FARTHEST, NEAREST
from soundstage.diffusion import (
    DiscreteSchedule,
    FlowSchedule,
    Parametrization,
    linear_betas,
)
from soundstage.diffusion.schedules import Schedule
from soundstage.errors import WeightsError
from soundstage.networks.backbones.dilated import DilatedStackConfig
from soundstage.networks.models.binaural_grad import (
    BinauralGrad,
    BinauralGradConfig,
    Stage,
    StepEmbedding,
)
from soundstage.networks.models.binaural_grad_frames import (
    BinauralGradFrames,
    BinauralGradFramesConfig,
)
from soundstage.networks.models.binaural_wavenet import BinauralWaveNet, WarpNet, WarpNetConfig
from soundstage.weights import factored, load_weights

STEPS: Final = 200  # of diffusion in training (Leng et al. 2022, §4); a flow's time is told so, too
STAGES: Final = (Stage.COMMON, Stage.SPECIFIC, Stage.SINGLE)
DIRECTIONS: Final = 48  # of all encoded steps that are kept: results change by −60 dB or less
LOUDEST: Final = 1e6  # that a number of the calibration may claim


@dataclass(frozen=True)
class Calibration:
    """What goes with a network beside its weights."""

    scale: float
    """That all sound is multiplied with before it is heard by the network, and divided by after."""
    loudness: float
    """Amplitude of the recordings that it learned from, at 1 m, over that of what was said."""
    nearest: float
    """Distance in meters, of the poses that it learned from."""
    farthest: float
    """The same."""

    @property
    def distances(self) -> tuple[float, float]:
        """Nearest and farthest."""
        return self.nearest, self.farthest

    def held(self, positions: Float[np.ndarray, "*points 3"]) -> Float[np.ndarray, "*points"]:
        """Distances of positions in meters, held to those that were learned from."""
        return np.linalg.norm(positions, axis=-1).clip(*self.distances)


@dataclass(frozen=True)
class _Stacked:
    """What all have in common; every field is a whole number."""

    view: int
    """Place in `POSE_ENCODINGS`."""
    blocks: int
    layers: int
    channels: int
    kernel: int

    @property
    def view_name(self) -> PoseEncoding:
        """What the network is told of a pose."""
        return POSE_ENCODINGS[self.view]

    @property
    def leveled(self) -> bool:
        """Whether the network hears sound by the law of distance."""
        return uses_distance_law(self.view_name)

    @property
    def numbers(self) -> int:
        """Of a pose."""
        return POSE_FEATURES[self.view_name]


@dataclass(frozen=True)
class BinauralWaveNetConfig(_Stacked):
    """What a `BinauralWaveNet` is."""

    family: ClassVar[str] = "wavenet"
    least: ClassVar[tuple[int, ...]] = (0, 1, 1, 1, 1)
    most: ClassVar[tuple[int, ...]] = (len(POSE_ENCODINGS) - 1, 16, 16, 1024, 9)

    def network(self) -> BinauralWaveNet:
        """Untrained."""
        size = DilatedStackConfig(self.blocks, self.layers, self.channels, self.kernel)
        return BinauralWaveNet(size, numbers=self.numbers, hop=POSE_HOP)


@dataclass(frozen=True)
class WarpNetShape(_Stacked):
    """What a `WarpNet` is."""

    rank: int
    warp_layers: int
    warp_channels: int

    family: ClassVar[str] = "warpnet"
    least: ClassVar[tuple[int, ...]] = (0, 1, 1, 1, 1, 1, 1, 1)
    most: ClassVar[tuple[int, ...]] = (len(POSE_ENCODINGS) - 1, 16, 16, 1024, 9, 1024, 16, 1024)

    def network(self) -> WarpNet:
        """Untrained."""
        stack = DilatedStackConfig(self.blocks, self.layers, self.channels, self.kernel)
        size = WarpNetConfig(self.warp_layers, self.warp_channels, stack, self.rank)
        return WarpNet(size, numbers=self.numbers, hop=POSE_HOP)


@dataclass(frozen=True)
class GradShape(_Stacked):
    """What a network of BinauralGrad is, and how it is to be run."""

    stage: int
    """Place in `STAGES`."""
    frame: int
    """Samples of a frame; 0: the paper's network, which has none, and none of the next four."""
    separable: int
    condition: int
    taps: int
    rank: int
    step: int
    """Waves of the diffusion step."""
    flow: int
    """1: noise goes in a straight line, and the network tells the clean sound; 0: the paper's."""

    family: ClassVar[str] = "binauralgrad"
    least: ClassVar[tuple[int, ...]] = (0, 1, 1, 1, 1, 0, 0, 0, 1, 0, 0, 2, 0)
    most: ClassVar[tuple[int, ...]] = (
        *(len(POSE_ENCODINGS) - 1, 16, 16, 1024, 9),
        *(len(STAGES) - 1, 1024, 1, 1024, 1025, 1024, 1024, 1),
    )

    @property
    def of_stage(self) -> Stage:
        """What the network makes."""
        return STAGES[self.stage]

    def network(self) -> BinauralGrad | BinauralGradFrames:
        """Untrained.

        Raises:
            ValueError: the numbers make no network.
        """
        stack = DilatedStackConfig(
            self.blocks, self.layers, self.channels, self.kernel, bool(self.separable)
        )
        if not self.frame:
            size = BinauralGradConfig(stack, self.step, condition=self.condition)
            return BinauralGrad(self.of_stage, size, numbers=self.numbers, hop=POSE_HOP)
        frames = BinauralGradFramesConfig(
            stack, self.frame, self.condition, self.taps, self.rank, self.step
        )
        return BinauralGradFrames(
            self.of_stage,
            frames,
            begins="nearest" if self.flow else "silent",
            numbers=self.numbers,
            hop=POSE_HOP,
        )

    def schedule(self) -> Schedule:
        """Of the noise: the paper's 200 steps, or a straight line from 0 to 1."""
        return FlowSchedule() if self.flow else DiscreteSchedule(linear_betas(STEPS))

    def parametrization(self) -> Parametrization:
        """What the network tells."""
        return Parametrization.CLEAN if self.flow else Parametrization.NOISE

    @property
    def time_factor(self) -> float:
        """From a time of the schedule to what the network is told of it."""
        return float(STEPS) if self.flow else 1.0


Shape = BinauralWaveNetConfig | WarpNetShape | GradShape
S = TypeVar("S", BinauralWaveNetConfig, WarpNetShape, GradShape)


class LoadedNetwork(NamedTuple, Generic[S]):
    """What a file of weights gives."""

    shape: S
    calibration: Calibration
    network: nn.Module
    """In evaluation mode."""


def network_tensors(
    shape: Shape, calibration: Calibration, state: Mapping[str, Tensor]
) -> dict[str, Tensor]:
    """What a file of weights holds.

    How the layers of BinauralGrad are told the step of diffusion is stored as factors: all steps
    are a curve that stays within few directions of the 512 that they are encoded in.
    """
    tensors = {name: value.detach().cpu().half() for name, value in state.items()}
    if isinstance(shape, GradShape):
        told = [name for name in tensors if name.endswith(".step.weight")]
        tensors = factored(tensors, told, _steps(shape, state), DIRECTIONS)
    return {
        **tensors,
        "shape": torch.tensor(astuple(shape), dtype=torch.int64),
        "calibration": torch.tensor(astuple(calibration), dtype=torch.float64),
    }


def _steps(shape: GradShape, state: Mapping[str, Tensor]) -> Float[Tensor, "steps encoded"]:
    """All steps of diffusion as the network encodes them, and some between."""
    encoding = StepEmbedding(shape.step)
    prefix = "step."
    encoding.load_state_dict(
        {
            name[len(prefix) :]: value.detach().cpu().float()
            for name, value in state.items()
            if name.startswith(prefix)
        }
    )
    with torch.no_grad():
        return encoding(torch.linspace(0, STEPS, 2 * STEPS + 1))


def load_network(source: str, kind: type[S]) -> LoadedNetwork[S]:
    """A network with all that says how to run it.

    Args:
        source: name of shipped weights, or a file made by `soundstage train`.
        kind: of its shape.

    Raises:
        WeightsError: the file is missing, damaged, or its tensors make no such network.
    """
    weights = load_weights(source, kind.family)
    numbers = weights.tensor("shape", torch.int64, (len(fields(kind)),)).tolist()
    if not all(
        low <= number <= high
        for low, number, high in zip(kind.least, numbers, kind.most, strict=True)
    ):
        raise WeightsError(f"{weights.source}: claims a network of unheard-of shape {numbers}.")
    shape = kind(*numbers)
    calibration = Calibration(
        *weights.tensor("calibration", torch.float64, (len(fields(Calibration)),)).tolist()
    )
    _check(calibration, weights.source)
    try:
        with torch.device("meta"):
            network = shape.network()
    except (ValueError, RuntimeError) as error:
        raise WeightsError(f"{weights.source}: {error}.") from error
    tensors = {
        name: weights.tensor(name, torch.float16, tuple(tensor.shape)).float()
        for name, tensor in network.state_dict().items()
    }
    network.load_state_dict(tensors, assign=True)
    return LoadedNetwork(shape, calibration, network.eval().requires_grad_(False))


def _check(calibration: Calibration, source: str) -> None:
    for name, value in asdict(calibration).items():
        if not 1 / LOUDEST < value < LOUDEST:
            raise WeightsError(f"{source}: its {name} of {value:g} is no number that could be.")
    if not NEAREST <= calibration.nearest <= calibration.farthest <= FARTHEST:
        raise WeightsError(
            f"{source}: has learned from {calibration.nearest:g} to {calibration.farthest:g} m, and "
            f"distances are {NEAREST:g} to {FARTHEST:,g} m."
        )

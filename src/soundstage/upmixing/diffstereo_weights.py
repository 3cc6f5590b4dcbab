"""Weights of the method `diffstereo`: a network of any size, and all that says how to run it.

The file holds its tensors in half precision and a row of whole numbers, `shape`, which is checked
before anything is built.
"""

from collections.abc import Mapping
from dataclasses import astuple, dataclass
from typing import Final

import torch
from torch import Tensor

from soundstage.diffusion import DiscreteSchedule, linear_betas
from soundstage.errors import WeightsError
from soundstage.networks.backbones.dit import DiTSize
from soundstage.networks.models.stereo_diffusion import StereoDiffusion
from soundstage.weights import load_weights

FAMILY: Final = "diffstereo"
SMALLEST = (1, 1, 1, 1, 1, 1, 8, 50, 0)  # that a file may claim, in field order
LARGEST = (64, 4096, 256, 16, 64, 513, 8192, 10_000, 1)


@dataclass(frozen=True)
class DiffStereoConfig:
    """What a network is and how it is to be run; every field is a whole number."""

    blocks: int
    width: int
    heads: int
    expansion: int
    patch_frames: int
    patch_bins: int
    frames: int
    """Of the spectrogram that it learned to fill at once."""
    steps: int
    """Of the diffusion in training."""
    axial: int
    """1: a vector hears its own moment and its own bins in turn; 0: all vectors."""

    def network(self) -> StereoDiffusion:
        """Untrained.

        Raises:
            ValueError: the numbers make no network.
        """
        return StereoDiffusion(
            DiTSize(self.blocks, self.width, self.heads, self.expansion),
            (self.patch_frames, self.patch_bins),
            attention="axial" if self.axial else "full",
        )

    def schedule(self) -> DiscreteSchedule:
        """β in equal steps, for 1000 those of Ho et al. (2020, §4); fewer are as much larger."""
        scale = 1000 / self.steps
        return DiscreteSchedule(linear_betas(self.steps, 1e-4 * scale, 0.02 * scale))


def network_tensors(shape: DiffStereoConfig, state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """What a file of weights holds."""
    tensors = {name: value.detach().cpu().half() for name, value in state.items()}
    return {**tensors, "shape": torch.tensor(astuple(shape), dtype=torch.int64)}


def load_stereo_diffusion(source: str) -> tuple[DiffStereoConfig, StereoDiffusion]:
    """A network in evaluation mode, with all that says how to run it.

    Args:
        source: a file made by `soundstage train`.

    Raises:
        WeightsError: the file is missing, damaged, or its tensors make no such network.
    """
    weights = load_weights(source, FAMILY)
    numbers = weights.tensor("shape", torch.int64, (len(LARGEST),)).tolist()
    if not all(
        least <= number <= most
        for least, number, most in zip(SMALLEST, numbers, LARGEST, strict=True)
    ):
        raise WeightsError(f"{weights.source}: claims a network of unheard-of shape {numbers}.")
    shape = DiffStereoConfig(*numbers)
    try:
        with torch.device("meta"):
            network = shape.network()
    except ValueError as error:
        raise WeightsError(f"{weights.source}: {error}.") from error
    tensors = {
        name: weights.tensor(name, torch.float16, tuple(tensor.shape)).float()
        for name, tensor in network.state_dict().items()
    }
    network.load_state_dict(tensors, assign=True)
    return shape, network.eval().requires_grad_(False)

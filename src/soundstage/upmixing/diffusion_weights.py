"""Weights of the method `diffusion`: a network of any size, and all that says how to run it.

As with the models of tokens, the file holds its tensors in half precision and a row of whole
numbers, `shape`, which is checked before anything is built.
"""

from collections.abc import Mapping
from dataclasses import astuple, dataclass
from typing import Final, NamedTuple

import torch
from torch import Tensor

from soundstage.diffusion import NoiseOffsets
from soundstage.errors import WeightsError
from soundstage.networks.backbones.dit import DiTSize
from soundstage.networks.backbones.local_conditioning import TileInput
from soundstage.networks.models.side_diffusion import SideDiffusion
from soundstage.stereo.features import BANDS_OF_LEVELS
from soundstage.stereo.side_parameters import SIDE_PARAMETERS
from soundstage.stereo.style_prior import STYLE_FEATURES, StylePrior
from soundstage.upmixing.generative_weights import prior_of, prior_tensors
from soundstage.weights import load_weights

FAMILY: Final = "diffusion"
# Of level and direction. Levels of whole clips differ as much from one another (deviation 0.62) as
# those of tiles do within one (0.62), half of it alike in all bands; directions less (0.48, 0.88)
OFFSETS: Final = NoiseOffsets(rows=(0.2, 0.14), channels=(0.2, 0.08))
LARGEST = (64, 4096, 256, 16, 64, 34, 4096, 4096, 8, 1)  # that a file may claim, in field order


@dataclass(frozen=True)
class DiffusionShape:
    """What a network is and how it is to be run; every field is a whole number."""

    blocks: int
    width: int
    heads: int
    expansion: int
    vector_positions: int
    """Positions of one vector of the transformer."""
    vector_bands: int
    """Bands of one."""
    hearing: int
    """Channels in which each tile hears the sound around it."""
    patch: int
    """Positions that it hears at once."""
    stride: int
    """Frames from one position to the next."""
    styled: int
    """1: it hears a style."""

    def network(self) -> SideDiffusion:
        """Untrained.

        Raises:
            ValueError: the numbers make no network.
        """
        return SideDiffusion(
            len(SIDE_PARAMETERS),
            DiTSize(self.blocks, self.width, self.heads, self.expansion),
            vector=(self.vector_positions, self.vector_bands),
            tiles=TileInput(BANDS_OF_LEVELS, self.hearing),
            style=len(STYLE_FEATURES) if self.styled else 0,
        )


class LoadedDiffusion(NamedTuple):
    """What a file of weights gives."""

    shape: DiffusionShape
    network: SideDiffusion
    """In evaluation mode."""
    prior: StylePrior | None
    """Of the music that it has learned from, where it hears a style."""


def network_tensors(
    shape: DiffusionShape, state: Mapping[str, Tensor], prior: StylePrior | None
) -> dict[str, Tensor]:
    """What a file of weights holds."""
    tensors = {name: value.detach().cpu().half() for name, value in state.items()}
    return {
        **tensors,
        **prior_tensors(prior),
        "shape": torch.tensor(astuple(shape), dtype=torch.int64),
    }


def load_diffusion_network(source: str = FAMILY) -> LoadedDiffusion:
    """A network with all that says how to run it.

    Args:
        source: name of shipped weights, or a file made by `soundstage train`.

    Raises:
        WeightsError: the file is missing, damaged, or its tensors make no such network.
    """
    weights = load_weights(source, FAMILY)
    numbers = weights.tensor("shape", torch.int64, (len(LARGEST),)).tolist()
    allowed = all(0 <= number <= most for number, most in zip(numbers, LARGEST, strict=True))
    if not allowed or min(numbers[:-1]) < 1 or DiffusionShape(*numbers).patch < 8:
        raise WeightsError(f"{weights.source}: claims a network of unheard-of shape {numbers}.")
    shape = DiffusionShape(*numbers)
    try:
        with torch.device("meta"):
            network = shape.network()
    except ValueError as error:
        raise WeightsError(f"{weights.source}: {error}.") from error
    tensors = {
        name: weights.tensor(name, torch.float16, tuple(tensor.shape)).float()
        for name, tensor in network.state_dict().items()
    }
    network = shape.network()
    network.load_state_dict(tensors, assign=True)
    prior = prior_of(weights) if shape.styled else None
    return LoadedDiffusion(shape, network.eval().requires_grad_(False), prior)

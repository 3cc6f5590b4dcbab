"""Weights of the generative methods: a network of any size, and all that says how to run it.

The file holds its tensors in half precision and a row of whole numbers, `shape`, which is checked
before anything is built: weights may come from strangers.
"""

from collections.abc import Mapping
from dataclasses import astuple, dataclass
from typing import Any, Literal, NamedTuple

import torch
from torch import Tensor, nn

from soundstage.errors import WeightsError
from soundstage.networks.backbones.local_conditioning import TileInput
from soundstage.networks.backbones.transformer import MemoryInput, TokenInput, TransformerConfig
from soundstage.networks.models.stereo_autoregression import StereoAutoregression
from soundstage.networks.models.stereo_tokens import StereoTokens
from soundstage.stereo import BANDS
from soundstage.stereo.features import (
    BANDS_OF_LEVELS,
    CONTEXT_FEATURES,
    LEVELS,
    SEGMENT_FRAMES,
    SEGMENTS,
    STATISTICS,
)
from soundstage.stereo.style_prior import STYLE_FEATURES, StylePrior
from soundstage.weights import Weights, load_weights

GROUPS = ((248,), (31, 8))
PRIOR = ("style_mean", "style_covariance", "style_summary", "style_slope")
LARGEST = (
    64,
    4096,
    256,
    16,
    4096,
    4096,
    8,
    1,
    1,
    1,
    1,
    4096,
)  # that a file may claim, in field order


@dataclass(frozen=True)
class TokenModelConfig:
    """What a network is and how it is to be run; every field is a whole number."""

    blocks: int
    width: int
    heads: int
    expansion: int
    head: int
    """Rank of the scores of a masked network, width of the band-by-band head of a fast one."""
    patch: int
    """Positions that it hears at once."""
    stride: int
    """Frames from one position to the next."""
    split: int
    """1: tokens are embedded as level difference and coherence."""
    styled: int
    """1: it hears a style."""
    remembers: int
    """1: it is told of the minute before."""
    fast: int
    """1: one pass a frame with a small head over the bands."""
    hearing: int
    """Channels in which each tile hears the sound around it, 0 for none."""

    def network(self, *, dropout: float = 0.0) -> StereoTokens | StereoAutoregression:
        """Untrained.

        Raises:
            ValueError: the numbers make no network.
        """
        size = TransformerConfig(self.blocks, self.width, self.heads, self.expansion)
        tokens = TokenInput(BANDS, GROUPS[self.split])
        memory = None
        if self.remembers:
            if SEGMENT_FRAMES % self.stride:
                raise ValueError(f"stretches of memory are not whole at a stride of {self.stride}")
            memory = MemoryInput(SEGMENTS, SEGMENT_FRAMES // self.stride, CONTEXT_FEATURES)
        parts: dict[str, Any] = {
            "style": len(STYLE_FEATURES) if self.styled else 0,
            "memory": memory,
            "tiles": TileInput(BANDS_OF_LEVELS, self.hearing) if self.hearing else None,
            "dropout": dropout,
        }
        if self.fast:
            return StereoAutoregression(LEVELS, tokens, size, width=self.head, **parts)
        return StereoTokens(LEVELS, tokens, size, rank=self.head, **parts)


class LoadedNetwork(NamedTuple):
    """What a file of weights gives."""

    shape: TokenModelConfig
    network: nn.Module
    """In evaluation mode."""
    prior: StylePrior | None
    """Of the music that it has learned from, where it hears a style."""


def network_tensors(
    shape: TokenModelConfig, state: Mapping[str, Tensor], prior: StylePrior | None
) -> dict[str, Tensor]:
    """What a file of weights holds."""
    tensors = {name: value.detach().cpu().half() for name, value in state.items()}
    return {
        **tensors,
        **prior_tensors(prior),
        "shape": torch.tensor(astuple(shape), dtype=torch.int64),
    }


def load_network(source: str, family: Literal["masked", "autoregressive"]) -> LoadedNetwork:
    """A network with all that says how to run it.

    Args:
        source: name of shipped weights, or a file made by `soundstage train`.
        family: which the weights must be.

    Raises:
        WeightsError: the file is missing, damaged, or its tensors make no such network.
    """
    weights = load_weights(source, family)
    numbers = weights.tensor("shape", torch.int64, (len(LARGEST),)).tolist()
    allowed = all(0 <= number <= most for number, most in zip(numbers, LARGEST, strict=True))
    shape = TokenModelConfig(*numbers)
    if shape.fast:
        allowed = allowed and family == "autoregressive" and shape.head > 0
    if not allowed or shape.patch < 8 or shape.stride < 1:
        raise WeightsError(f"{weights.source}: claims a network of unheard-of shape {numbers}.")
    try:
        with torch.device("meta"):
            network = shape.network()
    except ValueError as error:
        raise WeightsError(f"{weights.source}: {error}.") from error
    wanted = network.state_dict()
    tensors = {
        name: weights.tensor(name, torch.float16, tuple(tensor.shape)).float()
        for name, tensor in wanted.items()
    }
    network = shape.network()
    network.load_state_dict(tensors, assign=True)
    prior = prior_of(weights) if shape.styled else None
    return LoadedNetwork(shape, network.eval().requires_grad_(False), prior)


def prior_tensors(prior: StylePrior | None) -> dict[str, Tensor]:
    """What a file of weights holds of a prior."""
    if prior is None:
        return {}
    parts = (prior.mean, prior.covariance, prior.summary, prior.slope)
    return dict(zip(PRIOR, parts, strict=True))


def prior_of(weights: Weights) -> StylePrior:
    """The prior that a file of weights holds.

    Raises:
        WeightsError: it is missing, or no Gaussian.
    """
    count = len(STYLE_FEATURES)
    sizes = ((count,), (count, count), (2, STATISTICS), (STATISTICS, count))
    mean, covariance, summary, slope = (
        weights.tensor(name, torch.float32, size) for name, size in zip(PRIOR, sizes, strict=True)
    )
    if not torch.equal(covariance, covariance.T) or torch.linalg.eigvalsh(covariance).min() < 0:
        raise WeightsError(f"{weights.source}: its spread of styles is none.")
    if not summary[1].min() > 0:
        raise WeightsError(f"{weights.source}: its summaries of sound have no spread.")
    return StylePrior(mean, covariance, summary, slope)

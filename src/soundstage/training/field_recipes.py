"""Recipe of networks that complete sound fields, trained on stems in simulated rooms."""

from typing import Annotated, Literal

from pydantic import Field

from soundstage.training.recipe_base import (
    BaseNetworkRecipe,
    Channels,
    Decibels,
    Probability,
    Strict,
    Weight,
)


class FieldMixing(Strict):
    """Random mixes of stems in rooms (`data/ambisonic_mixes.py`)."""

    turns: Annotated[int, Field(ge=1, le=64)] = 1
    """Examples of a mix, of which the field is turned or mirrored at random."""
    gain_db: Decibels = 3.0
    """Standard deviation of the gain of a stem."""
    dry_prob: Probability = 0.0
    """Probability of plane waves without a room."""


class AmbisonicRecipe(BaseNetworkRecipe):
    """Network of `ambisonic`, on collections of stems; the defaults are Zang et al.'s (2024)."""

    family: Literal["ambisonic"]
    patch: Annotated[int, Field(ge=1, le=1024)] = 1
    """Samples of a frame; 1 for a network of samples."""
    taps: Annotated[int, Field(ge=1, le=256)] = 16
    channels: tuple[Channels, ...] = (32, 64, 128, 256, 512)
    ratios: tuple[Annotated[int, Field(ge=2, le=16)], ...] = (2, 4, 5, 8)
    dilations: tuple[Annotated[int, Field(ge=1, le=64)], ...] = ()
    recurrent_layers: Annotated[int, Field(ge=0, le=8)] = 2
    depth: Annotated[int, Field(ge=0, le=64)] = 8
    heads: Annotated[int, Field(ge=1, le=64)] = 8
    latent_dim: Annotated[int, Field(ge=2, le=1024)] = 64
    posterior_channels: Annotated[int, Field(ge=2, le=1024)] = 64
    samples: Annotated[int, Field(ge=4096, le=4_800_000)] = 120_000
    """Of an example, at 44.1 kHz; the published training has 120,000, the paper 480,000."""
    kl_weight: Weight = 1.0
    """Of the divergence, summed over the dimensions of c."""
    mse_weight: Weight = 10.0
    windows: tuple[Annotated[int, Field(ge=64, le=8192)], ...] = (512, 1024, 2048)
    """Of the multi-resolution STFT loss, in samples."""
    stereo_prob: Probability = 0.0
    """Probability that the posterior sees the field of a stereo signal, with Y alone."""
    softer_db: Decibels = 0.0
    """Largest attenuation of the input of the network, undone before the loss."""
    mixing: FieldMixing = FieldMixing()

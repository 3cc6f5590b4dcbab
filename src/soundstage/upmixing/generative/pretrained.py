"""Pretrained generative models, checked against the analysis of `soundstage.stereo`."""

from pathlib import Path
from typing import TypeVar

import torch

from soundstage.errors import WeightsError
from soundstage.networks.models.side_diffusion import SideDiffusionConfig
from soundstage.networks.models.stereo_autoregression import StereoAutoregressionConfig
from soundstage.networks.models.stereo_tokens import StereoTokensConfig, TokenModelConfig
from soundstage.stereo import BANDS, TOKENS
from soundstage.stereo.features import CONTEXT_FEATURES, LEVELS, SEGMENT_FRAMES, SEGMENTS
from soundstage.stereo.side_parameters import SIDE_PARAMETERS
from soundstage.stereo.style_prior import STYLE_FEATURES, StylePrior
from soundstage.weights.model import LoadedModel, load_model

C = TypeVar("C", StereoTokensConfig, StereoAutoregressionConfig, SideDiffusionConfig)


def load_generative(
    source: str | Path, kind: type[C], device: torch.device | str = "cpu"
) -> tuple[LoadedModel[C], StylePrior | None]:
    """A network of a generative method, and the style prior of its training data.

    Args:
        source: name of a pretrained model, or a file of weights.
        kind: the config class of the network.
        device: of the network; the prior stays on the CPU.

    Raises:
        WeightsError: the file is missing, damaged, of another family, or made for another
            analysis of the sound.
    """
    model = load_model(source, kind, device)
    config = model.config
    styles = len(STYLE_FEATURES)
    expected: dict[str, object] = {"n_levels": LEVELS, "n_bands": BANDS, "style_dim": styles}
    found: dict[str, object] = {
        "n_levels": config.n_levels,
        "style_dim": config.style_dim or styles,
    }
    if isinstance(config, TokenModelConfig):
        found["n_bands"] = config.tokens.n_bands
        expected["classes"], found["classes"] = TOKENS, config.tokens.classes
        if config.memory:
            expected["memory"] = (SEGMENTS, CONTEXT_FEATURES, SEGMENT_FRAMES)
            memory = config.memory
            found["memory"] = (memory.n_vectors, memory.dim, memory.hop * config.stride)
    else:
        found["n_bands"] = config.n_bands
        expected["channels"], found["channels"] = len(SIDE_PARAMETERS), config.channels
    for name, value in expected.items():
        if found[name] != value:
            raise WeightsError(
                f"{model.source}: the network was trained for another analysis of the sound: "
                f"{name} is {found[name]}, not {value}."
            )
    return model, StylePrior.load(model.weights) if config.style_dim else None

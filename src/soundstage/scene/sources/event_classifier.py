"""Classes of a sound by the bundled tagger, in windows of 1.92 s."""

from functools import cache
from typing import TYPE_CHECKING

import numpy as np
from jaxtyping import Float

from soundstage.precision import in_single_precision

if TYPE_CHECKING:
    from soundstage.networks.models.tagger import Tagger

TAGGER = "tagger"
RATE = 16_000  # Hz
WINDOW = 30_720  # samples, 1.92 s
AT_ONCE = 32  # windows; limits memory without effect on the result


@cache
def class_names() -> tuple[str, ...]:
    """The classes of the tagger, from its card."""
    from soundstage.weights import model_card

    return tuple(model_card(TAGGER)["classes"])


@in_single_precision
def class_probabilities(
    windows: Float[np.ndarray, "n samples"],
) -> Float[np.ndarray, "n classes"]:
    """Probabilities of `class_names` for mono windows at 16 kHz, of at least 0.2 s.

    Each window is scaled to a peak of 0.5, so that a quiet recording has the class of a loud one.
    """
    import torch

    from soundstage.parallel import single_thread

    peaks = np.abs(windows).max(axis=1, keepdims=True)
    scaled = (0.5 * windows / np.maximum(peaks, 1e-5)).astype(np.float32)
    network = _network()
    with torch.inference_mode(), single_thread():
        parts = [
            network(network.mel(part)).softmax(dim=1)
            for part in torch.from_numpy(scaled).split(AT_ONCE)
        ]
        return torch.cat(parts).numpy()


@cache
def _network() -> "Tagger":
    from soundstage.networks.models.tagger import TaggerConfig
    from soundstage.weights.model import load_model

    network: Tagger = load_model(TAGGER, TaggerConfig).network
    return network

"""The built-in embedding: what the shipped tagger of sound events makes of windows of 1.92 s.

Its 128 numbers are the layer before the classes, before any activation (`networks/models/tagger.py`). A
window begins every 0.96 s. The network has learned to name 50 everyday sounds in pieces of 1.5 to
3 s; its ear for music follows from that and from nothing else, as its card says.
"""

import re
from functools import cache

import torch
from jaxtyping import Float
from torch import Tensor

from soundstage.metrics.embeddings.windows import windows
from soundstage.networks.models.tagger import RATE, Tagger
from soundstage.weights import load_weights

WINDOW = 30_720  # samples at 16 kHz, 1.92 s
STEP = WINDOW // 2
GROUP = 32  # windows at once, on which memory depends and no result
SIZE = 128

_DOWN = re.compile(r"stages\.\d+\.down\.0\.weight")
_DEEPER = re.compile(r"stages\.0\.deeper\.\d+\.0\.weight")


class TaggerEmbedding:
    """The embedding layer of the shipped tagger.

    Args:
        source: a shipped name, or a path of weights trained with `soundstage train`.

    Raises:
        WeightsError: the weights are missing or damaged.

    >>> TaggerEmbedding().embed(torch.zeros(1, 48_000)).shape
    torch.Size([1, 2, 128])
    """

    name = "tagger"
    rate = RATE
    size = SIZE

    def __init__(self, source: str = "tagger") -> None:
        self._network = _load(source)

    def embed(self, sound: Float[Tensor, "batch frames"]) -> Float[Tensor, "batch windows 128"]:
        """Embeddings of mono sound at 16 kHz; sound shorter than a window is padded with silence.

        Windows of 1.92 s begin every 0.96 s; what is left over at the end is not heard.
        """
        cut = windows(sound.float(), WINDOW, STEP)
        with torch.inference_mode():
            groups = cut.flatten(0, 1).split(GROUP)
            found = [self._network.embed(self._network.mel(group)) for group in groups]
        return torch.cat(found).unflatten(0, cut.shape[:2])


@cache
def _load(source: str) -> Tagger:
    """The network, its widths read off the tensors."""
    weights = load_weights(source, "tagger")
    stages = sorted(int(name.split(".")[1]) for name in weights.tensors if _DOWN.fullmatch(name))
    names = ["stem.0.weight", *(f"stages.{index}.down.0.weight" for index in stages)]
    channels = [
        weights.tensor(name, torch.float16, (None, None, None, None)).shape[0] for name in names
    ]
    depth = sum(bool(_DEEPER.fullmatch(name)) for name in weights.tensors)
    classes = weights.tensor("classes.weight", torch.float16, (None, SIZE)).shape[0]
    network = Tagger(classes, channels=tuple(channels), size=SIZE, depth=depth).eval()
    wanted = {name: value for name, value in network.state_dict().items() if value.ndim}
    held = {
        name: weights.tensor(name, torch.float16, tuple(value.shape)).float()
        for name, value in wanted.items()
    }
    network.load_state_dict(held, strict=False)  # what is missing counts batches of the training
    return network

"""The embedding protocol, its loader, and the windows shared by all embeddings.

Windows overlap by half, as in the code of Kilgour et al. (2019). Only whole windows count, so that
up to half a window is dropped at the end; a sound shorter than one window is padded with silence.
"""

from collections.abc import Callable
from typing import Protocol

import torch
import torch.nn.functional as F  # noqa: N812
from jaxtyping import Float
from torch import Tensor

from soundstage.errors import OptionError, WeightsError
from soundstage.weights.external import find_external_file, first_sentence


class Embedding(Protocol):
    """Maps sound to one point per window; similar sounds have nearby points.

    Deterministic, and independent of the rest of the batch up to rounding.
    """

    @property
    def name(self) -> str:
        """Short name for tables, such as "vggish"."""

    @property
    def rate(self) -> int:
        """Sample rate in Hz of the input of `embed`."""

    @property
    def size(self) -> int:
        """Dimensions of a point."""

    def embed(self, sound: Float[Tensor, "batch frames"]) -> Float[Tensor, "batch windows size"]:
        """Embed mono sound at `rate`; sound shorter than a window is padded with silence."""


def _tagger() -> Embedding:
    from soundstage.metrics.embeddings.built_in import TaggerEmbedding

    return TaggerEmbedding()


def _bands() -> Embedding:
    from soundstage.metrics.embeddings.built_in import BandEmbedding

    return BandEmbedding()


def _vggish(place: str) -> Embedding:
    from soundstage.metrics.embeddings.published import VGGishEmbedding

    return VGGishEmbedding.load(find_external_file(place))


def _panns(place: str) -> Embedding:
    from soundstage.metrics.embeddings.published import PannsEmbedding

    return PannsEmbedding.load(find_external_file(place))


def _clap(place: str) -> Embedding:
    from soundstage.metrics.embeddings.clap import ClapEmbedding

    return ClapEmbedding.load(place)


BUILT_IN: dict[str, Callable[[], Embedding]] = {"tagger": _tagger, "bands": _bands}
EXTERNAL: dict[str, Callable[[str], Embedding]] = {
    "vggish": _vggish,
    "panns": _panns,
    "clap": _clap,
}
PLACES = {
    "vggish": "FILE.safetensors or vggish=hub:OWNER/REPOSITORY/FILE.safetensors",
    "panns": "FILE.safetensors or panns=hub:OWNER/REPOSITORY/FILE.safetensors",
    "clap": "FOLDER or clap=hub:OWNER/NAME",
}


def load_embedding(source: str) -> Embedding:
    """Load an embedding by name; external ones with the place of their weights.

    Args:
        source: "tagger", "bands", "vggish=FILE.safetensors", "panns=FILE.safetensors" or
            "clap=FOLDER"; a place may be on the hub, as in "clap=hub:laion/clap-htsat-unfused".

    Raises:
        OptionError: the name is unknown, the place is missing, or a package is not installed.
        WeightsError: the weights are missing, damaged, or of another network.

    >>> load_embedding("bands").size
    68
    """
    name, _, place = source.partition("=")
    if name in BUILT_IN:
        if place:
            raise OptionError(f"The embedding {name!r} is built in and takes no weights: {source}.")
        return BUILT_IN[name]()
    if name not in EXTERNAL:
        known = ", ".join([*BUILT_IN, *(f"{each}={PLACES[each].split()[0]}" for each in PLACES)])
        raise OptionError(f"Unknown embedding {name!r}; choose one of {known}.")
    if not place:
        raise OptionError(f"The embedding {name!r} needs its weights: {name}={PLACES[name]}.")
    embedding = EXTERNAL[name](place)
    _check_output(embedding, place)
    return embedding


def _check_output(embedding: Embedding, place: str) -> None:
    """Raise `WeightsError` if the network fails or returns values that are not finite."""
    try:
        point = embedding.embed(torch.zeros(1, 1))
    except (ValueError, TypeError, IndexError, ArithmeticError, RuntimeError) as error:
        raise WeightsError(
            f"{place}: {embedding.name} does not work with these settings "
            f"({first_sentence(error)})."
        ) from error
    if not bool(point.isfinite().all()):
        raise WeightsError(
            f"{place}: with these weights, {embedding.name} returns values that are not finite."
        )


def windows(
    sound: Float[Tensor, "*batch frames"], length: int, step: int
) -> Float[Tensor, "*batch windows length"]:
    """Windows of `length` samples every `step` samples, as a view.

    >>> windows(torch.arange(5.0), 2, 2)
    tensor([[0., 1.],
            [2., 3.]])
    """
    return pad_to(sound, length).unfold(-1, length, step)


def pad_to(sound: Float[Tensor, "*batch frames"], length: int) -> Float[Tensor, "*batch padded"]:
    """The sound, padded with silence to at least `length` samples."""
    return F.pad(sound, (0, max(length - sound.shape[-1], 0)))


def embed_windows(
    network: Callable[[Tensor], Tensor],
    cut: Float[Tensor, "batch windows length"],
    at_once: int,
) -> Float[Tensor, "batch windows size"]:
    """Apply a network, (batch, length) to (batch, size), to all windows, without gradients.

    About `at_once` windows are computed at a time, to limit memory.
    """
    with torch.inference_mode():
        points = [
            network(part.flatten(0, 1)).unflatten(0, part.shape[:2])
            for part in cut.split(max(at_once // len(cut), 1), dim=1)
        ]
    return torch.cat(points, dim=1)

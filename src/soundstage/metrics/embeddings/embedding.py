"""The embedding protocol, and the loader by name."""

from collections.abc import Callable
from typing import Protocol

import torch
from jaxtyping import Float
from torch import Tensor

from soundstage.errors import OptionError, WeightsError, reason
from soundstage.weights.external import find_external_file


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


def _efficient_at(place: str) -> Embedding:
    from soundstage.metrics.embeddings.efficient_at import EfficientATEmbedding

    return EfficientATEmbedding.load(find_external_file(place, checkpoints=True))


def _clap(place: str) -> Embedding:
    from soundstage.metrics.embeddings.clap import ClapEmbedding

    return ClapEmbedding.load(place)


BUILT_IN: dict[str, Callable[[], Embedding]] = {"tagger": _tagger, "bands": _bands}
EXTERNAL: dict[str, Callable[[str], Embedding]] = {
    "vggish": _vggish,
    "panns": _panns,
    "efficientat": _efficient_at,
    "clap": _clap,
}
PLACES = {
    "vggish": "FILE.safetensors or vggish=hub:OWNER/REPOSITORY/FILE.safetensors",
    "panns": "FILE.safetensors or panns=hub:OWNER/REPOSITORY/FILE.safetensors",
    "efficientat": "FILE.pt or efficientat=FILE.safetensors",
    "clap": "FOLDER or clap=hub:OWNER/NAME",
}


def load_embedding(source: str) -> Embedding:
    """Load an embedding by name; external ones with the place of their weights.

    Args:
        source: "tagger", "bands", "vggish=FILE.safetensors", "panns=FILE.safetensors",
            "efficientat=FILE.pt" or "clap=FOLDER"; a place may be on the hub, as in
            "clap=hub:laion/clap-htsat-unfused".

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
            f"{place}: {embedding.name} does not work with these settings ({reason(error)})."
        ) from error
    if not bool(point.isfinite().all()):
        raise WeightsError(
            f"{place}: with these weights, {embedding.name} returns values that are not finite."
        )

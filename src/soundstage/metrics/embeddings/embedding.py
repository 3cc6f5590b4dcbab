"""What an embedding is, and how a user names one."""

from collections.abc import Callable
from typing import Protocol

import torch
from jaxtyping import Float
from torch import Tensor

from soundstage.errors import OptionError, WeightsError
from soundstage.metrics.embeddings.bands import BandEmbedding
from soundstage.metrics.embeddings.clap import ClapEmbedding
from soundstage.metrics.embeddings.panns import PannsEmbedding
from soundstage.metrics.embeddings.tagger import TaggerEmbedding
from soundstage.metrics.embeddings.vggish import VGGishEmbedding
from soundstage.weights.external import find_foreign_file, first_sentence


class Embedding(Protocol):
    """Turns sound into points, one for every window, that lie close where things sound alike.

    Deterministic; the points of a sound do not depend on what else is in the batch, beyond
    rounding.
    """

    @property
    def name(self) -> str:
        """Short, as in a table: "vggish"."""

    @property
    def rate(self) -> int:
        """Samples a second of the sound that `embed` takes, in Hz."""

    @property
    def size(self) -> int:
        """Numbers in a point."""

    def embed(self, sound: Float[Tensor, "batch frames"]) -> Float[Tensor, "batch windows size"]:
        """Points of mono sound at `rate`; sound shorter than a window is padded with silence."""


BUILT_IN: dict[str, Callable[[], Embedding]] = {"tagger": TaggerEmbedding, "bands": BandEmbedding}
FROM_PLACE: dict[str, Callable[[str], Embedding]] = {
    "vggish": lambda place: VGGishEmbedding.load(find_foreign_file(place)),
    "panns": lambda place: PannsEmbedding.load(find_foreign_file(place)),
    "clap": ClapEmbedding.load,
}
PLACES = {
    "vggish": "FILE.safetensors or vggish=hub:OWNER/REPOSITORY/FILE.safetensors",
    "panns": "FILE.safetensors or panns=hub:OWNER/REPOSITORY/FILE.safetensors",
    "clap": "FOLDER or clap=hub:OWNER/NAME",
}


def load_embedding(source: str) -> Embedding:
    """An embedding by its name and, for those that are not shipped, the place of its weights.

    Args:
        source: "tagger", "bands", "vggish=FILE.safetensors", "panns=FILE.safetensors" or
            "clap=FOLDER"; a place may be on the hub, as in "clap=hub:laion/clap-htsat-unfused".

    Raises:
        OptionError: there is no such embedding, its place is missing, or a library is.
        WeightsError: the weights are missing or damaged, or belong to something else.

    >>> load_embedding("bands").size
    68
    """
    name, _, place = source.partition("=")
    if name in BUILT_IN:
        if place:
            raise OptionError(f"The embedding {name!r} is built in and takes no weights: {source}.")
        return BUILT_IN[name]()
    if name not in FROM_PLACE:
        known = ", ".join([*BUILT_IN, *(f"{each}={PLACES[each].split()[0]}" for each in PLACES)])
        raise OptionError(f"There is no embedding {name!r}; there are {known}.")
    if not place:
        raise OptionError(f"The embedding {name!r} needs its weights: {name}={PLACES[name]}.")
    embedding = FROM_PLACE[name](place)
    _try_out(embedding, place)
    return embedding


def _try_out(embedding: Embedding, place: str) -> None:
    """Raise `WeightsError` where shapes fit and the network fails all the same."""
    try:
        point = embedding.embed(torch.zeros(1, 1))
    except (ValueError, TypeError, IndexError, ArithmeticError, RuntimeError) as error:
        raise WeightsError(
            f"{place}: {embedding.name} does not work with these settings "
            f"({first_sentence(error)})."
        ) from error
    if not bool(point.isfinite().all()):
        raise WeightsError(
            f"{place}: with these weights, {embedding.name} hears values that are no number."
        )

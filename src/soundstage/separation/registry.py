"""The table of separators. A new one is its own file with `load`, and one entry here.

The table does not import torch, so that options are checked before anything is loaded.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from importlib import import_module
from typing import TYPE_CHECKING

from soundstage.errors import OptionError, quoted
from soundstage.precision import in_single_precision

if TYPE_CHECKING:
    import torch

    from soundstage.separation.separator import Kind, Separator, SongSeparator

DEFAULT_SEPARATOR = "stems"


@dataclass(frozen=True)
class SeparatorEntry:
    """An entry of the table."""

    name: str
    """Also of its file."""
    summary: str
    source: str
    """The publication."""
    kinds: "tuple[Kind, ...]"
    """The kinds of sources that it tells apart."""
    weights: str = ""
    """What `weights` names; empty if there are none."""
    extra: str = ""
    """The extra of this package that installs what it needs beside it."""


SEPARATORS: Mapping[str, SeparatorEntry] = {
    entry.name: entry
    for entry in (
        SeparatorEntry(
            "stems",
            "a network tells voices, drums, bass and further instruments apart, song by song",
            "ours, after deep clustering (Hershey et al. 2016)",
            kinds=("lead", "voice", "drums", "bass", "object", "residual"),
            weights="a file of `soundstage train`",
        ),
        SeparatorEntry(
            "formation",
            "sinusoidal peaks grouped by normalized cuts and followed through a song",
            "Lagrange et al. 2007",
            kinds=("bass", "object", "residual"),
        ),
        SeparatorEntry(
            "hpss",
            "median filters tell what sustains from what hits",
            "Fitzgerald 2010",
            kinds=("drums", "residual"),
        ),
        SeparatorEntry(
            "spleeter",
            "two U-Nets tell vocals from the accompaniment",
            "Hennequin et al. 2020",
            kinds=("lead", "residual"),
            weights="a safetensors file of `soundstage.separation.spleeter.convert`",
            extra="separation",
        ),
        SeparatorEntry(
            "demucs",
            "a hybrid transformer tells vocals, drums and bass from the rest",
            "Rouard et al. 2023",
            kinds=("lead", "drums", "bass", "object", "residual"),
            weights="a model of demucs, such as htdemucs_ft, or its folder or safetensors file",
            extra="separation",
        ),
    )
}
"""All separators by name."""


def find_separator(name: str) -> SeparatorEntry:
    """The separator of that name.

    Raises:
        OptionError: it is unknown.
    """
    if name not in SEPARATORS:
        raise OptionError(
            f"There is no separator {quoted(name)}: choose one of {', '.join(SEPARATORS)}."
        )
    return SEPARATORS[name]


def check_separator(name: str, *, weights: str | None = None) -> SeparatorEntry:
    """Check the arguments of `load_separator` without loading anything.

    Raises:
        OptionError: the separator is unknown, or has no weights and some are given.
    """
    entry = find_separator(name)
    if weights and not entry.weights:
        raise OptionError(f"{name} has no weights: leave `weights` out.")
    return entry


@in_single_precision
def load_separator(
    name: str = DEFAULT_SEPARATOR,
    *,
    weights: str | None = None,
    device: "str | torch.device" = "auto",
) -> "Separator | SongSeparator":
    """A separator with its weights, for any number of signals.

    Args:
        name: one of `SEPARATORS`.
        weights: in place of the usual ones; see `SeparatorEntry.weights`.
        device: "auto", "cpu", "cuda" or "mps", of its network.

    Raises:
        OptionError: the separator or the device is unknown, a package that it needs is not
            installed, or it has no weights and some are given.
        WeightsError: the weights are missing, damaged, or of another network.
    """
    check_separator(name, weights=weights)
    from soundstage.parallel import resolve_device

    module = import_module(f"soundstage.separation.{name}")
    loaded: Separator | SongSeparator = module.load(weights, resolve_device(device))
    return loaded

"""Weights that other people trained: safetensors files in the layouts of their projects.

Such a file does not say what it is, so it is held to the names and shapes of the network that is
asked for. A PyTorch checkpoint (.pth, .pt, .bin, .ckpt) can run any program when it is opened, and
is therefore never opened here; `docs/embeddings.md` shows how to convert one, once.
"""

from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

import torch
from torch import Tensor, nn

from soundstage.errors import OptionError, WeightsError, missing_extra
from soundstage.weights.model import Weights

HUB = "hub:"
CHECKPOINTS = (".pth", ".pt", ".bin", ".ckpt", ".pkl", ".pickle")
Network = TypeVar("Network", bound=nn.Module)


def find_foreign_file(place: str) -> Path:
    """The file at a path, or at hub:OWNER/REPOSITORY/FILE.safetensors, fetched where need be.

    Raises:
        WeightsError: it is no safetensors file by its name, or the hub does not give it.
        OptionError: the hub is named wrongly, or huggingface_hub is not installed.
    """
    _refuse_checkpoint(place)
    if not place.startswith(HUB):
        return Path(place).expanduser()
    parts = place.removeprefix(HUB).split("/", 2)
    if len(parts) < 3 or not all(parts) or not place.endswith(".safetensors"):
        raise OptionError(
            f"{place!r} names no file of the hub: write hub:OWNER/REPOSITORY/FILE.safetensors."
        )
    return _fetch("/".join(parts[:2]), parts[2])


def _refuse_checkpoint(place: str) -> None:
    if place.endswith(CHECKPOINTS):
        raise WeightsError(
            f"{place} is a PyTorch checkpoint, which can run programs when opened: convert it to "
            "safetensors as docs/embeddings.md shows."
        )


def _fetch(repository: str, name: str) -> Path:
    try:
        from huggingface_hub import hf_hub_download
    except ImportError as error:
        raise missing_extra("embeddings", "huggingface_hub", "The Hugging Face hub") from error
    try:
        return Path(hf_hub_download(repository, name))
    except Exception as error:  # the network, the cache and the hub each raise kinds of their own
        raise WeightsError(
            f"The hub does not give {name} of {repository} ({first_sentence(error)}); "
            "without a network only what was fetched before can be used."
        ) from error


def first_sentence(error: BaseException) -> str:
    """The first sentence of what an error says, without its full stop."""
    lines = str(error).strip().splitlines()
    return (lines[0] if lines else type(error).__name__).split(". ")[0].strip().rstrip(".:")


def load_foreign_tensors(path: Path) -> dict[str, Tensor]:
    """All tensors of a safetensors file; floating point numbers as float32.

    Raises:
        WeightsError: there is no such file, or it is no sound safetensors file.
    """
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    _refuse_checkpoint(str(path))
    if not path.is_file():
        raise WeightsError(f"There are no weights at {path}.")
    try:
        tensors = load_file(path)
    except (SafetensorError, OSError, RuntimeError, ValueError, KeyError) as error:
        raise WeightsError(
            f"{path}: this is no sound safetensors file ({first_sentence(error)})."
        ) from error
    return {
        name: tensor.float() if tensor.is_floating_point() else tensor
        for name, tensor in tensors.items()
    }


def load_foreign_network(
    path: Path,
    family: str,
    build: Callable[[int], Network],
    first: str,
    beside: dict[str, tuple[int, ...]] | None = None,
) -> Network:
    """A network with the tensors of a file, ready to use; further tensors there are ignored.

    Args:
        path: a safetensors file.
        family: what the network is called, for error messages.
        build: makes the network from its width.
        first: name of a tensor whose first length is that width.
        beside: shapes of tensors that the network does not use, which give away another variant.

    Raises:
        WeightsError: a tensor is missing, of another shape, or holds values that are no number.
    """
    weights = Weights(family, load_foreign_tensors(path), str(path))
    for name, shape in (beside or {}).items():
        if name in weights.tensors:
            weights.tensor(name, torch.float32, shape)
    given = weights.tensors.get(first)
    width = given.shape[0] if given is not None and given.dim() else 0
    if not width:
        raise WeightsError(f"{path}: these are no {family} weights, as they hold no {first!r}.")
    with torch.device("meta"):  # shapes are checked before memory is taken
        network = build(width)
    state = {
        name: weights.tensor(name, torch.float32, tuple(value.shape))
        if value.is_floating_point()
        else torch.zeros(value.shape, dtype=value.dtype)  # batches seen, of no use any more
        for name, value in network.state_dict().items()
    }
    network.load_state_dict(state, assign=True)
    return network.eval()

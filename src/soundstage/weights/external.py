"""Weights of other projects: safetensors files in their own layouts.

Such a file does not name its network, so its tensors are compared with the names and shapes of the
requested one. A PyTorch checkpoint (.pth, .pt, .bin, .ckpt) can run any program when it is opened
in the usual way. `load_external_tensors` never opens one; `docs/embeddings.md` shows how to convert
it, once. `load_checkpoint_tensors` is for networks that are published as plain tensors: it takes
nothing but tensors out of a checkpoint and refuses every other one.
"""

import os
import warnings
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TypeVar

import torch
from torch import Tensor, nn

from soundstage.errors import OptionError, WeightsError, missing_extra, reason
from soundstage.weights.model import Weights, uninitialized

HUB = "hub:"
CHECKPOINTS = (".pth", ".pt", ".bin", ".ckpt", ".pkl", ".pickle")
Network = TypeVar("Network", bound=nn.Module)


def find_external_file(source: str, *, checkpoints: bool = False) -> Path:
    """The file at a path, or at hub:OWNER/REPOSITORY/FILE.safetensors, downloaded if necessary.

    Args:
        source: path or address.
        checkpoints: a path may be that of a PyTorch checkpoint, see `load_checkpoint_tensors`.

    Raises:
        WeightsError: the name is not that of a safetensors file, or the hub has no such file.
        OptionError: the address is incomplete, or huggingface_hub is not installed.
    """
    if not checkpoints or source.startswith(HUB):
        _refuse_checkpoint(source)
    if not source.startswith(HUB):
        return Path(source).expanduser()
    parts = source.removeprefix(HUB).split("/", 2)
    if len(parts) < 3 or not all(parts) or not source.endswith(".safetensors"):
        raise OptionError(
            f"{source!r} is no file of the hub: write hub:OWNER/REPOSITORY/FILE.safetensors."
        )
    return _download("/".join(parts[:2]), parts[2])


def _refuse_checkpoint(source: str) -> None:
    if source.endswith(CHECKPOINTS):
        raise WeightsError(
            f"{source} is a PyTorch checkpoint, which can run programs when opened: convert it to "
            "safetensors, as soundstage docs embeddings shows."
        )


def _download(repository: str, name: str) -> Path:
    try:
        from huggingface_hub import hf_hub_download
    except ImportError as error:
        raise missing_extra("embeddings", "huggingface_hub", "The Hugging Face hub") from error
    try:
        return Path(hf_hub_download(repository, name))
    except Exception as error:  # network, cache and hub each have exceptions of their own
        raise WeightsError(
            f"{name} of {repository} cannot be downloaded ({reason(error)}); "
            "without a network only files of the cache can be used."
        ) from error


def load_external_tensors(path: Path) -> dict[str, Tensor]:
    """All tensors of a safetensors file; floating-point ones as float32.

    Raises:
        WeightsError: the file is missing or damaged.
    """
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    _refuse_checkpoint(str(path))
    if not os.path.isfile(path):
        raise WeightsError(f"There are no weights at {path}.")
    try:
        tensors = load_file(path)
    except (SafetensorError, OSError, RuntimeError, ValueError, KeyError) as error:
        raise WeightsError(
            f"{path}: this is no valid safetensors file ({reason(error)})."
        ) from error
    return {
        name: tensor.float() if tensor.is_floating_point() else tensor
        for name, tensor in tensors.items()
    }


def load_checkpoint_tensors(path: Path, key: str | None = None) -> dict[str, Tensor]:
    """All tensors of a safetensors file, or of a PyTorch checkpoint of plain tensors.

    A checkpoint is unpickled with `weights_only=True`, which builds tensors and containers and runs
    nothing else. Floating-point tensors are returned as float32.

    Args:
        path: a safetensors file, or a checkpoint of any other name.
        key: entry of the checkpoint with the tensors, such as "generator"; None: they are its top.

    Raises:
        WeightsError: the file is missing or damaged, has no such entry, or holds other objects.
    """
    if str(path).endswith(".safetensors"):
        return load_external_tensors(path)
    if not os.path.isfile(path):
        raise WeightsError(f"There are no weights at {path}.")
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", UserWarning)  # of pickles from other tools
            content = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # damaged pickles fail in any instruction, each in its own way
        raise WeightsError(
            f"{path}: this is no checkpoint of plain tensors ({reason(error)})."
        ) from error
    tensors = content.get(key) if key and isinstance(content, Mapping) else content
    if not isinstance(tensors, Mapping) or not all(
        isinstance(name, str) and isinstance(value, Tensor) for name, value in tensors.items()
    ):
        place = f"{key!r} of this checkpoint" if key else "this checkpoint"
        raise WeightsError(f"{path}: {place} is no table of named tensors.")
    return {
        name: value.float() if value.is_floating_point() else value
        for name, value in tensors.items()
    }


def load_external_network(
    path: Path,
    family: str,
    build: Callable[[int], Network],
    width_tensor: str,
    variant_shapes: dict[str, tuple[int, ...]] | None = None,
    read: Callable[[Path], dict[str, Tensor]] = load_external_tensors,
) -> Network:
    """A network in evaluation mode with the tensors of a file; further tensors are ignored.

    Args:
        path: a safetensors file, or another one that `read` can open.
        family: name of the network, for error messages.
        build: makes the network from its width.
        width_tensor: name of a tensor with the width as its first length.
        variant_shapes: shapes of unused tensors that tell variants of the network apart.
        read: opens the file; `load_checkpoint_tensors` also takes PyTorch checkpoints.

    Raises:
        WeightsError: a tensor is missing, of another shape, or not finite.
    """
    tensors = read(path)
    weights = Weights(family, {}, tensors, str(path))
    for name, shape in (variant_shapes or {}).items():
        if name in tensors:
            weights.tensor(name, torch.float32, shape)
    given = tensors.get(width_tensor)
    width = given.shape[0] if given is not None and given.dim() else 0
    if not width:
        raise WeightsError(f"{path}: these are no {family} weights: {width_tensor!r} is missing.")
    try:
        with uninitialized(sum(tensor.numel() for tensor in tensors.values())):
            network = build(width)
    except ValueError as error:
        raise WeightsError(f"{path}: these are no {family} weights: {reason(error)}.") from error
    state = {
        name: weights.tensor(name, torch.float32, tuple(value.shape))
        if value.is_floating_point()
        else value  # a counter of training steps, which inference does not read
        for name, value in network.state_dict().items()
    }
    network.load_state_dict(state, assign=True)
    return network.eval()

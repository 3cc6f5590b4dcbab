"""The format of weights: a safetensors file with the config of its network in the header.

The header has one metadata entry, `soundstage`, which is JSON:

    {"format": 2, "family": "masked", "config": {"depth": 5, "dim": 256, …}}

The family names a network, whose config class builds it (`config.py`), or a kind of table, whose
config is empty. Parameters are stored in half precision; buffers and further tensors as they are.
Matrices that multiply vectors of one low-dimensional subspace only may be stored as products
X = X.left · right with one `right` for all (`LowRank`). Nothing is ever unpickled.
"""

import hashlib
import json
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Generic, TypeVar

import torch
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode

from soundstage.atomic_files import write_atomically
from soundstage.errors import WeightsError, quoted, reason
from soundstage.text_files import parse_json
from soundstage.weights.cards import model_path
from soundstage.weights.config import (
    LowRank,
    ModelConfig,
    config_from_json,
    config_to_json,
)

FORMAT = 2
ENTRY = "soundstage"  # of the header
LEFT, RIGHT = ".left", "right"  # names of factors
FLOATS = (torch.float16, torch.bfloat16, torch.float32, torch.float64)
MAX_PRODUCT = 1 << 22  # elements of a matrix that is stored as a product
MAX_BUFFERS = 1 << 20  # elements of buffers that a network computes and files do not hold
C = TypeVar("C", bound=ModelConfig)


@dataclass(frozen=True)
class Weights:
    """The content of a file: tensors by name."""

    family: str
    config: dict[str, Any]
    tensors: dict[str, Tensor]
    source: str
    """The path of the file, for messages."""

    def tensor(self, name: str, dtype: torch.dtype | None, shape: tuple[int | None, ...]) -> Tensor:
        """A tensor of the given type and shape.

        Args:
            name: of the tensor.
            dtype: None for any of `FLOATS`; the values must be finite in float32.
            shape: None for any length but zero.

        Raises:
            WeightsError: it is missing, of another type or shape, or has values that are not
                finite.
        """
        tensor = self.tensors.get(name)
        if tensor is None:
            raise WeightsError(f"{self.source}: the weights hold no tensor {name!r}.")
        right_type = tensor.dtype == dtype if dtype else tensor.dtype in FLOATS
        right_shape = tensor.dim() == len(shape) and all(
            found == length if length is not None else found > 0
            for found, length in zip(tensor.shape, shape, strict=True)
        )
        if not (right_type and right_shape):
            expected = " × ".join("any" if length is None else str(length) for length in shape)
            raise WeightsError(
                f"{self.source}: the tensor {name!r} should be {expected} of "
                f"{dtype or 'floating point'} and is {' × '.join(map(str, tensor.shape))} of "
                f"{tensor.dtype}."
            )
        values = tensor.float() if dtype is None else tensor  # as they will be used
        if tensor.is_floating_point() and not bool(torch.isfinite(values).all()):
            raise WeightsError(f"{self.source}: the tensor {name!r} is not finite.")
        return tensor


@dataclass(frozen=True)
class LoadedModel(Generic[C]):
    """A network ready for inference, with its config."""

    config: C
    network: Any
    """The module that `config.build` makes, in evaluation mode, without gradients."""
    weights: Weights
    """Tensors of the file that are not the network's, on the same device."""

    @property
    def source(self) -> str:
        """The path of the file, for messages."""
        return self.weights.source


def load_model(
    source: str | Path, kind: type[C], device: torch.device | str = "cpu"
) -> LoadedModel[C]:
    """A network with float32 parameters.

    Leaves torch's global random generator and default dtype alone.

    Args:
        source: name of a pretrained model, or a path that ends in .safetensors.
        kind: the config class of the network.
        device: of the network and of further tensors.

    Raises:
        WeightsError: the file is missing, damaged, of another family or format, or its tensors do
            not fit its config.
    """
    weights = load_weights(source, kind.family)
    try:
        config = config_from_json(kind, weights.config)
        with uninitialized(sum(tensor.numel() for tensor in weights.tensors.values())):
            network = config.build()
    except (ValueError, RuntimeError) as error:
        raise WeightsError(
            f"{weights.source}: unsupported network configuration: {reason(error)}."
        ) from error
    state = {
        name: weights.tensor(name, None, tuple(value.shape)).float()
        if value.is_floating_point()
        else value  # a counter of training steps, which inference does not read
        for name, value in network.state_dict().items()
    }
    network.load_state_dict(state, assign=True)
    further = {
        name: tensor.to(device) for name, tensor in weights.tensors.items() if name not in state
    }
    return LoadedModel(
        config,
        network.to(device).eval().requires_grad_(False),
        Weights(weights.family, weights.config, further, weights.source),
    )


def load_weights(source: str | Path, family: str) -> Weights:
    """The tensors of a file, products multiplied.

    Args:
        source: name of a pretrained model, or a path that ends in .safetensors.
        family: of the file.

    Raises:
        WeightsError: the file is missing, damaged, or of another family or format.
    """
    from safetensors import SafetensorError, safe_open

    is_path = isinstance(source, Path) or source.endswith(".safetensors")
    path = Path(source) if is_path else model_path(str(source))
    if not os.path.isfile(path):
        raise WeightsError(f"There are no weights at {path}.")
    try:
        with safe_open(path, framework="pt") as file:
            header = (file.metadata() or {}).get(ENTRY)
            config = _config_of(header, family, path)
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
    except (SafetensorError, OSError, RuntimeError, ValueError) as error:
        raise WeightsError(f"{path}: the weights cannot be read ({reason(error)}).") from error
    return Weights(family, config, _multiplied(tensors, path), str(path))


def save_model(
    path: Path,
    config: ModelConfig,
    state: Mapping[str, Tensor],
    further: Mapping[str, Tensor] | None = None,
) -> str:
    """Write a network.

    Args:
        path: is replaced at once, or left as it was.
        config: of the network.
        state: its `state_dict`.
        further: other tensors, such as a style prior.

    Returns:
        The SHA-256 of the file, for its card.

    Raises:
        ValueError: the state is not that of the config's network.
        OutputError: the file cannot be written.
    """
    with uninitialized():
        network = config.build()
    if state.keys() != network.state_dict().keys():
        raise ValueError(f"the state is not that of a {config.family} network")
    parameters = {name for name, _ in network.named_parameters()}
    tensors = {
        name: value.detach().cpu().half() if name in parameters else value.detach().cpu()
        for name, value in state.items()
        if value.is_floating_point()
    }
    low_rank = config.low_rank(state)
    if low_rank is not None:
        tensors = _factored(tensors, low_rank)
    return save_weights(path, config.family, {**tensors, **(further or {})}, config_to_json(config))


def save_weights(
    path: Path,
    family: str,
    tensors: Mapping[str, Tensor],
    config: Mapping[str, Any] | None = None,
) -> str:
    """Write tensors as they are; returns the SHA-256 of the file, for its card.

    Args:
        path: is replaced at once, or left as it was.
        family: of the file.
        tensors: by name.
        config: JSON of the header; tables have none.

    Raises:
        OutputError: the file cannot be written.
    """
    from safetensors.torch import save

    about = {"format": FORMAT, "family": family, "config": dict(config or {})}
    # One entry only: safetensors writes several in an order that changes from run to run
    header = {ENTRY: json.dumps(about, separators=(",", ":"))}
    content = save({name: value.contiguous() for name, value in tensors.items()}, metadata=header)
    write_atomically(path, content)
    return hashlib.sha256(content).hexdigest()


def _config_of(header: str | None, family: str, path: Path) -> dict[str, Any]:
    """The config in a header of the given family.

    Raises:
        WeightsError: the header is of another family or format, or of no file of ours.
    """
    if header is None:
        raise WeightsError(f"{path}: these are not weights of Soundstage.")
    if header.endswith("/1"):
        raise WeightsError(
            f"{path}: this file has format 1, of an earlier version of Soundstage; make it again."
        )
    about = parse_json(header, f"{path}, header", WeightsError)
    try:
        version, found, config = about["format"], about["family"], about["config"]
    except (KeyError, TypeError) as error:
        raise WeightsError(f"{path}: the header of the weights is damaged.") from error
    if version != FORMAT:
        raise WeightsError(
            f"{path}: these weights have the format {quoted(version)} of a newer version; this one "
            f"reads format {FORMAT}."
        )
    if found != family:
        raise WeightsError(f"{path}: these are weights of {quoted(found)}, not of {family!r}.")
    if not isinstance(config, dict):
        raise WeightsError(f"{path}: the header of the weights is damaged.")
    return config


_FACTORIES = (
    torch.empty,
    torch.zeros,
    torch.ones,
    torch.linspace,
    torch.hann_window,
    torch.randn,
    torch.rand,
)
_RANDOM_FACTORIES = (torch.randn, torch.rand)


class _Uninitialized(TorchFunctionMode):
    """Leaves new tensors unfilled, in float32, up to a total number of elements."""

    def __init__(self, elements: int | None) -> None:
        super().__init__()
        self._left = elements

    def __torch_function__(
        self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: Any = None
    ) -> Any:
        kwargs = kwargs or {}
        if getattr(func, "__module__", "") == nn.init.__name__:
            return kwargs["tensor"] if "tensor" in kwargs else args[0]
        if func in (Tensor.normal_, Tensor.uniform_):
            return args[0]
        if func not in _FACTORIES:
            return func(*args, **kwargs)
        if kwargs.get("dtype") is None:
            kwargs = {**kwargs, "dtype": torch.float32}
        tensor = (torch.empty if func in _RANDOM_FACTORIES else func)(*args, **kwargs)
        if self._left is not None:
            self._left -= tensor.numel()
            if self._left < 0:
                raise ValueError("the network has more parameters than the file holds")
        return tensor


@contextmanager
def uninitialized(elements: int | None = None) -> Iterator[None]:
    """Networks are built in this thread without drawing initial values.

    The meta device would do the same, and imports torch._dynamo, which takes a second.

    Args:
        elements: of the tensors that will fill the parameters; a network that needs more is
            refused before it takes memory.
    """
    with _Uninitialized(None if elements is None else elements + MAX_BUFFERS):
        yield


def _factored(tensors: dict[str, Tensor], low_rank: LowRank) -> dict[str, Tensor]:
    """Tensors with some matrices as products, of the directions with most energy."""
    kept = torch.linalg.svd(low_rank.vectors.double(), full_matrices=False).Vh[: low_rank.rank]
    stored = dict(tensors)
    for name in low_rank.names:
        matrix = stored.pop(name)
        stored[f"{name}{LEFT}"] = (matrix.double() @ kept.T).to(matrix.dtype)
        stored[RIGHT] = kept.to(matrix.dtype)
    return stored


def _multiplied(tensors: dict[str, Tensor], path: Path) -> dict[str, Tensor]:
    """Tensors without products.

    Raises:
        WeightsError: factors do not fit together.
    """
    right = tensors.get(RIGHT)
    if right is None:
        return tensors
    whole = {}
    for name, tensor in tensors.items():
        if name == RIGHT:
            continue
        if not name.endswith(LEFT):
            whole[name] = tensor
            continue
        matrix = name.removesuffix(LEFT)
        fits = right.ndim == tensor.ndim == 2 and tensor.shape[1] == right.shape[0]
        if not fits or len(tensor) * right.shape[1] > MAX_PRODUCT:
            raise WeightsError(f"{path}: the factors of {quoted(matrix)} do not fit together.")
        whole[matrix] = (tensor.float() @ right.float()).to(tensor.dtype)
    return whole

"""Reading and writing weights and their cards.

Matrices that all read the same few directions of one vector may be stored as factors, X = X.left ·
right, with one `right` for all: `factored` makes them, and `load_weights` gives X again.
"""

import hashlib
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from importlib import resources
from pathlib import Path
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor

from soundstage.atomic_files import write_atomically
from soundstage.errors import WeightsError

FOLDER = Path(str(resources.files(__package__)))
LAYOUT_VERSION = "1"
LEFT, RIGHT = ".left", "right"  # of names
LARGEST_PRODUCT = 1 << 22  # numbers of a matrix that factors may make
Card = dict[str, Any]


@dataclass(frozen=True)
class Weights:
    """Tensors by name, and the model family that their file claims."""

    family: str
    tensors: dict[str, Tensor]
    source: str

    def tensor(self, name: str, dtype: torch.dtype, shape: tuple[int | None, ...]) -> Tensor:
        """The tensor `name`, held to a type and a shape (None: any length but zero).

        Raises:
            WeightsError: it is missing, or of another type or shape.
        """
        tensor = self.tensors.get(name)
        wanted = " × ".join("any" if length is None else str(length) for length in shape)
        if tensor is None:
            raise WeightsError(f"{self.source}: the weights hold no tensor {name!r}.")
        fits = tensor.dim() == len(shape) and all(
            have == want if want is not None else have > 0
            for have, want in zip(tensor.shape, shape, strict=True)
        )
        if tensor.dtype != dtype or not fits:
            raise WeightsError(
                f"{self.source}: the tensor {name!r} should be {wanted} of {dtype} "
                f"and is {' × '.join(map(str, tensor.shape))} of {tensor.dtype}."
            )
        if tensor.is_floating_point() and not bool(torch.isfinite(tensor).all()):
            raise WeightsError(
                f"{self.source}: the tensor {name!r} holds values that are no number."
            )
        return tensor


def shipped() -> list[str]:
    """Names of the models inside the package."""
    return sorted(path.stem for path in FOLDER.glob("*.safetensors"))


def weights_path(name: str) -> Path:
    """Where a shipped model lies.

    Raises:
        WeightsError: none of that name is shipped.
    """
    path = FOLDER / f"{name}.safetensors"
    if not path.is_file():
        raise WeightsError(f"No model {name!r} is shipped; there are {', '.join(shipped())}.")
    return path


def load_card(name: str) -> Card:
    """The card of a shipped model: paper, data and licenses, recipe, training, figures, limits."""
    path = weights_path(name).with_suffix(".json")
    card: Card = json.loads(path.read_text(encoding="utf-8"))
    return card


def load_weights(source: str | Path, family: str) -> Weights:
    """Weights of a shipped model by its name, or of a file by its path.

    Args:
        source: a name out of `shipped()`, or a path that ends in .safetensors.
        family: what the file must say it is, such as "nearest".

    Raises:
        WeightsError: there is no such file, it is damaged, or it is something else.
    """
    from safetensors import SafetensorError, safe_open

    is_path = isinstance(source, Path) or source.endswith(".safetensors")
    path = Path(source) if is_path else weights_path(str(source))
    if not path.is_file():
        raise WeightsError(f"There are no weights at {path}.")
    try:
        with safe_open(path, framework="pt") as file:
            header = file.metadata() or {}
            said, wanted = header.get("soundstage", "nothing"), f"{family}/{LAYOUT_VERSION}"
            if said != wanted:
                raise WeightsError(
                    f"{path}: these are not weights for {wanted!r}; the file says {said!r}."
                )
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
    except (SafetensorError, OSError, RuntimeError, ValueError) as error:
        raise WeightsError(f"{path}: the weights cannot be read ({error}).") from error
    return Weights(family, _multiplied(tensors, path), str(path))


def factored(
    tensors: Mapping[str, Tensor],
    names: Iterable[str],
    read: Float[Tensor, "vectors inputs"],
    rank: int,
) -> dict[str, Tensor]:
    """Tensors of which some matrices are stored as factors, for `save_weights`.

    Args:
        tensors: all, the matrices of shape (outputs, inputs).
        names: of the matrices.
        read: vectors that they are ever multiplied with.
        rank: directions of these that are kept, those with most of their energy.
    """
    kept = torch.linalg.svd(read.double(), full_matrices=False).Vh[:rank]
    stored, chosen = dict(tensors), list(names)
    for name in chosen:
        matrix = stored.pop(name)
        stored[f"{name}{LEFT}"] = (matrix.double() @ kept.T).to(matrix.dtype)
    if chosen:
        stored[RIGHT] = kept.to(tensors[chosen[0]].dtype)
    return stored


def _multiplied(tensors: dict[str, Tensor], path: Path) -> dict[str, Tensor]:
    """Tensors without factors.

    Raises:
        WeightsError: factors do not go together.
    """
    right = tensors.get(RIGHT)
    if right is None:
        return tensors
    whole = {}
    for name, tensor in tensors.items():
        if not name.endswith(LEFT):
            if name != RIGHT:
                whole[name] = tensor
            continue
        fits = right.ndim == tensor.ndim == 2 and tensor.shape[1] == right.shape[0]
        if not fits or len(tensor) * right.shape[1] > LARGEST_PRODUCT:
            raise WeightsError(f"{path}: the factors of {name[: -len(LEFT)]!r} do not fit.")
        whole[name[: -len(LEFT)]] = (tensor.float() @ right.float()).to(tensor.dtype)
    return whole


def save_weights(path: Path, family: str, tensors: Mapping[str, Tensor]) -> str:
    """Write weights by rename; returns the SHA-256 of the file, for its card.

    Raises:
        OutputError: the file cannot be written.
    """
    from safetensors.torch import save

    # One entry only: the library writes several in an order that changes from run to run
    header = {"soundstage": f"{family}/{LAYOUT_VERSION}"}
    content = save({name: value.contiguous() for name, value in tensors.items()}, metadata=header)
    write_atomically(path, content)
    return hashlib.sha256(content).hexdigest()

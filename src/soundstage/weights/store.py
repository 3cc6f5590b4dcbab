"""Reading and writing weights and their cards."""

import hashlib
import json
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from importlib import resources
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from soundstage.errors import OutputError, WeightsError

FOLDER = Path(str(resources.files(__package__)))
LAYOUT_VERSION = "1"
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
    """The card of a shipped model: paper, data and licences, recipe, training, figures, limits."""
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
    return Weights(family, tensors, str(path))


def save_weights(path: Path, family: str, tensors: Mapping[str, Tensor]) -> str:
    """Write weights by rename; returns the SHA-256 of the file, for its card.

    Raises:
        OutputError: the file cannot be written.
    """
    from safetensors.torch import save

    # One entry only: the library writes several in an order that changes from run to run
    header = {"soundstage": f"{family}/{LAYOUT_VERSION}"}
    content = save({name: value.contiguous() for name, value in tensors.items()}, metadata=header)
    write_by_rename(path, content)
    return hashlib.sha256(content).hexdigest()


def write_by_rename(path: Path, content: bytes) -> None:
    """Write a file that appears only when it is complete.

    Raises:
        OutputError: it cannot be written; an existing file is as it was.
    """
    partial = path.with_name(f".{path.name}.part")
    try:
        partial.write_bytes(content)
        partial.replace(path)
    except OSError as error:
        raise OutputError(f"{path} cannot be written ({error.strerror}).") from error
    finally:
        with suppress(OSError):
            partial.unlink()

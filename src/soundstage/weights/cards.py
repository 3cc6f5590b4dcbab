"""Pretrained models inside the package: NAME.safetensors and its card NAME.json.

A card states paper, training data and licenses, recipe, figures and limits of a model. Nothing here
imports torch, so that `soundstage models` answers at once.
"""

import hashlib
import json
from pathlib import Path
from typing import Any

from soundstage.errors import WeightsError

FOLDER = Path(__file__).parent
Card = dict[str, Any]


def list_models() -> list[str]:
    """Names of the pretrained models."""
    return sorted(path.stem for path in FOLDER.glob("*.safetensors"))


def model_path(name: str) -> Path:
    """The file of a pretrained model.

    Raises:
        WeightsError: there is no such model.
    """
    path = FOLDER / f"{name}.safetensors"
    if not path.is_file():
        raise WeightsError(
            f"There is no pretrained model {name!r}; the models are {', '.join(list_models())}."
        )
    return path


def model_card(name: str) -> Card:
    """The card of a pretrained model.

    Raises:
        WeightsError: there is no such model.
    """
    card: Card = json.loads(model_path(name).with_suffix(".json").read_text(encoding="utf-8"))
    return card


def weights_digest(source: str) -> bytes:
    """SHA-256 of a file of weights, as in its card.

    Args:
        source: name of a pretrained model, or a path that ends in .safetensors.

    Raises:
        WeightsError: there is no such model or file.
    """
    path = Path(source) if source.endswith(".safetensors") else model_path(source)
    if not path.is_file():
        raise WeightsError(f"There are no weights at {path}.")
    return hashlib.sha256(path.read_bytes()).digest()

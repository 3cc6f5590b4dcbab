"""The head inside the package, and one way to load that or a listener's own.

A shipped head is symmetric, so its file has the left ear alone: what the right ear receives from a
direction is what the left one receives from the mirrored direction. The responses are in half
precision, whose errors lie some 75 dB below them. Sources and credits are in its card,
NAME.json.
"""

import json
from pathlib import Path

import numpy as np
from jaxtyping import Float, Int

from soundstage.audio import MAX_RATE, MIN_RATE
from soundstage.binaural.hrtf.hrtf_set import HrtfSet
from soundstage.binaural.hrtf.sofa import read_hrtf
from soundstage.errors import WeightsError

FAMILY = "head"
_SAME = 1e-4  # between a unit vector and the mirror image of another
_MOST = 4096  # directions, and taps
_FARTHEST = 100.0  # m


def list_hrtf_sets() -> list[str]:
    """Names of the heads inside the package."""
    return sorted(path.stem for path in _folder().glob("*.safetensors"))


def load_hrtf(source: str | Path = "kemar") -> HrtfSet:
    """A head of the package by its name, or any head by its SOFA file.

    "kemar" is the dummy head KEMAR with its normal pinna, measured by W. G. Gardner and
    K. D. Martin (MIT Media Lab 1994) and `equalized`. A SOFA file is taken as it was measured.

    Args:
        source: a name out of `list_hrtf_sets()`, or a path that ends in .sofa.

    Raises:
        WeightsError: no head of that name is shipped, or its file is damaged.
        InputError: the SOFA file is missing, damaged, too large or no such head.
    """
    if isinstance(source, Path) or source.lower().endswith(".sofa"):
        return read_hrtf(source)
    path = _folder() / f"{source}.safetensors"
    if source not in list_hrtf_sets():
        raise WeightsError(
            f"No head {source!r} is shipped; there is {', '.join(list_hrtf_sets())}, and any "
            "SOFA file (.sofa) can be read."
        )
    return read_shipped(path)


def read_shipped(path: Path) -> HrtfSet:
    """The head that `write_shipped` wrote.

    Raises:
        WeightsError: file or card are missing, damaged, or something else.
    """
    import torch

    from soundstage.weights import load_weights

    weights = load_weights(path, FAMILY)
    left = weights.tensor("responses", torch.float16, (None, None)).float().numpy()
    count = len(left)
    if max(left.shape) > _MOST:
        raise WeightsError(
            f"{path}: {count:,} directions of {left.shape[1]:,} samples are no head."
        )
    directions = weights.tensor("directions", torch.float32, (count, 3)).double().numpy()
    distances = weights.tensor("distances", torch.float32, (count,)).double().numpy()
    rate = int(weights.tensor("rate", torch.int32, (1,)))
    mirrored = _mirrored(directions)
    sound = (
        MIN_RATE <= rate <= MAX_RATE
        and np.abs(np.linalg.norm(directions, axis=1) - 1).max() < _SAME
        and 0 < distances.min() <= distances.max() <= _FARTHEST
        and mirrored is not None
        and np.abs(left).max(axis=1).min() > 0
    )
    if not sound or mirrored is None:
        raise WeightsError(f"{path}: what it holds is no symmetric head; get a whole copy of it.")
    responses = np.stack([left, left[mirrored]], axis=1)
    name, license = _credit(path)
    delays = np.zeros((count, 2))
    return HrtfSet(directions, distances, responses, delays, rate, name=name, license=license)


def write_shipped(path: Path, head: HrtfSet) -> str:
    """Writes the left ear of a symmetric head without delays; returns the SHA-256 of the file.

    Raises:
        ValueError: the head is not symmetric to single precision, or has delays.
        OutputError: the file cannot be written.
    """
    import torch

    from soundstage.weights import save_weights

    mirrored = _mirrored(head.directions)
    if mirrored is None or head.delays.any():
        raise ValueError("directions are not in mirrored pairs, or responses have delays apart")
    largest = np.abs(head.responses).max()
    if np.abs(head.responses[mirrored, ::-1] - head.responses).max() > 1e-6 * largest:
        raise ValueError("the ears of this head differ; it has no mirror image to be stored by")
    tensors = {
        "responses": torch.from_numpy(head.responses[:, 0].astype(np.float16)),
        "directions": torch.from_numpy(head.directions.astype(np.float32)),
        "distances": torch.from_numpy(head.distances.astype(np.float32)),
        "rate": torch.tensor([head.rate], dtype=torch.int32),
    }
    return save_weights(path, FAMILY, tensors)


def _folder() -> Path:
    from soundstage.weights.model import FOLDER

    return FOLDER / "heads"


def _mirrored(directions: Float[np.ndarray, "n 3"]) -> Int[np.ndarray, " n"] | None:
    """The number of every direction's mirror image, where all have one."""
    images = directions * [1, -1, 1]
    nearest = (images @ directions.T).argmax(axis=1)
    apart = np.abs(directions[nearest] - images).max()
    return nearest if apart < _SAME else None


def _credit(path: Path) -> tuple[str, str]:
    """The head's name and license, as its card words them."""
    try:
        card = json.loads(path.with_suffix(".json").read_text(encoding="utf-8"))
        return str(card["title"]), str(card["license"])
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise WeightsError(f"{path}: its card (.json) is missing or damaged.") from error

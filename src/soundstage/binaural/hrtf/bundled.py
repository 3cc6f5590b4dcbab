"""Bundled HRTF sets, and loading of these or of a file.

A bundled set is symmetric and its file has the left ear only: the response of the right ear is that
of the left ear to the mirrored direction. Responses are in half precision, with an error of about
−75 dB. The card, NAME.json, states sources and credits.
"""

import json
from pathlib import Path

import numpy as np
from jaxtyping import Float, Int

from soundstage.audio import MAX_RATE, MIN_RATE
from soundstage.binaural.hrtf.hrtf_set import HrtfSet
from soundstage.binaural.hrtf.sofa import read_hrtf
from soundstage.binaural.hrtf.ssr_file import read_ssr_hrirs
from soundstage.errors import WeightsError

FAMILY = "hrtf"
_SAME = 1e-4  # tolerance of mirrored unit vectors
_MAX_SIZE = 4096  # directions, and taps
_FARTHEST = 100.0  # m


def list_hrtf_sets() -> list[str]:
    """Names of the bundled HRTF sets."""
    return sorted(path.stem for path in _folder().glob("*.safetensors"))


def load_hrtf(source: str | Path = "kemar") -> HrtfSet:
    """Load a bundled HRTF set, a SOFA file, or a WAV file of the SoundScape Renderer.

    "kemar" is the dummy head KEMAR with its normal pinna, measured by W. G. Gardner and
    K. D. Martin (MIT Media Lab 1994), and `equalized`. A file is not equalized.

    Args:
        source: one of `list_hrtf_sets()`, or a path that ends in .sofa or .wav.

    Raises:
        WeightsError: there is no bundled set of this name, or its file is damaged.
        InputError: the file is missing, damaged, too large, or of another convention.
    """
    if str(source).lower().endswith(".wav"):
        return read_ssr_hrirs(source)
    if isinstance(source, Path) or source.lower().endswith(".sofa"):
        return read_hrtf(source)
    path = _folder() / f"{source}.safetensors"
    if source not in list_hrtf_sets():
        raise WeightsError(
            f"Unknown HRTF set {source!r}: use {' or '.join(list_hrtf_sets())}, or a file, .sofa "
            "or .wav."
        )
    return read_bundled(path)


def read_bundled(path: Path) -> HrtfSet:
    """Read a file of `write_bundled`.

    Raises:
        WeightsError: the file or its card is missing, damaged, or of another kind.
    """
    import torch

    from soundstage.weights.model import load_weights

    weights = load_weights(path, FAMILY)
    left = weights.tensor("responses", torch.float16, (None, None)).float().numpy()
    count = len(left)
    if max(left.shape) > _MAX_SIZE:
        raise WeightsError(
            f"{path}: has {count:,} directions of {left.shape[1]:,} samples; the limit is "
            f"{_MAX_SIZE:,} of each."
        )
    directions = weights.tensor("directions", torch.float32, (count, 3)).double().numpy()
    distances = weights.tensor("distances", torch.float32, (count,)).double().numpy()
    rate = int(weights.tensor("rate", torch.int32, (1,)))
    mirrored = _mirrored(directions)
    valid = (
        MIN_RATE <= rate <= MAX_RATE
        and np.abs(np.linalg.norm(directions, axis=1) - 1).max() < _SAME
        and 0 < distances.min() <= distances.max() <= _FARTHEST
        and mirrored is not None
        and np.abs(left).max(axis=1).min() > 0
    )
    if not valid or mirrored is None:
        raise WeightsError(f"{path}: is damaged or not a symmetric HRTF set.")
    responses = np.stack([left, left[mirrored]], axis=1)
    name, license = _credit(path)
    delays = np.zeros((count, 2))
    return HrtfSet(directions, distances, responses, delays, rate, name=name, license=license)


def write_bundled(path: Path, hrtf: HrtfSet) -> str:
    """Write the left ear of a symmetric HRTF set; returns the SHA-256 of the file.

    Raises:
        ValueError: the set is not symmetric in single precision, or has delays.
        OutputError: the file cannot be written.
    """
    import torch

    from soundstage.weights.model import save_weights

    mirrored = _mirrored(hrtf.directions)
    if mirrored is None or hrtf.delays.any():
        raise ValueError("the directions are not in mirrored pairs, or there are delays")
    largest = np.abs(hrtf.responses).max()
    if np.abs(hrtf.responses[mirrored, ::-1] - hrtf.responses).max() > 1e-6 * largest:
        raise ValueError("the ears are not mirror images")
    tensors = {
        "responses": torch.from_numpy(hrtf.responses[:, 0].astype(np.float16)),
        "directions": torch.from_numpy(hrtf.directions.astype(np.float32)),
        "distances": torch.from_numpy(hrtf.distances.astype(np.float32)),
        "rate": torch.tensor([hrtf.rate], dtype=torch.int32),
    }
    return save_weights(path, FAMILY, tensors)


def _folder() -> Path:
    from soundstage.weights.cards import FOLDER

    return FOLDER / "hrtf"


def _mirrored(directions: Float[np.ndarray, "n 3"]) -> Int[np.ndarray, " n"] | None:
    """Index of the mirror image of each direction; None if one has none."""
    images = directions * [1, -1, 1]
    nearest = (images @ directions.T).argmax(axis=1)
    apart = np.abs(directions[nearest] - images).max()
    return nearest if apart < _SAME else None


def _credit(path: Path) -> tuple[str, str]:
    """Name and license from the card."""
    try:
        card = json.loads(path.with_suffix(".json").read_text(encoding="utf-8"))
        return str(card["title"]), str(card["license"])
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise WeightsError(f"{path}: the card (.json) is missing or damaged.") from error

"""Features of a whole collection in one file: what a network learns from, read in a second.

A safetensors file of 426 bytes a frame, 66 MB an hour: fused tokens as bytes, level differences
and coherences before they are quantized, levels of the mid in 128 bands as sixteen-bit numbers,
where each record ends, and as bytes of JSON the names and credits of the records. A fingerprint
says of which files it was made.
"""

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from jaxtyping import Float, Int64, UInt8
from torch import Tensor

from soundstage.corpora.features import has_no_side, record_spectra
from soundstage.corpora.manifest import Credit
from soundstage.errors import InputError, WeightsError
from soundstage.stereo import BANDS, TOKENS, Parameters, encode, quantize
from soundstage.stereo.features import IID_LIMIT_DB
from soundstage.stereo.levels import LEVELS, mid_levels
from soundstage.weights import load_weights, save_weights

FAMILY = "features"


class RecordColumns(NamedTuple):
    """One row a frame of one record."""

    tokens: UInt8[np.ndarray, "frames bands"]
    """Fused tokens."""
    iid: Float[np.ndarray, "frames bands"]
    """Level of left over right in dB, clipped to ±20."""
    coherence: Float[np.ndarray, "frames bands"]
    """From −1 to 1."""
    levels: Float[np.ndarray, "frames levels"]
    """Of the mid, as `stereo.levels` has them."""


@dataclass(frozen=True)
class FeatureCache:
    """A collection; frames of all records one after the other."""

    tokens: UInt8[Tensor, "frames bands"]
    iid: Float[Tensor, "frames bands"]
    coherence: Float[Tensor, "frames bands"]
    levels: Float[Tensor, "frames levels"]
    ends: Int64[Tensor, " records"]
    """One past the last frame of each record."""
    names: list[str]
    """Of the records."""
    credits: list[Credit]
    fingerprint: bytes
    """SHA-256 of what it was made of."""

    @property
    def starts(self) -> Int64[Tensor, " records"]:
        """The first frame of each record."""
        return torch.cat([self.ends.new_zeros(1), self.ends[:-1]])


def record_columns(path: Path, *, speed: float = 1.0) -> RecordColumns:
    """Features of a stereo file of any rate, level differences and levels in half precision.

    Args:
        path: the file.
        speed: at which it is played.

    Raises:
        InputError: the file cannot be read, is not stereo, or its two channels are the same.
    """
    parts: list[tuple[Tensor, ...]] = []
    for left, right in record_spectra(path, speed=speed):
        parameters = encode(left, right)
        iid = parameters.iid.clamp(-IID_LIMIT_DB, IID_LIMIT_DB)
        levels = mid_levels(0.5 * (left + right))
        parts.append((quantize(parameters).T, iid.T, parameters.coherence.T, levels))
    tokens, iid, coherence, levels = (torch.cat(each) for each in zip(*parts, strict=True))
    if has_no_side(Parameters(iid, coherence)):
        raise InputError(f"{path}: left and right are the same, so there is nothing to learn.")
    halves = (each.half().numpy() for each in (iid, coherence, levels))
    return RecordColumns(tokens.numpy(), *halves)


def files_fingerprint(paths: Sequence[Path], *, speed: float = 1.0) -> bytes:
    """SHA-256 over the names, sizes and times of files: changes when one of them does."""
    facts = [FAMILY, str(LEVELS)] + ([] if speed == 1 else [f"speed {speed}"])
    for path in paths:
        status = path.stat()
        facts.append(f"{path.name} {status.st_size} {status.st_mtime_ns}")
    return hashlib.sha256("\n".join(facts).encode()).digest()


def save_features(
    path: Path,
    records: Sequence[RecordColumns],
    *,
    names: Sequence[str],
    credits: Sequence[Credit],
    fingerprint: bytes,
) -> None:
    """Write the features of the named records.

    Raises:
        OutputError: the file cannot be written.
    """
    about = json.dumps({"names": list(names), "credits": list(credits)}).encode()
    columns = {
        name: torch.from_numpy(np.concatenate([getattr(record, name) for record in records]))
        for name in RecordColumns._fields
    }
    tensors = {
        **columns,
        "ends": torch.tensor([len(record.tokens) for record in records]).cumsum(0),
        "about": torch.tensor(list(about), dtype=torch.uint8),
        "fingerprint": torch.tensor(list(fingerprint), dtype=torch.uint8),
    }
    save_weights(path, FAMILY, tensors)


def load_features(path: Path) -> FeatureCache:
    """Features as `save_features` wrote them.

    Raises:
        WeightsError: the file is missing, damaged, or its tensors do not fit together.
    """
    weights = load_weights(path, FAMILY)
    tokens = weights.tensor("tokens", torch.uint8, (None, BANDS))
    frames = tokens.shape[0]
    ends = weights.tensor("ends", torch.int64, (None,))
    ordered = int(ends[0]) > 0 and bool((ends.diff() > 0).all()) and int(ends[-1]) == frames
    try:
        about = json.loads(bytes(weights.tensor("about", torch.uint8, (None,)).tolist()))
        names, credits = list(map(str, about["names"])), list(map(dict, about["credits"]))
    except (ValueError, KeyError, TypeError) as error:
        raise WeightsError(f"{path}: says nothing of its records that can be read.") from error
    if int(tokens.max()) >= TOKENS or not ordered or len(names) != len(ends):
        raise WeightsError(f"{path}: the frames and records do not fit together.")
    return FeatureCache(
        tokens,
        weights.tensor("iid", torch.float16, (frames, BANDS)),
        weights.tensor("coherence", torch.float16, (frames, BANDS)),
        weights.tensor("levels", torch.float16, (frames, LEVELS)),
        ends,
        names,
        credits,
        bytes(weights.tensor("fingerprint", torch.uint8, (32,)).tolist()),
    )

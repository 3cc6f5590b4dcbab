"""Parametric-stereo features of tracks, and of a whole collection in one file.

A track is read once in blocks, so that memory does not depend on its length. The file of a
collection takes 426 bytes a frame, 66 MB an hour: tokens as bytes; level differences, coherences
before quantization and levels of the mid in 128 bands in half precision; the end of each track; and
the names and credits of the tracks as JSON. A fingerprint identifies the source files.
"""

import hashlib
import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from jaxtyping import Complex, Float, Int64, UInt8
from torch import Tensor

from soundstage.audio import StreamResampler, open_sound
from soundstage.corpora.layouts import Credit
from soundstage.errors import InputError, WeightsError
from soundstage.spectra import AnalysisStream
from soundstage.stereo import (
    BANDS,
    RATE,
    TOKENS,
    TRANSFORM,
    Parameters,
    band_sums,
    encode,
    quantize,
)
from soundstage.stereo.features import IID_LIMIT_DB, LEVELS, mid_levels
from soundstage.text_files import parse_json
from soundstage.weights.model import load_weights, save_weights

FAMILY = "features"
BLOCK_SECONDS = 10
MIN_COHERENCE, MAX_IID_DB = 0.9999, 0.05  # means over a track that has no side signal


class TrackFeatures(NamedTuple):
    """One column a frame, 43.1 frames a second."""

    magnitudes: Float[Tensor, "bands frames"]
    """Sum of the magnitudes of the mid in each band."""
    parameters: Parameters


class TrackColumns(NamedTuple):
    """One row a frame."""

    tokens: UInt8[np.ndarray, "frames bands"]
    iid: Float[np.ndarray, "frames bands"]
    """Level difference, left over right, in dB, limited to ±20."""
    coherence: Float[np.ndarray, "frames bands"]
    """From −1 to 1."""
    levels: Float[np.ndarray, "frames levels"]
    """Levels of the mid (`stereo.features`)."""


@dataclass(frozen=True)
class FeatureCache:
    """A collection; the frames of all tracks one after the other."""

    tokens: UInt8[Tensor, "frames bands"]
    iid: Float[Tensor, "frames bands"]
    coherence: Float[Tensor, "frames bands"]
    levels: Float[Tensor, "frames levels"]
    ends: Int64[Tensor, " tracks"]
    """One past the last frame of each track."""
    names: list[str]
    """Of the tracks."""
    credits: list[Credit]
    fingerprint: bytes
    """SHA-256 of the source files."""

    @property
    def starts(self) -> Int64[Tensor, " tracks"]:
        """The first frame of each track."""
        return torch.cat([self.ends.new_zeros(1), self.ends[:-1]])


def has_no_side(parameters: Parameters) -> bool:
    """Whether left and right are practically identical."""
    mean_iid = parameters.iid.abs().mean()
    return bool(parameters.coherence.mean() > MIN_COHERENCE) and bool(mean_iid < MAX_IID_DB)


def track_spectra(
    path: Path, *, speed: float = 1.0
) -> Iterator[tuple[Complex[Tensor, "bins frames"], Complex[Tensor, "bins frames"]]]:
    """Spectrograms of left and right, block by block.

    Args:
        path: stereo file of any rate.
        speed: of playback; 1.06 is a semitone higher and shorter in proportion.

    Raises:
        InputError: the file cannot be read or is not stereo.
    """
    with open_sound(path) as sound, torch.inference_mode():
        if sound.channels != 2:
            raise InputError(f"{path}: has {sound.channels} channels, not 2.")
        resampler = StreamResampler(round(speed * sound.rate), RATE, 2)
        analysis = AnalysisStream(TRANSFORM, (2,))
        for block in sound.blocks(BLOCK_SECONDS * sound.rate):
            left, right = analysis.push(torch.from_numpy(resampler.push(block.astype("float32"))))
            yield left, right
        left, right = analysis.push(torch.from_numpy(resampler.finish()))
        yield left, right
        left, right = analysis.finish()
        yield left, right


def track_features(path: Path) -> TrackFeatures:
    """Features of a stereo file of any rate.

    Raises:
        InputError: the file cannot be read or is not stereo.
    """
    magnitudes: list[Tensor] = []
    parameters: list[Parameters] = []
    with torch.inference_mode():
        for left, right in track_spectra(path):
            magnitudes.append(band_sums((0.5 * (left + right)).abs()))
            parameters.append(encode(left, right))
    return TrackFeatures(
        torch.cat(magnitudes, dim=1),
        Parameters(*(torch.cat(parts, dim=1) for parts in zip(*parameters, strict=True))),
    )


def track_columns(path: Path, *, speed: float = 1.0) -> TrackColumns:
    """Features of a stereo file in the precision of a cache.

    Args:
        path: stereo file of any rate.
        speed: of playback.

    Raises:
        InputError: the file cannot be read, is not stereo, or has no side signal.
    """
    parts: list[tuple[Tensor, ...]] = []
    for left, right in track_spectra(path, speed=speed):
        parameters = encode(left, right)
        iid = parameters.iid.clamp(-IID_LIMIT_DB, IID_LIMIT_DB)
        levels = mid_levels(0.5 * (left + right))
        parts.append((quantize(parameters).T, iid.T, parameters.coherence.T, levels))
    tokens, iid, coherence, levels = (torch.cat(each) for each in zip(*parts, strict=True))
    if has_no_side(Parameters(iid, coherence)):
        raise InputError(f"{path}: left and right are identical.")
    halves = (each.half().numpy() for each in (iid, coherence, levels))
    return TrackColumns(tokens.numpy(), *halves)


def files_fingerprint(paths: Sequence[Path], *, speed: float = 1.0) -> bytes:
    """SHA-256 over names, sizes and modification times of files."""
    facts = [FAMILY, str(LEVELS)] + ([] if speed == 1 else [f"speed {speed}"])
    for path in paths:
        status = path.stat()
        facts.append(f"{path.name} {status.st_size} {status.st_mtime_ns}")
    return hashlib.sha256("\n".join(facts).encode()).digest()


def save_features(
    path: Path,
    tracks: Sequence[TrackColumns],
    *,
    names: Sequence[str],
    credits: Sequence[Credit],
    fingerprint: bytes,
) -> None:
    """Write the features of named tracks.

    Raises:
        OutputError: the file cannot be written.
    """
    about = json.dumps({"names": list(names), "credits": list(credits)}).encode()
    columns = {
        name: torch.from_numpy(np.concatenate([getattr(track, name) for track in tracks]))
        for name in TrackColumns._fields
    }
    tensors = {
        **columns,
        "ends": torch.tensor([len(track.tokens) for track in tracks]).cumsum(0),
        "about": torch.tensor(list(about), dtype=torch.uint8),
        "fingerprint": torch.tensor(list(fingerprint), dtype=torch.uint8),
    }
    save_weights(path, FAMILY, tensors)


def load_features(path: Path) -> FeatureCache:
    """Read a file of `save_features`.

    Raises:
        WeightsError: the file is missing or damaged, or its tensors are inconsistent.
    """
    weights = load_weights(path, FAMILY)
    tokens = weights.tensor("tokens", torch.uint8, (None, BANDS))
    frames = tokens.shape[0]
    ends = weights.tensor("ends", torch.int64, (None,))
    ordered = int(ends[0]) > 0 and bool((ends.diff() > 0).all()) and int(ends[-1]) == frames
    try:
        content = bytes(weights.tensor("about", torch.uint8, (None,)).tolist())
        about = parse_json(content, f"{path}, names and credits", WeightsError)
        names, credits = list(map(str, about["names"])), list(map(dict, about["credits"]))
    except (ValueError, KeyError, TypeError) as error:
        raise WeightsError(f"{path}: names and credits of the tracks are damaged.") from error
    if int(tokens.max()) >= TOKENS or not ordered or len(names) != len(ends):
        raise WeightsError(f"{path}: the frames and tracks are inconsistent.")
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

"""What a model of parametric stereo learns from one record: band magnitudes of the mid, parameters.

A record is read once from start to end in blocks, so that its length does not matter.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import torch
from jaxtyping import Complex, Float
from torch import Tensor

from soundstage.audio import StreamResampler, open_sound
from soundstage.errors import InputError
from soundstage.spectra import AnalysisStream
from soundstage.stereo import RATE, TRANSFORM, Parameters, band_sums, encode

BLOCK_SECONDS = 10
MONO = (0.9999, 0.05)  # mean coherence, and dB of mean |IID|, of a record without a side


class TrackFeatures(NamedTuple):
    """One column a frame, 43.1 a second."""

    magnitudes: Float[Tensor, "bands frames"]
    """Sum of the magnitudes of the mid's bins in each band."""
    parameters: Parameters


def has_no_side(parameters: Parameters) -> bool:
    """Whether left and right are the same, so that there is nothing to learn."""
    spread = parameters.iid.abs().mean()
    return bool(parameters.coherence.mean() > MONO[0]) and bool(spread < MONO[1])


def record_spectra(
    path: Path, *, speed: float = 1.0
) -> Iterator[tuple[Complex[Tensor, "bins frames"], Complex[Tensor, "bins frames"]]]:
    """Spectrograms of left and right of a stereo file of any rate, block after block.

    Args:
        path: the file.
        speed: at which it is played: 1.06 is a semitone up, and as much shorter.

    Raises:
        InputError: the file cannot be read or is not stereo.
    """
    with open_sound(path) as sound, torch.inference_mode():
        if sound.channels != 2:
            raise InputError(f"{path}: has {sound.channels} channels, and a record here has 2.")
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
        for left, right in record_spectra(path):
            magnitudes.append(band_sums((0.5 * (left + right)).abs()))
            parameters.append(encode(left, right))
    return TrackFeatures(
        torch.cat(magnitudes, dim=1),
        Parameters(*(torch.cat(parts, dim=1) for parts in zip(*parameters, strict=True))),
    )

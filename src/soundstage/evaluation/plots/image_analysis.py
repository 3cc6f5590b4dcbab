"""Spectrograms, maps and goniometer of a file, computed in one pass with constant memory.

Spectrograms and maps have at most `COLUMNS` columns: when they are full, pairs of columns are
averaged, and each new column covers twice as many frames. The goniometer is a histogram on a grid;
its range doubles, by merging cells, when a louder sample arrives.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float

from soundstage.audio import Source
from soundstage.metrics.analysis import IID_RANGE_DB, Analysis, FrameBlock, analyze
from soundstage.spectra.cached_tensors import cached_tensor
from soundstage.stereo import BANDS, RATE, TRANSFORM, to_mid_side

COLUMNS = 1024  # at most; even
ROWS = 256  # of a spectrogram, equally spaced in log frequency
LOWEST_HZ, HIGHEST_HZ = 30.0, 20_000.0
FULL_SCALE = (TRANSFORM.frame / 4) ** 2  # power at the bin of a sine at full scale

GRID = 1024  # cells per axis of the histogram
DISPLAY = 181  # cells per axis of the picture; odd, so that mono is a centered line
DISPLAYED = 0.9999  # of the samples are within the radius


@dataclass(frozen=True)
class ImageAnalysis:
    """Arrays to draw, frequency by time."""

    analysis: Analysis
    column_seconds: float
    """Duration of a column; the first starts half a hop before the file."""
    mid: Float[np.ndarray, "rows columns"]
    """Power, 1 for a sine at full scale."""
    side: Float[np.ndarray, "rows columns"]
    energy: Float[np.ndarray, "bands columns"]
    """Energy of both channels, in the same unit."""
    iid: Float[np.ndarray, "bands columns"]
    """Energy-weighted mean over the frames of a column, in dB; NaN without energy."""
    coherence: Float[np.ndarray, "bands columns"]
    goniometer: "GoniometerHistogram"


class ColumnStore:
    """Means over blocks of frames; the block length doubles when `limit` columns are full."""

    def __init__(self, rows: int, limit: int = COLUMNS) -> None:
        if limit % 2:
            raise ValueError("the limit must be even, since columns merge in pairs")
        self.stride = 1  # frames a column
        self._limit = limit
        self._frames = 0
        self._sums = np.zeros((rows, limit))

    def push(self, frames: Float[np.ndarray, "rows count"]) -> None:
        """Add frames."""
        while frames.shape[1]:
            if self._frames == self._limit * self.stride:
                self._merge()
            taken, frames = np.split(frames, [self._limit * self.stride - self._frames], axis=1)
            columns = (self._frames + np.arange(taken.shape[1])) // self.stride
            starts = np.flatnonzero(np.diff(columns, prepend=-1))
            self._sums[:, columns[starts]] += np.add.reduceat(taken, starts, axis=1)
            self._frames += taken.shape[1]

    def _merge(self) -> None:
        half = self._limit // 2
        self._sums[:, :half] = self._sums[:, ::2] + self._sums[:, 1::2]
        self._sums[:, half:] = 0
        self.stride *= 2

    def means(self) -> Float[np.ndarray, "rows columns"]:
        """Means of all columns; the last may cover fewer frames."""
        counts = np.diff(np.r_[0 : self._frames : self.stride, self._frames])
        return self._sums[:, : len(counts)] / counts


class GoniometerHistogram:
    """Histogram of pairs of mid and side."""

    def __init__(self) -> None:
        self._range = 0.0  # the grid spans ±range, a power of two (0 in silence)
        self._counts = np.zeros((GRID, GRID))

    def push(self, stereo: Float[np.ndarray, "2 length"]) -> None:
        """Add a block of left and right."""
        sounding = stereo[:, (stereo != 0).any(axis=0)]  # digital silence does not count
        mid, side = to_mid_side(*sounding.astype(np.float64))
        peak = max(np.abs(mid).max(initial=0), np.abs(side).max(initial=0))
        if peak > 0:
            self._widen(2.0 ** (np.floor(np.log2(peak)) + 1))
        if not self._range:
            return
        row, column = (
            np.clip(np.floor((x / self._range + 1) * GRID / 2), 0, GRID - 1).astype(np.int64)
            for x in (mid, -side)
        )
        counts = np.bincount(row * GRID + column, minlength=GRID * GRID)
        self._counts += counts.reshape(GRID, GRID)

    def _widen(self, range_: float) -> None:
        if not self._range:
            self._range = range_
        while self._range < range_:
            merged = self._counts.reshape(GRID // 2, 2, GRID // 2, 2).sum(axis=(1, 3))
            self._counts = np.pad(merged, GRID // 4)
            self._range *= 2

    def radius(self) -> float:
        """Amplitude that mid and side exceed in one of 10 000 samples only; 0 for silence."""
        total = self._counts.sum()
        if not total:
            return 0.0
        ring = np.abs(np.arange(GRID) - (GRID - 1) / 2).astype(np.int64)  # 0 at the center
        rings = np.maximum(ring[:, None], ring[None, :])
        inside = np.cumsum(np.bincount(rings.ravel(), weights=self._counts.ravel()))
        radius = int(np.searchsorted(inside, DISPLAYED * total)) + 1
        return max(radius, 8) * 2 / GRID * self._range

    def picture(self, radius: float) -> Float[np.ndarray, "cells cells"]:
        """Samples per cell of a square of ±`radius`: M upwards, −S to the right.

        Left is then left and right is right. Cells of the histogram are resampled by area.
        """
        if not radius or not self._range:
            return np.zeros((DISPLAY, DISPLAY))
        ours = np.linspace(-self._range, self._range, GRID + 1)
        theirs = np.linspace(-radius, radius, DISPLAY + 1)
        upper = np.minimum(ours[1:], theirs[1:, None])
        lower = np.maximum(ours[:-1], theirs[:-1, None])
        shares = np.clip(upper - lower, 0, None) / (2 * self._range / GRID)
        return shares @ self._counts @ shares.T


@cached_tensor
def row_weights() -> Float[torch.Tensor, "rows bins"]:
    """Weights for the mean power of each row, with linear interpolation between bins."""
    points = 128  # per row; the highest row spans 47 bins
    edges = np.geomspace(LOWEST_HZ, HIGHEST_HZ, ROWS * points + 1) * TRANSFORM.frame / RATE
    below, past = np.divmod(np.sqrt(edges[:-1] * edges[1:]), 1)
    row, bin_below = np.repeat(np.arange(ROWS), points), below.astype(np.int64)
    weights = np.zeros((ROWS, TRANSFORM.bins))
    np.add.at(weights, (row, bin_below), (1 - past) / points)
    np.add.at(weights, (row, bin_below + 1), past / points)
    return torch.from_numpy(weights.astype(np.float32))


class _Collector:
    """Observer of `analyze`."""

    def __init__(self) -> None:
        self.columns = ColumnStore(2 * ROWS + 3 * BANDS)
        self.goniometer = GoniometerHistogram()

    def samples(self, stereo: Float[np.ndarray, "2 length"]) -> None:
        self.goniometer.push(stereo)

    def frames(self, block: FrameBlock) -> None:
        powers = [
            row_weights() @ (x.real.square() + x.imag.square())
            for x in to_mid_side(block.left, block.right)
        ]
        iid = block.parameters.iid.clamp(-IID_RANGE_DB, IID_RANGE_DB)
        weighted = [block.energy * x for x in (iid, block.parameters.coherence)]
        self.columns.push(torch.cat([*powers, block.energy, *weighted]).numpy())


def analyze_image(
    source: Source, *, progress: Callable[[float], None] | None = None
) -> ImageAnalysis:
    """Analyze a sound of one or two channels for plotting.

    Raises:
        InputError: as for `analyze`.
    """
    collector = _Collector()
    analysis = analyze(source, observer=collector, progress=progress)
    rows = np.cumsum([ROWS, ROWS, BANDS, BANDS])
    mid, side, energy, iid, coherence = np.split(collector.columns.means(), rows)
    nonzero = np.where(energy > 0, energy, np.nan)
    return ImageAnalysis(
        analysis=analysis,
        column_seconds=collector.columns.stride * TRANSFORM.hop / RATE,
        mid=mid / FULL_SCALE,
        side=side / FULL_SCALE,
        energy=energy / FULL_SCALE,
        iid=iid / nonzero,
        coherence=coherence / nonzero,
        goniometer=collector.goniometer,
    )

"""What is drawn of a file, gathered in one pass; memory does not grow with length.

Spectrograms and maps keep at most `COLUMNS` columns: when they are full, neighbors are averaged in
pairs and each new column takes twice as many frames. The goniometer counts samples on a grid whose
range doubles, and whose cells merge by four, when a louder sample comes.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cache

import numpy as np
import torch
from jaxtyping import Float

from soundstage.metrics.analysis import IID_RANGE_DB, Analysis, FrameBlock, Source, analyze
from soundstage.stereo import BANDS, RATE, TRANSFORM, to_mid_side

COLUMNS = 1024  # at most, and at least half as many of a file that has them; even
ROWS = 256  # of a spectrogram, equally spaced in log frequency
LOWEST_HZ, HIGHEST_HZ = 30.0, 20_000.0
FULL_SCALE = (TRANSFORM.frame / 4) ** 2  # power at the bin of a sine at full scale

GRID = 1024  # cells a side of the goniometer's count
DISPLAY = 181  # and of its picture; odd, so that mono is a line in the middle
DISPLAYED = 0.9999  # of the samples lie within a file's radius


@dataclass(frozen=True)
class Portrait:
    """Arrays to draw, time along the last axis and frequency upwards along the first."""

    analysis: Analysis
    column_seconds: float
    """Duration of a column; the first begins half a hop before the file."""
    mid: Float[np.ndarray, "rows columns"]
    """Power, 1 for a sine at full scale."""
    side: Float[np.ndarray, "rows columns"]
    energy: Float[np.ndarray, "bands columns"]
    """Of both channels, in the same unit."""
    iid: Float[np.ndarray, "bands columns"]
    """Energy-weighted mean over the frames of a column, in dB; NaN where there is no energy."""
    coherence: Float[np.ndarray, "bands columns"]
    goniometer: "GoniometerCount"


class ColumnStore:
    """Means over runs of frames whose length doubles whenever `limit` columns are full."""

    def __init__(self, rows: int, limit: int = COLUMNS) -> None:
        if limit % 2:
            raise ValueError("columns merge in pairs, so their limit is even")
        self.stride = 1  # frames a column
        self._limit = limit
        self._frames = 0
        self._sums = np.zeros((rows, limit))

    def push(self, frames: Float[np.ndarray, "rows count"]) -> None:
        """Count in frames."""
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
        """Every column so far; the last may stand for fewer frames than the others."""
        held = np.diff(np.r_[0 : self._frames : self.stride, self._frames])
        return self._sums[:, : len(held)] / held


class GoniometerCount:
    """How often each pair of mid and side occurs."""

    def __init__(self) -> None:
        self._range = 0.0  # the grid spans −range to range; a power of two, once there is sound
        self._counts = np.zeros((GRID, GRID))

    def push(self, stereo: Float[np.ndarray, "2 length"]) -> None:
        """Count in a block of left and right."""
        sounding = stereo[:, (stereo != 0).any(axis=0)]  # digital silence has no place in it
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

    def _widen(self, wanted: float) -> None:
        if not self._range:
            self._range = wanted
        while self._range < wanted:
            merged = self._counts.reshape(GRID // 2, 2, GRID // 2, 2).sum(axis=(1, 3))
            self._counts = np.pad(merged, GRID // 4)
            self._range *= 2

    def radius(self) -> float:
        """Amplitude that neither mid nor side passes but for one sample in 10 000; 0 if silent."""
        total = self._counts.sum()
        if not total:
            return 0.0
        ring = np.abs(np.arange(GRID) - (GRID - 1) / 2).astype(np.int64)  # 0 in the middle
        rings = np.maximum(ring[:, None], ring[None, :])
        held = np.cumsum(np.bincount(rings.ravel(), weights=self._counts.ravel()))
        reached = int(np.searchsorted(held, DISPLAYED * total)) + 1
        return max(reached, 8) * 2 / GRID * self._range

    def picture(self, radius: float) -> Float[np.ndarray, "cells cells"]:
        """Samples in each cell of a square to ±`radius`: M upwards, −S to the right.

        So left is left and right is right. A cell of the count that lies across a border of the
        picture's cells is shared out by area.
        """
        if not radius or not self._range:
            return np.zeros((DISPLAY, DISPLAY))
        ours = np.linspace(-self._range, self._range, GRID + 1)
        theirs = np.linspace(-radius, radius, DISPLAY + 1)
        upper = np.minimum(ours[1:], theirs[1:, None])
        lower = np.maximum(ours[:-1], theirs[:-1, None])
        shares = np.clip(upper - lower, 0, None) / (2 * self._range / GRID)
        return shares @ self._counts @ shares.T


@cache
def _row_weights() -> Float[torch.Tensor, "rows bins"]:
    """Mean over each row of the power between bins, drawn as straight lines."""
    points = 128  # a row, of which the highest spans 47 bins
    edges = np.geomspace(LOWEST_HZ, HIGHEST_HZ, ROWS * points + 1) * TRANSFORM.frame / RATE
    below, past = np.divmod(np.sqrt(edges[:-1] * edges[1:]), 1)
    row, bin_below = np.repeat(np.arange(ROWS), points), below.astype(np.int64)
    weights = np.zeros((ROWS, TRANSFORM.bins))
    np.add.at(weights, (row, bin_below), (1 - past) / points)
    np.add.at(weights, (row, bin_below + 1), past / points)
    return torch.from_numpy(weights.astype(np.float32))


class _Painter:
    """The watcher of `analyze`."""

    def __init__(self) -> None:
        self.columns = ColumnStore(2 * ROWS + 3 * BANDS)
        self.goniometer = GoniometerCount()

    def samples(self, stereo: Float[np.ndarray, "2 length"]) -> None:
        self.goniometer.push(stereo)

    def frames(self, block: FrameBlock) -> None:
        powers = [
            _row_weights() @ (x.real.square() + x.imag.square())
            for x in to_mid_side(block.left, block.right)
        ]
        iid = block.parameters.iid.clamp(-IID_RANGE_DB, IID_RANGE_DB)
        weighted = [block.energy * x for x in (iid, block.parameters.coherence)]
        self.columns.push(torch.cat([*powers, block.energy, *weighted]).numpy())


def portray(source: Source, *, progress: Callable[[float], None] | None = None) -> Portrait:
    """Gather what is drawn of a file of one or two channels.

    Raises:
        InputError: as for `analyze`.
    """
    painter = _Painter()
    analysis = analyze(source, watcher=painter, progress=progress)
    rows = np.cumsum([ROWS, ROWS, BANDS, BANDS])
    mid, side, energy, iid, coherence = np.split(painter.columns.means(), rows)
    sounding = np.where(energy > 0, energy, np.nan)
    return Portrait(
        analysis=analysis,
        column_seconds=painter.columns.stride * TRANSFORM.hop / RATE,
        mid=mid / FULL_SCALE,
        side=side / FULL_SCALE,
        energy=energy / FULL_SCALE,
        iid=iid / sounding,
        coherence=coherence / sounding,
        goniometer=painter.goniometer,
    )

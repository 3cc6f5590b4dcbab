"""The pan histogram of a stereo song, and what it says of the age of its mix.

The pan of a bin of the spectrogram is the gain in the side of one source that is alone in it,

    a = (|L| − |R|)/(|L| + |R|),    L = (1 + a)·s,  R = (1 − a)·s

from −1, right, to 1, left (Avendano and Jot 2004 have a similar index). Bins count by their
amplitude, in the bands of the rules of placement. Each band has the same weight in the shares.

Mixes of the 1960s were switched, not panned: half of the sound and more is within 17 dB of one
channel alone, and in the middle there can be nothing. Of 182 modern pieces one has more than an
eighth there. `need` rises from 0 to 1 in between. Two channels of independent noise have 4 %.
"""

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Complex, Float
from torch import Tensor

from soundstage.audio import StreamResampler
from soundstage.separation.stage_balance import BALANCE_EDGES
from soundstage.spectra import AnalysisStream
from soundstage.stereo import RATE, TRANSFORM

CELLS = 41  # of the histogram; an odd number has one for the center
HARD = 0.75  # |a| from here on counts as hard-panned: 17 dB
CENTRAL = 0.2  # |a| up to here counts as the center: 3.5 dB
NEED = (0.13, 0.2)  # share of hard-panned sound from which, and in full, a song is restyled
COMMON = 0.03  # share of power in a band that both channels share, from which there is a center
SIGNIFICANT = 3.0  # deviations of the share that chance gives to a short song
OVERLAP = 6.0  # bins and frames that count as one, as windows overlap
LOWEST = 40.0  # Hz; below it there is rumble
BANDS = len(BALANCE_EDGES) - 1
CENTERS = np.linspace(-1, 1, CELLS)
"""Pan of every cell."""


@dataclass(frozen=True)
class PanHistogram:
    """Amplitude by pan and band, and powers of the channels, over a song."""

    amplitudes: Float[np.ndarray, "bands cells"]
    """Sum of |L| + |R|, by `BALANCE_EDGES` and `CENTERS`."""
    powers: Float[np.ndarray, "bands 3"]
    """Sums of |L|², |R|² and Re⟨L, R⟩."""
    frames: int
    """Of the song."""

    @property
    def bands(self) -> Float[np.ndarray, "bands cells"]:
        """Shares of each band, which add up to 1; a silent band has zeros."""
        total = self.amplitudes.sum(axis=1, keepdims=True)
        return np.asarray(self.amplitudes / np.where(total > 0, total, 1))

    @property
    def whole(self) -> Float[np.ndarray, " cells"]:
        """The mean over the bands that have sound."""
        loud = self.amplitudes.sum(axis=1)
        is_audible = loud > 1e-3 * loud.max()
        return np.asarray(self.bands[is_audible].mean(axis=0)) if loud.any() else np.zeros(CELLS)

    def share(self, low: float, high: float) -> float:
        """Share of the sound whose pan is in a range, 0 to 1."""
        cells = np.searchsorted(CENTERS, [low - 1e-9, high + 1e-9])
        return float(self.whole[slice(*cells)].sum())

    @property
    def hard_left(self) -> float:
        """Share of the sound that is in the left channel alone."""
        return self.share(HARD, 1)

    @property
    def hard_right(self) -> float:
        """Share of the sound that is in the right channel alone."""
        return self.share(-1, -HARD)

    @property
    def central(self) -> float:
        """Share of the sound at the center."""
        return self.share(-CENTRAL, CENTRAL)

    @property
    def emptiest_center(self) -> float:
        """The smallest share that a band with sound has at the center; 0 for silence."""
        loud = self.amplitudes.sum(axis=1)
        low, high = np.searchsorted(CENTERS, [-CENTRAL - 1e-9, CENTRAL + 1e-9])
        shares = self.bands[loud > 1e-3 * loud.max(), low:high].sum(axis=1)
        return float(shares.min()) if shares.size else 0.0

    @property
    def need(self) -> float:
        """From 0, where all stands where it should, to 1, for a hard-panned mix."""
        low, high = NEED
        return float(np.clip((self.hard_left + self.hard_right - low) / (high - low), 0, 1))

    @property
    def has_center(self) -> bool:
        """Whether anything is common to both channels in some band."""
        left, right, cross = self.powers.T
        both = left + right
        is_audible = both > 1e-4 * both.sum()
        shares = 2 * cross / np.where(both > 0, both, 1)
        chance = np.sqrt(OVERLAP / (np.bincount(_BAND, minlength=BANDS) * max(self.frames, 1)))
        return bool((shares > COMMON + SIGNIFICANT * chance)[is_audible].any())


class PanMeter:
    """Measures the histogram over frames of a spectrogram made by `TRANSFORM`."""

    def __init__(self) -> None:
        self._amplitudes = np.zeros(BANDS * CELLS)
        self._powers, self._frames = np.zeros((BANDS, 3)), 0

    def push(self, spectrogram: Complex[Tensor, "2 bins frames"]) -> None:
        """Measure the next frames."""
        self._frames += spectrogram.shape[-1]
        first, last = _BIN_RANGE
        left, right = spectrogram[:, first:last]
        levels = spectrogram[:, first:last].abs().double()
        total = levels.sum(dim=0)
        pans = (levels[0] - levels[1]) / total.clamp(min=1e-20)
        cells = ((pans + 1) / 2 * (CELLS - 1)).round().long()
        index = _BAND[:, None] * CELLS + cells
        counts = torch.bincount(index.flatten(), total.flatten(), minlength=BANDS * CELLS)
        self._amplitudes += counts.numpy()
        cross = left.real * right.real + left.imag * right.imag
        sums = torch.stack([*levels.square().sum(dim=-1), cross.double().sum(dim=-1)], dim=1)
        self._powers += _sums_by_band(sums)

    def finish(self) -> PanHistogram:
        """The histogram of all frames."""
        amplitudes = self._amplitudes.reshape(BANDS, CELLS).copy()
        return PanHistogram(amplitudes, self._powers.copy(), self._frames)


class PanHistogramStream:
    """The histogram of a stereo signal of any rate, block by block.

    Args:
        rate: in Hz.
    """

    def __init__(self, rate: int) -> None:
        self._resampler = StreamResampler(rate, RATE, 2)
        self._analysis, self._meter = AnalysisStream(TRANSFORM, (2,)), PanMeter()

    def push(self, stereo: Float[np.ndarray, "2 frames"]) -> None:
        """Measure the next frames."""
        block = self._resampler.push(np.array(stereo, np.float32))  # a caller may reuse its buffer
        self._measure(block)

    def finish(self) -> PanHistogram:
        """The histogram of all frames."""
        self._measure(self._resampler.finish())
        self._meter.push(self._analysis.finish())
        return self._meter.finish()

    def _measure(self, block: Float[np.ndarray, "2 frames"]) -> None:
        self._meter.push(self._analysis.push(torch.from_numpy(np.ascontiguousarray(block))))


def pan_histogram(blocks: Iterable[Float[Tensor, "2 length"]]) -> PanHistogram:
    """The histogram of a stereo sound at 44.1 kHz, in blocks of any size."""
    meter, analysis = PanMeter(), AnalysisStream(TRANSFORM, (2,))
    for block in blocks:
        meter.push(analysis.push(block))
    meter.push(analysis.finish())
    return meter.finish()


def _bands_of_bins() -> tuple[tuple[int, int], Tensor]:
    """The range of measured bins, and the band of each."""
    frequencies = np.arange(TRANSFORM.bins) * RATE / TRANSFORM.frame
    measured = np.flatnonzero((frequencies >= LOWEST) & (frequencies < BALANCE_EDGES[-1]))
    bands = np.searchsorted(BALANCE_EDGES, frequencies[measured], side="right") - 1
    return (int(measured[0]), int(measured[-1]) + 1), torch.from_numpy(bands)


def _sums_by_band(values: Float[Tensor, "bins columns"]) -> Float[np.ndarray, "bands columns"]:
    sums = torch.zeros(BANDS, values.shape[1], dtype=values.dtype)
    return np.asarray(sums.index_add_(0, _BAND, values).numpy())


_BIN_RANGE, _BAND = _bands_of_bins()

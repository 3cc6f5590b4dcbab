"""Measures the errors between the channels of a stereo mix: lag, polarity, balance and treble.

In a cell of the spectrogram in which only the common sound c of `corrections` is heard both
channels are coherent, |⟨L, R⟩|² = ⟨L, L⟩·⟨R, R⟩, and only such cells count.

The phase of ⟨L, R⟩ is 2πfτ at every frequency (Knapp and Carter 1976), and turned by half a circle
if one channel is inverted: the lag is the peak of the cross-correlation of unit phases, refined by
least squares. Sources that play the same notes are coherent by chance, but agree on no lag.

The level differences have a peak at the balance g, since most of the sounds that both channels
share are at the center; all others spread to its sides. All bands must agree on it.
"""

from collections.abc import Iterable, Sequence
from itertools import pairwise
from typing import NamedTuple

import numpy as np
from jaxtyping import Bool, Float

from soundstage.restyling.corrections import TREBLE_HZ, Corrections

MAX_LAG = 0.002  # seconds; a head of 3.75 in/s that is tilted by 2° makes 0.9 ms
FRAME = 0.093  # seconds
FRAMES, BINS = 4, 3  # of a cell
LOWEST, HIGHEST = 100.0, 16_000.0  # Hz
COHERENT = 0.98  # coherence of a cell with one source; independent ones have it in 1 of 10⁴
FAINT = 1e-7  # of the power of the loudest cell of a moment, below which there is only noise
SILENCE = 1e-9  # of the power of a sine at full scale, the same for a moment
MAX_CELLS = 1 << 22  # kept in memory, 32 bytes each; of longer songs every other moment counts
SECTION = 20.0  # seconds; the lag of each shows its drift
LEAST_CELLS = 300  # that tell of a lag or a level
LEAST_AGREEMENT = 0.3  # of the phases of coherent cells; by chance it is 0.05
NEAR = 0.5  # radians of phase within which a cell agrees on a lag
FINE = 8  # steps a sample of the first estimate of the lag
STEP_DB, KERNEL_DB, PEAK_DB = 0.05, 0.2, 0.5  # histogram of levels: cell, smoothing, half a peak
LEAST_ERROR_DB = 0.01  # of the level of a peak
MAX_BALANCE_DB = 6.0  # more is a mix, and no error
BAND_EDGES = (100.0, 300.0, 700.0, 1_500.0, 3_500.0, 6_000.0, 9_000.0, 16_000.0)  # Hz
TREBLE_EDGES = (500.0, 1_500.0, 3_500.0, 6_000.0, 8_000.0, 10_000.0, 12_000.0, 14_000.0)  # Hz
LEAST_IN_BAND = 30  # cells
LEAST_BANDS, LEAST_AGREED = 3, 0.75  # that must agree on a balance: their number and weight
SPREAD_DB = 0.3  # distance from the balance within which a band agrees, or 3 standard errors
LEAST_PEAK = 0.45  # share of the levels in the peak; evenly spread sources have 0.08
LEAST_FOR_TREBLE, TREBLE_REACH = 5, 0.4  # bands that tell of the treble; the highest is at 6 kHz
LEAST_TREBLE_DB, MAX_TREBLE_DB = 1.0, 9.0  # at `TREBLE_HZ`


class Cells(NamedTuple):
    """Coherent cells of a song."""

    times: Float[np.ndarray, " cells"]
    """Number of the moment."""
    omegas: Float[np.ndarray, " cells"]
    """Center frequency, in radians a sample."""
    phases: Float[np.ndarray, " cells"]
    """Of ⟨L, R⟩, in radians."""
    levels: Float[np.ndarray, " cells"]
    """Of right over left, in dB."""
    weights: Float[np.ndarray, " cells"]
    """About their loudness."""

    def where(self, chosen: Bool[np.ndarray, " cells"]) -> "Cells":
        """Some of them."""
        return Cells(*(values[chosen] for values in self))

    def turned(self, lag: float, *, inverted: bool) -> Float[np.ndarray, " cells"]:
        """The phases, −π to π, once a lag and the polarity are corrected."""
        phases = self.phases - self.omegas * lag + np.pi * (1 + inverted)
        return np.asarray(phases % (2 * np.pi) - np.pi)


class CorrectionMeter:
    """Measures a stream of blocks of any size.

    Args:
        rate: of the stream, in Hz.
    """

    def __init__(self, rate: int) -> None:
        self._rate = rate
        self._frame = 1 << max(round(np.log2(FRAME * rate)), 4)
        self._hop = self._frame // 2
        self._window = np.hanning(self._frame + 1)[:-1].astype(np.float32)
        first, last = (round(hz / rate * self._frame) for hz in (LOWEST, min(HIGHEST, rate / 2)))
        self._bins = slice(first, last - (last - first) % BINS)
        centers = np.arange(first + BINS // 2, self._bins.stop, BINS)
        self._omegas = (2 * np.pi / self._frame * centers).astype(np.float32)
        self._pending = np.zeros((2, 0), np.float32)
        self._moment, self._stride = 0, 1
        self._cells: list[Cells] = []
        self._count = 0

    def push(self, stereo: Float[np.ndarray, "2 frames"]) -> None:
        """Measure the next frames."""
        samples = np.concatenate([self._pending, stereo.astype(np.float32)], axis=1)
        length, start = (FRAMES - 1) * self._hop + self._frame, 0
        while samples.shape[1] - start >= length:
            if self._moment % self._stride == 0:
                self._add(samples[:, start : start + length])
            self._moment += 1
            start += FRAMES * self._hop
        self._pending = samples[:, start:]

    def corrections(self) -> Corrections:
        """The result, once all is measured."""
        none = Corrections(self._rate)
        if self._count < LEAST_CELLS:
            return none
        cells = Cells(*map(np.concatenate, zip(*self._cells, strict=True)))
        lag, inverted = self._lag(cells)
        turned = cells.turned(lag, inverted=inverted)
        agreement = float(np.cos(turned).mean())
        agreed = cells.where(np.abs(turned) < NEAR)
        if agreement < LEAST_AGREEMENT or agreed.phases.size < LEAST_CELLS:
            return none
        balance = self._balance(agreed)
        return Corrections(
            self._rate,
            lag=lag,
            inverted=inverted,
            gain_db=None if balance is None else balance[0],
            treble_db=None if balance is None else balance[1],
            agreement=agreement,
            drift=self._drift(cells, lag),
        )

    def _add(self, samples: Float[np.ndarray, "2 length"]) -> None:
        """The coherent cells of a moment."""
        frames = np.lib.stride_tricks.sliding_window_view(samples, self._frame, axis=1)
        spectra = np.fft.rfft(frames[:, :: self._hop] * self._window)[..., self._bins]
        left, right = spectra
        at_left, at_right = _sums(np.abs(spectra) ** 2)
        cross = _sums(left * right.conj())
        product = at_left * at_right
        silence = SILENCE * FRAMES * (self._frame / 4) ** 2
        floor = max(FAINT * max(at_left.max(), at_right.max()), silence)
        chosen = (np.minimum(at_left, at_right) > floor) & (
            np.abs(cross) ** 2 > COHERENT**2 * product
        )
        cells = Cells(
            np.full(int(chosen.sum()), self._moment, np.float32),
            self._omegas[chosen],
            np.angle(cross[chosen]).astype(np.float32),
            (10 * np.log10(at_right[chosen] / at_left[chosen])).astype(np.float32),
            (product[chosen] ** 0.15).astype(np.float32),
        )
        self._cells.append(cells)
        self._count += cells.phases.size
        if self._count > MAX_CELLS:
            self._stride *= 2
            self._cells = self._cells[::2]
            self._count = sum(each.phases.size for each in self._cells)

    def _lag(self, cells: Cells) -> tuple[float, bool]:
        """Lag in samples, and whether the polarity is inverted."""
        bins = np.rint(cells.omegas * (self._frame / (2 * np.pi))).astype(int)
        size = self._frame // 2 + 1
        sums = np.bincount(bins, np.cos(cells.phases), size) + 1j * np.bincount(
            bins, np.sin(cells.phases), size
        )
        correlation = np.fft.irfft(sums, FINE * self._frame)
        reach = int(MAX_LAG * self._rate * FINE)
        lags = np.arange(-reach, reach + 1)
        near = correlation[-lags]  # a lag turns the phase by +ωτ
        best = int(np.abs(near).argmax())
        lag, inverted = float(lags[best] / FINE), bool(near[best] < 0)
        for _ in range(8):
            step = _step(cells, lag, inverted=inverted)
            lag += float(np.clip(step, -0.1, 0.1))
            if abs(step) < 1e-4:
                break
        return lag, inverted

    def _drift(self, cells: Cells, lag: float) -> float:
        """Largest distance of the lag of a section from that of the whole."""
        moments = max(round(SECTION * self._rate / (FRAMES * self._hop)), 1)
        sections = cells.times // moments
        lags = [
            self._lag(cells.where(sections == each))[0]
            for each, count in zip(*np.unique(sections, return_counts=True), strict=True)
            if count >= LEAST_CELLS
        ]
        return max((abs(each - lag) for each in lags), default=0.0)

    def _balance(self, cells: Cells) -> tuple[float, float | None] | None:
        """Level at 0 Hz and what grows as the square of frequency, in dB; None if bands disagree.

        Instruments that stand at other places have a peak of their own in a band or two.
        """
        squares = (cells.omegas * (self._rate / (2 * np.pi * TREBLE_HZ))) ** 2
        treble = _treble(_Bands.of(cells, squares, TREBLE_EDGES))
        flat = cells._replace(levels=cells.levels - treble * squares)
        bands = _Bands.of(flat, squares, BAND_EDGES)
        if bands.levels.size < LEAST_BANDS:
            return None
        agreed = bands.agreed()
        weights = bands.weights[agreed]
        sharpness = (weights * bands.peaks[agreed]).sum() / weights.sum()
        enough = agreed.sum() >= LEAST_BANDS and weights.sum() > LEAST_AGREED * bands.weights.sum()
        level = float((weights * bands.levels[agreed]).sum() / weights.sum())
        if not enough or sharpness < LEAST_PEAK or abs(level) > MAX_BALANCE_DB:
            return None
        return level, treble or None


class _Bands(NamedTuple):
    """Peaks of the level differences in bands."""

    squares: Float[np.ndarray, " bands"]
    """Mean of the square of frequency, in units of `TREBLE_HZ`."""
    levels: Float[np.ndarray, " bands"]
    """Of the peaks, in dB."""
    peaks: Float[np.ndarray, " bands"]
    """Share of the levels in the peak."""
    errors: Float[np.ndarray, " bands"]
    """Standard errors of the levels, in dB."""

    @classmethod
    def of(
        cls, cells: Cells, squares: Float[np.ndarray, " cells"], edges: Sequence[float]
    ) -> "_Bands":
        """Those with enough cells."""
        rows = []
        for low, high in pairwise((np.asarray(edges) / TREBLE_HZ) ** 2):
            inside = (squares >= low) & (squares < high)
            if inside.sum() >= LEAST_IN_BAND:
                rows.append((squares[inside].mean(), *_peak(cells.where(inside))))
        return cls(*np.array(rows, float).reshape(-1, 4).T)

    @property
    def weights(self) -> Float[np.ndarray, " bands"]:
        """How much each tells of the balance."""
        return self.peaks / self.errors

    def agreed(self) -> Bool[np.ndarray, " bands"]:
        """Whether each is near the weighted median."""
        order = self.levels.argsort()
        total = self.weights[order].cumsum()
        median = self.levels[order][np.searchsorted(total, total[-1] / 2)]
        return np.asarray(np.abs(self.levels - median) <= np.maximum(SPREAD_DB, 3 * self.errors))


def _treble(bands: _Bands) -> float:
    """Level at `TREBLE_HZ` beyond that at 0 Hz, if all bands tell of it and agree; or 0."""
    if bands.levels.size < LEAST_FOR_TREBLE or bands.squares[-1] < TREBLE_REACH:
        return 0.0
    slope = float(np.polyfit(bands.squares, bands.levels, 1, w=bands.weights)[0])
    flat = bands._replace(levels=bands.levels - slope * bands.squares)
    lost = LEAST_TREBLE_DB <= abs(slope) <= MAX_TREBLE_DB
    return slope if lost and bool(flat.agreed().all()) else 0.0


def measure(blocks: Iterable[Float[np.ndarray, "2 frames"]], rate: int) -> Corrections:
    """The errors between the channels of a whole song.

    Args:
        blocks: of stereo, of any size.
        rate: in Hz.
    """
    meter = CorrectionMeter(rate)
    for block in blocks:
        meter.push(block)
    return meter.corrections()


def _sums(values: np.ndarray) -> np.ndarray:
    """Sums over the frames and bins of cells, of (*channels, frames, bins)."""
    over_frames = values.sum(axis=-2, dtype=np.complex128 if np.iscomplexobj(values) else float)
    return np.asarray(over_frames.reshape(*over_frames.shape[:-1], -1, BINS).sum(axis=-1))


def _step(cells: Cells, lag: float, *, inverted: bool) -> float:
    """Least-squares correction of a lag from the cells that agree on it."""
    turned = cells.turned(lag, inverted=inverted)
    near = np.abs(turned) < NEAR
    omegas = cells.omegas[near].astype(float)
    return float((omegas * turned[near]).sum() / max((omegas**2).sum(), 1e-12))


def _peak(cells: Cells) -> tuple[float, float, float]:
    """Level difference at the peak of the histogram in dB, its share, and the standard error."""
    reach = round((MAX_BALANCE_DB + MAX_TREBLE_DB) / STEP_DB)
    places = np.rint(cells.levels / STEP_DB).astype(int).clip(-reach, reach) + reach
    histogram = np.bincount(places, cells.weights, 2 * reach + 1)
    inner = histogram.copy()
    inner[[0, -1]] = 0  # all that is beyond
    spread = round(3 * KERNEL_DB / STEP_DB)
    kernel = np.exp(-0.5 * (np.arange(-spread, spread + 1) * STEP_DB / KERNEL_DB) ** 2)
    mode = (float(np.convolve(inner, kernel, "same").argmax()) - reach) * STEP_DB
    near = np.abs(cells.levels - mode) <= PEAK_DB
    weights = cells.weights[near].astype(float)
    level = float((weights * cells.levels[near]).sum() / max(weights.sum(), 1e-30))
    around = cells.levels[np.abs(cells.levels - mode) <= 3 * PEAK_DB]
    error = float(around.std() / np.sqrt(around.size)) + LEAST_ERROR_DB
    return level, float(weights.sum() / max(histogram.sum(), 1e-30)), error

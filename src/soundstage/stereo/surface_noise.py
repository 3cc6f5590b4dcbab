"""Surface noise of discs and tapes: the level of the hiss in every band, and the clicks.

Hiss is steady where it is alone: in the pauses of the music, and all the time in bands that the
music does not reach. So the levels of a band, over time, pile up at their lower end, within a few
dB, and the bins there have the distribution of Gaussian noise: the mean of their logarithm is
2.5 dB below the logarithm of their mean. Tones, tails and fades fail one test or the other. What is
as loud as the rest of the sound is the sound itself (rain, applause), and no noise either.

A click is 24 dB above everything within 30 ms on both sides, in the second difference, for at most
3 ms, with nothing after it: the sound itself, without differences, is then not 10 dB louder than
before, beyond 20 dB below the click. So a drum with a short tick and a low tone is no click.
"""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float, Int

from soundstage.spectra.power_frames import PowerFrames

LOWEST_HZ, HIGHEST_HZ, BANDS = 150.0, 21_000.0, 28
MIN_BINS = 4  # of a band: fewer have no distribution to test
SECTION = 30.0  # seconds with one estimate; joined sides have different noise
GROUP = 8  # frames of 23 ms: the level of noise in a band is then known to 1 dB
LEAST_GROUPS = 32  # of a section and its neighbors, 6 s
STEP = 0.5  # dB
LEVELS = np.arange(-140.0, 20.0, STEP)  # dB, lower edges of the histogram
SILENCE_DB = -120.0  # mean power of a frame; digital silence is no pause of a recording
PILE = (0.02, 0.10)  # quantiles of the level of a band, with less than `PILE_DB` between
PILE_DB = 3.0
GAUSSIAN_DB = (1.5, 3.2)  # of log mean over mean log: 2.5 for noise, less for few values
BROAD_HZ, BROAD_BANDS = 1_400.0, 2  # hiss fills at least two bands above 1.4 kHz
LOUDEST_DB, FAINTEST_DB = -18.0, -75.0  # noise over the whole sound
BOX = 0.0005  # seconds; energies of clicks
REACH = 60  # boxes on each side of a click
LONGEST = 6  # boxes of a click
BESIDE = np.arange(LONGEST, REACH + 1)  # boxes from a click
CLICK_RATIO = 250.0  # 24 dB
ONSET_RATIO, ONSET_SHARE = 10.0, 0.01  # energy after a click, over that before and of the click
FAINTEST_CLICK = 1e-10  # energy of a box, some −100 dBFS


@dataclass(frozen=True)
class SurfaceNoise:
    """Noise of a recording: hiss per section and band, and the places of clicks."""

    rate: int
    """Of the positions of the clicks, in Hz."""
    edges_hz: Float[np.ndarray, " edges"]
    density: Float[np.ndarray, "sections bands"]
    """Power per Hz of one-sided bandwidth, times two; 0 without noise. Sections of 30 s."""
    clicks: Int[np.ndarray, "clicks 2"]
    """First sample of each click and the first sample after it."""
    level_db: float
    """Hiss over the whole sound; −∞ for none."""

    @property
    def has_hiss(self) -> bool:
        """Whether there is hiss in any section."""
        return bool(self.density.any())

    def clicks_at(self, rate: int) -> Int[np.ndarray, "clicks 2"]:
        """The clicks, in samples of a signal at another rate."""
        if rate == self.rate:
            return self.clicks
        first, end = self.clicks.T * rate / self.rate
        return np.stack([np.floor(first), np.ceil(end)], axis=1).astype(int)

    def describe(self) -> str:
        """Half a sentence; empty without noise."""
        facts = []
        if self.has_hiss:
            facts.append(f"noise {-self.level_db:.0f} dB below the sound")
        if len(self.clicks):
            facts.append(f"{len(self.clicks)} click{'s' if len(self.clicks) > 1 else ''}")
        return " and ".join(facts)

    def as_dict(self) -> dict[str, float | int]:
        """For JSON."""
        return {"level_db": self.level_db, "clicks": len(self.clicks)}


class SurfaceNoiseMeter:
    """Finds hiss and clicks of a mono signal.

    Args:
        frames: turns the signal into power frames.
    """

    def __init__(self, frames: PowerFrames) -> None:
        self._rate = frames.rate
        self._hiss, self._clicks = HissMeter(frames), ClickMeter(frames.rate)

    def push(
        self, samples: Float[np.ndarray, " length"], power: Float[np.ndarray, "frames bins"]
    ) -> None:
        """Measure the next samples, and the frames that they completed."""
        self._hiss.push(power)
        self._clicks.push(samples)

    def noise(self) -> SurfaceNoise:
        """The result, once all is measured."""
        density, level = self._hiss.density()
        clicks = self._clicks.clicks()
        return SurfaceNoise(self._rate, self._hiss.edges_hz, density, clicks, level)


class HissMeter:
    """Finds the hiss of a mono signal from its power frames.

    Args:
        frames: the source of the frames.
    """

    def __init__(self, frames: PowerFrames) -> None:
        self._rate = frames.rate
        highest = min(HIGHEST_HZ, 0.49 * frames.rate)
        edges = np.geomspace(LOWEST_HZ, highest, BANDS + 1) / frames.rate * frames.frame
        self._bins = _separated(np.round(edges).astype(int))
        self.edges_hz = self._bins * frames.rate / frames.frame
        self._pending = np.zeros((0, frames.frame // 2 + 1), np.float32)
        self._per_section = round(SECTION * frames.rate / frames.hop / GROUP)
        self._groups = 0
        self._none = np.zeros((3, self._bins.size - 1, LEVELS.size))
        # Counts, and sums of both gaps, of the last three sections; the sound may be of any length
        self._histograms = [self._none]
        self._floors: list[np.ndarray] = []  # of all sections whose neighbors are complete
        self._power = 0.0

    def push(self, power: Float[np.ndarray, "frames bins"]) -> None:
        """Measure the next frames."""
        power = np.concatenate([self._pending, power])
        groups = len(power) // GROUP
        self._pending = power[groups * GROUP :]
        if not groups:
            return
        grouped = power[: groups * GROUP].reshape(groups, GROUP, -1)
        self._power += float(grouped.mean(axis=1).sum(dtype=np.float64))
        grouped = grouped[:, :, self._bins[0] : self._bins[-1]]
        logs = _decibels(grouped)
        over_time = _decibels(grouped.mean(axis=1))  # of the mean of each bin
        over_bins = _decibels(self._band_means(grouped)).mean(axis=1)
        mean_logs = self._band_means(logs.mean(axis=1))
        levels = _decibels(self._band_means(grouped.mean(axis=1)))
        gaps = self._band_means(over_time) - mean_logs, over_bins - mean_logs
        silent = grouped.mean(axis=(1, 2)) < 10 ** (SILENCE_DB / 10)
        index = ((levels - LEVELS[0]) / STEP).astype(int).clip(0, LEVELS.size - 1)
        bands = np.arange(index.shape[1])
        for group in range(groups):
            if self._groups % self._per_section == 0:
                self._begin_section()
            self._groups += 1
            if not silent[group]:
                place = (bands, index[group])
                self._histograms[-1][0][place] += 1
                self._histograms[-1][1][place] += gaps[0][group]
                self._histograms[-1][2][place] += gaps[1][group]

    def _begin_section(self) -> None:
        if len(self._histograms) == 3:
            self._floors.append(self._floor(self._histograms))
            self._histograms.pop(0)
        self._histograms.append(np.zeros_like(self._none))

    def _floor(self, neighbors: list[np.ndarray]) -> Float[np.ndarray, " bands"]:
        """Floor of the section in the middle of three."""
        high = self.edges_hz[:-1] >= BROAD_HZ
        return _floors(np.sum(neighbors, axis=0), high)

    def _band_means(self, values: Float[np.ndarray, "*rest bins"]) -> np.ndarray:
        starts = self._bins[:-1] - self._bins[0]
        return np.add.reduceat(values, starts, axis=-1) / np.diff(self._bins)

    def density(self) -> tuple[Float[np.ndarray, "sections bands"], float]:
        """Power per bin of the hiss over the rate, and its level over the whole sound in dB."""
        if not self._groups:  # the sound is shorter than a group
            return np.zeros((1, self._bins.size - 1)), -np.inf
        rest = [*self._histograms, self._none]
        last = [self._floor(rest[k : k + 3]) for k in range(len(rest) - 2)]
        floors = np.array([*self._floors, *last])
        sizes = np.diff(self._bins)
        sound = self._power / max(self._groups, 1)
        noise = floors @ sizes
        if not noise.any():
            return floors, -np.inf
        level = 10 * np.log10(noise[noise > 0].mean() / sound)
        if not FAINTEST_DB < level < LOUDEST_DB:
            return np.zeros_like(floors), -np.inf
        return floors / self._rate, float(level)


class ClickMeter:
    """Finds the clicks of a mono signal, in segments that do not depend on its blocks."""

    def __init__(self, rate: int) -> None:
        self._box = max(round(BOX * rate), 4)
        self._segment = self._box * round(1 / BOX)
        self._pending = np.zeros((REACH + 1) * self._box)  # boxes before the signal
        self._start = -self._pending.size  # of `_pending`, in samples
        self._clicks: list[tuple[int, int]] = []

    def push(self, samples: Float[np.ndarray, " length"]) -> None:
        """Search the next samples."""
        self._pending = np.concatenate([self._pending, samples])
        margin = (REACH + 1) * self._box
        while self._pending.size >= self._segment + 2 * margin:
            self._search(self._pending[: self._segment + 2 * margin])
            self._pending = self._pending[self._segment :]
            self._start += self._segment

    def clicks(self) -> Int[np.ndarray, "clicks 2"]:
        """All clicks, once all samples are there."""
        length = self._start + self._pending.size
        margin = (REACH + 1) * self._box
        self.push(np.zeros(self._segment + 2 * margin))
        kept = [(first, end) for first, end in self._clicks if first < length]
        return np.array(kept, int).reshape(-1, 2).clip(0, length)

    def _search(self, samples: np.ndarray) -> None:
        boxes = samples.size // self._box
        bent = np.diff(samples[: boxes * self._box], n=2, prepend=[0.0, 0.0])
        bent[:2] = 0
        energy = np.square(bent).reshape(boxes, self._box).sum(axis=1)
        loudness = np.square(samples[: boxes * self._box]).reshape(boxes, self._box).sum(axis=1)
        own = np.arange(REACH + 1, boxes - REACH - 1)
        peaks = np.lib.stride_tricks.sliding_window_view(energy, 2 * LONGEST + 1).max(axis=1)
        beside = np.maximum(energy[own - LONGEST - 1], energy[own + LONGEST + 1])
        loud = energy[own] > 0.1 * CLICK_RATIO * beside + FAINTEST_CLICK  # to leave few
        found = own[loud & (energy[own] == peaks[own - LONGEST])]
        if not found.size:
            return
        around = found[:, None] + np.concatenate([-BESIDE, BESIDE])
        sides = energy[around].reshape(found.size, 2, -1)
        floors = np.quantile(sides, 0.9, axis=2).max(axis=1)
        for peak, floor in zip(found, floors, strict=True):
            if energy[peak] <= CLICK_RATIO * floor + FAINTEST_CLICK:
                continue
            inside = energy[peak - LONGEST : peak + LONGEST + 1] > 4 * floor + FAINTEST_CLICK
            before = int(inside[:LONGEST][::-1].argmin()) if not inside[:LONGEST].all() else LONGEST
            after = int(inside[LONGEST:].argmin()) if not inside[LONGEST:].all() else 2 * LONGEST
            if before + after <= LONGEST and not _is_onset(loudness, peak):
                first, end = peak - before, peak + after
                box, half = self._box, self._box // 2
                self._clicks.append(
                    (self._start + first * box - half, self._start + end * box + half)
                )


def _is_onset(energy: Float[np.ndarray, " boxes"], peak: int) -> bool:
    """Whether the sound goes on louder after the box of a click than it was before."""
    before, after = (energy[peak + side * BESIDE].mean() for side in (-1, 1))
    click = energy[peak - LONGEST : peak + LONGEST + 1].max()
    return bool(after > ONSET_RATIO * before and after > ONSET_SHARE * click)


def _decibels(power: np.ndarray) -> np.ndarray:
    return 10 * np.log10(power + np.float32(1e-20))


def _separated(bins: np.ndarray) -> np.ndarray:
    """Edges with `MIN_BINS` between them."""
    kept = [int(bins[0])]
    for each in bins[1:]:
        if each - kept[-1] >= MIN_BINS:
            kept.append(int(each))
    return np.array(kept)


def _floors(
    histogram: Float[np.ndarray, "3 bands levels"], high: Bool[np.ndarray, " bands"]
) -> Float[np.ndarray, " bands"]:
    """Power of the noise in every band; all 0 if it is not in enough of the high bands."""
    counts, *gaps = histogram
    total = counts.sum(axis=1)
    floors, least = np.zeros(len(counts)), np.zeros(len(counts))
    for band in np.flatnonzero(total > LEAST_GROUPS):
        reached = counts[band].cumsum() / total[band]
        first, last = (int(np.searchsorted(reached, q)) for q in PILE)
        least[band] = 10 ** (LEVELS[first] / 10)
        if (last - first) * STEP >= PILE_DB or first == 0:
            continue
        pile = slice(first, last + 1)
        means = [each[band, pile].sum() / counts[band, pile].sum() for each in gaps]
        if GAUSSIAN_DB[0] < min(means) and max(means) < GAUSSIAN_DB[1]:
            levels = 10 ** ((LEVELS[pile] + STEP / 2) / 10)
            floors[band] = np.average(levels, weights=counts[band, pile])
    known = np.flatnonzero(floors)
    if np.count_nonzero(floors[high]) < BROAD_BANDS:
        return np.zeros_like(floors)
    # Noise is broad: where music never pauses it goes on between and beyond the known bands, at
    # most as loud as the softest moment there
    spread = np.exp(np.interp(np.arange(floors.size), known, np.log(floors[known])))
    return np.where(floors > 0, floors, np.minimum(spread, least))

"""Surface noise stays in the middle: hiss and clicks are taken out of the side.

The mid is never touched, so that the fold-down stays exact. A method gets the mid without its
clicks, each replaced by a straight line of some 2 ms, so that no click gets into its side. The hiss
is taken out of the side it made: in every bin and frame,

    S' = g·S,   g = 0 where |M|² is near the noise, 1 where it is 9 dB above

with |M|² the smaller of two means, over bins and over frames: the gain follows the level of the
noise and not its waveform, and noise beside a partial or before an onset is still noise. Where
music is louder than the noise, the noise has the width of the music, which masks it.
"""

from collections.abc import Iterable, Iterator

import numpy as np
import torch
from jaxtyping import Complex, Float, Int
from torch import Tensor
from torch.nn.functional import avg_pool1d

from soundstage.spectra import AnalysisStream, SampleQueue, ShortWindowSTFT, SynthesisStream
from soundstage.stereo.surface_noise import SECTION, SurfaceNoise

TRANSFORM = ShortWindowSTFT(2048, 1024, 2048)
SMOOTHED_BINS, SMOOTHED_FRAMES = 9, 5  # noise then stays below `NOISE_DB` 99 % of the time
NOISE_DB, MUSIC_DB = 3.0, 9.0  # over the noise; the gain rises from 0 to 1 between them


class HissCentering:
    """Takes the hiss out of the sides of all takes, block by block.

    Args:
        noise: of the recording.
        rate: of mid and side, in Hz.
        takes: number of sides.
    """

    def __init__(self, noise: SurfaceNoise, rate: int, takes: int) -> None:
        self._floor = _HissFloor(noise, rate)
        self._mid = AnalysisStream(TRANSFORM)
        self._sides = AnalysisStream(TRANSFORM, (takes,))
        self._removed = SynthesisStream(TRANSFORM, (takes,))
        self._powers = SampleQueue((TRANSFORM.bins,))
        self._powers.push(torch.zeros(TRANSFORM.bins, SMOOTHED_FRAMES // 2))
        self._spectra = SampleQueue((takes, TRANSFORM.bins))
        self._waiting, self._cuts = SampleQueue((takes,)), SampleQueue((takes,))
        self._frame = 0

    def push(
        self, mid: Float[Tensor, " length"], sides: Float[Tensor, "takes length"]
    ) -> Float[Tensor, "takes ready"]:
        """The samples that these complete, in order."""
        self._waiting.push(sides)
        return self._take(self._mid.push(mid), self._sides.push(sides))

    def finish(self) -> Float[Tensor, "takes rest"]:
        """The rest; in all, as many samples as were pushed."""
        ready = [self._take(self._mid.finish(), self._sides.finish(), last=True)]
        self._cuts.push(self._removed.finish())
        ready.append(self._deliver())
        return torch.cat(ready, dim=-1)

    def _take(
        self,
        mid: Complex[Tensor, "bins frames"],
        sides: Complex[Tensor, "takes bins frames"],
        *,
        last: bool = False,
    ) -> Float[Tensor, "takes ready"]:
        self._powers.push(mid.real.square() + mid.imag.square())
        self._spectra.push(sides)
        around = SMOOTHED_FRAMES - 1
        if last:
            self._powers.push(torch.zeros(TRANSFORM.bins, around // 2))
        frames = len(self._powers) - around
        if frames <= 0:
            return self._deliver()
        powers = self._powers.pop(len(self._powers))
        self._powers.push(powers[:, frames:])
        over_frames = avg_pool1d(powers[None], SMOOTHED_FRAMES, 1)[0]
        own = powers[:, SMOOTHED_FRAMES // 2 :][:, :frames]
        half = SMOOTHED_BINS // 2
        over_bins = avg_pool1d(own.T[None], SMOOTHED_BINS, 1, half, count_include_pad=False)[0].T
        gain = self._gain(torch.minimum(over_frames, over_bins))
        self._cuts.push(self._removed.push((1 - gain) * self._spectra.pop(frames)))
        return self._deliver()

    def _gain(self, power: Float[Tensor, "bins frames"]) -> Float[Tensor, "bins frames"]:
        frames = power.shape[1]
        floor = self._floor.at(self._frame, frames)
        self._frame += frames
        over = 10 * torch.log10((power + 1e-20) / (floor + 1e-30))
        x = ((over - NOISE_DB) / (MUSIC_DB - NOISE_DB)).clamp(0, 1)
        return x * x * (3 - 2 * x)

    def _deliver(self) -> Float[Tensor, "takes ready"]:
        count = min(len(self._waiting), len(self._cuts))
        return self._waiting.pop(count) - self._cuts.pop(count)


class _HissFloor:
    """Power of the noise in every bin and frame, linear in dB between centers of bands."""

    def __init__(self, noise: SurfaceNoise, rate: int) -> None:
        frequency = np.arange(TRANSFORM.bins) * rate / TRANSFORM.frame
        window = float(TRANSFORM.window.square().sum())
        edges = noise.edges_hz
        band = np.searchsorted(edges, frequency, side="right") - 1
        inside = (band >= 0) & (band < edges.size - 1)
        # Up to the end of the spectrum noise goes on as in the last band
        last = noise.density[:, -1:] * (frequency >= edges[-1])
        values = np.where(inside, noise.density[:, band.clip(0, edges.size - 2)], last)
        self._sections = torch.from_numpy((values * rate * window).astype(np.float32))
        self._per_section = SECTION * rate / TRANSFORM.hop

    def at(self, first: int, frames: int) -> Float[Tensor, "bins frames"]:
        """The floor of consecutive frames."""
        sections = ((torch.arange(first, first + frames) + 0.5) / self._per_section).long()
        return self._sections[sections.clamp(max=len(self._sections) - 1)].T


def without_clicks(
    blocks: Iterable[Float[np.ndarray, " length"]], clicks: Int[np.ndarray, "clicks 2"]
) -> Iterator[Float[np.ndarray, " length"]]:
    """The signal with every click replaced by a straight line; as long as the signal."""
    remover = ClickRemover(clicks)
    for block in blocks:
        yield remover.push(block)
    yield remover.finish()


class ClickRemover:
    """`without_clicks` for blocks as they come.

    Args:
        clicks: first sample of each click and first sample after it.
    """

    def __init__(self, clicks: Int[np.ndarray, "clicks 2"]) -> None:
        self._clicks = _merged(clicks)
        self._next, self._start = 0, 0
        self._before = 0.0  # the last sample given out
        self._held = np.zeros(0, np.float32)

    def push(self, block: Float[np.ndarray, " length"]) -> Float[np.ndarray, " ready"]:
        """The samples up to a click that does not end within them."""
        samples = np.concatenate([self._held, block]) if self._held.size else np.array(block)
        end = self._start + samples.size
        while self._next < len(self._clicks) and self._clicks[self._next][1] < end:
            self._bridge(samples, *self._clicks[self._next])
            self._next += 1
        ready = samples.size
        if self._next < len(self._clicks):
            ready = min(ready, max(self._clicks[self._next][0] - self._start, 0))
        return self._give(samples, ready)

    def finish(self) -> Float[np.ndarray, " rest"]:
        """The rest; a click at the end fades out."""
        samples = np.append(self._held, np.float32(0))
        if self._next < len(self._clicks):
            first, _ = self._clicks[self._next]
            self._bridge(samples, first, self._start + samples.size - 1)
        return self._give(samples, samples.size - 1)

    def _bridge(self, samples: np.ndarray, first: int, end: int) -> None:
        start, stop = first - self._start, end - self._start
        before = samples[start - 1] if start > 0 else self._before
        steps = np.arange(1, stop - start + 1) / (stop - start + 1)
        samples[start:stop] = before + steps * (samples[stop] - before)

    def _give(self, samples: np.ndarray, ready: int) -> np.ndarray:
        self._held = samples[ready:]
        self._start += ready
        if ready:
            self._before = float(samples[ready - 1])
        return samples[:ready]


def _merged(clicks: Int[np.ndarray, "clicks 2"]) -> list[tuple[int, int]]:
    """In order, with clicks that touch as one."""
    merged: list[tuple[int, int]] = []
    for first, end in sorted(map(tuple, clicks.tolist())):
        if merged and first <= merged[-1][1] + 1:
            merged[-1] = (merged[-1][0], max(end, merged[-1][1]))
        else:
            merged.append((max(first, 0), end))
    return merged

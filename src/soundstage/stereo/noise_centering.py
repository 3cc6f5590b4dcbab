"""Hiss stays in the middle: it is taken out of the side it made.

The mid is never touched, so that the fold-down stays exact. In every bin and frame,

    S' = min(g, h)·S,   g = 0 near the level of the noise, 1 from 7 dB higher,   h = |M|²/(c·N·|S|)

with N² the power of the noise. g takes the lowest of five levels, each above its own threshold: of
the tile, and of means over 3 or 9 bins and 3 or 5 frames. Noise beside a partial, before an onset
or in a tail is still noise, and a lone peak of noise is no tone. h is for what the noise hides: the
side of a tile cannot be music if there is next to none in its mid, but the tail of a decorrelator,
or a leak from louder tiles. Where music is louder than the noise, the noise has the width of the
music, which masks it.
"""

import numpy as np
import torch
from jaxtyping import Complex, Float
from torch import Tensor
from torch.nn.functional import pad

from soundstage.spectra import STFT, AnalysisStream, SampleQueue, SynthesisStream
from soundstage.stereo.surface_noise import SECTION, SurfaceNoise

TRANSFORM = STFT(2048, 512)
OWN_DB = 9.0  # over the noise; where the gain begins to rise: for the tile itself,
NEAR_BINS, NEAR_FRAMES, NEAR_DB = 3, 3, 8.0  # for means over a few neighbors,
WIDE_BINS, WIDE_FRAMES, WIDE_DB = 9, 5, 5.0  # and over more; noise exceeds each in under 1 %
RISE_DB = 7.0  # from a gain of 0 to 1
CHUNK = 32  # frames, always as many at once: sums of overlapping frames then round alike
HIDDEN_DB = 9.0  # c: music that far above the noise has a side at most as loud as its mid


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
        self._powers.push(torch.zeros(TRANSFORM.bins, WIDE_FRAMES // 2))
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
        around = WIDE_FRAMES - 1
        if last:
            self._powers.push(torch.zeros(TRANSFORM.bins, around // 2))
        while (count := len(self._powers) - around) >= (1 if last else CHUNK):
            self._cut(min(count, CHUNK))
        return self._deliver()

    def _cut(self, frames: int) -> None:
        """Take the hiss out of the next frames."""
        powers = self._powers.pop(len(self._powers))
        self._powers.push(powers[:, frames:])
        powers = powers[:, : frames + WIDE_FRAMES - 1]
        sides = self._spectra.pop(frames)
        floor = self._floor.at(self._frame, frames) + 1e-20
        self._frame += frames
        own = powers[:, WIDE_FRAMES // 2 :][:, :frames]
        gain = torch.minimum(_gain(powers, own, floor), _hidden(own, floor, sides))
        self._cuts.push(self._removed.push((1 - gain) * sides))

    def _deliver(self) -> Float[Tensor, "takes ready"]:
        count = min(len(self._waiting), len(self._cuts))
        return self._waiting.pop(count) - self._cuts.pop(count)


def _gain(
    around: Float[Tensor, "bins more"],
    own: Float[Tensor, "bins frames"],
    floor: Float[Tensor, "bins frames"],
) -> Float[Tensor, "bins frames"]:
    """Of tiles with a power, from all powers around them."""
    levels = (
        (_over_frames(around, NEAR_FRAMES), NEAR_DB),
        (_over_frames(around, WIDE_FRAMES), WIDE_DB),
        (_over_bins(own, NEAR_BINS), NEAR_DB),
        (_over_bins(own, WIDE_BINS), WIDE_DB),
    )
    lowest = own * 10 ** (-OWN_DB / 10)
    for power, start in levels:
        lowest = torch.minimum(lowest, power * 10 ** (-start / 10))
    x = (10 / RISE_DB * torch.log10((lowest / floor).clamp(min=1))).clamp(max=1)
    return x * x * (3 - 2 * x)


def _hidden(
    own: Float[Tensor, "bins frames"],
    floor: Float[Tensor, "bins frames"],
    sides: Complex[Tensor, "takes bins frames"],
) -> Float[Tensor, "takes bins frames"]:
    """The gain that leaves a side no more than music under the noise can have."""
    largest = own.square() / (10 ** (HIDDEN_DB / 10) * floor)
    powers = sides.real.square() + sides.imag.square()  # abs() rounds by the size of a block
    return (largest / powers.clamp(min=1e-30)).clamp(max=1).sqrt()


def _over_frames(powers: Float[Tensor, "bins more"], count: int) -> Float[Tensor, "bins frames"]:
    """Means of `count` frames, of those that have `WIDE_FRAMES` around them."""
    unused = (WIDE_FRAMES - count) // 2
    frames = powers.shape[1] - WIDE_FRAMES + 1
    total = powers[:, unused : unused + frames].clone()
    for start in range(unused + 1, unused + count):
        total += powers[:, start : start + frames]
    return total / count


def _over_bins(powers: Float[Tensor, "bins frames"], count: int) -> Float[Tensor, "bins frames"]:
    """Means of `count` bins; there is nothing beyond the first and the last."""
    padded = pad(powers, (0, 0, count // 2, count // 2))
    total = padded[: len(powers)].clone()
    for start in range(1, count):
        total += padded[start : start + len(powers)]
    return total / count


class _HissFloor:
    """Power of the noise in every bin and frame."""

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

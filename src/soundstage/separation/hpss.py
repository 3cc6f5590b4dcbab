"""Harmonic and percussive sources by median filters of the spectrogram (Fitzgerald 2010).

A steady partial is a line along time, a hit one along frequency. A median over time removes the
hits from a spectrogram of magnitudes, a median over frequency the partials:

    H = median of 17 frames of |X|,  P = median of 17 bins of |X|,  m_H = H² / (H² + P²) = 1 − m_P

At its ends the spectrogram is mirrored, as in `librosa.decompose.hpss`. The harmonic source holds
voices, bass and all instruments that sustain, so that it counts as residual: it has no place.

Derry Fitzgerald: Harmonic/percussive separation using median filtering. DAFx 2010.
"""

import torch
from jaxtyping import Complex, Float
from torch import Tensor

from soundstage.separation.masking import MaskedSourceStream
from soundstage.separation.separator import SourceInfo, SourceStream
from soundstage.stereo.encoding import RATE, TRANSFORM

LENGTH = 17  # frames, and bins; the published value at 4096 samples every 1024
AROUND = LENGTH // 2  # frames of look-ahead
POWER = 2  # 1 would leak more, infinity is a binary mask
TINY = 1e-20  # magnitude that counts as digital silence, which both sources share


class HarmonicPercussive:
    """The separator: it needs no weights and no survey."""

    rate = RATE
    sources = (SourceInfo("harmonic", "residual"), SourceInfo("percussive", "drums"))

    def mask_stream(self) -> "MedianMaskStream":
        """Masks of a signal."""
        return MedianMaskStream()

    def stream(self) -> SourceStream:
        """Sources of a signal."""
        return MaskedSourceStream(self.mask_stream(), self.sources)


class MedianMaskStream:
    """Harmonic and percussive masks, `AROUND` frames late."""

    def __init__(self) -> None:
        self._magnitudes = torch.zeros(TRANSFORM.bins, 0)  # from `AROUND` frames before the next
        self._started = False

    def push(
        self, spectrogram: Complex[Tensor, "bins frames"]
    ) -> Float[Tensor, "sources bins ready"]:
        """Masks of the oldest frames with `AROUND` frames after them."""
        self._magnitudes = torch.cat([self._magnitudes, spectrogram.abs()], dim=-1)
        if not self._started and self._magnitudes.shape[-1] >= AROUND:
            first = self._magnitudes[:, :AROUND].flip(-1)
            self._magnitudes = torch.cat([first, self._magnitudes], dim=-1)
            self._started = True
        return self._masks() if self._started else self._none()

    def finish(self) -> Float[Tensor, "sources bins rest"]:
        """Masks of the remaining frames."""
        frames = self._magnitudes.shape[-1]
        if not frames:
            return self._none()
        before = 0 if self._started else AROUND
        places = mirrored(torch.arange(-before, frames + AROUND), frames)
        self._magnitudes = self._magnitudes[:, places]
        return self._masks()

    def _masks(self) -> Float[Tensor, "sources bins ready"]:
        magnitudes = self._magnitudes
        ready = max(magnitudes.shape[-1] - 2 * AROUND, 0)
        self._magnitudes = magnitudes[:, ready:]
        if not ready:
            return self._none()
        return soft_masks(magnitudes[:, : ready + 2 * AROUND])

    @staticmethod
    def _none() -> Float[Tensor, "2 bins 0"]:
        return torch.zeros(2, TRANSFORM.bins, 0)


def soft_masks(
    magnitudes: Float[Tensor, "bins padded"],
) -> Float[Tensor, "2 bins frames"]:
    """m_H and m_P of frames with `AROUND` further ones before and after them."""
    bins = magnitudes.shape[0]
    ready = magnitudes.shape[1] - 2 * AROUND
    harmonic = _median([magnitudes[:, start : start + ready] for start in range(LENGTH)])
    frames = magnitudes[:, AROUND : AROUND + ready]
    around = frames[mirrored(torch.arange(-AROUND, bins + AROUND), bins)]
    percussive = _median([around[start : start + bins] for start in range(LENGTH)])
    both = torch.stack([harmonic, percussive])
    relative = (both / both.amax(dim=0).clamp(min=TINY)) ** POWER
    share = relative[0] / relative.sum(dim=0).clamp(min=TINY)
    share = torch.where(both.amax(dim=0) < TINY, 0.5, share)
    return torch.stack([share, 1 - share])


def _median(values: list[Float[Tensor, "bins frames"]]) -> Float[Tensor, "bins frames"]:
    """The median of an odd number of tensors, element by element.

    By forgetful selection, 20 times as fast as `torch.median`: of half of them and two more, the
    least and the largest cannot be the median; they leave, and the next comes in.
    """
    held = len(values) // 2 + 2
    inside, waiting = values[:held], values[held:]
    while len(inside) > 2:
        for at in range(1, len(inside)):  # the least to the front
            inside[0], inside[at] = _ordered(inside[0], inside[at])
        for at in range(1, len(inside) - 1):  # the largest to the back
            inside[at], inside[-1] = _ordered(inside[at], inside[-1])
        inside = inside[1:-1]
        if waiting:
            inside.append(waiting.pop(0))
    return inside[0]


def _ordered(one: Tensor, other: Tensor) -> tuple[Tensor, Tensor]:
    return torch.minimum(one, other), torch.maximum(one, other)


def mirrored(places: Tensor, length: int) -> Tensor:
    """Places in a signal that is mirrored at both ends, with its first and last value twice.

    >>> mirrored(torch.arange(-2, 6), 3).tolist()
    [1, 0, 0, 1, 2, 2, 1, 0]
    """
    period = places % (2 * length)
    return torch.where(period < length, period, 2 * length - 1 - period)


def load(weights: str | None = None, device: torch.device | str = "cpu") -> HarmonicPercussive:
    """The separator; it has no weights, and runs on the CPU."""
    return HarmonicPercussive()

"""The sound of a stem beside the recording, and its facts, block by block."""

from collections.abc import Iterator

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn import functional as F  # noqa: N812

from soundstage.audio import StreamResampler, open_sound
from soundstage.separation.masking import BLOCK
from soundstage.separation.separator import Kind, SourceInfo
from soundstage.separation.stage_balance import band_energies
from soundstage.spectra import SampleQueue
from soundstage.upmixing.stem_files import StemFile

ACTIVE_DB = -40.0  # of a block under the loudest block of the same stem
READ = 1 << 16  # frames read at a time


class StemReader:
    """A stem at another rate, as a mono signal without end: silence follows its last sample.

    Args:
        stem: its file; of several channels the mean is read.
        rate: of the samples, in Hz.
    """

    def __init__(self, stem: StemFile, rate: int) -> None:
        self._blocks = _samples(stem, rate)
        self._queue = SampleQueue()
        self.length: int | None = None
        """In samples, once its end is read."""
        self._read = 0

    def pop(self, count: int) -> Float[Tensor, " count"]:
        """The next samples."""
        self._fill(count)
        there = self._queue.pop(min(count, len(self._queue)))
        return F.pad(there, (0, count - there.shape[-1]))

    def is_longer_than(self, count: int) -> bool:
        """Whether more than `count` samples lie ahead."""
        self._fill(count + 1)
        return len(self._queue) > count

    def _fill(self, count: int) -> None:
        while len(self._queue) < count and self.length is None:
            block = next(self._blocks, None)
            if block is None:
                self.length = self._read
            else:
                self._queue.push(torch.from_numpy(block))
                self._read += block.size


def _samples(stem: StemFile, rate: int) -> Iterator[Float[np.ndarray, " frames"]]:
    with open_sound(stem.path) as sound:
        resampler = StreamResampler(sound.rate, rate, 1)
        for block in sound.blocks(READ):
            mono = block.mean(axis=0, keepdims=True, dtype=np.float32)
            yield resampler.push(mono)[0]
        yield resampler.finish()[0]


class StemProfile:
    """Energy, centroid and activity of one stem.

    Args:
        rate: of the samples, in Hz.
    """

    def __init__(self, rate: int) -> None:
        self._queue = SampleQueue()
        self._powers: list[float] = []
        self._spectrum = torch.zeros(BLOCK // 2 + 1, dtype=torch.float64)
        self._hertz = torch.fft.rfftfreq(BLOCK, 1 / rate).double()
        self._window = torch.hann_window(BLOCK)

    def push(self, samples: Float[Tensor, " length"]) -> None:
        """The next samples."""
        self._queue.push(samples)
        while len(self._queue) >= BLOCK:
            self._add(self._queue.pop(BLOCK))

    def info(self, name: str, kind: Kind, total: float) -> SourceInfo:
        """The facts, with `total` the energy of the recording."""
        if len(self._queue):
            rest = self._queue.pop(len(self._queue))
            self._add(F.pad(rest, (0, BLOCK - rest.shape[-1])))
        powers = np.array(self._powers)
        loudest = powers.max(initial=0.0)
        active = (powers > loudest * 10 ** (ACTIVE_DB / 10)) if loudest > 0 else powers > 0
        weight = float(self._spectrum.sum())
        return SourceInfo(
            name,
            kind,
            energy=min(float(powers.sum()) / total, 1.0),
            centroid=float((self._spectrum * self._hertz).sum()) / weight if weight else 0.0,
            activity=float(active.mean()) if active.size else 0.0,
        )

    def balance_energies(self) -> Float[np.ndarray, " bands"]:
        """The energy in the bands in which a stage is balanced, after `info`."""
        energies = band_energies(self._spectrum[None].numpy(), self._hertz.numpy())[0]
        return energies * sum(self._powers) / max(float(self._spectrum.sum()), 1e-30)

    def _add(self, block: Float[Tensor, " block"]) -> None:
        self._powers.append(float(block.double().square().sum()))
        self._spectrum += torch.fft.rfft(block * self._window).abs().double().square()

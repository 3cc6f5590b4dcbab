"""Batches of sound events from random azimuths and heads, for the localizer.

An event is cut to a random segment, zero-padded at a random place if it is shorter, and convolved
with the responses of a random head at a random azimuth of the grid. Heads are augmented too:

- mirrored: ears swapped, azimuth negated;
- turned by a few degrees, as dummies and persons are in measurements;
- scaled in size: at a rate of s·16 kHz a response has the cues of a head s times as large, with
  spectral features shifted as by frequency scaling (Middlebrooks, JASA 106, 1999).

The sound may get independent noise at both ears, and its spectra a random equalizer, a small
difference between the ears, and random phases and levels of single bins, as codecs and generators
leave them.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn import functional as F  # noqa: N812

from soundstage.audio import resample
from soundstage.binaural import list_hrtf_sets
from soundstage.corpora.spatial_events import AZIMUTHS, RATE, horizontal_hrirs, spatialize
from soundstage.errors import InputError
from soundstage.networks.models.localizer import InterauralSpectra, Spectra
from soundstage.training.data.event_batches import Sound
from soundstage.training.scene_recipes import LocalizerAugmentation

HEADS = "heads"  # folder of SOFA and WAV files in the data folder
TURNS = (-1.0, -0.5, 0.0, 0.5, 1.0)  # of the largest one
SIZES = (-1.0, 0.0, 1.0)  # of the largest change
AS_MEASURED = len(SIZES) // 2 * len(TURNS) + len(TURNS) // 2  # the variant without either
TAPS = 256  # 16 ms
EQ_POINTS = 6  # of the equalizer curve, linear in between
CANDIDATES = 3  # segments of a long clip; the loudest is most likely to contain the event

Heads = Float[Tensor, "heads variants azimuths 2 taps"]


def open_heads(names: Sequence[str], folder: Path, augmentation: LocalizerAugmentation) -> Heads:
    """The responses of heads in all variants: in each size, all turns.

    Args:
        names: bundled HRTF sets, or files in the folder `heads` of `folder`.
        folder: of the data.
        augmentation: turns and sizes.

    Raises:
        InputError: a file is missing or cannot be read.
    """
    turns = augmentation.turn_degrees * np.array(TURNS)
    azimuths = (turns[:, None] + np.array(AZIMUTHS)).ravel()
    heads = []
    for name in names:
        responses = horizontal_hrirs(head_source(name, folder), azimuths).flatten(0, 1)
        variants = []
        for size in augmentation.size_ratio * np.array(SIZES):
            scaled = torch.from_numpy(resample(responses.numpy(), RATE, round(RATE * (1 + size))))
            padded = F.pad(scaled[:, :TAPS], (0, max(TAPS - scaled.shape[1], 0)))
            variants.append(padded.reshape(len(turns), len(AZIMUTHS), 2, TAPS))
        heads.append(torch.cat(variants))
    return torch.stack(heads)


def head_source(name: str, folder: Path) -> str | Path:
    """A bundled HRTF set, or a file in the folder `heads`.

    Raises:
        InputError: there is neither.
    """
    if name in list_hrtf_sets():
        return name
    path = folder / HEADS / name
    if not path.is_file():
        raise InputError(
            f"{path}: HRTF set not found; put the file there, or remove it from the recipe."
        )
    return path


@dataclass(frozen=True)
class LocalizerBatches:
    """Random batches from sounds in memory.

    Args:
        sounds: mono at 16 kHz, any lengths.
        heads: of `open_heads`.
        batch_size: events per batch.
        augmentation: strength of the augmentation.
        seed: of all random choices.
        first_head_prob: probability of the first head, as measured.
        median_prob: probability of ahead or behind.
    """

    sounds: list[Sound]
    heads: Heads
    batch_size: int
    augmentation: LocalizerAugmentation
    seed: int
    first_head_prob: float = 0.0
    median_prob: float = 0.0
    spectra: InterauralSpectra = field(default_factory=InterauralSpectra)

    @property
    def per_epoch(self) -> int:
        """Number of batches with each clip at most once; the remainder is dropped."""
        return max(len(self.sounds) // self.batch_size, 1)

    def draw(self, step: int) -> tuple[Spectra, Float[Tensor, " batch"]]:
        """Spectra and azimuth classes of a step, the same for every call."""
        epoch, place = divmod(step, self.per_epoch)
        order = np.random.default_rng([self.seed, 0, epoch]).permutation(len(self.sounds))
        random = np.random.default_rng([self.seed, 1, step])
        length = round(random.uniform(*self.augmentation.segment_seconds) * RATE)
        chosen = order[place * self.batch_size : (place + 1) * self.batch_size]
        events = torch.stack(
            [self._segment(self.sounds[index], length, random) for index in chosen]
        )
        targets = random.integers(len(AZIMUTHS), size=len(chosen))
        median = random.random(len(chosen)) < self.median_prob
        targets = np.where(median, targets % 2 * (len(AZIMUTHS) // 2), targets)
        count, kinds = self.heads.shape[:2]
        heads, variants = random.integers((count, kinds), size=(len(chosen), 2)).T
        first = random.random(len(chosen)) < self.first_head_prob
        heads, variants = np.where(first, 0, heads), np.where(first, AS_MEASURED, variants)
        ears = spatialize(events, self.heads[heads, variants, targets])
        mirrored = torch.from_numpy(random.random(len(chosen)) < 0.5)
        ears = torch.where(mirrored[:, None, None], ears.flip(1), ears)
        labels = torch.from_numpy(targets)
        labels = torch.where(mirrored, -labels % len(AZIMUTHS), labels)
        with torch.no_grad():
            spectra = self.spectra(self._with_noise(ears, random))
        return self._disturbed(spectra, random), labels

    def _segment(self, sound: Sound, length: int, random: np.random.Generator) -> Tensor:
        if len(sound) > length:
            starts = random.integers(len(sound) - length + 1, size=CANDIDATES)
            parts = [sound[start : start + length] for start in starts]
            return max(parts, key=lambda part: float(part.square().sum()))
        before = int(random.integers(length - len(sound) + 1))
        return F.pad(sound, (before, length - len(sound) - before))

    def _with_noise(
        self, ears: Float[Tensor, "batch 2 samples"], random: np.random.Generator
    ) -> Float[Tensor, "batch 2 samples"]:
        """Independent white noise at both ears in some examples."""
        for index in np.flatnonzero(random.random(len(ears)) < self.augmentation.noise_prob):
            sound = ears[index]
            ratio = random.uniform(*self.augmentation.noise_db)
            noise = random.standard_normal(sound.shape, dtype=np.float32)
            sound += 10 ** (-ratio / 20) * sound.square().mean().sqrt() * torch.from_numpy(noise)
        return ears

    def _disturbed(self, spectra: Spectra, random: np.random.Generator) -> Spectra:
        """Equalizer, differences between the ears, and disturbed bins.

        20 dB are 1 in the difference of the levels, and 1/2 in the mean if both ears get them.
        """
        augmentation, (count, _, bins, _) = self.augmentation, spectra.shape
        curves = random.normal(0, 1, (count, 2, EQ_POINTS)).astype(np.float32)
        curves[:, 0] *= augmentation.eq_db / 40
        curves[:, 1] *= augmentation.ear_eq_db / 20
        spectra[:, 2:] += F.interpolate(torch.from_numpy(curves), size=bins, mode="linear")[
            ..., None
        ]
        for index in np.flatnonzero(random.random(count) < augmentation.bin_noise_prob):
            example = spectra[index]
            noise = random.standard_normal((3, *example[0].shape), dtype=np.float32)
            phase, left, right = random.random() * torch.from_numpy(noise)
            turn = torch.polar(torch.ones_like(phase), augmentation.bin_phase * phase)
            turned = turn * torch.complex(example[0], example[1])
            step = augmentation.bin_level_db / 20
            example[0], example[1] = turned.real, turned.imag
            example[2] += step * (left + right) / 2
            example[3] += step * (left - right)
        return spectra

"""Batches of sound events with augmentation.

From each clip a segment of random length and speed is taken, padded or repeated to the length of
the batch, mixed with a segment of another clip together with the labels (mixup, Zhang et al., ICLR
2018, by power as in Tokozume et al., ICLR 2018), and given noise and a random level. Its mel bands
are then filtered by a random equalizer, and frequency and time masks are applied (SpecAugment, Park
et al., Interspeech 2019).
"""

import math
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn import functional as F  # noqa: N812

from soundstage.networks.models.tagger import FFT, FLOOR, LEVEL, MELS, RATE, SPREAD, LogMel
from soundstage.training.recipes import TaggerAugmentation

EQ_POINTS = 6  # of the equalizer curve, linear in between
CANDIDATES = 3  # segments of a long clip; the loudest is most likely to contain the event
MASKS = 2  # of each kind
MIN_RMS = 1e-4  # −80 dB: segments are mixed as if neither were below
MIN_MEL = (10 * math.log10(FLOOR) - LEVEL) / SPREAD  # value of a mel band in silence

Sound = Float[Tensor, " frames"]


@dataclass(frozen=True)
class EventBatches:
    """Random batches from sounds in memory.

    Args:
        sounds: mono at 16 kHz, any lengths.
        labels: class index of each sound.
        classes: number of classes.
        batch_size: clips per batch.
        augmentation: strength of the augmentation.
        label_smoothing: share of a label that is spread over all classes.
        seed: of all random choices.
        mel: on the CPU, where the batches are made.
    """

    sounds: list[Sound]
    labels: list[int]
    classes: int
    batch_size: int
    augmentation: TaggerAugmentation
    label_smoothing: float
    seed: int
    mel: LogMel

    @property
    def per_epoch(self) -> int:
        """Number of batches with each clip at most once; the remainder is dropped."""
        return max(len(self.sounds) // self.batch_size, 1)

    def draw(
        self, step: int
    ) -> tuple[Float[Tensor, "batch mels time"], Float[Tensor, "batch classes"]]:
        """Mel bands and targets of a step, the same for every call."""
        epoch, place = divmod(step, self.per_epoch)
        order = np.random.default_rng([self.seed, 0, epoch]).permutation(len(self.sounds))
        random = np.random.default_rng([self.seed, 1, step])
        shortest, longest = self.augmentation.segment_seconds
        length = round(random.uniform(shortest, longest) * RATE)
        chosen = order[place * self.batch_size : (place + 1) * self.batch_size]
        pairs = [self._example(int(index), length, random) for index in chosen]
        with torch.no_grad():
            mels = self.mel(torch.stack([sound for sound, _ in pairs]))
        return self._augment_mels(mels, random), torch.stack([target for _, target in pairs])

    def _example(
        self, index: int, length: int, random: np.random.Generator
    ) -> tuple[Float[Tensor, " length"], Float[Tensor, " classes"]]:
        augmentation = self.augmentation
        sound, target = self._segment(index, length, random), self._target(index)
        level = _rms(sound)
        if random.random() < augmentation.mixup_prob:
            other = int(random.integers(len(self.sounds)))
            segment = self._segment(other, length, random)
            share = random.beta(augmentation.mixup_alpha, augmentation.mixup_alpha)
            share = max(share, 1 - share)
            mixed = math.sqrt(share) / level * sound
            mixed = mixed + math.sqrt(1 - share) / _rms(segment) * segment
            sound = level * mixed
            target = share * target + (1 - share) * self._target(other)
        if random.random() < augmentation.noise_prob:
            noise = torch.from_numpy(random.standard_normal(length, dtype=np.float32))
            sound = sound + level * 10 ** (-random.uniform(5, 30) / 20) * noise
        gain = random.uniform(-augmentation.gain_db, augmentation.gain_db)
        return sound * 10 ** (gain / 20), target

    def _segment(self, index: int, length: int, random: np.random.Generator) -> Tensor:
        octaves = self.augmentation.speed_octaves
        speed = 2 ** random.uniform(-octaves, octaves)
        sound, needed = self.sounds[index], int(length * speed) + 2
        if len(sound) > needed:
            starts = random.integers(len(sound) - needed + 1, size=CANDIDATES)
            sound = max((sound[start : start + needed] for start in starts), key=_rms)
        # Linear interpolation: its aliasing is far below the other augmentations
        frames = max(int(len(sound) / speed), FFT)
        sound = F.interpolate(sound[None, None], size=frames, mode="linear", align_corners=True)
        sound = sound[0, 0]
        if len(sound) >= length:
            return sound[:length]
        if random.random() < 0.5:
            repeated = sound.repeat(-(-length // len(sound)))[:length]
            return repeated.roll(int(random.integers(length)))
        before = int(random.integers(length - len(sound) + 1))
        return F.pad(sound, (before, length - len(sound) - before))

    def _target(self, index: int) -> Float[Tensor, " classes"]:
        target = torch.full((self.classes,), self.label_smoothing / self.classes)
        target[self.labels[index]] += 1 - self.label_smoothing
        return target

    def _augment_mels(self, mels: Tensor, random: np.random.Generator) -> Tensor:
        augmentation = self.augmentation
        count, _, columns = mels.shape
        points = random.normal(0, augmentation.eq_db / SPREAD, (count, 1, EQ_POINTS))
        curve = F.interpolate(torch.from_numpy(points).float(), size=MELS, mode="linear")
        mels = (mels + curve[:, 0, :, None]).clamp(min=MIN_MEL)
        widest = int(augmentation.time_mask_ratio * columns)
        for example in mels:
            mean = example.mean()
            for _ in range(MASKS):
                start, end = _mask(MELS, augmentation.freq_mask_bands, random)
                example[start:end] = mean
                start, end = _mask(columns, widest, random)
                example[:, start:end] = mean
        return mels


def _rms(sound: Tensor) -> float:
    return max(float(sound.square().mean().sqrt()), MIN_RMS)


def _mask(length: int, widest: int, random: np.random.Generator) -> tuple[int, int]:
    width = int(random.integers(min(widest, length) + 1))
    start = int(random.integers(length - width + 1))
    return start, start + width

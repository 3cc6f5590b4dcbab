"""Batches of sound events: no clip is heard twice alike.

Of each clip a piece of random length is taken at a random speed, laid into silence or repeated to
the length of the batch, mixed with a piece of another clip and their labels in proportion (mixup,
Zhang et al., ICLR 2018, by power as in Tokozume et al., ICLR 2018), given noise and a random level.
Its mel bands are then colored by a random equalizer, and stripes of bands and of time are hidden
(SpecAugment, Park et al., Interspeech 2019).
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

EQUALIZER_POINTS = 6  # of the curve over all bands, between which it runs straight
PLACES = 3  # looked at in a clip: events pause, and the loudest piece is likeliest to hold one
STRIPES = 2  # hidden, of each kind
QUIETEST = 1e-4  # rms, −80 dB: two pieces are mixed as if neither were below
LOWEST_VALUE = (10 * math.log10(FLOOR) - LEVEL) / SPREAD  # of a mel band in silence


@dataclass(frozen=True)
class EventBatches:
    """Draws batches out of sounds that lie in memory.

    Args:
        sounds: mono at 16 kHz, any lengths.
        labels: the class of each.
        classes: how many there are.
        size: clips in a batch.
        augmentation: how strongly each is changed.
        smoothing: share of a label that is spread over all classes.
        seed: of every draw.
        mel: on the CPU, where batches are made.
    """

    sounds: list[Float[Tensor, " frames"]]
    labels: list[int]
    classes: int
    size: int
    augmentation: TaggerAugmentation
    smoothing: float
    seed: int
    mel: LogMel

    @property
    def per_epoch(self) -> int:
        """Batches in which every clip comes once; what is left over waits for another epoch."""
        return max(len(self.sounds) // self.size, 1)

    def draw(
        self, step: int
    ) -> tuple[Float[Tensor, "batch mels time"], Float[Tensor, "batch classes"]]:
        """Mel bands and targets of a step; the same whenever it is asked for."""
        epoch, place = divmod(step, self.per_epoch)
        order = np.random.default_rng([self.seed, 0, epoch]).permutation(len(self.sounds))
        random = np.random.default_rng([self.seed, 1, step])
        shortest, longest = self.augmentation.seconds
        length = round(random.uniform(shortest, longest) * RATE)
        chosen = order[place * self.size : (place + 1) * self.size]
        pairs = [self._example(int(index), length, random) for index in chosen]
        with torch.no_grad():
            mels = self.mel(torch.stack([sound for sound, _ in pairs]))
        return self._disguise(mels, random), torch.stack([target for _, target in pairs])

    def _example(
        self, index: int, length: int, random: np.random.Generator
    ) -> tuple[Float[Tensor, " length"], Float[Tensor, " classes"]]:
        change = self.augmentation
        sound, target = self._piece(index, length, random), self._target(index)
        level = _rms(sound)
        if random.random() < change.mixing:
            other = int(random.integers(len(self.sounds)))
            piece = self._piece(other, length, random)
            share = random.beta(change.mixing_shape, change.mixing_shape)
            share = max(share, 1 - share)
            mixed = math.sqrt(share) / level * sound + math.sqrt(1 - share) / _rms(piece) * piece
            sound = level * mixed
            target = share * target + (1 - share) * self._target(other)
        if random.random() < change.noise:
            noise = torch.from_numpy(random.standard_normal(length, dtype=np.float32))
            sound = sound + level * 10 ** (-random.uniform(5, 30) / 20) * noise
        return sound * 10 ** (random.uniform(-change.gain, change.gain) / 20), target

    def _piece(self, index: int, length: int, random: np.random.Generator) -> Tensor:
        speed = 2 ** random.uniform(-self.augmentation.speed, self.augmentation.speed)
        sound, wanted = self.sounds[index], int(length * speed) + 2
        if len(sound) > wanted:
            begins = random.integers(len(sound) - wanted + 1, size=PLACES)
            sound = max((sound[begin : begin + wanted] for begin in begins), key=_rms)
        # Straight lines between the samples: what they alias lies far below these augmentations
        stretched = max(int(len(sound) / speed), FFT)
        sound = F.interpolate(sound[None, None], size=stretched, mode="linear", align_corners=True)[
            0, 0
        ]
        if len(sound) >= length:
            return sound[:length]
        if random.random() < 0.5:
            whole = sound.repeat(-(-length // len(sound)))[:length]
            return whole.roll(int(random.integers(length)))
        before = int(random.integers(length - len(sound) + 1))
        return F.pad(sound, (before, length - len(sound) - before))

    def _target(self, index: int) -> Float[Tensor, " classes"]:
        target = torch.full((self.classes,), self.smoothing / self.classes)
        target[self.labels[index]] += 1 - self.smoothing
        return target

    def _disguise(self, mels: Tensor, random: np.random.Generator) -> Tensor:
        change = self.augmentation
        count, _, columns = mels.shape
        points = random.normal(0, change.equalizer / SPREAD, (count, 1, EQUALIZER_POINTS))
        curve = F.interpolate(torch.from_numpy(points).float(), size=MELS, mode="linear")
        mels = (mels + curve[:, 0, :, None]).clamp(min=LOWEST_VALUE)
        for picture in mels:
            mean = picture.mean()
            for _ in range(STRIPES):
                begin, end = _stripe(MELS, change.hidden_bands, random)
                picture[begin:end] = mean
                begin, end = _stripe(columns, int(change.hidden_time * columns), random)
                picture[:, begin:end] = mean
        return mels


def _rms(sound: Tensor) -> float:
    return max(float(sound.square().mean().sqrt()), QUIETEST)


def _stripe(length: int, widest: int, random: np.random.Generator) -> tuple[int, int]:
    width = int(random.integers(min(widest, length) + 1))
    begin = int(random.integers(length - width + 1))
    return begin, begin + width

"""Batches of sound events at two ears: segment, azimuth and gain at random, as spectra.

Each clip gets a peak of −6 dB, is cut to a segment at random or padded with silence at its end, and
convolved with the head-related responses of one of 12 azimuths (DualSpec, §V-C). A segment shorter
than five seconds serves networks of convolutions, which take sounds of any length.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Complex, Float
from torch import Tensor
from torch.nn import functional as F  # noqa: N812

from soundstage.corpora.spatial_events import spatialize
from soundstage.spectra.dual_spectra import HOP, spectrogram

PEAK = 0.5  # of a whole clip in mono; responses of a head have a mean energy of 1
MIN_PEAK = 1e-4  # −80 dB: quieter clips are not raised further
OVERHANG = 0.25  # share of a segment that may lie after the end of its clip
CANDIDATES = 2  # segments of a long clip; the loudest is taken, as much of a clip is near silence

Sound = Float[Tensor, " samples"]


@dataclass(frozen=True)
class SpatialBatches:
    """Random batches from sounds in memory.

    Args:
        sounds: mono at 16 kHz, any lengths, without silence at their start.
        hrirs: head-related impulse responses.
        ears: 2, or 1 for the left ear alone.
        frames: of the spectra.
        batch_size: examples of a batch.
        gain_db: maximum random gain, up or down.
        seed: of all random choices.
    """

    sounds: Sequence[Sound]
    hrirs: Float[Tensor, "azimuths 2 taps"]
    ears: int
    frames: int
    batch_size: int
    gain_db: float
    seed: int

    @property
    def per_epoch(self) -> int:
        """Number of batches with each clip at most once; the remainder is dropped."""
        return max(len(self.sounds) // self.batch_size, 1)

    def draw(self, step: int) -> tuple[Complex[Tensor, "batch ears bins frames"]]:
        """Spectra of a step, the same for every call."""
        epoch, place = divmod(step, self.per_epoch)
        order = np.random.default_rng([self.seed, 0, epoch]).permutation(len(self.sounds))
        random = np.random.default_rng([self.seed, 1, step])
        chosen = order[place * self.batch_size : (place + 1) * self.batch_size]
        segments = torch.stack([self._segment(self.sounds[int(each)], random) for each in chosen])
        azimuths = torch.from_numpy(random.integers(len(self.hrirs), size=len(chosen)))
        sound = spatialize(segments, self.hrirs[azimuths])[:, : self.ears]
        return (spectrogram(sound),)

    def _segment(self, sound: Sound, random: np.random.Generator) -> Sound:
        length = (self.frames - 1) * HOP
        last = max(len(sound) - round((1 - OVERHANG) * length), 0)
        starts = random.integers(last + 1, size=CANDIDATES)
        part = max((sound[start : start + length] for start in starts), key=_energy)
        gain = 10 ** (random.uniform(-self.gain_db, self.gain_db) / 20)
        return F.pad(gain * leveling_gain(sound) * part, (0, length - len(part)))


def leveling_gain(sound: Sound) -> float:
    """The gain that gives a clip the peak `PEAK`."""
    return PEAK / max(float(sound.abs().max()), MIN_PEAK)


def _energy(sound: Sound) -> float:
    return float(sound.square().sum())

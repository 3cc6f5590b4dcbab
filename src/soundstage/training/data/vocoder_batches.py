"""Batches for the vocoder: segments of sound events with their mel bands.

A sound gets a peak of −10 dB, then a random gain; some are convolved with the response of one ear
of a measured head, whose coloration depends on the direction. A segment is cut with a margin: its
mel bands then contain no edge that the whole sound does not have.
"""

from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn import functional as F  # noqa: N812

from soundstage.corpora.spatial_events import spatialize
from soundstage.spectra.dual_spectra import HOP, log_mel, spectrogram
from soundstage.training.adversarial import adversarial_share

PEAK = 0.3  # of a whole sound, before the random gain
MARGIN = 1  # frames on both sides of a segment
CANDIDATES = 2  # segments of a sound; the loudest is taken, as much of a clip is near silence


@dataclass(frozen=True)
class VocoderBatches:
    """Random batches from sounds in memory.

    Args:
        sounds: mono at 16 kHz, any lengths.
        hrirs: head-related impulse responses of which one ear is taken at random.
        frames: of the mel bands of a segment.
        batch_size: segments per batch.
        gain_db: largest gain, up or down.
        ear_prob: probability of an ear.
        adversarial_start: step at which the adversarial terms begin.
        seed: of all random choices.
    """

    sounds: list[Float[Tensor, " samples"]]
    hrirs: Float[Tensor, "azimuths 2 taps"]
    frames: int
    batch_size: int
    gain_db: float
    ear_prob: float
    adversarial_start: int
    seed: int

    @property
    def per_epoch(self) -> int:
        """Number of batches with each sound at most once; the remainder is dropped."""
        return max(len(self.sounds) // self.batch_size, 1)

    def draw(
        self, step: int
    ) -> tuple[
        Float[Tensor, "batch samples"], Float[Tensor, "batch mels frames"], Float[Tensor, " batch"]
    ]:
        """Segments, their mel bands, and the factor of the adversarial terms."""
        epoch, place = divmod(step, self.per_epoch)
        order = np.random.default_rng([self.seed, 0, epoch]).permutation(len(self.sounds))
        random = np.random.default_rng([self.seed, 1, step])
        chosen = order[place * self.batch_size : (place + 1) * self.batch_size]
        wide = torch.stack([self._segment(self.sounds[int(index)], random) for index in chosen])
        mels = log_mel(spectrogram(wide))[..., MARGIN : MARGIN + self.frames]
        sound = wide[:, MARGIN * HOP : -MARGIN * HOP]
        return sound, mels, adversarial_share(step, self.adversarial_start, len(sound))

    def _segment(self, sound: Tensor, random: np.random.Generator) -> Tensor:
        length = (self.frames - 1 + 2 * MARGIN) * HOP
        missing = max(length - len(sound), 0)
        before = int(random.integers(missing + 1))
        padded = F.pad(sound, (before, missing - before))
        starts = random.integers(len(padded) - length + 1, size=CANDIDATES)
        segment = max((padded[start : start + length] for start in starts), key=_energy)
        level = 10 ** (random.uniform(-self.gain_db, self.gain_db) / 20)
        segment = segment * (PEAK * level / max(float(sound.abs().max()), 1e-6))
        if random.random() < self.ear_prob:
            azimuth, ear = random.integers(len(self.hrirs)), random.integers(2)
            segment = spatialize(segment, self.hrirs[azimuth])[ear]
        return segment


def _energy(segment: Tensor) -> float:
    return float(segment.square().sum())


def whole_frames(
    sound: Float[Tensor, " samples"],
) -> tuple[Float[Tensor, "1 samples"], Float[Tensor, "1 mels frames"]]:
    """A whole sound, zero-padded to a multiple of `HOP`, and its mel bands."""
    whole = F.pad(sound, (0, -len(sound) % HOP))[None]
    return whole, log_mel(spectrogram(whole))

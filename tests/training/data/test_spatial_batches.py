import numpy as np
import pytest
import torch

from soundstage.spectra.dual_spectra import inverse_spectrogram
from soundstage.training.data.spatial_batches import PEAK, SpatialBatches, leveling_gain

FRAMES = 16
SAMPLES = (FRAMES - 1) * 256
LEFT_LOUDER = torch.tensor([[[1.0, 0.0], [0.5, 0.0]]])  # one azimuth, two ears


def tones(*lengths: int) -> list[torch.Tensor]:
    """A tone for each clip, of its own frequency and level."""
    return [
        0.01 * (number + 1) * torch.sin(0.3 * (number + 1) * torch.arange(length) + 1)
        for number, length in enumerate(lengths)
    ]


def batches(sounds: list[torch.Tensor], **changes) -> SpatialBatches:
    settings = {"ears": 2, "frames": FRAMES, "batch_size": 4, "gain_db": 0.0, "seed": 3}
    return SpatialBatches(sounds, hrirs=LEFT_LOUDER, **{**settings, **changes})


def sound_of(spectra: torch.Tensor) -> torch.Tensor:
    return inverse_spectrogram(spectra, SAMPLES)


def test_a_step_has_the_same_batch_for_every_call_and_steps_differ():
    source = batches(tones(*[9000] * 8))
    (first,), (again,), (other,) = source.draw(2), source.draw(2), source.draw(3)
    assert torch.equal(first, again)
    assert not torch.equal(first, other)
    assert first.shape == (4, 2, 257, FRAMES)


def test_an_epoch_has_each_clip_once():
    source = batches(tones(*[9000] * 8))
    spectra = torch.cat([source.draw(step)[0] for step in range(source.per_epoch)])
    bins = spectra[:, 0].abs().mean(dim=-1).argmax(dim=-1)
    assert sorted(bins.tolist()) == sorted(np.round(0.3 * np.arange(1, 9) * 512 / 6.2832).tolist())


def test_clips_have_one_peak_and_ears_those_of_the_responses():
    sound = sound_of(batches(tones(*[9000] * 4)).draw(0)[0])
    peaks = sound.abs().amax(dim=-1)
    assert torch.allclose(peaks, torch.tensor([PEAK, PEAK / 2]).expand(4, 2), rtol=0.05)


def test_gains_are_random_within_their_limit():
    sounds = tones(*[9000] * 40)
    sound = sound_of(batches(sounds, gain_db=6.0, batch_size=40).draw(0)[0])
    gains = 20 * (sound[:, 0].abs().amax(dim=-1) / PEAK).log10()
    assert -6.5 < gains.min() < -3
    assert 3 < gains.max() < 6.5


def test_one_ear_is_the_left():
    source = tones(*[9000] * 4)
    both, one = batches(source).draw(0)[0], batches(source, ears=1).draw(0)[0]
    assert torch.equal(one, both[:, :1])


def test_short_clips_are_padded_at_their_end():
    sound = sound_of(batches(tones(*[1000] * 4)).draw(0)[0])
    assert sound[..., :300].abs().amax() > 0.1
    assert sound[..., 1100:].abs().amax() < 1e-5


@pytest.mark.parametrize("level", [0.0, 1e-6])
def test_silence_is_not_raised(level):
    assert leveling_gain(torch.full((100,), level)) * level <= PEAK / 100

import numpy as np
import pytest
import torch

from soundstage.networks.models.tagger import RATE, LogMel
from soundstage.training.data.event_batches import EventBatches
from soundstage.training.recipes import TaggerAugmentation


def batches(**changes):
    random = np.random.default_rng(0)
    sounds = [torch.from_numpy(0.1 * random.standard_normal(RATE // 2)).float() for _ in range(5)]
    augmentation = TaggerAugmentation(**{"segment_seconds": (0.5, 0.9), **changes})
    return EventBatches(sounds, [0, 1, 2, 0, 1], 3, 2, augmentation, 0.1, 7, LogMel())


def test_a_batch_depends_on_its_step_alone():
    source = batches()
    source.draw(3)
    first, again, other = source.draw(4), batches().draw(4), source.draw(5)
    assert all(map(torch.equal, first, again))
    assert not torch.equal(first[1], other[1]) or first[0].shape != other[0].shape


@pytest.mark.parametrize("mixup_prob", [0.0, 1.0])
def test_targets_are_smoothed_distributions(mixup_prob):
    for step in range(6):
        mels, targets = batches(mixup_prob=mixup_prob).draw(step)
        assert torch.allclose(targets.sum(dim=1), torch.ones(2))
        assert bool((targets > 0).all())
        assert bool(mels.isfinite().all())
        assert float(targets.amax(dim=1).max()) <= 0.9 + 0.1 / 3 + 1e-6


def test_an_epoch_has_every_clip_once_in_a_new_order():
    sounds = [torch.full((RATE,), 0.1) for _ in range(6)]
    plain = TaggerAugmentation(mixup_prob=0)
    source = EventBatches(sounds, list(range(6)), 6, 2, plain, 0.0, 0, LogMel())
    epochs = [
        [int(label) for step in steps for label in source.draw(step)[1].argmax(dim=1)]
        for steps in (range(3), range(3, 6))
    ]
    assert [sorted(epoch) for epoch in epochs] == [list(range(6))] * 2
    assert epochs[0] != epochs[1]

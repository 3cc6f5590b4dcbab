import pytest
import torch

from making_stems import cache
from soundstage.corpora.stem_cache import ACCOMPANIMENT, KINDS
from soundstage.training.data.stem_mixes import CLASSES, StemMixes
from soundstage.training.recipe_base import StemMixing

FRAMES = 48


def mixes(caches=None, seed=0, **mixing):
    settings = StemMixing(**{"old_prob": 0.0, **mixing})
    return StemMixes(caches or [cache()], 3, FRAMES, settings, seed)


def test_a_step_is_the_same_for_every_call_and_others_differ():
    first, again, other = mixes().draw(4), mixes().draw(4), mixes().draw(5)
    assert all(torch.equal(*pair) for pair in zip(first, again, strict=True))
    assert not torch.equal(first.levels, other.levels)
    assert not torch.equal(first.levels, mixes(seed=1).draw(4).levels)


def test_shares_add_up_and_owners_have_the_largest():
    batch = mixes(song_prob=1.0, drop_prob=0.0).draw(0)
    assert batch.levels.shape == (3, 2, 160, FRAMES)
    assert torch.allclose(batch.shares.sum(dim=2), torch.ones(3, 2, 160, FRAMES), atol=1e-3)
    owned = batch.owners >= 0
    assert owned.float().mean() > 0.4
    kinds = batch.shares.argmax(dim=2)[owned].unique()
    assert {KINDS[kind] for kind in kinds} == {"lead", "voice", "object"}  # the others have a name
    assert batch.shares.amax(dim=2)[owned].min() >= 0.79
    assert batch.weights.mean(dim=(2, 3)) == pytest.approx(1, abs=1e-3)


def test_stems_own_their_bands():
    """Each kind of the collection has a fifth of the bands for itself."""
    batch = mixes(song_prob=1.0, drop_prob=0.0, eq_db=0, gain_db=0).draw(1)
    largest = batch.shares.argmax(dim=2)
    for place in range(len(KINDS)):
        bands = slice(32 * place + 2, 32 * place + 30)
        assert (largest[:, :, bands] == place).all()


def test_interference_keeps_the_power_on_average():
    batch = mixes(song_prob=1.0).draw(2)
    powers = 10 ** (2 * batch.levels)  # 20 dB a unit
    mean = powers.sum(dim=2).mean(dim=2)
    assert (mean / mean.mean() - 1).abs().max() < 0.05  # normalized to the same mean


def test_an_accompaniment_has_a_class_of_its_own_and_no_owner():
    both = [cache(), cache(kinds=(ACCOMPANIMENT,), seed=1)]
    batch = mixes(both, song_prob=0.0, accompaniment_prob=1.0, voice_prob=0.0).draw(0)
    assert torch.allclose(batch.shares[:, :, CLASSES.index(ACCOMPANIMENT)].max(), torch.ones(()))
    assert (batch.owners == -1).all()


def test_voices_are_added_as_often_as_asked():
    lead = KINDS.index("lead")
    without = mixes(song_prob=0.0, accompaniment_prob=0.0, voice_prob=0.0).draw(0)
    assert not without.shares[:, :, lead].any()
    always = mixes(song_prob=0.0, accompaniment_prob=0.0, voice_prob=1.0).draw(0)
    assert (always.shares[:, :, lead].amax(dim=(1, 2, 3)) > 0.5).all()


def test_old_recordings_lose_their_highs_and_weights_fall_in_noise():
    modern, old = mixes(song_prob=1.0).draw(3), mixes(song_prob=1.0, old_prob=1.0).draw(3)
    assert old.levels[:, :, -20:].mean() < modern.levels[:, :, -20:].mean()
    assert old.levels.isfinite().all()


def test_stems_shorter_than_a_segment_are_left_out():
    short = cache(frames=FRAMES - 1, kinds=("lead",), seed=3)
    batch = mixes([cache(kinds=("drums",)), short], voice_prob=1.0).draw(0)
    assert not batch.shares[:, :, KINDS.index("lead")].any()

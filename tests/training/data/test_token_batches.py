import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from feature_files import write_cache
from soundstage.corpora.feature_cache import load_features
from soundstage.stereo import BANDS, TOKENS, dequantize
from soundstage.training.data.stereo_examples import NO_AUGMENTATION, StereoExamples
from soundstage.training.data.token_batches import (
    TokenBatches,
    full_mask,
    last_frame_mask,
    structured_mask,
    uniform_mask,
    width_weights,
)

DRAWS = 600


def draws(mask, positions=32, count=DRAWS, seed=0):
    generator = torch.Generator().manual_seed(seed)
    return torch.stack([mask(positions, generator) for _ in range(count)])


@given(seed=st.integers(0, 500), positions=st.integers(8, 60))
@pytest.mark.parametrize("mask", [uniform_mask, structured_mask, last_frame_mask, full_mask])
def test_a_mask_is_never_empty_and_depends_on_its_seed_alone(mask, seed, positions):
    one, same = (mask(positions, torch.Generator().manual_seed(seed)) for _ in range(2))
    assert one.shape == (positions, BANDS)
    assert one.dtype == torch.bool
    assert bool(one.any())
    assert torch.equal(one, same)


def test_the_masked_shares_have_the_distribution_of_a_cosine():
    shares = draws(uniform_mask).float().mean(dim=(1, 2)).sort().values
    assert float(shares.mean()) == pytest.approx(2 / math.pi, abs=0.03)
    for quantile in (0.1, 0.5, 0.9):
        expected = math.cos(0.5 * math.pi * (1 - quantile))
        assert float(shares[int(quantile * DRAWS)]) == pytest.approx(expected, abs=0.05)


def test_a_uniform_mask_prefers_no_tile():
    frequency = draws(uniform_mask, positions=8, count=2000).float().mean(dim=0)
    assert float((frequency - 2 / math.pi).abs().max()) < 0.06


def test_half_of_the_structured_masks_continue_an_unmasked_beginning():
    masks = draws(structured_mask)
    quarter, half = (~masks[:, :length].any(dim=(1, 2)) for length in (8, 16))
    assert 0.44 < float(quarter.float().mean()) < 0.64  # a half, and a few by chance
    assert 0.2 < float(half.float().mean()) < 0.36
    assert float((~masks[:, :20].any(dim=(1, 2))).float().mean()) < 0.1
    beginnings = masks.any(dim=2).int().argmax(dim=1)
    continued = masks[beginnings == 16][:, 16:]
    assert float(continued.float().mean()) == pytest.approx(2 / math.pi, abs=0.08)


def test_structured_masks_are_made_of_tiles_and_of_whole_frames():
    def partial_frames(mask):
        masks = draws(mask).float()
        share = masks.mean(dim=2)
        total = masks.mean(dim=(1, 2))
        count = ((share > 0) & (share < 1)).sum(dim=1)
        return count[(total > 0.1) & (total < 0.4)]

    structured, uniform = partial_frames(structured_mask), partial_frames(uniform_mask)
    assert 0.1 < float((structured <= 1).float().mean()) < 0.35
    assert float((structured > 10).float().mean()) > 0.3
    assert float((uniform <= 1).float().mean()) < 0.05


def test_the_autoregressive_mask_of_the_paper_covers_the_upper_bands_of_the_last_frame():
    masks = draws(last_frame_mask)
    assert not bool(masks[:, :-1].any())
    last = masks[:, -1].int()
    assert bool((last.diff(dim=1) >= 0).all())
    counts = torch.bincount(last.sum(dim=1), minlength=BANDS + 1)
    assert counts[0] == 0
    assert bool((counts[1:] > 0).all())
    assert bool(draws(full_mask, count=1).all())


@pytest.fixture(scope="module")
def cache(tmp_path_factory):
    path = tmp_path_factory.mktemp("cache") / "train.safetensors"
    write_cache(path, [400, 200], seed=0)
    return load_features(path)


def batches(cache, **changes):
    examples = StereoExamples(
        [cache], positions=16, stride=2, augmentation=NO_AUGMENTATION, memory=False
    )
    values = {"batch_size": 16, "cond_dropout": 0.0, "mask": uniform_mask, "seed": 3}
    return TokenBatches(examples, **{**values, **changes})


def test_a_batch_depends_on_its_step_and_seed_alone(cache):
    one, other = batches(cache, cond_dropout=0.3), batches(cache, cond_dropout=0.3)
    one.draw(7)
    for first, second in zip(one.draw(4), other.draw(4), strict=True):
        torch.testing.assert_close(first, second, rtol=0, atol=0, equal_nan=True)
    assert not torch.equal(one.draw(5).levels, other.draw(4).levels)
    assert not torch.equal(batches(cache, seed=4).draw(0).levels, batches(cache).draw(0).levels)


def test_conditioning_is_dropped_with_its_probability(cache):
    dropped = torch.cat([batches(cache, cond_dropout=0.3).draw(step).uncond for step in range(20)])
    assert 0.2 < float(dropped.float().mean()) < 0.4
    assert not bool(batches(cache).draw(0).uncond.any())


def test_the_requested_mask_is_used(cache):
    assert not bool(batches(cache, mask=last_frame_mask).draw(0).mask[:, :-1].any())
    assert bool(batches(cache, mask=full_mask).draw(0).mask.all())


def test_wide_examples_have_larger_weights():
    iid = torch.zeros(2, 4, BANDS)
    iid[1, ::2], iid[1, 1::2] = 30.0, -30.0  # clipped at 20
    coherence = torch.ones(2, 4, BANDS)
    coherence[1, :2] = 0.0
    weights = width_weights(iid, coherence)
    count = 4 * BANDS
    spread = math.sqrt(count / (count - 1))
    assert weights.tolist() == pytest.approx([1.0, 1 + 0.15 * 20 * spread + 0.5 * spread])


def test_weights_are_computed_from_the_quantized_parameters(cache):
    batch = batches(cache).draw(0)
    parameters = dequantize(batch.tokens)
    expected = width_weights(parameters.iid, parameters.coherence)
    torch.testing.assert_close(batch.weights, expected)
    assert batch.tokens.dtype == torch.uint8
    assert int(batch.tokens.max()) < TOKENS
    assert batches(cache).tokens_per_example == 16 * BANDS

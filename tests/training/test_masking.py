import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from soundstage.stereo import BANDS
from soundstage.training.data.masking import (
    last_frame_mask,
    patterned_mask,
    uniform_mask,
    whole_mask,
)

DRAWS = 600


def draws(mask, patch=32, count=DRAWS, seed=0):
    generator = torch.Generator().manual_seed(seed)
    return torch.stack([mask(patch, generator) for _ in range(count)])


@given(seed=st.integers(0, 500), patch=st.integers(8, 60))
@pytest.mark.parametrize("mask", [uniform_mask, patterned_mask, last_frame_mask, whole_mask])
def test_something_is_always_hidden_and_a_seed_hides_the_same(mask, seed, patch):
    one, same = (mask(patch, torch.Generator().manual_seed(seed)) for _ in range(2))
    assert one.shape == (patch, BANDS)
    assert one.dtype == torch.bool
    assert bool(one.any())
    assert torch.equal(one, same)


def test_shares_follow_the_cosine():
    shares = draws(uniform_mask).float().mean(dim=(1, 2)).sort().values
    assert float(shares.mean()) == pytest.approx(2 / math.pi, abs=0.03)
    for part in (0.1, 0.5, 0.9):
        wanted = math.cos(0.5 * math.pi * (1 - part))
        assert float(shares[int(part * DRAWS)]) == pytest.approx(wanted, abs=0.05)


def test_tiles_are_hidden_wherever_they_lie():
    often = draws(uniform_mask, patch=8, count=2000).float().mean(dim=0)
    assert float((often - 2 / math.pi).abs().max()) < 0.06


def beginnings(masks):
    """How many whole frames are known before the first hidden token."""
    return masks.any(dim=2).int().argmax(dim=1)


def test_half_of_the_patterns_go_on_from_a_known_beginning():
    masks = draws(patterned_mask)
    quarter, half = (~masks[:, :length].any(dim=(1, 2)) for length in (8, 16))
    assert 0.44 < float(quarter.float().mean()) < 0.64  # a half, and a few by chance
    assert 0.2 < float(half.float().mean()) < 0.36
    assert float((~masks[:, :20].any(dim=(1, 2))).float().mean()) < 0.1


def test_what_follows_the_beginning_is_hidden_in_the_same_shares():
    masks = draws(patterned_mask)
    follows = masks[beginnings(masks) == masks.shape[1] // 2][:, masks.shape[1] // 2 :]
    assert float(follows.float().mean()) == pytest.approx(2 / math.pi, abs=0.08)


def test_patterns_are_tiles_and_whole_frames_and_between():
    masks = draws(patterned_mask).float()
    share = masks.mean(dim=2)
    inner = (share > 0) & (share < 1)
    torn = inner.sum(dim=1)  # frames of which some bands are hidden and others not
    shares = masks.mean(dim=(1, 2))
    middling = (shares > 0.1) & (shares < 0.4)
    assert 0.1 < float((torn[middling] <= 1).float().mean()) < 0.35
    assert float((torn[middling] > 10).float().mean()) > 0.3
    uniform = draws(uniform_mask).float().mean(dim=2)
    assert float((((uniform > 0) & (uniform < 1)).sum(dim=1) <= 1).float().mean()) < 0.05


def test_the_paper_s_autoregressive_model_tells_the_upper_bands_of_the_last_frame():
    masks = draws(last_frame_mask)
    assert not bool(masks[:, :-1].any())
    last = masks[:, -1].int()
    assert bool((last.diff(dim=1) >= 0).all())
    counts = torch.bincount(last.sum(dim=1), minlength=BANDS + 1)
    assert counts[0] == 0
    assert bool((counts[1:] > 0).all())


def test_a_causal_network_tells_every_token():
    assert bool(draws(whole_mask, count=1).all())

"""The limit of width: never exceeded, never a jump, the same in blocks of any size."""

import numpy as np
import pytest
import torch

from sounds import cut, noise
from soundstage.upmixing.side_stages import SEGMENT, WidthLimit


def limited(mid: torch.Tensor, sides: torch.Tensor, limit: float, places=()) -> torch.Tensor:
    stage = WidthLimit(limit, len(sides))
    pairs = zip(cut(mid, places), cut(sides, places), strict=True)
    parts = [stage.push(*pair) for pair in pairs]
    return torch.cat([*parts, stage.finish()], dim=-1)


@pytest.mark.parametrize("length", [100, SEGMENT, 3 * SEGMENT + 1_000])
def test_the_width_is_at_most_the_limit_and_narrow_sides_stay(length: int) -> None:
    mid = noise(length)
    loudness = torch.linspace(0.2, 3, length)
    sides = torch.stack([noise(length, seed=1) * loudness, 0.1 * noise(length, seed=2)])
    made = limited(mid, sides, 0.3)
    assert made.shape == sides.shape
    widths = 2 * (made.square().sum(dim=-1) / mid.square().sum()).sqrt()
    assert 0.2 < widths[0] <= 0.3
    assert torch.equal(made[1], sides[1])


def test_the_gain_never_jumps() -> None:
    length = 4 * SEGMENT
    mid, ones = noise(length), torch.ones(1, length)
    sides = ones * torch.repeat_interleave(torch.tensor([0.01, 1.0, 0.02, 1.0]), SEGMENT)
    gains = (limited(mid, sides, 0.5) / sides)[0]
    assert gains.max() <= 1
    assert gains.diff().abs().max() < 2 / SEGMENT


def test_silence_of_the_mid_keeps_the_gain() -> None:
    mid = torch.cat([noise(SEGMENT), torch.zeros(SEGMENT)])
    sides = torch.ones(1, 2 * SEGMENT)
    made = limited(mid, sides, 0.3)[0]
    assert made[SEGMENT:].max() == pytest.approx(made[0].item())


def test_blocks_of_any_size_give_the_same_bytes() -> None:
    mid, sides = noise(3 * SEGMENT), noise(3 * SEGMENT, seed=1)[None]
    whole = limited(mid, sides, 0.3)
    assert np.array_equal(whole, limited(mid, sides, 0.3, (1, SEGMENT, SEGMENT + 1, 100_000)))


def test_all_sides_of_a_field_have_the_gain_of_its_first() -> None:
    mid = noise(2 * SEGMENT)
    sides = torch.stack([noise(2 * SEGMENT, seed=seed) for seed in range(6)])
    sides[:3] *= 2
    stage = WidthLimit(0.3, 6, of_a_take=3)
    made = torch.cat([stage.push(mid, sides), stage.finish()], dim=-1)
    for first in (0, 3):
        alone = limited(mid, sides[first : first + 1], 0.3)
        assert torch.equal(made[first : first + 1], alone)
        gains = made[first : first + 3] / sides[first : first + 3]
        assert (gains - gains[:1]).abs().max() < 1e-5

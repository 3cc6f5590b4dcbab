import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from soundstage.networks.backbones.local_conditioning import REACH, TileHearing, TileInput
from soundstage.networks.backbones.transformer import TokenInput, TransformerConfig
from soundstage.networks.models.stereo_tokens import StereoTokens

BANDS, LEVELS, FRAMES, OUTPUTS = 9, 12, 20, 5
SHARES = torch.rand(BANDS, LEVELS, generator=torch.Generator().manual_seed(3))


def hearing() -> TileHearing:
    with torch.random.fork_rng():
        torch.manual_seed(0)
        return TileHearing(TileInput(SHARES, channels=4), OUTPUTS).requires_grad_(False)


def levels(seed: int = 0, frames: int = FRAMES) -> torch.Tensor:
    generator = torch.Generator().manual_seed(seed)
    return -50 + 10 * torch.randn(2, frames, LEVELS, generator=generator)


def test_it_is_the_equation_written_out() -> None:
    model, sound = hearing(), levels()
    energy = torch.einsum("bl,tl->bt", SHARES, 10 ** (sound[1] / 10))
    decibels = 10 * energy.log10()
    numbers = torch.stack(
        [
            (decibels - decibels.mean(dim=1, keepdim=True)) / 10,
            (decibels - decibels.mean()) / 20,
        ]
    )
    band, frame = 4, 9
    around = numbers[
        :,
        band - REACH[0] : band + REACH[0] + 1,
        frame - REACH[1] : frame + REACH[1] + 1,
    ]
    inner = (model.around.weight * around).sum(dim=(1, 2, 3)) + model.around.bias
    wanted = model.mixing(torch.nn.functional.gelu(inner))
    torch.testing.assert_close(model(sound)[1, frame, band], wanted, rtol=1e-4, atol=1e-4)


@given(gain=st.floats(-30, 30))
def test_a_gain_changes_nothing(gain: float) -> None:
    model = hearing()
    torch.testing.assert_close(model(levels() + gain), model(levels()), rtol=1e-3, atol=1e-3)


@pytest.mark.parametrize("frames", [1, 2, 7])
def test_the_shortest_sounds_are_heard(frames: int) -> None:
    found = hearing()(levels(frames=frames))
    assert found.shape == (2, frames, BANDS, OUTPUTS)
    assert bool(found.isfinite().all())


def test_silence_is_heard_as_nothing_that_stands_out() -> None:
    silent = torch.full((1, FRAMES, LEVELS), -100.0)
    found = hearing()(silent)[0, REACH[1] : -REACH[1], REACH[0] : -REACH[0]]
    spread = (found - found[:1]).abs().max()
    assert float(spread) < 1e-3


def network(rank: int) -> StereoTokens:
    with torch.random.fork_rng():
        torch.manual_seed(0)
        return StereoTokens(
            LEVELS,
            TokenInput(BANDS, (6, 4)),
            TransformerConfig(1, 16, 2, 2),
            rank=rank,
            tiles=TileInput(SHARES, channels=4),
        ).requires_grad_(False)


def test_the_deaf_hear_no_tile() -> None:
    model = network(rank=8).eval()
    masked = torch.full((2, FRAMES, BANDS), 24)
    deaf = torch.tensor([True, False])
    found = [model(levels(seed), masked, deaf) for seed in (0, 1)]
    assert torch.equal(found[0][0], found[1][0])
    assert not torch.allclose(found[0][1], found[1][1], atol=1e-3)


def test_the_head_of_the_paper_hears_no_tiles() -> None:
    with pytest.raises(ValueError, match="share"):
        network(rank=0)


def test_what_was_heard_before_need_not_be_heard_again() -> None:
    model = network(rank=8).eval()
    masked, deaf = torch.full((2, FRAMES, BANDS), 24), torch.tensor([True, False])
    told = model(levels(), masked, deaf, first=5)
    again = model(levels(), masked, deaf, first=5, heard=model.hear(levels(), deaf))
    assert torch.equal(told, again)
    other = model(levels(), masked, deaf, first=5, heard=model.hear(levels(1), deaf))
    assert not torch.allclose(told, other, atol=1e-3)

import pytest
import torch

from soundstage.networks.backbones.dit import DiTSize
from soundstage.networks.backbones.local_conditioning import TileInput
from soundstage.networks.models.side_diffusion import HEARD, SideDiffusion

BANDS, LEVELS, POSITIONS, STYLE = 6, 10, 20, 3


def network(style: int = STYLE) -> SideDiffusion:
    torch.manual_seed(0)
    tiles = TileInput(torch.rand(BANDS, LEVELS), channels=4)
    made = SideDiffusion(2, DiTSize(2, 16, 2, 2), vector=(4, 2), tiles=tiles, style=style).eval()
    for parameter in made.parameters():
        torch.nn.init.normal_(parameter, std=0.2)
    return made


def levels(seed: int = 0) -> torch.Tensor:
    return (
        10 * torch.randn(2, POSITIONS, LEVELS, generator=torch.Generator().manual_seed(seed)) - 50
    )


NOISY = torch.randn(2, 2, BANDS, POSITIONS, generator=torch.Generator().manual_seed(1))
TIMES = torch.tensor([0.3, 0.7])


@pytest.mark.parametrize("positions", [1, 7, 20])
def test_the_result_has_the_shape_of_the_state(positions: int) -> None:
    model = network()
    heard = model.hear(levels()[:, :positions])
    assert heard.shape == (2, HEARD, positions, BANDS)
    assert model(NOISY[..., :positions], TIMES, heard).shape == (2, 2, BANDS, positions)


def test_a_network_before_training_says_nothing() -> None:
    model = SideDiffusion(
        2, DiTSize(2, 16, 2, 2), vector=(4, 2), tiles=TileInput(torch.rand(BANDS, LEVELS), 4)
    )
    assert not model(NOISY, TIMES, model.hear(levels())).any()


def test_a_tile_knows_its_band() -> None:
    model = network()
    silence = torch.full((1, POSITIONS, LEVELS), -200.0)
    inner = model.hear(silence)[0, :, POSITIONS // 2]  # far from the edges in time
    assert len(inner.T.round(decimals=4).unique(dim=0)) == BANDS


def test_it_hears_the_sound_unless_it_is_deaf() -> None:
    model, deaf = network(), torch.tensor([False, True])
    told = [model(NOISY, TIMES, model.hear(levels(seed)), deaf) for seed in (0, 1)]
    assert not torch.allclose(told[0][0], told[1][0], atol=1e-3)
    assert torch.equal(told[0][1], told[1][1])


def test_it_hears_a_style_unless_it_is_deaf_and_the_time_in_any_case() -> None:
    model, deaf = network(), torch.tensor([False, True])
    heard = model.hear(levels())
    open_, wide = torch.full((2, STYLE), torch.nan), torch.ones(2, STYLE)
    told = [model(NOISY, TIMES, heard, deaf, style) for style in (open_, wide)]
    assert not torch.allclose(told[0][0], told[1][0], atol=1e-3)
    assert torch.equal(told[0][1], told[1][1])
    later = model(NOISY, TIMES + 0.2, heard, deaf, open_)
    assert not torch.allclose(later[1], told[0][1], atol=1e-3)


def test_louder_sound_is_the_same_sound() -> None:
    model = network()
    told = [model(NOISY, TIMES, model.hear(levels() + gain)) for gain in (0, 12)]
    torch.testing.assert_close(*told, rtol=0, atol=1e-4)

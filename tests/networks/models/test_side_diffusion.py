import pytest
import torch

from soundstage.networks.models.side_diffusion import SideDiffusion, SideDiffusionConfig

CONFIG = SideDiffusionConfig(
    depth=2, dim=16, heads=2, mlp_ratio=2, patch_size=(4, 2), n_levels=10, n_bands=6,
    cond_channels=4, style_dim=3, context_frames=20,
)  # fmt: skip
FRAMES, TIMES = 20, torch.tensor([0.3, 0.7])
NOISY = torch.randn(2, 2, 6, FRAMES, generator=torch.Generator().manual_seed(1))


def network() -> SideDiffusion:
    """One with random values in all layers."""
    torch.manual_seed(0)
    model = CONFIG.build().eval()
    for parameter in model.parameters():
        torch.nn.init.normal_(parameter, std=0.2)
    model.encoder.band_weights.uniform_()
    return model


def levels(seed: int = 0) -> torch.Tensor:
    generator = torch.Generator().manual_seed(seed)
    return 10 * torch.randn(2, FRAMES, CONFIG.n_levels, generator=generator) - 50


@pytest.mark.parametrize("frames", [1, 7, 20])
def test_the_result_has_the_shape_of_the_state(frames: int) -> None:
    model = network()
    cond = model.encode(levels()[:, :frames])
    assert cond.shape == (2, CONFIG.cond_dim, frames, CONFIG.n_bands)
    assert model(NOISY[..., :frames], TIMES, cond).shape == (2, 2, 6, frames)


def test_an_untrained_network_gives_zero() -> None:
    model = CONFIG.build()
    model.encoder.band_weights.uniform_()
    assert not model(NOISY, TIMES, model.encode(levels())).any()


def test_the_condition_differs_from_band_to_band() -> None:
    silence = torch.full((1, FRAMES, CONFIG.n_levels), -200.0)
    cond = network().encode(silence)[0, :, FRAMES // 2]
    assert len(cond.T.round(decimals=4).unique(dim=0)) == CONFIG.n_bands


def test_unconditional_examples_have_neither_levels_nor_style() -> None:
    model, uncond = network(), torch.tensor([False, True])
    outputs = [
        model(NOISY, TIMES, model.encode(levels(seed)), uncond, torch.full((2, 3), float(seed)))
        for seed in (0, 1)
    ]
    assert not torch.allclose(outputs[0][0], outputs[1][0], atol=1e-3)
    assert torch.equal(outputs[0][1], outputs[1][1])
    later = model(NOISY, TIMES + 0.2, model.encode(levels()), uncond, torch.zeros(2, 3))
    assert not torch.allclose(later[1], outputs[0][1], atol=1e-3)


def test_a_gain_of_the_mid_changes_nothing() -> None:
    model = network()
    outputs = [model(NOISY, TIMES, model.encode(levels() + gain)) for gain in (0, 12)]
    torch.testing.assert_close(*outputs, rtol=0, atol=1e-4)

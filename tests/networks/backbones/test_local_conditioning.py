import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from soundstage.networks.backbones.local_conditioning import RADIUS, LocalConditioning

BANDS, LEVELS, FRAMES, DIM = 9, 12, 20, 5


def encoder() -> LocalConditioning:
    with torch.random.fork_rng():
        torch.manual_seed(0)
        model = LocalConditioning(LEVELS, BANDS, 4, DIM).requires_grad_(False)
        model.band_weights.uniform_()
    return model


def levels(seed: int = 0, frames: int = FRAMES) -> torch.Tensor:
    generator = torch.Generator().manual_seed(seed)
    return -50 + 10 * torch.randn(2, frames, LEVELS, generator=generator)


def test_the_vectors_follow_the_equations_of_the_module() -> None:
    model, sound = encoder(), levels()
    energy = torch.einsum("bl,tl->bt", model.band_weights, 10 ** (sound[1] / 10))
    decibels = 10 * energy.log10()
    over_band = (decibels - decibels.mean(dim=1, keepdim=True)) / 10
    features = torch.stack([over_band, (decibels - decibels.mean()) / 20])
    band, frame = 4, 9
    rows = slice(band - RADIUS[0], band + RADIUS[0] + 1)
    local = features[:, rows, frame - RADIUS[1] : frame + RADIUS[1] + 1]
    inner = (model.conv.weight * local).sum(dim=(1, 2, 3)) + model.conv.bias
    expected = model.proj(torch.nn.functional.gelu(inner))
    torch.testing.assert_close(model(sound)[1, frame, band], expected, rtol=1e-4, atol=1e-4)


@given(gain=st.floats(-30, 30))
def test_a_gain_changes_nothing(gain: float) -> None:
    model = encoder()
    torch.testing.assert_close(model(levels() + gain), model(levels()), rtol=1e-3, atol=1e-3)


@pytest.mark.parametrize("frames", [1, 7])
def test_sounds_may_be_shorter_than_the_convolution(frames: int) -> None:
    found = encoder()(levels(frames=frames))
    assert found.shape == (2, frames, BANDS, DIM)
    assert bool(found.isfinite().all())


def test_vectors_of_unconditional_examples_are_zero() -> None:
    uncond = torch.tensor([True, False])
    found = encoder()(levels(), uncond)
    assert not found[0].any()
    assert torch.equal(found[1], encoder()(levels())[1])


def test_an_untrained_encoder_without_band_weights_gives_nothing_finite() -> None:
    assert bool(LocalConditioning(LEVELS, BANDS, 4, DIM)(levels()).isnan().all())

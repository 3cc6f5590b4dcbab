import pytest
import torch

from soundstage.networks.models.stereo_diffusion import StereoDiffusion, StereoDiffusionConfig


def network(depth: int = 2, attention: str = "full") -> StereoDiffusion:
    """One with random values in all layers."""
    torch.manual_seed(0)
    config = StereoDiffusionConfig(
        depth=depth, dim=64, heads=2, mlp_ratio=1, patch_size=(2, 8), attention=attention,
        context_frames=10,
    )  # fmt: skip
    model = config.build().eval().requires_grad_(False)
    for parameter in model.parameters():
        parameter.normal_(std=0.1)
    return model


@pytest.mark.parametrize("attention", ["full", "axial"])
def test_the_result_depends_on_state_time_and_mono(attention: str) -> None:
    model = network(attention=attention)
    noisy, mono = torch.randn(2, 4, 33, 10), torch.randn(2, 2, 33, 10)
    times = torch.tensor([3.0, 700.0])
    output = model(noisy, times, mono)
    assert output.shape == noisy.shape
    for other in (
        model(noisy.flip(0), times, mono),
        model(noisy, times.flip(0), mono),
        model(noisy, times, mono.flip(0)),
    ):
        assert float((other - output).norm() / output.norm()) > 0.01


def test_the_mono_modulates_the_patch_at_its_place() -> None:
    model = network(depth=1, attention="axial")
    for name, parameter in model.named_parameters():
        if "attention" in name:  # no information moves from patch to patch
            torch.nn.init.zeros_(parameter)
    noisy, mono = torch.randn(1, 4, 32, 10), torch.randn(1, 2, 32, 10)
    changed = mono.clone()
    changed[:, :, 8:16, 2:4] += 1
    time = torch.tensor([5.0])
    difference = (model(noisy, time, changed) - model(noisy, time, mono)).abs().amax(dim=(0, 1))
    assert float(difference[8:16, 2:4].min()) > 0
    difference[8:16, 2:4] = 0
    assert float(difference.max()) == 0


def test_the_paper_s_network_has_the_parameters_of_its_layers() -> None:
    model = StereoDiffusionConfig(patch_size=(9, 9), context_frames=729).build()
    dim, area = 384, 81
    embedding = (4 * area + 1) * dim + (2 * area + 1) * dim + dim  # and the null condition
    time = (256 + 1) * dim + (dim + 1) * dim
    attention = (dim + 1) * 3 * dim + (dim + 1) * dim
    perceptron = (dim + 1) * 4 * dim + (4 * dim + 1) * dim
    modulation = (dim + 1) * 6 * dim
    final = (dim + 1) * 2 * dim + (dim + 1) * 4 * area
    expected = embedding + time + 12 * (attention + perceptron + modulation) + final
    assert sum(each.numel() for each in model.parameters()) == expected


def test_a_patch_with_more_values_than_the_dim_is_refused() -> None:
    with pytest.raises(ValueError, match="more values than a dim of 64"):
        StereoDiffusionConfig(dim=64, heads=2, patch_size=(2, 9), context_frames=10)


def test_fewer_diffusion_steps_have_as_much_noise() -> None:
    levels = [
        StereoDiffusionConfig(patch_size=(2, 8), context_frames=10, diffusion_steps=steps)
        .schedule()
        .level(torch.tensor([float(steps)]))
        for steps in (100, 1000)
    ]
    for few, many in zip(*levels, strict=True):
        assert float(few) == pytest.approx(float(many), abs=0.01)

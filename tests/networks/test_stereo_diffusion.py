import pytest
import torch

from soundstage.networks.backbones.dit import DiTSize
from soundstage.networks.models.stereo_diffusion import StereoDiffusion

SIZE = DiTSize(blocks=2, width=64, heads=2, expansion=1)


def network(**more) -> StereoDiffusion:
    torch.manual_seed(0)
    made = StereoDiffusion(SIZE, (2, 8), **more).eval().requires_grad_(False)
    for each in made.parameters():
        each.normal_(std=0.1)
    return made


@pytest.mark.parametrize("attention", ["full", "axial"])
def test_what_is_told_depends_on_state_time_and_mono(attention: str) -> None:
    made = network(attention=attention)
    noisy, mono = torch.randn(2, 4, 33, 10), torch.randn(2, 2, 33, 10)
    times = torch.tensor([3.0, 700.0])
    told = made(noisy, times, mono)
    assert told.shape == noisy.shape
    for other in (
        made(noisy.flip(0), times, mono),
        made(noisy, times.flip(0), mono),
        made(noisy, times, mono.flip(0)),
    ):
        assert float((other - told).norm() / told.norm()) > 0.01


def test_the_mono_steers_the_patch_at_its_own_place() -> None:
    blind = StereoDiffusion(DiTSize(1, 64, 2, 1), (2, 8), attention="axial").eval()
    for name, each in blind.named_parameters():
        torch.nn.init.normal_(each, std=0.1)
        if "attention" in name:  # so that nothing goes from place to place
            torch.nn.init.zeros_(each)
    noisy, mono = torch.randn(1, 4, 32, 10), torch.randn(1, 2, 32, 10)
    changed = mono.clone()
    changed[:, :, 8:16, 2:4] += 1
    time = torch.tensor([5.0])
    with torch.no_grad():
        apart = (blind(noisy, time, changed) - blind(noisy, time, mono)).abs().amax(dim=(0, 1))
    assert float(apart[8:16, 2:4].min()) > 0
    apart[8:16, 2:4] = 0
    assert float(apart.max()) == 0


def test_the_paper_s_network_has_its_size() -> None:
    with torch.device("meta"):
        paper = StereoDiffusion(DiTSize(), (9, 9))
    assert 32.7e6 < sum(each.numel() for each in paper.parameters()) < 32.9e6


def test_a_patch_that_does_not_fit_through_the_width_is_refused() -> None:
    with pytest.raises(ValueError, match="lets through"):
        StereoDiffusion(SIZE, (2, 9))

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from soundstage.networks.models.panns import MIN_FRAMES, Cnn14

PUBLISHED = 80_753_615  # parameters of CNN14 with its class scores (Kong et al., 2020)
CLASS_SCORES = 2048 * 527 + 527


def spectrograms(count: int, frames: int = 67) -> Tensor:
    drawn = torch.randn(count, frames, 64, generator=torch.Generator().manual_seed(0))
    return 20 * drawn - 30


@pytest.fixture(scope="module")
def tiny() -> Cnn14:
    """Random, statistics of its normalizations included."""
    torch.manual_seed(1)
    network = Cnn14(width=4).eval()
    for name, value in network.named_buffers():
        if name.endswith("running_mean"):
            value.normal_(-30 if name.startswith("bn0") else 0.1)
        elif name.endswith("running_var"):
            value.uniform_(100, 400) if name.startswith("bn0") else value.uniform_(0.1, 0.5)
    for name, value in network.named_parameters():
        if ".bn" in name or name.startswith("bn0"):
            value.data.uniform_(0.5, 1.5)
    return network


def test_the_full_size_has_the_published_number_of_parameters() -> None:
    with torch.device("meta"):
        network = Cnn14()
    assert sum(value.numel() for value in network.parameters()) == PUBLISHED - CLASS_SCORES
    assert network.size == 2048


def test_tensors_have_the_names_and_shapes_of_the_published_file() -> None:
    with torch.device("meta"):
        shapes = {name: tuple(value.shape) for name, value in Cnn14().state_dict().items()}
    sizes = {"weight": True, "bias": True, "running_mean": True, "running_var": True}
    wanted: dict[str, tuple[int, ...]] = {"fc1.weight": (2048, 2048), "fc1.bias": (2048,)}
    norms = {"bn0": 64}
    channels = 1
    for block in range(1, 7):
        out = 64 * 2 ** (block - 1)
        wanted[f"conv_block{block}.conv1.weight"] = (out, channels, 3, 3)
        wanted[f"conv_block{block}.conv2.weight"] = (out, out, 3, 3)
        norms |= {f"conv_block{block}.bn{k}": out for k in (1, 2)}
        channels = out
    for norm, size in norms.items():
        wanted |= {f"{norm}.{name}": (size,) for name in sizes}
        wanted[f"{norm}.num_batches_tracked"] = ()
    assert shapes == wanted


def normalized(values: Tensor, weights: dict[str, Tensor], norm: str) -> Tensor:
    """Each index of the second dimension by its own mean, variance, gain and offset."""
    shape = (1, -1, *[1] * (values.dim() - 2))
    mean, variance, gain, offset = (
        weights[f"{norm}.{name}"].reshape(shape)
        for name in ("running_mean", "running_var", "weight", "bias")
    )
    return (values - mean) / (variance + 1e-5).sqrt() * gain + offset


def test_the_network_computes_what_its_definition_says(tiny: Cnn14) -> None:
    weights = tiny.state_dict()
    bands_second = spectrograms(2).transpose(1, 2)
    maps = normalized(bands_second, weights, "bn0").transpose(1, 2)[:, None]
    for block in range(1, 7):
        for layer in (1, 2):
            kernel = weights[f"conv_block{block}.conv{layer}.weight"]
            maps = F.conv2d(maps, kernel, padding=1)
            maps = normalized(maps, weights, f"conv_block{block}.bn{layer}").clamp(min=0)
        if block < 6:
            batch, channels, frames, bands = maps.shape
            even = maps[:, :, : frames // 2 * 2]  # an odd last frame is dropped
            maps = even.reshape(batch, channels, frames // 2, 2, bands // 2, 2).mean((3, 5))
    over_bands = maps.mean(3)
    pooled = over_bands.max(2).values + over_bands.mean(2)
    wanted = (pooled @ weights["fc1.weight"].T + weights["fc1.bias"]).clamp(min=0)
    assert bool((wanted > 0).any())
    torch.testing.assert_close(tiny(spectrograms(2)), wanted, atol=1e-5, rtol=1e-4)


@pytest.mark.parametrize("frames", [MIN_FRAMES, 101, 300])
def test_any_length_gives_one_embedding_of_32_numbers_a_width(frames: int) -> None:
    assert Cnn14(width=1).eval()(spectrograms(3, frames)).shape == (3, 32)


def test_a_spectrogram_does_not_depend_on_its_neighbors_in_the_batch(tiny: Cnn14) -> None:
    together = tiny(spectrograms(5))
    alone = torch.cat([tiny(one[None]) for one in spectrograms(5)])
    torch.testing.assert_close(together, alone, atol=1e-6, rtol=1e-5)

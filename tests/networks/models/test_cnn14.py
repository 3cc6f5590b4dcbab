import pytest
import torch
import torch.nn.functional as F

from soundstage.networks.models.cnn14 import MIN_FRAMES, Cnn14
from soundstage.weights.model import uninitialized

with uninitialized():  # the names and shapes are tested, at the published size
    FULL = Cnn14()
from torch import Tensor

PUBLISHED = 80_753_615  # parameters of CNN14 with its class logits (Kong et al., 2020)
CLASS_LOGITS = 2048 * 527 + 527


def spectrograms(count: int, frames: int = 67) -> Tensor:
    drawn = torch.randn(count, frames, 64, generator=torch.Generator().manual_seed(0))
    return 20 * drawn - 30


@pytest.fixture(scope="module")
def tiny() -> Cnn14:
    """Random, with random statistics of the normalizations."""
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
    network = FULL
    assert sum(value.numel() for value in network.parameters()) == PUBLISHED - CLASS_LOGITS
    assert network.embedding_dim == 2048


def test_tensors_have_the_names_and_shapes_of_the_published_file() -> None:
    shapes = {name: tuple(value.shape) for name, value in FULL.state_dict().items()}
    sizes = {"weight": True, "bias": True, "running_mean": True, "running_var": True}
    expected: dict[str, tuple[int, ...]] = {"fc1.weight": (2048, 2048), "fc1.bias": (2048,)}
    norms = {"bn0": 64}
    channels = 1
    for block in range(1, 7):
        out = 64 * 2 ** (block - 1)
        expected[f"conv_block{block}.conv1.weight"] = (out, channels, 3, 3)
        expected[f"conv_block{block}.conv2.weight"] = (out, out, 3, 3)
        norms |= {f"conv_block{block}.bn{k}": out for k in (1, 2)}
        channels = out
    for norm, size in norms.items():
        expected |= {f"{norm}.{name}": (size,) for name in sizes}
        expected[f"{norm}.num_batches_tracked"] = ()
    assert shapes == expected


def normalized(values: Tensor, weights: dict[str, Tensor], norm: str) -> Tensor:
    """Each index of the second dimension by its own mean, variance, gain and offset."""
    shape = (1, -1, *[1] * (values.dim() - 2))
    mean, variance, gain, offset = (
        weights[f"{norm}.{name}"].reshape(shape)
        for name in ("running_mean", "running_var", "weight", "bias")
    )
    return (values - mean) / (variance + 1e-5).sqrt() * gain + offset


def test_the_network_follows_its_definition(tiny: Cnn14) -> None:
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
    expected = (pooled @ weights["fc1.weight"].T + weights["fc1.bias"]).clamp(min=0)
    assert bool((expected > 0).any())
    torch.testing.assert_close(tiny(spectrograms(2)), expected, atol=1e-5, rtol=1e-4)


@pytest.mark.parametrize("frames", [MIN_FRAMES, 101, 300])
def test_any_length_has_one_embedding(frames: int) -> None:
    assert Cnn14(width=1).eval()(spectrograms(3, frames)).shape == (3, 32)


def test_spectrograms_of_a_batch_are_independent(tiny: Cnn14) -> None:
    together = tiny(spectrograms(5))
    alone = torch.cat([tiny(one[None]) for one in spectrograms(5)])
    torch.testing.assert_close(together, alone, atol=1e-6, rtol=1e-5)

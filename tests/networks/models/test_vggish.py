import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from soundstage.networks.models.vggish import VGGish
from soundstage.weights.model import uninitialized

with uninitialized():  # the names and shapes are tested, at the published size
    FULL = VGGish()

CONVOLUTIONS = {0: 1, 3: 2, 6: 4, 8: 4, 11: 8, 13: 8}  # place in `features`, channels in widths


def patches(count: int) -> Tensor:
    return torch.randn(count, 96, 64, generator=torch.Generator().manual_seed(0))


@pytest.fixture(scope="module")
def tiny() -> VGGish:
    torch.manual_seed(1)
    return VGGish(width=4).eval()


def test_the_full_size_has_the_published_number_of_parameters() -> None:
    network = FULL
    assert sum(value.numel() for value in network.parameters()) == 72_141_184
    assert network.embedding_dim == 128


def test_tensors_have_the_names_and_shapes_of_torchvggish() -> None:
    shapes = {name: tuple(value.shape) for name, value in FULL.state_dict().items()}
    expected, channels = {}, 1
    for place, multiple in CONVOLUTIONS.items():
        expected[f"features.{place}.weight"] = (64 * multiple, channels, 3, 3)
        expected[f"features.{place}.bias"] = (64 * multiple,)
        channels = 64 * multiple
    for place, (size, before) in {0: (4096, 12288), 2: (4096, 4096), 4: (128, 4096)}.items():
        expected[f"embeddings.{place}.weight"] = (size, before)
        expected[f"embeddings.{place}.bias"] = (size,)
    assert shapes == expected


def test_the_network_follows_its_definition(tiny: VGGish) -> None:
    weights = tiny.state_dict()
    maps = patches(2)[:, None]
    for place in CONVOLUTIONS:
        layer = f"features.{place}"
        maps = F.conv2d(maps, weights[f"{layer}.weight"], weights[f"{layer}.bias"], padding=1)
        maps = maps.clamp(min=0)
        if place not in (6, 11):  # the first of two in a group
            batch, channels, height, width = maps.shape
            maps = maps.reshape(batch, channels, height // 2, 2, width // 2, 2).amax((3, 5))
    # Flattened as TensorFlow does: time outermost, then frequency, then channels
    flat = torch.stack(
        [torch.cat([one[:, time, band] for time in range(6) for band in range(4)]) for one in maps]
    )
    for place in (0, 2, 4):
        layer = f"embeddings.{place}"
        flat = flat @ weights[f"{layer}.weight"].T + weights[f"{layer}.bias"]
        flat = flat.clamp(min=0) if place < 4 else flat
    torch.testing.assert_close(tiny(patches(2)), flat, atol=1e-5, rtol=1e-4)


def test_the_embedding_is_taken_before_any_activation(tiny: VGGish) -> None:
    assert bool((tiny(patches(2)) < 0).any())


@pytest.mark.parametrize("width", [1, 4])
def test_the_embedding_has_two_features_a_channel_of_the_width(width: int) -> None:
    network = VGGish(width)
    assert network(patches(3)).shape == (3, 2 * width)
    assert network.embedding_dim == 2 * width


def test_patches_of_a_batch_are_independent(tiny: VGGish) -> None:
    together = tiny(patches(5))
    alone = torch.cat([tiny(patch[None]) for patch in patches(5)])
    torch.testing.assert_close(together, alone, atol=1e-6, rtol=1e-5)

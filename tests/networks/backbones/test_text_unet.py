import pytest
import torch
from torch.nn import functional as F

from soundstage.networks.backbones.text_unet import TextUNet, TextUNetConfig, attention

CONFIG = TextUNetConfig(
    widths=(8, 8, 16), depth=2, mid_depth=1, attention=(0, 1, 1), heads=2, mlp_ratio=1,
    time_dim=8, text_dim=6,
)  # fmt: skip


def network(**changes):
    torch.manual_seed(0)
    fields = {**CONFIG.__dict__, **changes}
    model = TextUNet(TextUNetConfig(**fields), 3, (8, 12)).eval()
    for parameter in model.parameters():
        torch.nn.init.normal_(parameter, std=0.15)
    return model


def inputs(rows=8, columns=12):
    generator = torch.Generator().manual_seed(1)
    image = torch.randn(2, 3, rows, columns, generator=generator)
    text = torch.randn(2, 5, 6, generator=generator)
    used = torch.tensor([[True] * 5, [True, True, False, False, False]])
    return image, torch.tensor([10.0, 700.0]), text, used


@pytest.mark.parametrize("masked", [False, True])
def test_attention_is_that_of_torch(masked):
    generator = torch.Generator().manual_seed(0)
    queries = torch.randn(2, 7, 12, generator=generator)
    keys, values = torch.randn(2, 2, 5, 12, generator=generator)
    used = torch.rand(2, 5, generator=generator) > 0.4 if masked else None
    if used is not None:
        used[:, 0] = True
    result = attention(queries, keys, values, 3, used)
    heads = [each.unflatten(-1, (3, 4)).transpose(1, 2) for each in (queries, keys, values)]
    mask = None if used is None else used[:, None, None]
    expected = F.scaled_dot_product_attention(*heads, attn_mask=mask).transpose(1, 2).flatten(2)
    assert torch.allclose(result, expected, atol=1e-5)


@torch.no_grad()
@pytest.mark.parametrize("size", [(8, 12), (4, 20)])
def test_images_of_any_size_without_positions(size):
    image, *condition = inputs(*size)
    assert network()(image, *condition).shape == image.shape


@torch.no_grad()
@pytest.mark.parametrize("pooled", [False, True])
def test_tokens_that_are_not_in_use_change_nothing(pooled):
    model = network(pooled_text=pooled)
    image, times, text, used = inputs()
    other = torch.where(used[..., None], text, 100.0)
    assert torch.allclose(model(image, times, text, used), model(image, times, other, used))


@torch.no_grad()
@pytest.mark.parametrize(("name", "axis"), [("rows", 2), ("columns", 3)])
def test_positions_tell_rows_and_columns_apart(name, axis):
    model = network(positions=True)
    image, *condition = inputs()
    before = model(image, *condition)
    vectors = getattr(model, name)
    vectors.copy_(vectors.flip(axis - 1))
    difference = (model(image, *condition) - before).abs().amax(dim=(0, 1, 5 - axis))
    assert difference.min() > 1e-3


@torch.no_grad()
def test_the_way_up_gets_every_block_of_the_way_down():
    """Without the lower levels, details of the image still reach the output."""
    model = network()
    image, *condition = inputs()
    for upsample in model.upsample:
        torch.nn.init.zeros_(upsample.conv.weight)
    before = model(image, *condition)
    assert not torch.allclose(before, model(image.roll(1, dims=3), *condition), atol=1e-3)


def test_gradients_reach_every_parameter():
    model = network(pooled_text=True, positions=True)
    model(*inputs()).square().mean().backward()
    assert all(parameter.grad is not None for parameter in model.parameters())

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.nn import functional as F

from network_checks import noise
from soundstage.networks.backbones import dit
from soundstage.networks.backbones.dit import (
    DiT,
    DiTConfig,
    GridAttention,
    Rotation,
    from_patches,
    to_patches,
)

PATCH = (2, 3)
SMALL = DiTConfig(depth=2, dim=16, heads=2, mlp_ratio=3, patch_size=PATCH)
ATTENTION = ["full", "axial"]
CONDITIONING = ["adaln", "concatenate"]
POSITIONS = ["sinusoidal", "rotary"]


def image(frames=12, bins=9, *, channels=2, seed=0):
    return noise(2, channels, frames, bins, seed=seed)


def untrained(config=SMALL, **more):
    torch.manual_seed(0)
    return DiT(config, 2, **more).eval().requires_grad_(False)


def network(config=SMALL, **more):
    """One with random values in the layers that are zero before training."""
    model = untrained(config, **more)
    torch.manual_seed(1)
    for name, parameter in model.named_parameters():
        if "modulation" in name or "final_layer" in name or name.endswith("bias"):
            torch.nn.init.normal_(parameter, std=0.3)
    return model


def call(model, noisy, cond=None, uncond=None, **more):
    times = torch.tensor([30.0, 700.0])[: len(noisy)]
    if cond is None and model.cond_embed is not None:
        cond = noise(len(noisy), 1, *noisy.shape[2:], seed=5)
    return model(noisy, times, cond, uncond, **more)


@settings(max_examples=30)
@given(
    time=st.integers(1, 12),
    frequency=st.integers(1, 12),
    patch=st.tuples(st.integers(1, 5), st.integers(1, 5)),
)
def test_an_image_of_any_size_comes_back_from_its_patches(time, frequency, patch):
    before = noise(2, 3, time, frequency)
    patches = to_patches(before, patch)
    count = (-(-time // patch[0]), -(-frequency // patch[1]))
    assert patches.shape == (2, *count, 3 * math.prod(patch))
    assert torch.equal(from_patches(patches, patch, (time, frequency)), before)


def test_a_linear_layer_over_patches_is_a_strided_convolution():
    weight, images = noise(5, 3, 2, 6), noise(2, 3, 8, 12, seed=1)
    expected = F.conv2d(images, weight, stride=(2, 6)).permute(0, 2, 3, 1)
    found = F.linear(to_patches(images, (2, 6)), weight.flatten(1))
    torch.testing.assert_close(found, expected, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("axis", [None, "time", "frequency"])
def test_attention_is_torch_s_with_a_mask_of_the_axis(axis):
    ours, theirs = GridAttention(16, 4, axis), torch.nn.MultiheadAttention(16, 4, batch_first=True)
    theirs.in_proj_weight, theirs.in_proj_bias = ours.qkv.weight, ours.qkv.bias
    theirs.out_proj = ours.proj
    x = noise(2, 5, 3, 16)
    row, column = torch.arange(15) // 3, torch.arange(15) % 3
    same = {"time": column, "frequency": row, None: torch.zeros(15)}[axis]
    mask = same[:, None] != same
    expected, _ = theirs(*3 * [x.flatten(1, 2)], attn_mask=mask)
    torch.testing.assert_close(ours(x).flatten(1, 2), expected, rtol=1e-4, atol=1e-5)
    with torch.no_grad():  # runs another kernel
        torch.testing.assert_close(ours(x).flatten(1, 2), expected, rtol=1e-4, atol=1e-5)


def test_axial_blocks_alternate_between_frequency_and_time():
    blocks = untrained(attention="axial").blocks
    assert [block.attention.axis for block in blocks] == ["frequency", "time"]


def test_products_of_rotated_vectors_depend_on_distances_only():
    rotation = Rotation(20, 20, 8, torch.device("cpu"))
    query, key = (rotation(noise(8, seed=seed).expand(1, 20, 20, 1, 8)) for seed in (0, 1))
    products = torch.einsum("btfhw,bughw->tfug", query, key)
    torch.testing.assert_close(products[3:, 5:, 3:, 5:], products[:-3, :-5, :-3, :-5])
    assert float((products[0, 0] - products[0, 0, 0, 0]).abs().max()) > 0.1


def by_equations(model, noisy, times, cond, style):
    """The network with full attention out of plain products, one head after another."""
    state, (dim, heads) = model.state_dict(), (model.config.dim, model.config.heads)
    each = dim // heads

    def linear(name, x):
        return x @ state[f"{name}.weight"].T + state[f"{name}.bias"]

    def embedded(name, x):
        weight = state[f"{name}.weight"].unflatten(1, (-1, *PATCH))
        return F.conv2d(x, weight, state[f"{name}.bias"], stride=PATCH).flatten(2).transpose(1, 2)

    def modulated(x, beta, gamma):
        return (1 + gamma) * F.layer_norm(x, (dim,), eps=1e-6) + beta

    rows, columns = noisy.shape[2] // PATCH[0], noisy.shape[3] // PATCH[1]
    row, column = torch.arange(rows * columns) // columns, torch.arange(rows * columns) % columns

    def angles(place, count):
        return place[:, None] * 10_000.0 ** -(torch.arange(count) / count)

    def sinusoids(place, size):
        turned = angles(place, size // 2)
        return torch.cat([turned.sin(), turned.cos()], dim=1)

    hidden = embedded("patch_embed", noisy)
    turn = torch.zeros(rows * columns, each // 2)
    if model.positions == "rotary":
        hidden = hidden + sinusoids(column, dim)
        turn = torch.cat([angles(row, each // 4), angles(column, each // 4)], dim=1)
    else:
        hidden = hidden + torch.cat([sinusoids(column, dim // 2), sinusoids(row, dim // 2)], dim=1)

    c = linear("time_mlp.2", F.silu(linear("time_mlp.0", sinusoids(times, 256))))
    flagged = torch.cat([style.nan_to_num(), (~style.isnan()).float()], dim=1)
    c = c + linear("style_mlp.2", F.gelu(linear("style_mlp.0", flagged)))
    c = c[:, None]
    if model.conditioning == "adaln":
        c = c + embedded("cond_embed", cond)
    else:
        hidden = hidden + embedded("cond_embed", cond)
    c = F.silu(c)

    def rotated(x):
        pairs = torch.complex(x[..., : each // 2], x[..., each // 2 :])
        pairs = pairs * torch.polar(torch.ones_like(turn), turn)
        return torch.cat([pairs.real, pairs.imag], dim=-1)

    for index in range(model.config.depth):
        block = f"blocks.{index}"
        b1, g1, a1, b2, g2, a2 = linear(f"{block}.modulation", c).split(dim, dim=-1)
        qkv = linear(f"{block}.attention.qkv", modulated(hidden, b1, g1))
        attended = []
        for head in range(heads):
            query, key, value = (
                qkv[..., k * dim + head * each : k * dim + (head + 1) * each] for k in range(3)
            )
            scores = rotated(query) @ rotated(key).transpose(1, 2) / each**0.5
            attended.append(scores.softmax(-1) @ value)
        hidden = hidden + a1 * linear(f"{block}.attention.proj", torch.cat(attended, dim=-1))
        inner = F.gelu(linear(f"{block}.mlp.0", modulated(hidden, b2, g2)), approximate="tanh")
        hidden = hidden + a2 * linear(f"{block}.mlp.2", inner)

    beta, gamma = linear("final_layer.modulation", c).split(dim, dim=-1)
    patches = linear("final_layer.linear", modulated(hidden, beta, gamma)).transpose(1, 2)
    return F.fold(patches, noisy.shape[2:], PATCH, stride=PATCH)


@pytest.mark.parametrize("conditioning", CONDITIONING)
@pytest.mark.parametrize("positions", POSITIONS)
def test_the_network_follows_the_equations_of_the_module(conditioning, positions):
    model = network(cond_channels=1, conditioning=conditioning, positions=positions, style_dim=3)
    times, style = torch.tensor([30.0, 700.5]), noise(2, 3, seed=2)
    style[0, 1] = math.nan
    cond = image(channels=1, seed=5)
    expected = by_equations(model, image(), times, cond, style)
    assert float(expected.std()) > 0.1
    found = model(image(), times, cond, style=style)
    torch.testing.assert_close(found, expected, rtol=1e-3, atol=1e-4)


def test_an_untrained_network_gives_zero_and_its_blocks_change_nothing():
    model = untrained(cond_channels=1)
    assert not call(model, image()).any()
    hidden = noise(2, 6, 3, SMALL.dim)
    for block in model.blocks:
        assert torch.equal(block(hidden, noise(2, 6, 3, SMALL.dim, seed=1), None), hidden)


@pytest.mark.slow  # imports transformers
def test_sinusoidal_positions_are_those_of_a_known_library():
    library = pytest.importorskip("transformers.models.vit_mae.modeling_vit_mae")
    config = library.ViTMAEConfig(hidden_size=16, image_size=24, patch_size=4)
    theirs = library.ViTMAEEmbeddings(config)
    theirs.initialize_weights()
    found = untrained()._positions(6, 6).flatten(0, 1)
    torch.testing.assert_close(found, theirs.position_embeddings[0, 1:], rtol=1e-4, atol=1e-5)


@settings(max_examples=20, deadline=None)
@given(
    frames=st.integers(1, 21),
    bins=st.integers(1, 8),
    attention=st.sampled_from(ATTENTION),
    positions=st.sampled_from(POSITIONS),
)
@torch.inference_mode()
def test_an_image_of_any_size_is_padded_with_zeros(frames, bins, attention, positions):
    model = network(attention=attention, positions=positions)
    short = image(frames, bins)
    padded = F.pad(short, (0, -bins % PATCH[1], 0, -frames % PATCH[0]))
    expected = call(model, padded)[:, :, :frames, :bins]
    torch.testing.assert_close(call(model, short), expected, rtol=1e-4, atol=1e-5)


def test_an_adaln_condition_acts_on_its_own_patch_without_attention():
    model = network(cond_channels=1)
    for block in model.blocks:
        torch.nn.init.zeros_(block.attention.proj.weight)
    cond = image(channels=1, seed=5)
    other = cond.clone()
    other[:, :, 4:6, 3:6] += 1
    change = (call(model, image(), other) - call(model, image(), cond)).abs()
    patches = F.max_pool2d(change.amax(dim=1, keepdim=True), PATCH)[0, 0] > 1e-5
    assert patches.nonzero().tolist() == [[2, 1]]


@pytest.mark.parametrize("conditioning", CONDITIONING)
def test_unconditional_examples_have_neither_condition_nor_style(conditioning):
    model = network(cond_channels=1, conditioning=conditioning, style_dim=2)
    uncond = torch.tensor([True, False])
    one, other = (
        call(model, image(), image(channels=1, seed=s), uncond, style=noise(2, 2, seed=s))
        for s in (5, 6)
    )
    assert torch.equal(one[0], other[0])
    assert not torch.allclose(one[1], other[1], atol=1e-3)
    model.null_cond += noise(SMALL.dim)
    assert not torch.allclose(call(model, image(), None, uncond)[0], one[0], atol=1e-3)


def test_no_style_is_a_style_with_all_elements_open():
    model = network(style_dim=2)
    nothing = torch.full((2, 2), math.nan)
    assert torch.equal(call(model, image(), style=nothing), call(model, image()))


def test_times_a_step_apart_are_told_apart():
    model = network()
    before, after = (model(image(), torch.full((2,), t)) for t in (500.0, 501.0))
    assert not torch.allclose(before, after, atol=1e-3)


@pytest.mark.parametrize("attention", ATTENTION)
def test_with_rotary_positions_the_start_time_does_not_matter(attention, monkeypatch):
    model = network(positions="rotary", attention=attention)
    before = call(model, image())

    def later(rows, columns, dim, device):
        rotation = Rotation(rows + 300, columns, dim, device)
        rotation._sin, rotation._cos = rotation._sin[300:], rotation._cos[300:]
        return rotation

    monkeypatch.setattr(dit, "Rotation", later)
    torch.testing.assert_close(call(model, image()), before, rtol=1e-3, atol=1e-4)


@pytest.mark.parametrize("positions", POSITIONS)
@pytest.mark.parametrize("axis", [2, 3])
def test_the_order_of_patches_matters(positions, axis):
    model = network(positions=positions)
    constant = noise(2, 2, 6, 3, seed=4).repeat_interleave(2, 2).repeat_interleave(3, 3)
    turned = call(model, constant.flip(axis)).unflatten(3, (3, 3)).unflatten(2, (6, 2))
    straight = call(model, constant).unflatten(3, (3, 3)).unflatten(2, (6, 2))
    assert not torch.allclose(turned.flip({2: 2, 3: 4}[axis]), straight, atol=1e-2)


@pytest.mark.parametrize("attention", ATTENTION)
@torch.inference_mode()
def test_bfloat16_is_within_two_hundredths_of_float32(attention):
    config = DiTConfig(depth=4, dim=64, heads=4, patch_size=PATCH)
    model = network(config, attention=attention, positions="rotary", cond_channels=1)
    exact = call(model, image(40, 30))
    with torch.autocast("cpu", torch.bfloat16):
        rough = call(model, image(40, 30))
    assert rough.dtype == torch.float32
    error = (rough - exact).square().mean().sqrt() / exact.square().mean().sqrt()
    assert 0 < float(error) < 0.02


@pytest.mark.parametrize("attention", ATTENTION)
def test_examples_are_independent(attention):
    model = network(attention=attention, positions="rotary", style_dim=2, cond_channels=1)
    style, cond, uncond = (
        noise(2, 2, seed=3),
        image(channels=1, seed=5),
        torch.tensor([False, True]),
    )
    together = call(model, image(), cond, uncond, style=style)
    for index, time in enumerate((30.0, 700.0)):
        one = slice(index, index + 1)
        inputs = (image()[one], torch.tensor([time]), cond[one], uncond[one])
        alone = model(*inputs, style=style[one])
        torch.testing.assert_close(alone, together[one], rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("conditioning", CONDITIONING)
def test_every_parameter_has_an_effect(conditioning):
    model = network(cond_channels=1, conditioning=conditioning, style_dim=2).requires_grad_()
    output = call(model, image(), None, torch.tensor([True, False]), style=noise(2, 2))
    output.square().sum().backward()
    assert [n for n, each in model.named_parameters() if not each.grad.any()] == []


@pytest.mark.slow
def test_a_network_learns_from_its_zero_start_to_repeat_its_condition():
    model = untrained(cond_channels=2).requires_grad_().train()
    optimizer = torch.optim.Adam(model.parameters(), lr=1e-2)
    for seed in range(80):
        cond = noise(16, 2, 4, 6, seed=seed)
        noisy = noise(16, 2, 4, 6, seed=1000 + seed)
        loss = (model(noisy, torch.full((16,), 500.0), cond) - cond).square().mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    assert loss.item() < 0.2


def test_heads_share_the_dim_by_fours():
    with pytest.raises(ValueError, match="4 × 2 heads"):
        DiTConfig(dim=12, heads=2, patch_size=PATCH)


def test_a_condition_that_does_not_fit_is_refused():
    times = torch.zeros(2)
    with pytest.raises(ValueError, match="required"):
        untrained(cond_channels=1)(image(), times)
    with pytest.raises(ValueError, match="required"):
        untrained()(image(), times, image(channels=1))
    with pytest.raises(ValueError, match="another size"):
        untrained(cond_channels=1)(image(), times, image(11, channels=1))

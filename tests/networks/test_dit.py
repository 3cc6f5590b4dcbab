import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.nn import functional as F

from soundstage.networks.backbones import dit
from soundstage.networks.backbones.dit import DiT, DiTSize
from soundstage.networks.backbones.grid_attention import Rotation

SMALL = DiTSize(blocks=2, width=16, heads=2, expansion=3)
PATCH = (2, 3)
HEARD = {"condition_channels": 1}
FORMS = [("full", None), ("axial", None), ("axial", 4), ("windowed", 4)]


def noise(*shape, seed=0):
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed))


def picture(frames=12, bins=9, *, channels=2, batch=2, seed=0):
    return noise(batch, channels, frames, bins, seed=seed)


def untrained(size=SMALL, **more):
    torch.manual_seed(0)
    return DiT(2, size, patch=PATCH, **more).eval().requires_grad_(False)


def network(size=SMALL, **more):
    """One whose zero layers hold numbers, as after training."""
    model = untrained(size, **more)
    torch.manual_seed(1)
    for name, parameter in model.named_parameters():
        if "modulation" in name or "last" in name or name.endswith("bias"):
            torch.nn.init.normal_(parameter, std=0.3)
    return model


def call(model, noisy, condition=None, deaf=None, **more):
    times = torch.tensor([30.0, 700.0])[: len(noisy)]
    if condition is None and model.condition is not None:
        condition = noise(len(noisy), 1, *noisy.shape[2:], seed=5)
    return model(noisy, times, condition, deaf, **more)


def by_hand(model, noisy, times, condition, style):
    """The network with full attention out of plain products, one head after another."""
    state, (width, heads) = model.state_dict(), (model.size.width, model.size.heads)
    each = width // heads

    def linear(name, x):
        return x @ state[f"{name}.weight"].T + state[f"{name}.bias"]

    def embedded(name, x):
        weight = state[f"{name}.weight"].unflatten(1, (-1, *PATCH))
        return F.conv2d(x, weight, state[f"{name}.bias"], stride=PATCH).flatten(2).transpose(1, 2)

    def modulated(x, beta, gamma):
        return (1 + gamma) * F.layer_norm(x, (width,), eps=1e-6) + beta

    rows, columns = noisy.shape[2] // PATCH[0], noisy.shape[3] // PATCH[1]
    row, column = torch.arange(rows * columns) // columns, torch.arange(rows * columns) % columns

    def angles(place, count):
        return place[:, None] * 10_000.0 ** -(torch.arange(count) / count)

    def sinusoidal_embedding(place, numbers):
        turned = angles(place, numbers // 2)
        return torch.cat([turned.sin(), turned.cos()], dim=1)

    hidden = embedded("noisy", noisy)
    turn = torch.zeros(rows * columns, each // 2)
    if model.positions == "rotary":
        hidden = hidden + sinusoidal_embedding(column, width)
        turn = torch.cat([angles(row, each // 4), angles(column, each // 4)], dim=1)
    else:
        hidden = hidden + torch.cat(
            [sinusoidal_embedding(column, width // 2), sinusoidal_embedding(row, width // 2)], dim=1
        )

    steering = linear("time.2", F.silu(linear("time.0", sinusoidal_embedding(times, 256))))
    told = torch.cat([style.nan_to_num(), (~style.isnan()).float()], dim=1)
    steering = steering + linear("style.2", F.gelu(linear("style.0", told)))
    steering = steering[:, None]
    if model.conditioning == "adaln":
        steering = steering + embedded("condition", condition)
    else:
        hidden = hidden + embedded("condition", condition)
    steering = F.silu(steering)

    def rotated(x):
        pairs = torch.complex(x[..., : each // 2], x[..., each // 2 :])
        pairs = pairs * torch.polar(torch.ones_like(turn), turn)
        return torch.cat([pairs.real, pairs.imag], dim=-1)

    for index in range(model.size.blocks):
        block = f"blocks.{index}"
        b1, g1, a1, b2, g2, a2 = linear(f"{block}.modulation", steering).split(width, dim=-1)
        parts = linear(f"{block}.attention.queries_keys_values", modulated(hidden, b1, g1))
        heard = []
        for head in range(heads):
            query, key, value = (
                parts[..., k * width + head * each : k * width + (head + 1) * each]
                for k in range(3)
            )
            scores = rotated(query) @ rotated(key).transpose(1, 2) / each**0.5
            heard.append(scores.softmax(-1) @ value)
        hidden = hidden + a1 * linear(f"{block}.attention.out", torch.cat(heard, dim=-1))
        mixed = F.gelu(linear(f"{block}.mixing.0", modulated(hidden, b2, g2)), approximate="tanh")
        hidden = hidden + a2 * linear(f"{block}.mixing.2", mixed)

    beta, gamma = linear("last.modulation", steering).split(width, dim=-1)
    patches = linear("last.out", modulated(hidden, beta, gamma)).transpose(1, 2)
    return F.fold(patches, noisy.shape[2:], PATCH, stride=PATCH)


@pytest.mark.parametrize("condition", ["adaln", "concatenate"])
@pytest.mark.parametrize("positions", ["sine-cosine", "rotary"])
def test_the_network_is_its_equations_written_out(condition, positions):
    model = network(**HEARD, condition=condition, positions=positions, style=3)
    times, style = torch.tensor([30.0, 700.5]), noise(2, 3, seed=2)
    style[0, 1] = math.nan
    sound = picture(channels=1, seed=5)
    wanted = by_hand(model, picture(), times, sound, style)
    found = model(picture(), times, sound, style=style)
    assert float(wanted.std()) > 0.1
    torch.testing.assert_close(found, wanted, rtol=1e-3, atol=1e-4)


@pytest.mark.parametrize("condition", ["adaln", "concatenate"])
def test_an_untrained_network_gives_zero_and_its_blocks_change_nothing(condition):
    model = untrained(**HEARD, condition=condition)
    assert not call(model, picture()).any()
    hidden = noise(2, 6, 3, SMALL.width)
    for block in model.blocks:
        assert torch.equal(block(hidden, noise(2, 6, 3, SMALL.width, seed=1), None), hidden)


def test_sines_and_cosines_of_places_are_those_of_a_known_library():
    library = pytest.importorskip("transformers.models.vit_mae.modeling_vit_mae")
    config = library.ViTMAEConfig(hidden_size=16, image_size=24, patch_size=4)
    theirs = library.ViTMAEEmbeddings(config)
    theirs.initialize_weights()
    found = untrained()._places(6, 6).flatten(0, 1)
    torch.testing.assert_close(found, theirs.position_embeddings[0, 1:], rtol=1e-4, atol=1e-5)


def diffstereo():
    return DiT(4, DiTSize(), patch=(9, 9), outputs=8, condition_channels=2)


def test_diffstereo_has_the_numbers_that_its_layers_count_up_to():
    with torch.device("meta"):
        model = diffstereo()
    width, area = 384, 81
    embedded = (4 * area + 1) * width + (2 * area + 1) * width
    time = (256 + 1) * width + (width + 1) * width
    attention = (width + 1) * 3 * width + (width + 1) * width
    perceptron = (width + 1) * 4 * width + (4 * width + 1) * width
    modulation = (width + 1) * 6 * width
    last = (width + 1) * 2 * width + (width + 1) * 8 * area
    wanted = embedded + time + 12 * (attention + perceptron + modulation) + last
    assert wanted == 32_898_696
    told = sum(each.numel() for name, each in model.named_parameters() if name != "no_condition")
    assert told == wanted
    assert model.no_condition.shape == (width,)
    assert len(model.blocks) == 12
    assert model.blocks[0].attention.heads == 6
    meta = torch.empty(1, 4, 729, 513, device="meta")
    times = torch.empty(1, device="meta")
    assert model(meta, times, meta[:, :2]).shape == (1, 8, 729, 513)
    assert model._places(81, 57).shape == (81, 57, width)


def test_diffstereo_answers_a_small_crop():
    model = diffstereo().eval().requires_grad_(False)
    for layer in (model.last.out, model.last.modulation):
        torch.nn.init.normal_(layer.weight, std=0.02)
    found = model(noise(1, 4, 31, 20), torch.tensor([500.0]), noise(1, 2, 31, 20))
    assert found.shape == (1, 8, 31, 20)
    assert bool(found.isfinite().all())
    assert float(found.std()) > 0.01


@settings(max_examples=20, deadline=None)
@given(
    frames=st.integers(1, 21),
    bins=st.integers(1, 8),
    form=st.sampled_from(FORMS),
    positions=st.sampled_from(["sine-cosine", "rotary"]),
)
@torch.inference_mode()
def test_any_extent_is_answered_as_if_zeros_filled_it_up(frames, bins, form, positions):
    model = network(attention=form[0], window=form[1], positions=positions)
    short = picture(frames, bins)
    found = call(model, short)
    assert found.shape == short.shape
    filled = F.pad(short, (0, -bins % PATCH[1], 0, -frames % PATCH[0]))
    wanted = call(model, filled)[:, :, :frames, :bins]
    torch.testing.assert_close(found, wanted, rtol=1e-4, atol=1e-5)
    assert bool(found.isfinite().all())


def moved(model, noisy, condition):
    """Which patches of the result change with the condition of one."""
    other = condition.clone()
    other[:, :, 4:6, 3:6] += 1
    change = (call(model, noisy, other) - call(model, noisy, condition)).abs()
    return F.max_pool2d(change.amax(dim=1, keepdim=True), PATCH)[0, 0] > 1e-5


def test_a_condition_modulates_its_own_patch():
    model = network(**HEARD)
    sound = picture(channels=1, seed=5)
    everywhere = moved(model, picture(), sound)
    assert bool(everywhere.all())
    for block in model.blocks:
        torch.nn.init.zeros_(block.attention.out.weight)
    alone = moved(model, picture(), sound)
    assert alone.nonzero().tolist() == [[2, 1]]


def test_a_concatenated_condition_is_more_channels():
    model = network(**HEARD, condition="concatenate")
    wide = torch.nn.Linear(3 * math.prod(PATCH), SMALL.width)
    wide.weight.data = torch.cat([model.noisy.weight, model.condition.weight], dim=1)
    wide.bias.data = model.noisy.bias + model.condition.bias
    plain = network()
    plain.load_state_dict(model.state_dict(), strict=False)
    plain.noisy = wide.requires_grad_(False)
    sound = picture(channels=1, seed=5)
    wanted = call(plain, torch.cat([picture(), sound], dim=1))
    torch.testing.assert_close(call(model, picture(), sound), wanted, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("condition", ["adaln", "concatenate"])
def test_the_deaf_hear_neither_condition_nor_style(condition):
    model = network(**HEARD, condition=condition, style=2)
    deaf = torch.tensor([True, False])
    one, other = (
        call(model, picture(), picture(channels=1, seed=s), deaf, style=noise(2, 2, seed=s))
        for s in (5, 6)
    )
    assert torch.equal(one[0], other[0])
    assert not torch.allclose(one[1], other[1], atol=1e-3)
    silent = call(model, picture(), torch.zeros(2, 1, 12, 9))
    assert not torch.allclose(one[0], silent[0], atol=1e-3)
    model.no_condition += noise(SMALL.width)
    assert not torch.allclose(call(model, picture(), None, deaf)[0], one[0], atol=1e-3)


def test_an_open_number_of_a_style_is_not_a_zero():
    model = network(style=2)
    some = noise(2, 2, seed=3)
    some[:, 1] = math.nan
    found = call(model, picture(), style=some)
    assert bool(found.isfinite().all())
    assert not torch.allclose(found, call(model, picture(), style=some.nan_to_num()), atol=1e-3)
    nothing = torch.full((2, 2), math.nan)
    assert torch.equal(call(model, picture(), style=nothing), call(model, picture()))
    assert not torch.allclose(found, call(model, picture()), atol=1e-3)


def test_the_time_of_the_diffusion_matters():
    model = network()
    before, after = (model(picture(), torch.full((2,), t)) for t in (500.0, 501.0))
    assert not torch.allclose(before, after, atol=1e-3)


@pytest.mark.parametrize(("attention", "window"), [("axial", 4), ("windowed", 4), ("windowed", 6)])
@pytest.mark.parametrize("condition", ["adaln", "concatenate"])
@torch.inference_mode()
def test_a_later_sound_gives_the_same_result_later(attention, window, condition):
    size = DiTSize(blocks=4, width=16, heads=2, expansion=2)
    model = network(
        size, attention=attention, window=window, positions="rotary", **HEARD, condition=condition
    )
    reach, period = model.reach(), model.period()
    assert period == PATCH[0] * window
    whole = picture(4 * reach, 6, batch=1)
    sound = noise(1, 1, 4 * reach, 6, seed=5)
    first = 2 * period
    found = call(model, whole[:, :, first:], sound[:, :, first:])[:, :, reach:-reach]
    wanted = call(model, whole, sound)[:, :, first + reach : -reach]
    torch.testing.assert_close(found, wanted, rtol=1e-4, atol=1e-5)
    absolute = network(size, attention=attention, window=window)
    found = call(absolute, whole[:, :, first:])[:, :, reach:-reach]
    wanted = call(absolute, whole)[:, :, first + reach : -reach]
    assert not torch.allclose(found, wanted, atol=1e-3)
    assert absolute.period() is None


@pytest.mark.parametrize(("attention", "window"), FORMS)
def test_rotary_positions_do_not_know_when_a_picture_begins(attention, window, monkeypatch):
    model = network(positions="rotary", attention=attention, window=window)
    before = call(model, picture())

    def later(rows, columns, width, device):
        rotation = Rotation(rows + 300, columns, width, device)
        rotation._sin, rotation._cos = rotation._sin[300:], rotation._cos[300:]
        return rotation

    monkeypatch.setattr(dit, "Rotation", later)
    torch.testing.assert_close(call(model, picture()), before, rtol=1e-3, atol=1e-4)


@pytest.mark.parametrize("positions", ["sine-cosine", "rotary"])
@pytest.mark.parametrize("axis", [2, 3])
def test_the_order_of_patches_matters(positions, axis):
    model = network(positions=positions)
    constant = noise(2, 2, 6, 3, seed=4).repeat_interleave(2, 2).repeat_interleave(3, 3)
    turned = call(model, constant.flip(axis)).unflatten(3, (3, 3)).unflatten(2, (6, 2))
    straight = call(model, constant).unflatten(3, (3, 3)).unflatten(2, (6, 2))
    assert not torch.allclose(turned.flip({2: 2, 3: 4}[axis]), straight, atol=1e-2)


@pytest.mark.parametrize(
    ("attention", "window", "blocks"), [("axial", 4, 4), ("windowed", 4, 3), ("windowed", 6, 2)]
)
def test_the_reach_is_what_a_frame_depends_on(attention, window, blocks):
    size = DiTSize(blocks=blocks, width=16, heads=2, expansion=2)
    model = network(size, attention=attention, window=window)
    frames = 2 * PATCH[0] * window * (blocks + 2)
    furthest = 0
    for frame in range(frames // 2, frames // 2 + PATCH[0] * window):
        noisy = picture(frames, 6, batch=1).requires_grad_()
        call(model, noisy)[:, :, frame].sum().backward()
        heard = noisy.grad.abs().amax(dim=(0, 1, 3)).nonzero()
        furthest = max(furthest, int((heard - frame).abs().max()))
    assert model.reach() == furthest


def test_what_hears_everything_has_no_reach_and_no_period():
    for attention in ("full", "axial"):
        model = untrained(attention=attention, positions="rotary")
        assert model.reach() is None
        assert model.period() is None


@pytest.mark.parametrize(("attention", "window"), FORMS)
@torch.inference_mode()
def test_bfloat16_is_within_two_hundredths_of_float32(attention, window):
    size = DiTSize(blocks=4, width=64, heads=4, expansion=4)
    model = network(size, attention=attention, window=window, positions="rotary", **HEARD)
    exact = call(model, picture(40, 30))
    with torch.autocast("cpu", torch.bfloat16):
        rough = call(model, picture(40, 30))
    assert rough.dtype == torch.float32
    error = (rough - exact).square().mean().sqrt() / exact.square().mean().sqrt()
    assert 0 < float(error) < 0.02


def test_a_network_of_bfloat16_answers_in_it():
    model = network(**HEARD, style=2, positions="rotary", attention="windowed", window=4)
    exact, style = call(model, picture(), style=noise(2, 2)), noise(2, 2).bfloat16()
    condition = noise(2, 1, 12, 9, seed=5).bfloat16()
    rough = call(model.bfloat16(), picture().bfloat16(), condition, style=style)
    assert rough.dtype == torch.bfloat16
    assert float((rough - exact).square().mean() / exact.square().mean()) < 0.02**2


@pytest.mark.parametrize(("attention", "window"), FORMS)
def test_examples_do_not_hear_each_other_and_one_seed_gives_one_result(attention, window):
    more = {"attention": attention, "window": window, "positions": "rotary", "style": 2, **HEARD}
    model, style = network(**more), noise(2, 2, seed=3)
    sound, deaf = picture(channels=1, seed=5), torch.tensor([False, True])
    together = call(model, picture(), sound, deaf, style=style)
    for index, time in enumerate((30.0, 700.0)):
        one = slice(index, index + 1)
        alone = model(picture()[one], torch.tensor([time]), sound[one], deaf[one], style=style[one])
        torch.testing.assert_close(alone, together[one], rtol=1e-4, atol=1e-5)
    assert torch.equal(call(network(**more), picture(), sound, deaf, style=style), together)


@pytest.mark.parametrize("condition", ["adaln", "concatenate"])
def test_everything_learns(condition):
    model = network(**HEARD, condition=condition, style=2).requires_grad_().train()
    found = call(model, picture(), None, torch.tensor([True, False]), style=noise(2, 2))
    found.square().sum().backward()
    for name, parameter in model.named_parameters():
        assert bool(parameter.grad.any()), name


def test_a_fresh_network_learns_to_repeat_its_condition():
    model = untrained(outputs=1, **HEARD).requires_grad_().train()
    optimizer = torch.optim.Adam(model.parameters(), lr=1e-2)
    for seed in range(80):
        sound = picture(4, 6, channels=1, batch=16, seed=seed)
        noisy = picture(4, 6, batch=16, seed=1000 + seed)
        loss = (model(noisy, torch.full((16,), 500.0), sound) - sound).square().mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    assert loss.item() < 0.1


@pytest.mark.parametrize(
    "changes", [{"heads": 3}, {"blocks": 0}, {"width": 0}, {"width": 12}, {"expansion": 0}]
)
def test_a_size_that_cannot_be_built_is_refused(changes):
    with pytest.raises(ValueError, match=r"heads|from 1 up"):
        DiTSize(**{"blocks": 1, "width": 16, "heads": 2, **changes})


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"patch": (0, 3)}, "from 1 up"),
        ({"outputs": 0}, "from 1 up"),
        ({"condition_channels": -1}, "from 1 up"),
        ({"condition": "film"}, "adaln or concatenate"),
        ({"positions": "learned"}, "sine-cosine or rotary"),
        ({"attention": "global"}, "full, axial, windowed"),
        ({"attention": "windowed"}, "needs a window"),
    ],
)
def test_a_network_that_cannot_be_built_is_refused(changes, words):
    with pytest.raises(ValueError, match=words):
        DiT(2, SMALL, **{"patch": PATCH, **changes})


def test_a_condition_that_does_not_fit_is_refused():
    times = torch.zeros(2)
    with pytest.raises(ValueError, match="goes with"):
        untrained(**HEARD)(picture(), times)
    with pytest.raises(ValueError, match="goes with"):
        untrained()(picture(), times, picture(channels=1))
    with pytest.raises(ValueError, match="extent"):
        untrained(**HEARD)(picture(), times, picture(11, channels=1))

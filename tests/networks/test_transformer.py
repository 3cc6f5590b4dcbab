import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from soundstage.networks.backbones.transformer import (
    FrameTransformer,
    MemoryInput,
    TokenEmbedding,
    TokenInput,
    TransformerConfig,
    mlp,
    positions,
    sinusoidal_embedding,
)
from soundstage.networks.models.stereo_regression import CENTER, SPREAD, StereoRegression

SMALL = TransformerConfig(blocks=2, width=16, heads=4, expansion=3)
TOKENS = TokenInput(bands=3, groups=(5,))
MEMORY = MemoryInput(stretches=4, frames=8, numbers=7)
STYLE = 2


def transformer(**more):
    torch.manual_seed(0)
    return FrameTransformer(6, SMALL, **more).eval()


def sound(batch=2, frames=10, seed=1):
    return torch.randn(batch, frames, 6, generator=torch.Generator().manual_seed(seed))


def tokens(batch=2, frames=10, seed=2):
    generator = torch.Generator().manual_seed(seed)
    return torch.randint(TOKENS.classes + 1, (batch, frames, TOKENS.bands), generator=generator)


def by_hand(model, levels):
    """The same network out of plain matrix products, one head after another."""
    state, width, heads = model.state_dict(), SMALL.width, SMALL.heads

    def linear(name, x):
        return x @ state[f"{name}.weight"].T + state[f"{name}.bias"]

    def norm(name, x):
        centered = x - x.mean(-1, keepdim=True)
        scaled = centered / (centered.square().mean(-1, keepdim=True) + 1e-5).sqrt()
        return scaled * state[f"{name}.weight"] + state[f"{name}.bias"]

    def layers(name, x):
        return linear(f"{name}.2", torch.nn.functional.gelu(linear(f"{name}.0", x)))

    hidden = layers("sound", levels) + positions(levels.shape[1], width)
    for index in range(SMALL.blocks):
        block = f"blocks.{index}"
        parts = linear(f"{block}.queries_keys_values", norm(f"{block}.attention_norm", hidden))
        heard = []
        for head in range(heads):
            each = width // heads
            query, key, value = (
                parts[..., k * width + head * each : k * width + (head + 1) * each]
                for k in range(3)
            )
            scores = query @ key.transpose(1, 2) / each**0.5
            heard.append(scores.softmax(-1) @ value)
        hidden = hidden + linear(f"{block}.attention_out", torch.cat(heard, dim=-1))
        hidden = hidden + layers(f"{block}.mixing", norm(f"{block}.mixing_norm", hidden))
    return norm("norm", hidden)


def test_the_network_is_the_equations_written_out():
    model = transformer()
    torch.testing.assert_close(model(sound()), by_hand(model, sound()), rtol=1e-4, atol=1e-5)


def test_tokens_add_the_embedding_of_their_own_band():
    model = transformer(tokens=TOKENS)
    table = model.embedding.table.weight.reshape(TOKENS.bands, TOKENS.classes + 1, SMALL.width)
    asked = tokens()
    summed = sum(table[band][asked[..., band]] for band in range(TOKENS.bands))
    torch.testing.assert_close(model.embedding(asked), summed)


def test_a_token_of_two_groups_is_the_sum_of_two_embeddings():
    kind = TokenInput(bands=3, groups=(31, 8))
    embedding = TokenEmbedding(kind, 16)
    rows = embedding.table.weight.unflatten(0, (3, 31 + 1 + 8 + 1))
    asked = torch.randint(248, (2, 5, 3), generator=torch.Generator().manual_seed(0))
    high, low = rows[:, :32], rows[:, 32:]
    summed = sum(
        high[band][asked[..., band] // 8] + low[band][asked[..., band] % 8] for band in range(3)
    )
    torch.testing.assert_close(embedding(asked), summed)


def test_the_mask_has_rows_that_no_token_has():
    kind = TokenInput(bands=3, groups=(31, 8))
    embedding = TokenEmbedding(kind, 16)
    every = embedding.rows(torch.arange(249)[:, None].expand(-1, 3))
    assert every.shape == (249, 3, 2)
    of_tokens, of_masks = set(every[:248].flatten().tolist()), set(every[248].flatten().tolist())
    assert not of_tokens & of_masks
    assert of_tokens | of_masks == set(range(len(embedding.table.weight)))
    assert len(of_masks) == 3 * 2


def test_no_two_tokens_or_bands_share_all_their_rows():
    kind = TokenInput(bands=3, groups=(31, 8))
    every = TokenEmbedding(kind, 16).rows(torch.arange(249)[:, None].expand(-1, 3))
    assert len(every.flatten(0, 1).unique(dim=0)) == 249 * 3


def test_every_token_is_heard_in_every_frame():
    model = transformer(tokens=TOKENS)
    before = model(sound(), tokens())
    for band in range(TOKENS.bands):
        changed = tokens()
        changed[:, 4, band] = (changed[:, 4, band] + 1) % (TOKENS.classes + 1)
        moved = (model(sound(), changed) - before).abs().amax(dim=-1)
        assert bool((moved > 1e-6).all())


def test_an_example_that_goes_without_the_sound_does_not_hear_it():
    model = transformer(tokens=TOKENS)
    deaf = torch.tensor([True, False])
    one, other = (model(sound(seed=seed), tokens(), deaf) for seed in (1, 9))
    assert torch.equal(one[0], other[0])
    assert not torch.allclose(one[1], other[1])


def test_examples_do_not_hear_each_other():
    model = transformer()
    together = model(sound())
    alone = torch.cat([model(each[None]) for each in sound()])
    torch.testing.assert_close(together, alone, rtol=1e-4, atol=1e-5)


def test_order_matters():
    model = transformer()
    turned = model(sound().flip(1)).flip(1)
    assert not torch.allclose(turned, model(sound()), atol=1e-2)


def test_positions_are_waves_that_tell_frames_apart():
    sinusoidal_embedding = positions(400, 64)
    assert sinusoidal_embedding.shape == (400, 64)
    assert torch.allclose(sinusoidal_embedding[0], torch.cat([torch.zeros(32), torch.ones(32)]))
    assert torch.allclose(sinusoidal_embedding[:, 0], torch.arange(400).float().sin(), atol=1e-4)
    apart = torch.cdist(sinusoidal_embedding, sinusoidal_embedding) + 10 * torch.eye(400)
    assert float(apart.min()) > 0.5


def test_dropout_acts_in_training_only():
    model = transformer(dropout=0.5)
    assert torch.equal(model(sound()), model(sound()))
    model.train()
    assert not torch.equal(model(sound()), model(sound()))


@pytest.mark.parametrize("changes", [{"heads": 3}, {"blocks": 0}, {"width": 0}, {"width": 9}])
def test_a_size_that_cannot_be_built_is_refused(changes):
    with pytest.raises(ValueError, match=r"heads|from 1 up"):
        TransformerConfig(**{"blocks": 1, "width": 8, "heads": 1, **changes})


def test_the_default_size_is_the_paper_s():
    with torch.device("meta"):
        model = FrameTransformer(128, TransformerConfig())
    assert len(model.blocks) == 7
    assert model.blocks[0].heads == 16
    assert model.sound[0].weight.shape == (1024, 128)
    assert model.blocks[0].mixing[0].weight.shape == (3 * 512, 512)


def test_the_regression_hears_levels_in_decibels():
    model = StereoRegression(6, 4, SMALL).eval()
    wanted = model.head(model.transformer(sound()))
    assert wanted.shape == (2, 10, 4)
    told = model(sound() * SPREAD + CENTER)
    torch.testing.assert_close(told, wanted, rtol=1e-3, atol=1e-4)


def test_a_perceptron_is_twice_as_wide_as_what_it_makes():
    assert mlp(3, 5)[0].out_features == 10
    assert mlp(3, 5, between=7)[2].in_features == 7


def told(batch=2, seed=3):
    return torch.randn(batch, STYLE, generator=torch.Generator().manual_seed(seed))


def remembered(batch=2, seed=4):
    shape = (batch, MEMORY.stretches, MEMORY.numbers)
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed))


def test_a_style_is_one_vector_for_all_frames():
    model = transformer(style=STYLE)
    plain, styled = (model._entered(sound(), None, None, each, first=0) for each in (None, told()))
    added = model.style(torch.cat([told(), torch.ones(2, STYLE)], dim=1))
    torch.testing.assert_close(styled, plain + added[:, None])


def test_an_open_number_of_a_style_is_not_a_zero():
    model = transformer(style=STYLE)
    some = told()
    some[:, 1] = torch.nan
    added = model.style(torch.cat([some[:, :1], torch.tensor([[0.0, 1, 0]] * 2)], dim=1))
    opened = model._entered(sound(), None, None, some, first=0)
    plain = model._entered(sound(), None, None, None, first=0)
    torch.testing.assert_close(opened, plain + added[:, None])
    assert bool(model(sound(), style=some).isfinite().all())
    zero = model(sound(), style=some.nan_to_num())
    assert not torch.allclose(zero, model(sound(), style=some), atol=1e-4)


def test_an_example_that_goes_without_the_sound_goes_without_the_style_too():
    model = transformer(style=STYLE)
    deaf = torch.tensor([True, False])
    one, other = (model(sound(seed=seed), deaf=deaf, style=told(seed=seed)) for seed in (1, 9))
    assert torch.equal(one[0], other[0])
    opened = model(sound(), deaf=deaf, style=torch.full((2, STYLE), torch.nan))
    assert torch.equal(one[0], opened[0])
    assert not torch.allclose(one[1], other[1])


def test_a_memory_stands_before_the_frames():
    model = transformer(memory=MEMORY)
    found = model(sound(), memory=remembered())
    assert found.shape == (2, 10, SMALL.width)
    ago = torch.tensor([3.5, 2.5, 1.5, 0.5])
    before = model.remembered(remembered()) + sinusoidal_embedding(
        -MEMORY.frames * ago, SMALL.width
    )
    hidden = torch.cat([before, model.sound(sound()) + positions(10, SMALL.width)], dim=1)
    for block in model.blocks:
        hidden = block(hidden)
    torch.testing.assert_close(found, model.norm(hidden)[:, 4:])


@pytest.mark.parametrize("causal", [False, True])
def test_every_stretch_of_a_memory_changes_every_frame(causal):
    model = transformer(memory=MEMORY, causal=causal)
    before = model(sound(), memory=remembered())
    for stretch in range(MEMORY.stretches):
        other = remembered()
        other[:, stretch] += 1
        moved = (model(sound(), memory=other) - before).abs().amax(dim=-1)
        assert bool((moved > 1e-6).all())


@pytest.mark.parametrize("causal", [False, True])
def test_what_is_not_remembered_is_one_vector_and_spoils_nothing(causal):
    model = transformer(memory=MEMORY, causal=causal)
    empty, partly = remembered(), remembered()
    empty[:, :2] = torch.nan
    partly[:, :2, 1:] = torch.nan
    found = model(sound(), memory=empty)
    assert bool(found.isfinite().all())
    assert torch.equal(model(sound(), memory=partly), found)
    assert bool(model(sound(), memory=torch.full_like(empty, torch.nan)).isfinite().all())


def test_a_causal_network_does_not_hear_what_comes_later():
    model = transformer(tokens=TOKENS, memory=MEMORY, causal=True)
    before = model(sound(), tokens(), memory=remembered())
    for frame in range(10):
        later, others = sound(), tokens()
        later[:, frame] += 1
        others[:, frame] = (others[:, frame] + 1) % TOKENS.classes
        for changed in (
            model(later, tokens(), memory=remembered()),
            model(sound(), others, memory=remembered()),
        ):
            moved = (changed - before).abs().amax(dim=-1)
            assert bool((moved[:, :frame] == 0).all())
            assert bool((moved[:, frame:] > 1e-6).all())


@settings(max_examples=25)
@given(places=st.lists(st.integers(1, 9), max_size=5), rich=st.booleans())
@torch.inference_mode()
def test_a_causal_network_goes_on_from_where_it_was(places, rich):
    more = {"tokens": TOKENS, "style": STYLE, "memory": MEMORY} if rich else {}
    model = transformer(causal=True, **more)
    heard, deaf = tokens() if rich else None, torch.tensor([True, False])
    style, memory = (told(), remembered()) if rich else (None, None)
    whole = model(sound(), heard, deaf, style=style, memory=memory)
    past = model.begin(memory, 2, 10)
    ends = [*sorted(set(places)), 10]
    parts = [
        model.advance(
            past,
            sound()[:, start:stop],
            None if heard is None else heard[:, start:stop],
            deaf,
            style=style,
        )
        for start, stop in zip([0, *ends[:-1]], ends, strict=True)
    ]
    torch.testing.assert_close(torch.cat(parts, dim=1), whole, rtol=1e-4, atol=1e-5)

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from soundstage.networks.backbones.transformer import (
    LEVEL_MEAN,
    LEVEL_STD,
    FrameTransformer,
    MemoryConfig,
    TokenConfig,
    TokenEmbedding,
    TransformerConfig,
    sinusoidal_embedding,
)

SMALL = TransformerConfig(depth=2, dim=16, heads=4, mlp_ratio=3, n_levels=6)
TOKENS = TokenConfig(n_bands=3, codebook_sizes=(5,))
FACTORED = TokenConfig(n_bands=3, codebook_sizes=(31, 8))
MEMORY = MemoryConfig(n_vectors=4, dim=7, hop=8)
STYLE = 2


def transformer(config=SMALL, **inputs):
    torch.manual_seed(0)
    return FrameTransformer(config, **inputs).eval()


def noise(*shape, seed):
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed))


def levels(seed=1):
    return LEVEL_MEAN + LEVEL_STD * noise(2, 10, 6, seed=seed)


def tokens(seed=2):
    generator = torch.Generator().manual_seed(seed)
    return torch.randint(TOKENS.classes + 1, (2, 10, TOKENS.n_bands), generator=generator)


def styles(seed=3):
    return noise(2, STYLE, seed=seed)


def memory(seed=4):
    return noise(2, MEMORY.n_vectors, MEMORY.dim, seed=seed)


def positions(count):
    return sinusoidal_embedding(torch.arange(count), SMALL.dim)


def by_equations(model, hidden):
    """The blocks out of plain matrix products, one head after another."""
    state, dim, heads = model.state_dict(), SMALL.dim, SMALL.heads

    def linear(name, x):
        return x @ state[f"{name}.weight"].T + state[f"{name}.bias"]

    def norm(name, x):
        centered = x - x.mean(-1, keepdim=True)
        scaled = centered / (centered.square().mean(-1, keepdim=True) + 1e-5).sqrt()
        return scaled * state[f"{name}.weight"] + state[f"{name}.bias"]

    for index in range(SMALL.depth):
        block = f"blocks.{index}"
        qkv = linear(f"{block}.qkv", norm(f"{block}.norm1", hidden))
        attended = []
        for head in range(heads):
            each = dim // heads
            query, key, value = (
                qkv[..., k * dim + head * each : k * dim + (head + 1) * each] for k in range(3)
            )
            scores = query @ key.transpose(1, 2) / each**0.5
            attended.append(scores.softmax(-1) @ value)
        hidden = hidden + linear(f"{block}.proj", torch.cat(attended, dim=-1))
        inner = torch.nn.functional.gelu(linear(f"{block}.mlp.0", norm(f"{block}.norm2", hidden)))
        hidden = hidden + linear(f"{block}.mlp.2", inner)
    return norm("norm", hidden)


def test_the_network_follows_the_equations_of_the_module():
    model = transformer(tokens=TOKENS)
    table = model.token_embedding.table.weight.reshape(3, TOKENS.classes + 1, SMALL.dim)
    summed = sum(table[band][tokens()[..., band]] for band in range(3))
    hidden = model.level_mlp((levels() - LEVEL_MEAN) / LEVEL_STD) + summed + positions(10)
    expected = by_equations(model, hidden)
    torch.testing.assert_close(model(levels(), tokens()), expected, rtol=1e-4, atol=1e-5)


def test_memory_and_style_enter_as_the_module_says():
    model = transformer(style_dim=STYLE, memory=MEMORY)
    style = styles()
    style[0, 1] = torch.nan  # an open element is zero, with a flag
    flags = (~style.isnan()).float()
    frames = model.level_mlp((levels() - LEVEL_MEAN) / LEVEL_STD) + positions(10)
    frames = frames + model.style_mlp(torch.cat([style.nan_to_num(), flags], dim=1))[:, None]
    ago = torch.tensor([3.5, 2.5, 1.5, 0.5])
    prefix = model.memory_mlp(memory()) + sinusoidal_embedding(-MEMORY.hop * ago, SMALL.dim)
    expected = by_equations(model, torch.cat([prefix, frames], dim=1))[:, 4:]
    found = model(levels(), style=style, memory=memory())
    torch.testing.assert_close(found, expected, rtol=1e-4, atol=1e-5)


def test_a_factored_token_has_the_sum_of_two_embeddings():
    embedding = TokenEmbedding(FACTORED, 16)
    table = embedding.table.weight.unflatten(0, (3, 31 + 1 + 8 + 1))
    chosen = torch.randint(248, (2, 5, 3), generator=torch.Generator().manual_seed(0))
    summed = sum(
        table[band, chosen[..., band] // 8] + table[band, 32 + chosen[..., band] % 8]
        for band in range(3)
    )
    torch.testing.assert_close(embedding(chosen), summed)


def test_every_token_and_the_mask_have_rows_of_their_own():
    embedding = TokenEmbedding(FACTORED, 16)
    rows = embedding.rows(torch.arange(249)[:, None].expand(-1, 3))
    assert len(rows.flatten(0, 1).unique(dim=0)) == 249 * 3
    of_tokens, of_masks = set(rows[:248].flatten().tolist()), set(rows[248].flatten().tolist())
    assert not of_tokens & of_masks
    assert of_tokens | of_masks == set(range(len(embedding.table.weight)))


def test_unconditional_examples_have_neither_levels_nor_style():
    model = transformer(tokens=TOKENS, style_dim=STYLE)
    uncond = torch.tensor([True, False])
    one, other = (model(levels(seed), tokens(), uncond, style=styles(seed=seed)) for seed in (1, 9))
    assert torch.equal(one[0], other[0])
    assert not torch.allclose(one[1], other[1], atol=1e-3)


def test_examples_are_independent():
    model = transformer()
    alone = torch.cat([model(each[None]) for each in levels()])
    torch.testing.assert_close(model(levels()), alone, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("causal", [False, True])
def test_every_memory_vector_affects_every_frame(causal):
    model = transformer(memory=MEMORY, causal=causal)
    before = model(levels(), memory=memory())
    for index in range(MEMORY.n_vectors):
        other = memory()
        other[:, index] += 1
        changed = (model(levels(), memory=other) - before).abs().amax(dim=-1)
        assert bool((changed > 1e-6).all())


def test_missing_memory_vectors_are_one_learned_vector():
    model = transformer(memory=MEMORY)
    empty, partly = memory(), memory()
    empty[:, :2] = torch.nan
    partly[:, :2, 1:] = torch.nan
    found = model(levels(), memory=empty)
    assert bool(found.isfinite().all())
    assert torch.equal(model(levels(), memory=partly), found)


def test_frames_of_a_causal_network_do_not_depend_on_later_ones():
    model = transformer(tokens=TOKENS, memory=MEMORY, causal=True)
    before = model(levels(), tokens(), memory=memory())
    for frame in range(10):
        louder, others = levels(), tokens()
        louder[:, frame] += LEVEL_STD
        others[:, frame] = (others[:, frame] + 1) % TOKENS.classes
        for inputs in ((louder, tokens()), (levels(), others)):
            changed = (model(*inputs, memory=memory()) - before).abs().amax(dim=-1)
            assert bool((changed[:, :frame] == 0).all())
            assert bool((changed[:, frame:] > 1e-6).all())


@settings(max_examples=25)
@given(places=st.lists(st.integers(1, 9), max_size=5), plain=st.booleans())
@torch.inference_mode()
def test_steps_with_a_cache_equal_one_pass(places, plain):
    uncond = torch.tensor([True, False])
    inputs = {} if plain else {"tokens": TOKENS, "style_dim": STYLE, "memory": MEMORY}
    model = transformer(causal=True, **inputs)
    style, past = (None, None) if plain else (styles(), memory())
    chosen = None if plain else tokens()
    whole = model(levels(), chosen, uncond, style=style, memory=past)
    cache = model.new_cache(past, 2, 10)
    ends = [*sorted(set(places)), 10]
    parts = [
        model.step(
            cache,
            levels()[:, start:stop],
            None if chosen is None else chosen[:, start:stop],
            uncond,
            style=style,
        )
        for start, stop in zip([0, *ends[:-1]], ends, strict=True)
    ]
    torch.testing.assert_close(torch.cat(parts, dim=1), whole, rtol=1e-4, atol=1e-5)


def test_dropout_acts_in_training_only():
    model = transformer(TransformerConfig(depth=1, dim=16, heads=4, n_levels=6, dropout=0.5))
    assert torch.equal(model(levels()), model(levels()))
    model.train()
    assert not torch.equal(model(levels()), model(levels()))


@pytest.mark.parametrize(
    ("changes", "message"), [({"heads": 3}, "heads"), ({"dim": 9, "heads": 1}, "odd")]
)
def test_a_config_without_a_network_is_refused(changes, message):
    with pytest.raises(ValueError, match=message):
        TransformerConfig(**{"depth": 1, "dim": 8, "heads": 1, **changes})
    with pytest.raises(ValueError, match="2 to 4096 classes"):
        TokenConfig(n_bands=2, codebook_sizes=(4096, 2))

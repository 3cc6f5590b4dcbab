import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from soundstage.networks.backbones.transformer import (
    LEVEL_MEAN,
    LEVEL_STD,
    MemoryConfig,
    TokenConfig,
)
from soundstage.networks.models.stereo_autoregression import StereoAutoregressionConfig
from soundstage.networks.models.stereo_tokens import StereoTokens

TOKENS = TokenConfig(n_bands=3, codebook_sizes=(4, 2))
MEMORY = MemoryConfig(n_vectors=4, dim=7, hop=8)
FAST = StereoAutoregressionConfig(
    depth=2, dim=16, heads=4, mlp_ratio=3, n_levels=6, tokens=TOKENS, context_frames=8,
    style_dim=2, memory=MEMORY, head_dim=12, dropout=0.1,
)  # fmt: skip
FRAMES = 10


def network():
    torch.manual_seed(0)
    model = FAST.build()
    torch.nn.init.normal_(model.head.out_bias)
    return model.eval()


def levels(seed=1):
    drawn = torch.randn(2, FRAMES, 6, generator=torch.Generator().manual_seed(seed))
    return LEVEL_MEAN + LEVEL_STD * drawn


def tokens(seed=2):
    generator = torch.Generator().manual_seed(seed)
    return torch.randint(TOKENS.classes, (2, FRAMES, TOKENS.n_bands), generator=generator)


def inputs():
    generator = torch.Generator().manual_seed(3)
    return {
        "style": torch.randn(2, 2, generator=generator),
        "memory": torch.randn(2, MEMORY.n_vectors, MEMORY.dim, generator=generator),
    }


def head_by_equation(head, hidden, chosen, previous):
    """The equation of the module, one token at a time."""

    def embedded(embedding, band, token):
        rows = embedding.table.weight.unflatten(0, (-1, 4 + 1 + 2 + 1))[band]
        high, low = (4, 2) if token == TOKENS.classes else (token // 2, token % 2)
        return rows[high] + rows[5 + low]

    logits = torch.zeros(TOKENS.n_bands, TOKENS.classes)
    for band in range(TOKENS.n_bands):
        x = head.proj(hidden) + head.band_embedding[band]
        for lower in range(band):
            x = x + embedded(head.lower_embedding, lower, int(chosen[lower]))
        below = int(chosen[band - 1]) if band else TOKENS.classes
        x = x + embedded(head.below_embedding, 0, below)
        x = x + embedded(head.previous_embedding, 0, int(previous[band]))
        x = head.norm_out(x + head.mlp(head.norm(x)))
        logits[band] = head.out.weight @ x + head.out_bias[band]
    return logits


def test_the_head_follows_the_equation_of_the_module():
    head = network().head
    hidden, previous = torch.randn(2, FRAMES, FAST.dim), tokens(seed=5)
    previous[:, 0] = TOKENS.classes
    logits = head(hidden, tokens(), previous)
    for place in ((0, 0), (1, 4), (1, FRAMES - 1)):
        expected = head_by_equation(head, hidden[place], tokens()[place], previous[place])
        torch.testing.assert_close(logits[place], expected, rtol=1e-4, atol=1e-5)


def test_a_token_affects_later_logits_only():
    model = network()
    before = model(levels(), tokens(), **inputs())
    for place in range(0, FRAMES * 3, 4):
        changed = tokens().flatten(1)
        changed[:, place] = (changed[:, place] + 1) % TOKENS.classes
        after = model(levels(), changed.unflatten(1, (FRAMES, 3)), **inputs())
        moved = (after - before).abs().amax(dim=-1).flatten(1)
        assert bool((moved[:, : place + 1] < 1e-5).all())  # sums are rounded
        assert bool((moved[:, place + 1 :] > 1e-4).all())


def test_a_level_affects_its_frame_and_later_ones():
    model = network()
    before = model(levels(), tokens(), **inputs())
    louder = levels()
    louder[:, 4] += LEVEL_STD
    moved = (model(louder, tokens(), **inputs()) - before).abs().amax(dim=(-2, -1))
    assert bool((moved[:, :4] == 0).all())
    assert bool((moved[:, 4:] > 1e-6).all())


def test_before_the_first_frame_are_masks_or_the_given_tokens():
    model = network()
    masked = torch.full((2, TOKENS.n_bands), TOKENS.classes)
    plain = model(levels(), tokens(), **inputs())
    assert torch.equal(model(levels(), tokens(), previous=masked, **inputs()), plain)
    other = model(levels(), tokens(), previous=tokens()[:, 0], **inputs())
    assert bool(((other - plain).abs().amax(dim=(-2, -1)) > 1e-6).all())


@settings(max_examples=15)
@given(places=st.lists(st.integers(1, FRAMES - 1), max_size=4))
@torch.inference_mode()
def test_steps_of_any_length_equal_one_pass(places):
    model, uncond = network(), torch.tensor([True, False])
    whole = model(levels(), tokens(), uncond, **inputs())
    masked = torch.full((2, 1, TOKENS.n_bands), TOKENS.classes)
    shifted = torch.cat([masked, tokens()[:, :-1]], dim=1)
    cache = model.new_cache(inputs()["memory"], 2, FRAMES)
    ends = [*sorted(set(places)), FRAMES]
    hidden = [
        model.step(
            cache,
            levels()[:, start:stop],
            shifted[:, start:stop],
            uncond,
            style=inputs()["style"],
        )
        for start, stop in zip([0, *ends[:-1]], ends, strict=True)
    ]
    found = model.head(torch.cat(hidden, dim=1), tokens(), shifted)
    torch.testing.assert_close(found, whole, rtol=1e-4, atol=1e-4)


def test_every_parameter_has_an_effect():
    model, more = network(), inputs()
    more["memory"][:, :1] = torch.nan
    masked = torch.full((2, TOKENS.n_bands), TOKENS.classes)
    uncond = torch.tensor([True, False])
    model(levels(), tokens(), uncond, previous=masked, **more).square().sum().backward()
    assert [n for n, each in model.named_parameters() if not each.grad.any()] == []


def test_the_paper_s_form_is_the_network_of_masked_with_the_paper_s_head():
    shared = {"depth": 1, "dim": 16, "heads": 2, "n_levels": 6, "tokens": TOKENS}
    paper = StereoAutoregressionConfig(**shared, context_frames=8, form="paper")
    model = paper.build()
    assert isinstance(model, StereoTokens)
    assert model(levels(), tokens()).shape == (2, FRAMES, 3, 8)
    with pytest.raises(ValueError, match="needs the fast form"):
        StereoAutoregressionConfig(**shared, context_frames=8, form="paper", cond_channels=4)

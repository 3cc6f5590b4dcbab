from dataclasses import replace

import pytest
import torch

from soundstage.networks.backbones.transformer import (
    LEVEL_MEAN,
    LEVEL_STD,
    MemoryConfig,
    TokenConfig,
)
from soundstage.networks.models.stereo_tokens import NEIGHBORS, LocalHead, StereoTokensConfig

TOKENS = TokenConfig(n_bands=3, codebook_sizes=(4, 2))
MEMORY = MemoryConfig(n_vectors=4, dim=7, hop=8)
PAPER = StereoTokensConfig(
    depth=2, dim=16, heads=4, mlp_ratio=3, n_levels=6, tokens=TOKENS, context_frames=8
)
OURS = replace(PAPER, rank=5, style_dim=2, memory=MEMORY, cond_channels=4)
FRAMES = 10


def network(config):
    torch.manual_seed(0)
    model = config.build().eval()
    if model.encoder is not None:
        model.encoder.band_weights.uniform_()
    return model


def levels(seed=1):
    drawn = torch.randn(2, FRAMES, 6, generator=torch.Generator().manual_seed(seed))
    return LEVEL_MEAN + LEVEL_STD * drawn


def tokens(seed=2):
    generator = torch.Generator().manual_seed(seed)
    return torch.randint(TOKENS.classes + 1, (2, FRAMES, 3), generator=generator)


def inputs(config, **changes):
    if config is PAPER:
        return {}
    generator = torch.Generator().manual_seed(3)
    return {
        "style": torch.randn(2, 2, generator=generator),
        "memory": torch.randn(2, MEMORY.n_vectors, MEMORY.dim, generator=generator),
        **changes,
    }


def test_the_paper_s_head_has_the_logits_band_by_band():
    model = network(PAPER)
    logits = model(levels(), tokens())
    assert logits.shape == (2, FRAMES, 3, 8)
    hidden = model.transformer(levels(), tokens())
    torch.testing.assert_close(logits[..., 1, :], model.head[0](hidden)[..., 8:16])


def test_the_shared_head_follows_the_equation_of_the_module():
    torch.manual_seed(0)
    head = LocalHead(16, TOKENS, rank=5).eval()
    torch.nn.init.normal_(head.out_bias)
    hidden, known = torch.randn(2, FRAMES, 16), tokens()
    logits = head(hidden, known)
    table = head.neighbor_embedding.table.weight
    rows = head.neighbor_embedding.rows(known[..., None])[..., 0, :]
    for frame, band in ((0, 0), (4, 1), (FRAMES - 1, 2)):
        parts = []
        for later, higher in NEIGHBORS:
            inside = 0 <= frame + later < FRAMES and 0 <= band + higher < 3
            parts.append(
                table[rows[1, frame + later, band + higher]].sum(dim=0)
                if inside
                else torch.zeros(table.shape[1])
            )
        of_band = slice(5 * band, 5 * (band + 1))
        x = head.proj.weight[of_band] @ hidden[1, frame] + head.proj.bias[of_band]
        x = x + head.neighbor_proj(torch.cat(parts))
        x = head.norm_out(x + head.mlp(head.norm(x)))
        expected = head.out.weight @ x + head.out_bias[band]
        torch.testing.assert_close(logits[1, frame, band], expected, rtol=1e-4, atol=1e-5)


def test_local_conditioning_is_added_once_for_all_passes():
    model = network(OURS)
    uncond = torch.tensor([True, False])
    expected = model(levels(), tokens(), uncond, **inputs(OURS))
    cond = model.encode(levels(), uncond)
    assert torch.equal(model(levels(), tokens(), uncond, **inputs(OURS), cond=cond), expected)
    other = model(levels(), tokens(), uncond, **inputs(OURS), cond=cond.flip(-1))
    assert not torch.allclose(other, expected, atol=1e-3)


@pytest.mark.parametrize("config", [PAPER, OURS])
def test_logits_of_a_selection_are_those_of_all(config):
    model = network(config)
    whole = model(levels(), tokens(), **inputs(config))[:, 2:]
    late = model(levels(), tokens(), **inputs(config), first_frame=2)
    torch.testing.assert_close(late, whole, rtol=1e-4, atol=1e-5)
    select = torch.rand(2, FRAMES - 2, 3, generator=torch.Generator().manual_seed(5)) < 0.3
    some = model(levels(), tokens(), **inputs(config), first_frame=2, select=select)
    torch.testing.assert_close(some, whole[select], rtol=1e-4, atol=1e-5)


def test_unconditional_examples_keep_their_memory_only():
    model, uncond = network(OURS), torch.tensor([True, True])
    plain = model(levels(), tokens(), uncond, **inputs(OURS))
    opened = torch.full((2, 2), torch.nan)
    assert torch.equal(model(levels(seed=9), tokens(), uncond, **inputs(OURS, style=opened)), plain)
    other = inputs(OURS)["memory"] + 1
    changed = model(levels(), tokens(), uncond, **inputs(OURS, memory=other))
    assert not torch.allclose(changed, plain, atol=1e-4)


@pytest.mark.parametrize("config", [PAPER, OURS])
def test_every_parameter_has_an_effect(config):
    model, more = network(config), inputs(config)
    if more:
        more["memory"][:, :1] = torch.nan
    logits = model(levels(), tokens(), torch.tensor([True, False]), **more)
    logits.square().sum().backward()
    assert [n for n, each in model.named_parameters() if not each.grad.any()] == []


def test_the_paper_s_head_has_no_local_conditioning():
    with pytest.raises(ValueError, match="needs a shared head"):
        replace(PAPER, cond_channels=4)

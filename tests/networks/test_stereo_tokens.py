import pytest
import torch

from soundstage.networks.backbones.transformer import MemoryInput, TokenInput, TransformerConfig
from soundstage.networks.models.stereo_tokens import (
    CENTER,
    NEIGHBORS,
    SPREAD,
    LocalHead,
    StereoTokens,
)

SMALL = TransformerConfig(blocks=2, width=16, heads=4, expansion=3)
TOKENS = TokenInput(bands=3, groups=(4, 2))
MEMORY = MemoryInput(stretches=4, frames=8, numbers=7)
STYLE = 2
FRAMES = 10


def network(rank=0, **more):
    torch.manual_seed(0)
    return StereoTokens(6, TOKENS, SMALL, rank=rank, **more).eval()


def levels(batch=2, seed=1):
    drawn = torch.randn(batch, FRAMES, 6, generator=torch.Generator().manual_seed(seed))
    return CENTER + SPREAD * drawn


def tokens(batch=2, seed=2):
    generator = torch.Generator().manual_seed(seed)
    return torch.randint(TOKENS.classes + 1, (batch, FRAMES, TOKENS.bands), generator=generator)


def told(**changes):
    generator = torch.Generator().manual_seed(3)
    return {
        "style": torch.randn(2, STYLE, generator=generator),
        "memory": torch.randn(2, MEMORY.stretches, MEMORY.numbers, generator=generator),
        **changes,
    }


def test_the_paper_s_head_tells_one_band_after_the_other():
    model = network()
    scores = model(levels(), tokens())
    assert scores.shape == (2, FRAMES, 3, 8)
    hidden = model.transformer((levels() - CENTER) / SPREAD, tokens())
    torch.testing.assert_close(scores[..., 1, :], model.head[0](hidden)[..., 8:16])


def test_the_shared_head_is_the_equation_written_out():
    torch.manual_seed(0)
    head = LocalHead(16, TOKENS, rank=5).eval()
    torch.nn.init.normal_(head.offsets)
    hidden, heard = torch.randn(2, FRAMES, 16), tokens()
    scores = head(hidden, heard)
    assert scores.shape == (2, FRAMES, 3, 8)
    table = head.neighbor.table.weight
    rows = head.neighbor.rows(heard[..., None])[..., 0, :]
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
        x = head.bands.weight[of_band] @ hidden[1, frame] + head.bands.bias[of_band]
        x = x + head.around(torch.cat(parts))
        x = head.last_norm(x + head.mixing(head.norm(x)))
        wanted = head.shared.weight @ x + head.offsets[band]
        torch.testing.assert_close(scores[1, frame, band], wanted, rtol=1e-4, atol=1e-5)


def test_a_tile_hears_its_neighbors_and_not_itself():
    torch.manual_seed(0)
    head = LocalHead(16, TOKENS, rank=5).eval()
    hidden = torch.randn(2, FRAMES, 16)
    before = head(hidden, tokens())
    changed = tokens()
    changed[:, 4, 1] = (changed[:, 4, 1] + 1) % TOKENS.classes
    moved = (head(hidden, changed) - before).abs().amax(dim=(0, -1)) > 1e-6
    wanted = torch.zeros(FRAMES, 3, dtype=torch.bool)
    for later, higher in NEIGHBORS:
        if 0 <= 4 - later < FRAMES and 0 <= 1 - higher < 3:
            wanted[4 - later, 1 - higher] = True
    assert torch.equal(moved, wanted)


@pytest.mark.parametrize("rank", [0, 5])
def test_scores_of_the_first_frames_can_be_left_out(rank):
    model = network(rank)
    torch.testing.assert_close(
        model(levels(), tokens(), first=7), model(levels(), tokens())[:, 7:], rtol=1e-4, atol=1e-5
    )


@pytest.mark.parametrize("rank", [0, 5])
def test_scores_of_a_few_tiles_are_those_of_all(rank):
    model = network(rank)
    tiles = torch.rand(2, FRAMES - 2, 3, generator=torch.Generator().manual_seed(5)) < 0.3
    torch.testing.assert_close(
        model(levels(), tokens(), first=2, tiles=tiles),
        model(levels(), tokens())[:, 2:][tiles],
        rtol=1e-4,
        atol=1e-5,
    )


@pytest.mark.parametrize("changed", ["style", "memory"])
def test_style_and_memory_change_the_scores_of_every_frame(changed):
    model = network(5, style=STYLE, memory=MEMORY)
    before = model(levels(), tokens(), **told())
    after = model(levels(), tokens(), **told(**{changed: told()[changed] + 1}))
    assert bool(((after - before).abs().amax(dim=(-2, -1)) > 1e-6).all())


def test_an_example_that_goes_without_the_sound_still_remembers():
    model = network(5, style=STYLE, memory=MEMORY)
    deaf = torch.tensor([True, True])
    here = model(levels(), tokens(), deaf, **told())
    opened = torch.full((2, STYLE), torch.nan)
    assert torch.equal(model(levels(seed=9), tokens(), deaf, **told(style=opened)), here)
    moved = model(levels(), tokens(), deaf, **told(memory=told()["memory"] + 1))
    assert not torch.allclose(moved, here, atol=1e-4)


@pytest.mark.parametrize("rank", [0, 5])
def test_every_parameter_learns(rank):
    model = network(rank, style=STYLE, memory=MEMORY)
    memory = told()["memory"]
    memory[:, :1] = torch.nan
    scores = model(levels(), tokens(), torch.tensor([True, False]), **told(memory=memory))
    scores.square().sum().backward()
    silent = [
        name for name, each in model.named_parameters() if not float(each.grad.abs().sum()) > 0
    ]
    assert not silent

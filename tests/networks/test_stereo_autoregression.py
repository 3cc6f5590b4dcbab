import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from soundstage.networks.backbones.transformer import MemoryInput, TokenInput, TransformerConfig
from soundstage.networks.models.stereo_autoregression import BandByBand, StereoAutoregression
from soundstage.networks.models.stereo_tokens import CENTER, SPREAD

SMALL = TransformerConfig(blocks=2, width=16, heads=4, expansion=3)
TOKENS = TokenInput(bands=3, groups=(4, 2))
MEMORY = MemoryInput(stretches=4, frames=8, numbers=7)
STYLE, FRAMES, WIDTH = 2, 10, 12


def network():
    torch.manual_seed(0)
    model = StereoAutoregression(
        6, TOKENS, SMALL, width=WIDTH, style=STYLE, memory=MEMORY, dropout=0.1
    )
    torch.nn.init.normal_(model.head.offsets)
    return model.eval()


def levels(batch=2, seed=1):
    drawn = torch.randn(batch, FRAMES, 6, generator=torch.Generator().manual_seed(seed))
    return CENTER + SPREAD * drawn


def tokens(batch=2, seed=2):
    generator = torch.Generator().manual_seed(seed)
    return torch.randint(TOKENS.classes, (batch, FRAMES, TOKENS.bands), generator=generator)


def told():
    generator = torch.Generator().manual_seed(3)
    return {
        "style": torch.randn(2, STYLE, generator=generator),
        "memory": torch.randn(2, MEMORY.stretches, MEMORY.numbers, generator=generator),
    }


def head_by_hand(head: BandByBand, hidden, asked, earlier):
    """The equation of the module, one token at a time."""

    def embedded(embedding, band, token):
        rows = embedding.table.weight.unflatten(0, (-1, 4 + 1 + 2 + 1))[band]
        high, low = (4, 2) if token == TOKENS.classes else (token // 2, token % 2)
        return rows[high] + rows[5 + low]

    scores = torch.zeros(TOKENS.bands, TOKENS.classes)
    for band in range(TOKENS.bands):
        x = head.frame(hidden) + head.band[band]
        for lower in range(band):
            x = x + embedded(head.lower, lower, int(asked[lower]))
        x = x + embedded(head.below, 0, int(asked[band - 1]) if band else TOKENS.classes)
        x = x + embedded(head.earlier, 0, int(earlier[band]))
        x = head.last_norm(x + head.mixing(head.norm(x)))
        scores[band] = head.shared.weight @ x + head.offsets[band]
    return scores


def test_the_head_is_the_equation_written_out():
    head = network().head
    hidden = torch.randn(2, FRAMES, SMALL.width)
    earlier = tokens(seed=5)
    earlier[:, 0] = TOKENS.classes
    scores = head(hidden, tokens(), earlier)
    for example in range(2):
        for frame in range(FRAMES):
            place = (example, frame)
            wanted = head_by_hand(head, hidden[place], tokens()[place], earlier[place])
            torch.testing.assert_close(scores[place], wanted, rtol=1e-4, atol=1e-5)


def test_a_token_is_heard_by_what_comes_after_it_alone():
    model = network()
    before = model(levels(), tokens(), **told())
    for frame in range(FRAMES):
        for band in range(TOKENS.bands):
            changed = tokens()
            changed[:, frame, band] = (changed[:, frame, band] + 1) % TOKENS.classes
            moved = (model(levels(), changed, **told()) - before).abs().amax(dim=-1).flatten(1)
            place = frame * TOKENS.bands + band
            assert bool((moved[:, : place + 1] < 1e-5).all())  # sums are rounded
            assert bool((moved[:, place + 1 :] > 1e-4).all())


def test_the_sound_is_heard_up_to_the_present_frame():
    model = network()
    before = model(levels(), tokens(), **told())
    for frame in range(FRAMES):
        later = levels()
        later[:, frame] += SPREAD
        moved = (model(later, tokens(), **told()) - before).abs().amax(dim=(-2, -1))
        assert bool((moved[:, :frame] == 0).all())
        assert bool((moved[:, frame:] > 1e-6).all())


def test_before_the_first_frame_all_is_masked_unless_told():
    model = network()
    masked = torch.full((2, TOKENS.bands), TOKENS.classes)
    plain = model(levels(), tokens(), **told())
    assert torch.equal(model(levels(), tokens(), before=masked, **told()), plain)
    other = model(levels(), tokens(), before=tokens()[:, 0], **told())
    assert bool(((other - plain).abs().amax(dim=(-2, -1)) > 1e-6).all())


@settings(max_examples=15)
@given(places=st.lists(st.integers(1, FRAMES - 1), max_size=4))
@torch.inference_mode()
def test_steps_of_any_length_say_what_one_pass_says(places):
    model = network()
    deaf = torch.tensor([True, False])
    whole = model(levels(), tokens(), deaf, **told())
    masked = torch.full((2, 1, TOKENS.bands), TOKENS.classes)
    shifted = torch.cat([masked, tokens()[:, :-1]], dim=1)
    past = model.begin(told()["memory"], 2, FRAMES)
    ends = [*sorted(set(places)), FRAMES]
    hidden = [
        model.advance(
            past,
            levels()[:, start:stop],
            shifted[:, start:stop],
            deaf,
            style=told()["style"],
        )
        for start, stop in zip([0, *ends[:-1]], ends, strict=True)
    ]
    found = model.head(torch.cat(hidden, dim=1), tokens(), shifted)
    torch.testing.assert_close(found, whole, rtol=1e-4, atol=1e-4)


def test_every_parameter_learns():
    model = network()
    some = told()
    some["memory"][:, :1] = torch.nan
    masked = torch.full((2, TOKENS.bands), TOKENS.classes)
    deaf = torch.tensor([True, False])
    model(levels(), tokens(), deaf, before=masked, **some).square().sum().backward()
    silent = [
        name for name, each in model.named_parameters() if not float(each.grad.abs().sum()) > 0
    ]
    assert not silent

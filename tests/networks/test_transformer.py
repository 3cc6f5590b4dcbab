import pytest
import torch

from soundstage.networks.stereo_regression import CENTRE, SPREAD, StereoRegression
from soundstage.networks.stereo_tokens import StereoTokens
from soundstage.networks.transformer import (
    FrameTransformer,
    TokenInput,
    TransformerSize,
    positions,
    two_layers,
)

SMALL = TransformerSize(blocks=2, width=16, heads=4, expansion=3)
TOKENS = TokenInput(bands=3, classes=5)


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
        centred = x - x.mean(-1, keepdim=True)
        scaled = centred / (centred.square().mean(-1, keepdim=True) + 1e-5).sqrt()
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
    table = model.embedding.weight.reshape(TOKENS.bands, TOKENS.classes + 1, SMALL.width)
    asked = tokens()
    summed = sum(table[band][asked[..., band]] for band in range(TOKENS.bands))
    torch.testing.assert_close(model._embed(asked), summed)


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
    waves = positions(400, 64)
    assert waves.shape == (400, 64)
    assert torch.allclose(waves[0], torch.cat([torch.zeros(32), torch.ones(32)]))
    assert torch.allclose(waves[:, 0], torch.arange(400).float().sin(), atol=1e-4)
    apart = torch.cdist(waves, waves) + 10 * torch.eye(400)
    assert float(apart.min()) > 0.5


def test_every_parameter_learns():
    model = StereoTokens(6, TOKENS, (5,), SMALL)
    deaf = torch.tensor([True, False])
    (scores,) = model(sound(), tokens(), deaf)
    scores.square().sum().backward()
    assert all(float(each.grad.abs().sum()) > 0 for each in model.parameters())


def test_dropout_acts_in_training_only():
    model = transformer(dropout=0.5)
    assert torch.equal(model(sound()), model(sound()))
    model.train()
    assert not torch.equal(model(sound()), model(sound()))


@pytest.mark.parametrize("changes", [{"heads": 3}, {"blocks": 0}, {"width": 0}, {"width": 9}])
def test_a_size_that_cannot_be_built_is_refused(changes):
    with pytest.raises(ValueError, match=r"heads|from 1 up"):
        TransformerSize(**{"blocks": 1, "width": 8, "heads": 1, **changes})


def test_the_default_size_is_the_paper_s():
    with torch.device("meta"):
        model = FrameTransformer(128, TransformerSize())
    assert len(model.blocks) == 7
    assert model.blocks[0].heads == 16
    assert model.sound[0].weight.shape == (1024, 128)
    assert model.blocks[0].mixing[0].weight.shape == (3 * 512, 512)


def test_scores_come_by_frame_band_and_group():
    model = StereoTokens(6, TOKENS, (4, 2), SMALL).eval()
    first, second = model(sound(), tokens())
    assert first.shape == (2, 10, 3, 4)
    assert second.shape == (2, 10, 3, 2)
    whole = model.head(model.transformer(sound(), tokens()))
    assert torch.equal(first[..., 1, :], whole[..., 6:10])
    assert torch.equal(second[..., 1, :], whole[..., 10:12])


def test_the_regression_hears_levels_in_decibels():
    model = StereoRegression(6, 4, SMALL).eval()
    wanted = model.head(model.transformer(sound()))
    assert wanted.shape == (2, 10, 4)
    told = model(sound() * SPREAD + CENTRE)
    torch.testing.assert_close(told, wanted, rtol=1e-3, atol=1e-4)


def test_a_perceptron_is_twice_as_wide_as_what_it_makes():
    assert two_layers(3, 5)[0].out_features == 10
    assert two_layers(3, 5, between=7)[2].in_features == 7

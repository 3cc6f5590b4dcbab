from dataclasses import replace
from pathlib import Path

import pytest
import torch
from hypothesis import given, settings, strategies as st
from soundstage.upmixing.generative_weights import TokenModelConfig, load_network, network_tensors

from sounds import cut, song
from soundstage.errors import WeightsError
from soundstage.stereo import BANDS, TOKENS, TRANSFORM, Parameters, quantize
from soundstage.stereo.features import CONTEXT_FEATURES, LEVELS, MIN_LEVEL_DB, SEGMENTS
from soundstage.stereo.style_prior import STYLE_FEATURES
from soundstage.upmixing import make_side
from soundstage.upmixing.generative.sampling import gumbel_noise
from soundstage.upmixing.generative.windowed_decoding import PatchPredictor, Window
from soundstage.upmixing.methods import autoregressive
from soundstage.upmixing.methods.autoregressive import (
    AutoregressiveDecoding,
    AutoregressiveSampler,
    load_autoregressive,
)
from soundstage.upmixing.parametric import ParametricUpmixer
from soundstage.weights.model import save_weights
from tiny import style_prior

FAST = TokenModelConfig(
    blocks=2,
    width=32,
    heads=2,
    expansion=2,
    head=24,
    patch=16,
    stride=2,
    split=1,
    styled=1,
    remembers=1,
    fast=1,
    hearing=6,
)
PAPER = TokenModelConfig(
    blocks=1,
    width=16,
    heads=2,
    expansion=2,
    head=0,
    patch=8,
    stride=1,
    split=0,
    styled=0,
    remembers=0,
    fast=0,
    hearing=0,
)
ASKED = torch.tensor([0.5, torch.nan, -1.0, torch.nan, torch.nan, 0.3, *7 * [torch.nan]])
LIKELIEST = AutoregressiveDecoding(temperature=0.0)
WINDOW_SAMPLES = FAST.patch * FAST.stride * TRANSFORM.hop


def network(shape: TokenModelConfig = FAST):
    with torch.random.fork_rng():
        torch.manual_seed(0)
        made = shape.network().eval().requires_grad_(False)
        if shape.fast:
            torch.nn.init.normal_(made.head.offsets)
    return made


def sampler(
    shape: TokenModelConfig = FAST, decoding: AutoregressiveDecoding | None = None, **more
) -> AutoregressiveSampler:
    return AutoregressiveSampler(network(shape), shape, decoding, **more)


def window(
    positions: int = 16, known: int = 8, takes: list[int] | None = None, *, memory: bool = True
) -> Window:
    """Takes have a known past and a generator of their own, by their number."""
    takes = [0] if takes is None else takes
    levels = torch.randn(positions, LEVELS, generator=torch.Generator().manual_seed(0))
    pasts, memories = [], []
    for take in takes:
        generator = torch.Generator().manual_seed(take)
        pasts.append(torch.randint(TOKENS, (known, BANDS), generator=generator))
        one = torch.randn(SEGMENTS, CONTEXT_FEATURES, generator=generator)
        one[: SEGMENTS - 3 if memory else SEGMENTS] = torch.nan
        memories.append(one)
    seeded = [torch.Generator().manual_seed(100 + take) for take in takes]
    styles = torch.full((len(takes), len(STYLE_FEATURES)), torch.nan)
    return Window(20 * levels - 58, torch.stack(pasts), torch.stack(memories), styles, seeded)


@torch.inference_mode()
def fill(chosen: AutoregressiveSampler, asked: Window) -> torch.Tensor:
    leanings = torch.zeros(len(asked.generators), len(STYLE_FEATURES))
    styles = chosen.style.of(leanings, asked.levels)
    made = chosen.fill(asked._replace(styles=styles))
    assert made.shape == (len(asked.generators), len(asked.levels) - asked.known.shape[1], BANDS)
    assert 0 <= int(made.min()) <= int(made.max()) < TOKENS
    return made


@torch.inference_mode()
def fast_scores(asked: Window, made: torch.Tensor, take: int, guidance: float, style=None):
    """By one pass over the whole window, in which every true token is known."""
    style = torch.full((len(STYLE_FEATURES),), torch.nan) if style is None else style
    tokens = torch.cat([asked.known[take], made[take]])

    def told(deaf: bool) -> torch.Tensor:
        scores = network()(
            asked.levels[None],
            tokens[None],
            torch.tensor([deaf]),
            style=style[None],
            memory=asked.memory[take][None],
        )
        return scores[0, asked.known.shape[1] :]

    return (1 + guidance) * told(False) - guidance * told(True)


@torch.inference_mode()
def paper_scores(asked: Window, made: torch.Tensor, guidance: float):
    """Token by token: the last eight positions, what is not known yet masked."""
    before = PAPER.patch - 1
    silent = quantize(Parameters(torch.zeros(before, BANDS), torch.ones(before, BANDS))).long()
    levels = torch.cat([torch.full((before, LEVELS), MIN_LEVEL_DB), asked.levels])
    tokens = torch.cat([silent, asked.known[0], made[0]])
    model, scores = network(PAPER), torch.zeros(*made[0].shape, TOKENS)
    for index in range(len(made[0])):
        last = before + asked.known.shape[1] + index
        heard = levels[None, last - before : last + 1]
        for band in range(BANDS):
            masked = tokens[None, last - before : last + 1].clone()
            masked[0, -1, band:] = TOKENS
            one, other = (model(heard, masked, torch.tensor([deaf])) for deaf in (False, True))
            scores[index, band] = ((1 + guidance) * one - guidance * other)[0, -1, band]
    return scores


def drawn_by_hand(scores: torch.Tensor, temperature: float, generator: torch.Generator):
    """The likeliest of scores / τ + noise, position by position."""
    noise = torch.stack([gumbel_noise((BANDS, TOKENS), generator) for _ in scores])
    return (scores / temperature + noise).argmax(dim=-1)


def assert_likeliest(scores: torch.Tensor, made: torch.Tensor) -> None:
    of_made = scores.gather(-1, made[..., None])[..., 0]
    torch.testing.assert_close(of_made, scores.amax(dim=-1), rtol=0, atol=1e-4)


@pytest.mark.parametrize("known", [0, 1, 8])
@pytest.mark.parametrize("memory", [False, True])
def test_without_temperature_each_token_is_the_likeliest_after_those_before(
    known: int, memory: bool
) -> None:
    asked = window(known=known, takes=[0, 1], memory=memory)
    made = fill(sampler(decoding=LIKELIEST), asked)
    for take in range(2):
        assert_likeliest(fast_scores(asked, made, take, LIKELIEST.guidance), made[take])


@pytest.mark.parametrize("guidance", [0.0, 0.25, 2.0])
@pytest.mark.parametrize("temperature", [0.5, 0.9])
def test_a_draw_is_that_of_the_guided_scores_over_the_temperature(
    guidance: float, temperature: float
) -> None:
    decoding = AutoregressiveDecoding(temperature, guidance)
    made = fill(sampler(decoding=decoding), window(takes=[0, 1]))
    for take, generator in enumerate(window(takes=[0, 1]).generators):
        scores = fast_scores(window(takes=[0, 1]), made, take, guidance)
        assert torch.equal(drawn_by_hand(scores, temperature, generator), made[take])


def test_a_style_is_told_to_the_network() -> None:
    plain = replace(LIKELIEST, guidance=0.0, style_guidance=0.0)
    made = fill(sampler(decoding=plain, style=ASKED), window())
    scores = fast_scores(window(), made, 0, 0.0, ASKED)
    assert_likeliest(scores, made[0])
    assert not torch.equal(made, fill(sampler(decoding=plain), window()))


def test_a_network_that_hears_no_style_and_has_no_memory_is_told_none() -> None:
    shape = replace(FAST, styled=0, remembers=0)
    found = [fill(sampler(shape), window(memory=memory)) for memory in (False, True)]
    assert torch.equal(*found)


@pytest.mark.parametrize("temperature", [0.7, 1.0])
def test_tokens_come_as_often_as_the_network_says(temperature: float) -> None:
    model = network()
    model.head.shared.weight.zero_()
    model.head.offsets[:] = -100.0
    model.head.offsets[:, :4] = torch.tensor([0.0, 0.5, 1.0, 2.0])
    decoding = AutoregressiveDecoding(temperature)
    made = fill(AutoregressiveSampler(model, FAST, decoding), window(takes=list(range(8))))
    found = made.flatten().bincount(minlength=TOKENS)[:4] / made.numel()
    wanted = (model.head.offsets[0, :4] / temperature).softmax(dim=0)
    torch.testing.assert_close(found, wanted, rtol=0, atol=0.04)


@pytest.mark.parametrize("guidance", [0.0, 0.25])
def test_a_take_is_the_same_alone_and_among_others(
    guidance: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    """To the last bit of what the transformer says, not in its tokens alone."""
    said: list[torch.Tensor] = []
    chosen = sampler(decoding=AutoregressiveDecoding(guidance=guidance))
    form = chosen._form
    advance = form._network.advance

    def heard(*args, **kwargs):
        said.append(advance(*args, **kwargs)[:, -1])
        return said[-1][:, None]

    monkeypatch.setattr(form._network, "advance", heard)
    together = fill(chosen, window(takes=[3, 1, 4, 5, 9]))
    ways = 2 if guidance else 1  # with the sound, without it
    steps = len(said) // 2
    first, second = (torch.stack(part) for part in (said[:steps], said[steps:]))
    for index, take in enumerate([3, 1, 4, 5, 9]):
        said.clear()
        assert torch.equal(fill(chosen, window(takes=[take]))[0], together[index])
        group, row = (first, index) if index < autoregressive.TOGETHER else (second, 0)
        alone = torch.stack(said)
        for way in range(ways):
            beside = group[:, way * autoregressive.TOGETHER + row]
            assert torch.equal(alone[:, way * autoregressive.TOGETHER], beside)


@pytest.mark.parametrize("shape", [FAST, PAPER])
def test_the_same_generators_draw_the_same_tokens_and_others_do_not(
    shape: TokenModelConfig,
) -> None:
    positions, known = (16, 8) if shape.fast else (10, 7)
    one, again, other = (
        fill(sampler(shape), window(positions, known, [take])) for take in (0, 0, 1)
    )
    assert torch.equal(one, again)
    assert not torch.equal(one, other)


def test_the_paper_s_form_draws_what_a_pass_a_token_says() -> None:
    for positions, known in ((9, 7), (2, 0)):
        paper = AutoregressiveDecoding(temperature=0.9, guidance=0.25)
        made = fill(sampler(PAPER, paper), window(positions, known))
        asked = window(positions, known)
        scores = paper_scores(asked, made, guidance=0.25)
        assert torch.equal(drawn_by_hand(scores, 0.9, asked.generators[0]), made[0])


def test_a_window_of_the_paper_s_form_gives_each_position_all_it_hears() -> None:
    chosen = sampler(PAPER)
    assert chosen.patch // 2 == PAPER.patch - 1
    assert chosen.stride == PAPER.stride


def test_the_paper_s_form_tells_style_and_memory_where_the_network_hears_them(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    told: list[dict] = []
    both = AutoregressiveDecoding(guidance=0.25, style_guidance=1.0)
    chosen = sampler(replace(PAPER, styled=1, remembers=1), both, style=ASKED)
    model = chosen._form._network
    monkeypatch.setattr(model.transformer, "forward", spied(model.transformer.forward, told))
    asked = window(8, 7)
    fill(chosen, asked)
    assert len(told) == BANDS
    for each in told:
        told_styles = each["style"].nan_to_num(9)
        assert torch.equal(told_styles[0], ASKED.nan_to_num(9))
        assert bool((told_styles[1:] == 9).all())  # without the sound; without the style
        assert torch.equal(
            each["memory"].nan_to_num(9), asked.memory.expand(3, -1, -1).nan_to_num(9)
        )


def spied(forward, told: list[dict]):
    def heard(*args, **kwargs):
        told.append(kwargs)
        return forward(*args, **kwargs)

    return heard


SONG = song(3 * WINDOW_SAMPLES // 2 + 3_000)
UPMIXER = ParametricUpmixer(PatchPredictor(sampler()))


def side_in_blocks(samples: torch.Tensor, places: list[int], seed: int = 0) -> torch.Tensor:
    with torch.inference_mode():
        stream = UPMIXER.stream(seed=seed)
        return torch.cat([*map(stream.push, cut(samples, places)), stream.finish()], dim=1)


WHOLE = side_in_blocks(SONG, [])


@settings(max_examples=5)
@given(places=st.lists(st.integers(0, len(SONG)), max_size=6))
def test_the_side_does_not_depend_on_how_a_signal_is_cut(places: list[int]) -> None:
    assert torch.equal(side_in_blocks(SONG, places), WHOLE)


def test_seeds_make_different_takes() -> None:
    one, other = (UPMIXER._predictor.stream(seed=seed) for seed in (0, 1))
    frames = TRANSFORM.analyze(SONG)
    assert not torch.equal(one.push(frames).iid, other.push(frames).iid)


def test_takes_in_one_run_are_those_made_alone() -> None:
    predictor, frames = PatchPredictor(sampler()), TRANSFORM.analyze(SONG)
    with torch.inference_mode():
        stream = predictor.takes([5, 0, 7])
        together = list(zip(stream.push(frames), stream.finish(), strict=True))
        for seed, parts in zip([5, 0, 7], together, strict=True):
            alone = predictor.stream(seed=seed)
            for wanted, found in zip([alone.push(frames), alone.finish()], parts, strict=True):
                assert torch.equal(found.iid, wanted.iid)
                assert torch.equal(found.coherence, wanted.coherence)


@pytest.mark.parametrize("length", [0, 1, 1000, WINDOW_SAMPLES // 2])
@pytest.mark.parametrize("shape", [FAST, PAPER])
def test_a_short_signal_gets_a_side_of_its_length(shape: TokenModelConfig, length: int) -> None:
    if not shape.fast:
        length = min(length, 1000)
    side = make_side(ParametricUpmixer(PatchPredictor(sampler(shape))), song(length))
    assert side.shape == (1, length)
    assert bool(side.isfinite().all())


@pytest.mark.parametrize("shape", [FAST, PAPER])
def test_a_saved_network_is_the_one_that_draws(tmp_path: Path, shape: TokenModelConfig) -> None:
    path = tmp_path / "own.safetensors"
    model = network(shape)
    save_weights(path, "autoregressive", network_tensors(shape, model.state_dict(), style_prior()))
    rounded = {name: value.half().float() for name, value in model.state_dict().items()}
    model.load_state_dict(rounded)
    asked = (16, 8) if shape.fast else (8, 7)
    prior = style_prior() if shape.styled else None
    wanted = fill(AutoregressiveSampler(model, shape, prior=prior), window(*asked))
    read_shape, read, read_prior = load_network(str(path), "autoregressive")
    assert read_shape == shape
    loaded = AutoregressiveSampler(read, read_shape, prior=read_prior)
    assert torch.equal(fill(loaded, window(*asked)), wanted)
    side = make_side(ParametricUpmixer(load_autoregressive(str(path))), song(2_000))
    assert float(side.norm()) > 0


def test_weights_of_another_family_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "own.safetensors"
    save_weights(path, "masked", network_tensors(PAPER, network(PAPER).state_dict(), style_prior()))
    with pytest.raises(WeightsError, match=r"own\.safetensors"):
        load_autoregressive(str(path))

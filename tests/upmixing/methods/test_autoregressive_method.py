from dataclasses import replace
from pathlib import Path

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from sounds import cut, song
from soundstage.errors import WeightsError
from soundstage.networks.backbones.transformer import TokenConfig
from soundstage.networks.models.stereo_autoregression import StereoAutoregressionConfig
from soundstage.stereo import BANDS, TOKENS, TRANSFORM, Parameters, quantize
from soundstage.stereo.features import (
    BANDS_OF_LEVELS,
    CONTEXT_FEATURES,
    LEVELS,
    MIN_LEVEL_DB,
    SEGMENTS,
)
from soundstage.stereo.style_prior import STYLE_FEATURES, style_features
from soundstage.upmixing import ParametricMethod, Style, make_side
from soundstage.upmixing.generative.sampling import gumbel_noise
from soundstage.upmixing.generative.windowed_decoding import Window, WindowedPredictor
from soundstage.upmixing.methods.autoregressive import (
    BATCH,
    AutoregressiveDecoding,
    AutoregressiveSampler,
    load,
)
from soundstage.weights.model import save_model
from tiny import AUTOREGRESSIVE, save_generative, style_prior

FAST = replace(AUTOREGRESSIVE, depth=2, dim=32, head_dim=24, cond_channels=6)
PAPER = StereoAutoregressionConfig(
    depth=1,
    dim=16,
    heads=2,
    mlp_ratio=2,
    n_levels=LEVELS,
    tokens=TokenConfig(n_bands=BANDS, codebook_sizes=(TOKENS,)),
    form="paper",
    context_frames=8,
    stride=1,
)
STYLE = Style(width=1.4, width_mid=0.8, diffuseness=0.7)
MOST_LIKELY = AutoregressiveDecoding(temperature=0.0)
WINDOW_SAMPLES = FAST.context_frames * FAST.stride * TRANSFORM.hop


def network(config: StereoAutoregressionConfig = FAST):
    with torch.random.fork_rng():
        torch.manual_seed(0)
        model = config.build().eval().requires_grad_(False)
        if config.form == "fast":
            torch.nn.init.normal_(model.head.out_bias)
            model.encoder.band_weights.copy_(BANDS_OF_LEVELS)
    return model


def sampler(
    config: StereoAutoregressionConfig = FAST,
    decoding: AutoregressiveDecoding | None = None,
    **more,
) -> AutoregressiveSampler:
    return AutoregressiveSampler(
        network(config), config, decoding or AutoregressiveDecoding(), **more
    )


def window(
    positions: int = 16, known: int = 8, takes: list[int] | None = None, *, memory: bool = True
) -> Window:
    """Takes have a past and a generator of their own, by their number."""
    takes = [0] if takes is None else takes
    levels = torch.randn(positions, LEVELS, generator=torch.Generator().manual_seed(0))
    pasts, memories = [], []
    for take in takes:
        generator = torch.Generator().manual_seed(take)
        pasts.append(torch.randint(TOKENS, (known, BANDS), generator=generator))
        one = torch.randn(SEGMENTS, CONTEXT_FEATURES, generator=generator)
        one[: SEGMENTS - 3 if memory else SEGMENTS] = torch.nan
        memories.append(one)
    generators = [torch.Generator().manual_seed(100 + take) for take in takes]
    styles = torch.full((len(takes), len(STYLE_FEATURES)), torch.nan)
    return Window(20 * levels - 58, torch.stack(pasts), torch.stack(memories), styles, generators)


@torch.inference_mode()
def fill(chosen: AutoregressiveSampler, inputs: Window) -> torch.Tensor:
    offsets = torch.zeros(len(inputs.generators), len(STYLE_FEATURES))
    styles = chosen.style.sample(offsets, inputs.levels)
    tokens = chosen.fill(inputs._replace(styles=styles))
    rest = len(inputs.levels) - inputs.known.shape[1]
    assert tokens.shape == (len(inputs.generators), rest, BANDS)
    assert 0 <= int(tokens.min()) <= int(tokens.max()) < TOKENS
    return tokens


@torch.inference_mode()
def fast_scores(inputs: Window, tokens: torch.Tensor, take: int, guidance: float, style=None):
    """By teacher forcing: one pass over the whole window with all tokens."""
    style = torch.full((len(STYLE_FEATURES),), torch.nan) if style is None else style
    known = torch.cat([inputs.known[take], tokens[take]])

    def scores(uncond: bool) -> torch.Tensor:
        whole = network()(
            inputs.levels[None],
            known[None],
            torch.tensor([uncond]),
            style=style[None],
            memory=inputs.memory[take][None],
        )
        return whole[0, inputs.known.shape[1] :]

    return (1 + guidance) * scores(False) - guidance * scores(True)


@torch.inference_mode()
def paper_scores(inputs: Window, tokens: torch.Tensor, guidance: float):
    """Token by token: the last eight positions, later tokens masked."""
    past = PAPER.context_frames - 1
    silence = quantize(Parameters(torch.zeros(past, BANDS), torch.ones(past, BANDS))).long()
    levels = torch.cat([torch.full((past, LEVELS), MIN_LEVEL_DB), inputs.levels])
    known = torch.cat([silence, inputs.known[0], tokens[0]])
    model, scores = network(PAPER), torch.zeros(*tokens[0].shape, TOKENS)
    for index in range(len(tokens[0])):
        last = past + inputs.known.shape[1] + index
        seen = levels[None, last - past : last + 1]
        for band in range(BANDS):
            masked = known[None, last - past : last + 1].clone()
            masked[0, -1, band:] = TOKENS
            one, other = (model(seen, masked, torch.tensor([flag])) for flag in (False, True))
            scores[index, band] = ((1 + guidance) * one - guidance * other)[0, -1, band]
    return scores


def sampled_directly(scores: torch.Tensor, temperature: float, generator: torch.Generator):
    """argmax of scores / τ + noise, position by position."""
    noise = torch.stack([gumbel_noise((BANDS, TOKENS), generator) for _ in scores])
    return (scores / temperature + noise).argmax(dim=-1)


def assert_most_likely(scores: torch.Tensor, tokens: torch.Tensor) -> None:
    found = scores.gather(-1, tokens[..., None])[..., 0]
    torch.testing.assert_close(found, scores.amax(dim=-1), rtol=0, atol=1e-4)


@pytest.mark.parametrize(("known", "memory"), [(0, False), (1, True), (8, True)])
def test_without_temperature_each_token_is_the_most_likely_after_those_before(
    known: int, memory: bool
) -> None:
    inputs = window(known=known, takes=[0, 1], memory=memory)
    tokens = fill(sampler(decoding=MOST_LIKELY), inputs)
    for take in range(2):
        assert_most_likely(fast_scores(inputs, tokens, take, 0.0), tokens[take])


@pytest.mark.parametrize(("guidance", "temperature"), [(0.0, 0.9), (0.25, 0.5), (2.0, 0.9)])
def test_tokens_are_samples_of_the_guided_scores_over_the_temperature(
    guidance: float, temperature: float
) -> None:
    decoding = AutoregressiveDecoding(temperature, guidance)
    tokens = fill(sampler(decoding=decoding), window(takes=[0, 1]))
    for take, generator in enumerate(window(takes=[0, 1]).generators):
        scores = fast_scores(window(takes=[0, 1]), tokens, take, guidance)
        assert torch.equal(sampled_directly(scores, temperature, generator), tokens[take])


def test_the_network_is_conditioned_on_a_style() -> None:
    plain = replace(MOST_LIKELY, style_guidance=0.0)
    tokens = fill(sampler(decoding=plain, style=STYLE), window())
    scores = fast_scores(window(), tokens, 0, 0.0, style_features(STYLE.to_tensor()))
    assert_most_likely(scores, tokens[0])
    assert not torch.equal(tokens, fill(sampler(decoding=plain), window()))


def test_a_network_without_style_and_memory_gets_none() -> None:
    config = replace(FAST, style_dim=0, memory=None)
    found = [fill(sampler(config), window(memory=memory)) for memory in (False, True)]
    assert torch.equal(*found)


def test_tokens_have_the_distribution_of_the_network() -> None:
    model, temperature = network(), 0.7
    model.head.out.weight.zero_()
    model.head.out_bias[:] = -100.0
    model.head.out_bias[:, :4] = torch.tensor([0.0, 0.5, 1.0, 2.0])
    decoding = AutoregressiveDecoding(temperature)
    tokens = fill(AutoregressiveSampler(model, FAST, decoding), window(takes=list(range(8))))
    found = tokens.flatten().bincount(minlength=TOKENS)[:4] / tokens.numel()
    expected = (model.head.out_bias[0, :4] / temperature).softmax(dim=0)
    torch.testing.assert_close(found, expected, rtol=0, atol=0.04)


@pytest.mark.parametrize("guidance", [0.0, 0.25])
def test_a_take_has_the_same_hidden_states_alone_and_among_others(
    guidance: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    """To the last bit, since equal tokens alone could be luck."""
    states: list[torch.Tensor] = []
    chosen = sampler(decoding=AutoregressiveDecoding(guidance=guidance))
    model = chosen._form._network
    step = model.step

    def spied(*args, **kwargs):
        states.append(step(*args, **kwargs)[:, -1])
        return states[-1][:, None]

    monkeypatch.setattr(model, "step", spied)
    takes = [3, 1, 4, 5, 9]
    together = fill(chosen, window(takes=takes))
    half = len(states) // 2  # two batches
    batches = [
        torch.stack(part).unflatten(1, (-1, BATCH)) for part in (states[:half], states[half:])
    ]
    for index, take in enumerate(takes):
        states.clear()
        assert torch.equal(fill(chosen, window(takes=[take]))[0], together[index])
        alone = torch.stack(states).unflatten(1, (-1, BATCH))[:, :, 0]
        batch, row = divmod(index, BATCH)
        assert torch.equal(batches[batch][:, :, row], alone)


@pytest.mark.parametrize("config", [FAST, PAPER], ids=["fast", "paper"])
def test_takes_depend_on_their_generators_alone(config: StereoAutoregressionConfig) -> None:
    positions, known = (16, 8) if config is FAST else (10, 7)
    one, same, other = (
        fill(sampler(config), window(positions, known, [take])) for take in (0, 0, 1)
    )
    assert torch.equal(one, same)
    assert not torch.equal(one, other)


def test_the_form_of_the_paper_samples_from_one_pass_a_token() -> None:
    for positions, known in ((9, 7), (2, 0)):
        paper = AutoregressiveDecoding(temperature=0.9, guidance=0.25)
        tokens = fill(sampler(PAPER, paper), window(positions, known))
        inputs = window(positions, known)
        scores = paper_scores(inputs, tokens, guidance=0.25)
        assert torch.equal(sampled_directly(scores, 0.9, inputs.generators[0]), tokens[0])


def test_a_window_of_the_paper_gives_each_new_position_its_whole_context() -> None:
    chosen = sampler(PAPER)
    assert chosen.context_frames // 2 == PAPER.context_frames - 1
    assert chosen.stride == PAPER.stride


def test_the_form_of_the_paper_conditions_on_style_and_memory(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    calls: list[dict] = []
    both = AutoregressiveDecoding(guidance=0.25, style_guidance=1.0)
    config = replace(PAPER, style_dim=FAST.style_dim, memory=replace(FAST.memory, hop=32))
    chosen = sampler(config, both, style=STYLE)
    transformer = chosen._form._network.transformer
    forward = transformer.forward

    def spied(*args, **kwargs):
        calls.append(kwargs)
        return forward(*args, **kwargs)

    monkeypatch.setattr(transformer, "forward", spied)
    inputs, features = window(8, 7), style_features(STYLE.to_tensor())
    fill(chosen, inputs)
    assert len(calls) == BANDS
    for call in calls:
        torch.testing.assert_close(call["style"][0], features, equal_nan=True)
        assert bool(call["style"][1:].isnan().all())  # without the sound; without the style
        expected = inputs.memory.expand(3, -1, -1)
        torch.testing.assert_close(call["memory"], expected, equal_nan=True)


SONG = song(3 * WINDOW_SAMPLES // 2 + 3_000)
METHOD = ParametricMethod(WindowedPredictor(sampler()))


def side_in_blocks(places: list[int]) -> torch.Tensor:
    with torch.inference_mode():
        stream = METHOD.stream([0])
        return torch.cat([*map(stream.push, cut(SONG, places)), stream.finish()], dim=-1)


@pytest.mark.slow
@settings(max_examples=5)
@given(places=st.lists(st.integers(0, len(SONG)), max_size=6))
def test_blocks_of_any_size_give_the_same_side(places: list[int]) -> None:
    assert torch.equal(side_in_blocks(places), side_in_blocks([]))


def test_takes_in_one_run_are_those_made_alone() -> None:
    predictor, frames = WindowedPredictor(sampler()), TRANSFORM.analyze(SONG)

    def parameters(seeds: list[int]) -> torch.Tensor:
        stream = predictor.stream(seeds)
        with torch.inference_mode():
            parts = [stream.push(frames), stream.finish()]
        return torch.cat([torch.cat(part, dim=1) for part in parts], dim=-1)

    together = parameters([5, 0, 7])
    assert not torch.equal(together[0], together[1])
    for seed, take in zip([5, 0, 7], together, strict=True):
        assert torch.equal(parameters([seed])[0], take)


@pytest.mark.parametrize("length", [0, 1, 1000])
@pytest.mark.parametrize("config", [FAST, PAPER], ids=["fast", "paper"])
def test_a_short_signal_gets_a_side_of_its_length(
    config: StereoAutoregressionConfig, length: int
) -> None:
    side = make_side(ParametricMethod(WindowedPredictor(sampler(config))), song(length))
    assert side.shape == (1, length)
    assert bool(side.isfinite().all())


@pytest.mark.parametrize("config", [FAST, PAPER], ids=["fast", "paper"])
def test_a_saved_network_of_either_form_is_loaded(
    tmp_path: Path, config: StereoAutoregressionConfig
) -> None:
    path, model = tmp_path / "own.safetensors", network(config)
    prior = style_prior() if config.style_dim else None
    save_model(path, config, model.state_dict(), prior.tensors() if prior else {})
    for value in model.state_dict().values():
        value.copy_(value.half())
    expected = ParametricMethod(
        WindowedPredictor(AutoregressiveSampler(model, config, prior=prior))
    )
    sound = song(2_000)
    assert torch.equal(make_side(load(str(path)), sound), make_side(expected, sound))


def test_weights_of_another_family_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "own.safetensors"
    save_generative(path, "masked")
    with pytest.raises(WeightsError, match=r"own\.safetensors"):
        load(str(path))

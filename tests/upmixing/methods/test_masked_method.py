from dataclasses import replace

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from sounds import cut, song
from soundstage.stereo import BANDS, TOKENS, TRANSFORM
from soundstage.stereo.features import BANDS_OF_LEVELS, CONTEXT_FEATURES, LEVELS, SEGMENTS
from soundstage.stereo.style_prior import STYLE_FEATURES, style_features
from soundstage.upmixing import ParametricMethod, Style, make_side
from soundstage.upmixing.generative.windowed_decoding import Window, WindowedPredictor
from soundstage.upmixing.methods.masked import (
    MaskedDecoding,
    MaskedSampler,
    load,
    mask_schedule,
    spread_ranks,
)
from tiny import MASKED, generative_network, save_generative

ORDERS = ["confidence", "entropy", "random", "spread"]
QUICK = MaskedDecoding(temperature=1.0, steps=3, first_steps=4)
HOP = TRANSFORM.hop


class Spy:
    """Returns the same scores for every tile, and keeps its inputs."""

    def __init__(self, scores: torch.Tensor, uncond_scores: torch.Tensor | None = None) -> None:
        self.scores = scores
        self.uncond_scores = scores if uncond_scores is None else uncond_scores
        self.tokens: list[torch.Tensor] = []
        self.inputs: list[dict] = []

    def encode(self, levels, uncond=None):
        self.encoded = torch.arange(len(levels)).float()
        return self.encoded

    def __call__(
        self,
        levels,
        tokens,
        uncond,
        *,
        style=None,
        memory=None,
        first_frame=0,
        select=None,
        cond=None,
    ):
        assert torch.equal(cond, self.encoded.repeat(len(tokens) // len(self.encoded)))
        self.tokens.append(tokens.clone())
        self.inputs.append({"levels": levels, "uncond": uncond, "style": style, "memory": memory})
        chosen = torch.where(uncond[:, None], self.uncond_scores, self.scores)
        whole = chosen[:, None, None].expand(-1, tokens.shape[1] - first_frame, BANDS, -1)
        return whole[select]


def random_scores(seed: int = 0) -> torch.Tensor:
    return 1.5 * torch.randn(TOKENS, generator=torch.Generator().manual_seed(seed))


def window(positions: int = 16, known: int = 8, takes: int = 1, seed: int = 0) -> Window:
    generator = torch.Generator().manual_seed(seed)
    return Window(
        torch.randn(positions, LEVELS, generator=generator) * 10 - 58,
        torch.randint(TOKENS, (takes, known, BANDS), generator=generator),
        torch.full((takes, SEGMENTS, CONTEXT_FEATURES), torch.nan),
        torch.full((takes, len(STYLE_FEATURES)), torch.nan),
        [torch.Generator().manual_seed(100 * seed + take) for take in range(takes)],
    )


def fill(spy: Spy, inputs: Window, decoding: MaskedDecoding = QUICK, **more) -> torch.Tensor:
    sampler = MaskedSampler(spy, MASKED, decoding, **more)
    offsets = torch.zeros(len(inputs.generators), len(STYLE_FEATURES))
    return sampler.fill(inputs._replace(styles=sampler.style.sample(offsets, inputs.levels)))


@settings(max_examples=40)
@given(
    order=st.sampled_from(ORDERS),
    steps=st.sampled_from([1, 2, 5, 12]),
    known=st.sampled_from([0, 3, 8]),
    slow_start=st.sampled_from([1.0, 1.5]),
)
def test_every_token_is_sampled_once_by_the_schedule(
    order: str, steps: int, known: int, slow_start: float
) -> None:
    spy, inputs = Spy(random_scores()), window(known=known)
    decoding = MaskedDecoding(steps, steps + 1, order, slow_start, temperature=1.0)
    tokens = fill(spy, inputs, decoding)[0]
    assert tokens.shape == (16 - known, BANDS)
    assert 0 <= int(tokens.min()) <= int(tokens.max()) < TOKENS
    passes = steps if known else steps + 1
    counts = mask_schedule(passes, tokens.numel(), slow_start=slow_start)
    assert len(spy.tokens) == passes
    for before, count in zip(spy.tokens, [0, *counts], strict=False):
        assert torch.equal(before[0, :known], inputs.known[0])
        rest = before[0, known:]
        assert int((rest != TOKENS).sum()) == count
        assert bool(((rest == TOKENS) | (rest == tokens)).all())


def test_there_may_be_more_passes_than_tokens() -> None:
    tokens = fill(Spy(random_scores()), window(9, 8), MaskedDecoding(steps=50))
    assert tokens.shape == (1, 1, BANDS)
    assert int(tokens.max()) < TOKENS


def test_guidance_extrapolates_from_the_unconditioned_scores() -> None:
    cond, uncond = random_scores(0), random_scores(1)
    expected = (1 + 2.5) * cond - 2.5 * uncond
    assert expected.argmax() != cond.argmax()
    spy = Spy(cond, uncond)
    tokens = fill(spy, window(), replace(QUICK, guidance=2.5, temperature=1e-3))
    assert bool((tokens == expected.argmax()).all())
    assert chi_square(fill(spy, window(308), replace(QUICK, guidance=2.5)), expected) < 1.6
    assert spy.inputs[0]["uncond"].tolist() == [False, True]
    assert torch.equal(spy.tokens[0][0], spy.tokens[0][1])


def test_without_guidance_a_pass_has_one_example_a_take() -> None:
    spy = Spy(random_scores())
    fill(spy, window(takes=3))
    assert [len(tokens) for tokens in spy.tokens] == [2] * QUICK.steps + [1] * QUICK.steps
    assert not spy.inputs[0]["uncond"].any()


def test_takes_and_branches_are_one_batch_take_by_take() -> None:
    spy, style = Spy(random_scores()), Style(width=1.0)
    inputs = window(takes=3)
    fill(spy, inputs, style=style)
    assert [len(tokens) for tokens in spy.tokens] == [4] * 3 + [2] * 3
    styles, features = spy.inputs[0]["style"], style_features(style.to_tensor())
    torch.testing.assert_close(styles[::2], features.expand(2, -1), equal_nan=True)
    assert bool(styles[1::2].isnan().all())
    assert torch.equal(spy.tokens[0][::2, :8], inputs.known[:2])


def test_an_unrequested_style_is_undefined() -> None:
    spy = Spy(random_scores())
    fill(spy, window())
    assert bool(spy.inputs[0]["style"].isnan().all())


def test_a_network_without_style_and_memory_gets_none() -> None:
    spy = Spy(random_scores())
    MaskedSampler(spy, replace(MASKED, style_dim=0, memory=None), QUICK).fill(window())
    assert spy.inputs[0]["style"] is None
    assert spy.inputs[0]["memory"] is None


@pytest.mark.parametrize("order", ORDERS)
def test_a_temperature_near_0_takes_the_most_likely_token(order: str) -> None:
    scores = random_scores()
    tokens = fill(Spy(scores), window(), replace(QUICK, order=order, temperature=1e-3))
    assert bool((tokens == scores.argmax()).all())


def chi_square(tokens: torch.Tensor, scores: torch.Tensor) -> float:
    """χ² a degree of freedom of the tokens against the distribution of the scores."""
    expected = tokens.numel() * scores.softmax(dim=0)
    found = torch.bincount(tokens.flatten(), minlength=TOKENS)
    often = expected > 3
    seldom = (found[~often].sum() - expected[~often].sum()).square() / expected[~often].sum()
    squares = (found - expected).square()[often] / expected[often]
    return float((squares.sum() + seldom) / int(often.sum()))


@pytest.mark.parametrize("order", ["random", "spread"])
def test_tokens_have_the_distribution_of_the_network(order: str) -> None:
    scores = random_scores()
    tokens = fill(Spy(scores), window(308, 8), replace(QUICK, order=order))
    assert chi_square(tokens, scores) < 1.4  # 1 ± 0.12 by chance
    assert chi_square(tokens, random_scores(1)) > 10


def test_temperature_divides_the_scores() -> None:
    scores = random_scores()
    tokens = fill(Spy(scores), window(308, 8), replace(QUICK, temperature=0.7))
    assert chi_square(tokens, scores / 0.7) < 1.4
    assert chi_square(tokens, scores) > 2


def test_confidence_prefers_likely_tokens() -> None:
    scores = random_scores()
    decoding = replace(QUICK, steps=12, order="confidence", noise=0.0)
    spy = Spy(scores)
    tokens = fill(spy, window(108, 8), decoding)
    log_probability = scores.log_softmax(dim=0)
    mean = float((log_probability.exp() * log_probability).sum())
    assert float(log_probability[tokens].mean()) > mean + 0.3
    first = spy.tokens[1][0, 8:]
    assert float(log_probability[first[first < TOKENS]].mean()) > mean + 1
    noisy = fill(Spy(scores), window(108, 8), replace(decoding, noise=50.0))
    assert abs(float(log_probability[noisy].mean()) - mean) < 0.15


def test_entropy_starts_with_certain_tiles() -> None:
    class Uneven(Spy):
        def __call__(self, *args, **more):
            scores = super().__call__(*args, **more).clone()
            scores[more["select"].nonzero()[:, -1] == 5] *= 20  # nearly certain
            return scores

    spy = Uneven(random_scores())
    fill(spy, window(), replace(QUICK, steps=12, order="entropy", noise=0.0))
    known = spy.tokens[1][0, 8:] != TOKENS
    assert int(known.sum()) == int(known[:, 5].sum()) > 0


@pytest.mark.parametrize("order", ORDERS)
def test_takes_depend_on_their_generators_alone(order: str) -> None:
    decoding, scores = replace(QUICK, order=order), random_scores()
    one, same = (fill(Spy(scores), window(takes=3), decoding) for _ in range(2))
    assert torch.equal(one, same)
    assert not torch.equal(one[0], one[1])
    assert torch.equal(fill(Spy(scores), window(takes=1), decoding)[0], one[0])


@given(steps=st.integers(1, 60), total=st.integers(0, 9000), slow_start=st.floats(0.25, 4))
def test_the_schedule_never_falls_and_ends_with_all(
    steps: int, total: int, slow_start: float
) -> None:
    counts = mask_schedule(steps, total, slow_start=slow_start)
    assert len(counts) == steps
    assert counts[-1] == total
    assert counts == sorted(counts)
    if total >= steps and slow_start >= 1:
        assert len(set(counts)) == steps  # every pass samples something


def test_the_schedule_is_the_cosine_of_the_paper_or_slower() -> None:
    counts = mask_schedule(16, 100_000)
    masked = 1 - torch.tensor(counts) / 100_000
    cosine = torch.cos(torch.pi / 2 * torch.arange(1, 17) / 16)
    torch.testing.assert_close(masked, cosine, rtol=0, atol=2e-5)
    slow = mask_schedule(16, 100_000, slow_start=2.0)
    assert all(b < a for a, b in zip(counts[:-1], slow[:-1], strict=True))


def shift_of(seed: int) -> torch.Tensor:
    return torch.rand(2, generator=torch.Generator().manual_seed(seed))


@given(positions=st.integers(1, 80), bands=st.integers(1, 40), seed=st.integers(0, 99))
def test_ranks_are_a_permutation_of_the_tiles(positions: int, bands: int, seed: int) -> None:
    ranks = spread_ranks(positions, bands, shift_of(seed))
    assert ranks.shape == (positions, bands)
    assert torch.equal(ranks.flatten().sort().values, torch.arange(positions * bands))


def nearest(ranks: torch.Tensor, start: int, stop: int) -> torch.Tensor:
    """Distance of each tile of a pass to its nearest neighbor, in sides of the window."""
    places = ((start <= ranks) & (ranks < stop)).nonzero() / torch.tensor(ranks.shape)
    return (torch.cdist(places, places) + torch.eye(stop - start)).min(dim=1).values


@pytest.mark.parametrize(("start", "stop"), [(0, 20), (0, 400), (600, 900)])
def test_tiles_of_a_pass_lie_farther_apart_than_by_chance(start: int, stop: int) -> None:
    chance = torch.randperm(128 * BANDS, generator=torch.Generator().manual_seed(1))
    random = nearest(chance.view(128, BANDS), start, stop)
    for seed in range(3):
        spread = nearest(spread_ranks(128, BANDS, shift_of(seed)), start, stop)
        assert float(spread.mean()) > 1.1 * float(random.mean())


@pytest.mark.parametrize("count", [64, 1000])
def test_every_pass_covers_time_and_bands_evenly(count: int) -> None:
    for seed in range(3):
        known = (spread_ranks(128, BANDS, shift_of(seed)) < count).float()
        blocks = known.reshape(4, 32, 2, BANDS // 2).sum(dim=(1, 3))
        assert float((blocks - count / 8).abs().max()) <= max(0.15 * count / 8, 3)


def test_another_shift_is_another_order() -> None:
    one, other = (spread_ranks(64, BANDS, shift_of(seed)) for seed in (0, 1))
    assert float((one - other).abs().float().mean()) > 0.1 * one.numel()


METHOD = ParametricMethod(
    WindowedPredictor(MaskedSampler(generative_network("masked"), MASKED, QUICK))
)


@settings(max_examples=4)
@given(length=st.integers(0, 70 * HOP), places=st.lists(st.integers(0, 70 * HOP), max_size=5))
def test_blocks_of_any_size_give_the_same_side(length: int, places: list[int]) -> None:
    sound = song(length)
    whole = make_side(METHOD, sound, seed=3)
    stream = METHOD.stream([3])
    with torch.inference_mode():
        parts = [*map(stream.push, cut(sound, places)), stream.finish()]
    side = torch.cat(parts, dim=-1)[0]
    assert side.shape == whole.shape == (1, length)
    assert torch.equal(side, whole)


@pytest.mark.parametrize("style", [None, Style(width=1.4)])
def test_a_take_has_the_same_bits_alone_and_among_others(style: Style | None) -> None:
    """Those of the scores, since equal tokens alone could be luck."""
    config = replace(MASKED, dim=128, rank=96)  # as wide as products that do round differently
    with torch.random.fork_rng():
        torch.manual_seed(0)
        network = config.build().eval().requires_grad_(False)
    network.encoder.band_weights.copy_(BANDS_OF_LEVELS)
    scores: list[torch.Tensor] = []
    network.register_forward_hook(lambda module, inputs, output: scores.append(output))
    predictor = WindowedPredictor(MaskedSampler(network, config, QUICK, style))
    frames = TRANSFORM.analyze(song(50 * HOP))

    def run(seeds: list[int]) -> tuple[torch.Tensor, list[torch.Tensor]]:
        scores.clear()
        stream = predictor.stream(seeds)
        with torch.inference_mode():
            parts = [stream.push(frames), stream.finish()]
        parameters = torch.cat([torch.cat(part, dim=1) for part in parts], dim=-1)
        return parameters, [each.unflatten(0, (len(seeds), -1)) for each in scores]

    seeds = [5, 0]
    together, scores_together = run(seeds)
    assert not torch.equal(together[0], together[1])
    for take, seed in enumerate(seeds):
        alone, scores_alone = run([seed])
        assert torch.equal(alone[0], together[take])
        for one, among in zip(scores_alone, scores_together, strict=True):
            assert torch.equal(one[0], among[take])


def test_silence_stays_silent() -> None:
    assert float(make_side(METHOD, torch.zeros(20 * HOP)).abs().max()) == 0


def test_a_saved_network_is_loaded_with_its_settings(tmp_path) -> None:
    path = tmp_path / "own.safetensors"
    save_generative(path, "masked", seed=4)
    sound = song(50 * HOP)
    one, same, other = (
        make_side(load(str(path), decoding=settings), sound)
        for settings in (QUICK, QUICK, replace(QUICK, temperature=0.1))
    )
    assert one.shape == (1, len(sound))
    assert torch.equal(one, same)
    assert not torch.equal(one, other)
    assert not torch.equal(one, make_side(METHOD, sound))

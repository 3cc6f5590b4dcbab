from dataclasses import replace

import pytest
import torch
from hypothesis import given, settings, strategies as st
from soundstage.upmixing.generative_weights import TokenModelConfig, network_tensors

from sounds import cut, song
from soundstage.stereo import BANDS, TOKENS, TRANSFORM
from soundstage.stereo.features import CONTEXT_FEATURES, LEVELS, SEGMENTS
from soundstage.stereo.style_prior import STYLE_FEATURES
from soundstage.upmixing import make_side
from soundstage.upmixing.generative.decoding_order import mask_schedule
from soundstage.upmixing.generative.windowed_decoding import PatchPredictor, Window
from soundstage.upmixing.methods.masked import MaskedDecoding, MaskedSampler, load_masked
from soundstage.upmixing.parametric import ParametricUpmixer
from soundstage.weights.model import save_weights
from tiny import MASKED as SHAPE, style_prior

ORDERS = ["confidence", "certainty", "random", "spread"]
QUICK = MaskedDecoding(temperature=1.0, steps=3, first_steps=4)


class Spy:
    """Says the same scores of every tile, and keeps all that it is told."""

    def __init__(self, scores: torch.Tensor, deaf_scores: torch.Tensor | None = None) -> None:
        self.scores = scores
        self.deaf_scores = scores if deaf_scores is None else deaf_scores
        self.heard: list[torch.Tensor] = []
        self.told: list[dict] = []

    def hear(self, levels, deaf=None):
        return (levels, deaf)

    def __call__(
        self, levels, tokens, deaf=None, *, style=None, memory=None, first=0, tiles=None, heard=None
    ):
        assert torch.equal(heard[0], levels)
        assert torch.equal(heard[1], deaf)
        self.heard.append(tokens.clone())
        self.told.append({"levels": levels, "deaf": deaf, "style": style, "memory": memory})
        flags = torch.zeros(len(tokens), dtype=torch.bool) if deaf is None else deaf
        chosen = torch.where(flags[:, None], self.deaf_scores, self.scores)
        whole = chosen[:, None, None].expand(-1, tokens.shape[1] - first, BANDS, -1)
        return whole if tiles is None else whole[tiles]


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


def fill(spy: Spy, asked: Window, decoding: MaskedDecoding = QUICK, **more) -> torch.Tensor:
    sampler = MaskedSampler(spy, SHAPE, decoding, **more)
    leanings = torch.zeros(len(asked.generators), len(STYLE_FEATURES))
    styles = sampler.style.of(leanings, asked.levels)
    return sampler.fill(asked._replace(styles=styles))


@settings(max_examples=40)
@given(
    order=st.sampled_from(ORDERS),
    steps=st.sampled_from([1, 2, 5, 12]),
    known=st.sampled_from([0, 3, 8]),
    slow_start=st.sampled_from([1.0, 1.5]),
)
def test_every_token_is_settled_once_and_stays(
    order: str, steps: int, known: int, slow_start: float
) -> None:
    spy, asked = Spy(random_scores()), window(known=known)
    chosen = MaskedDecoding(
        temperature=1.0, steps=steps, first_steps=steps + 1, order=order, slow_start=slow_start
    )
    made = fill(spy, asked, chosen)[0]
    assert made.shape == (16 - known, BANDS)
    assert 0 <= int(made.min()) <= int(made.max()) < TOKENS
    passes = steps if known else steps + 1
    counts = mask_schedule(passes, made.numel(), slow_start=slow_start)
    assert len(spy.heard) == passes
    for tokens, settled in zip(spy.heard, [0, *counts], strict=False):
        assert torch.equal(tokens[0, :known], asked.known[0])
        rest = tokens[0, known:]
        assert int((rest != TOKENS).sum()) == settled
        assert bool(((rest == TOKENS) | (rest == made)).all())


@pytest.mark.parametrize("order", ORDERS)
def test_there_may_be_more_steps_than_tokens(order: str) -> None:
    made = fill(
        Spy(random_scores()), window(9, 8), MaskedDecoding(temperature=1.0, steps=50, order=order)
    )
    assert made.shape == (1, 1, BANDS)
    assert int(made.max()) < TOKENS


def test_guidance_goes_beyond_what_the_sound_adds() -> None:
    heard, unheard = random_scores(0), random_scores(1)
    wanted = (1 + 2.5) * heard - 2.5 * unheard
    assert wanted.argmax() != heard.argmax()
    spy = Spy(heard, unheard)
    made = fill(spy, window(), replace(QUICK, guidance=2.5, temperature=1e-3))
    assert bool((made == wanted.argmax()).all())
    drawn = fill(spy, window(308), replace(QUICK, guidance=2.5))
    assert surprise(drawn, wanted) < 1.6
    assert spy.told[0]["deaf"].tolist() == [False, True]
    assert torch.equal(spy.heard[0][0], spy.heard[0][1])


def test_without_guidance_there_is_one_pass_a_step() -> None:
    spy = Spy(random_scores())
    fill(spy, window())
    assert [len(tokens) for tokens in spy.heard] == [1] * QUICK.steps
    assert not spy.told[0]["deaf"].any()


def test_a_style_that_is_not_asked_for_is_left_open() -> None:
    spy = Spy(random_scores())
    fill(spy, window())
    assert spy.told[0]["style"].shape == (1, len(STYLE_FEATURES))
    assert bool(spy.told[0]["style"].isnan().all())
    asked = torch.tensor([1.0] + 6 * [torch.nan])
    fill(spy, window(), style=asked)
    torch.testing.assert_close(spy.told[-1]["style"][0], asked, equal_nan=True)


def test_a_network_that_hears_no_style_and_no_memory_is_told_none() -> None:
    spy = Spy(random_scores())
    plain = replace(SHAPE, styled=0, remembers=0)
    MaskedSampler(spy, plain, QUICK).fill(window())
    assert spy.told[0]["style"] is None
    assert spy.told[0]["memory"] is None


@pytest.mark.parametrize("order", ORDERS)
def test_hardly_any_temperature_takes_the_likeliest(order: str) -> None:
    scores = random_scores()
    made = fill(Spy(scores), window(), replace(QUICK, order=order, temperature=1e-3))
    assert bool((made == scores.argmax()).all())


def surprise(made: torch.Tensor, scores: torch.Tensor) -> float:
    """χ² a degree of freedom of the tokens against the distribution of the scores."""
    wanted = made.numel() * scores.softmax(dim=0)
    found = torch.bincount(made.flatten(), minlength=TOKENS)
    often = wanted > 3
    seldom = (found[~often].sum() - wanted[~often].sum()).square() / wanted[~often].sum()
    squares = (found - wanted).square()[often] / wanted[often]
    return float((squares.sum() + seldom) / int(often.sum()))


@pytest.mark.parametrize("order", ["random", "spread"])
def test_tokens_are_as_frequent_as_the_network_says(order: str) -> None:
    scores = random_scores()
    made = fill(Spy(scores), window(308, 8), replace(QUICK, order=order))
    assert surprise(made, scores) < 1.4  # 1 ± 0.12 by chance
    assert surprise(made, random_scores(1)) > 10


def test_temperature_sharpens_the_draw() -> None:
    scores = random_scores()
    made = fill(Spy(scores), window(308, 8), replace(QUICK, temperature=0.7))
    assert surprise(made, scores / 0.7) < 1.4
    assert surprise(made, scores) > 2


def test_confidence_prefers_likely_tokens() -> None:
    scores = random_scores()
    chosen = replace(QUICK, steps=12, order="confidence", noise=0.0)
    spy = Spy(scores)
    made = fill(spy, window(108, 8), chosen)
    likelihood = scores.log_softmax(dim=0)
    mean = float((likelihood.exp() * likelihood).sum())
    assert float(likelihood[made].mean()) > mean + 0.3
    first = spy.heard[1][0, 8:]
    assert float(likelihood[first[first < TOKENS]].mean()) > mean + 1
    noisy = fill(Spy(scores), window(108, 8), replace(chosen, noise=50.0))
    assert abs(float(likelihood[noisy].mean()) - mean) < 0.15


def test_certainty_settles_sure_places_first() -> None:
    class Uneven(Spy):
        def __call__(self, *args, **more):
            told = super().__call__(*args, **more).clone()
            told[more["tiles"].nonzero()[:, -1] == 5] *= 20  # all but certain
            return told

    spy = Uneven(random_scores())
    fill(spy, window(), replace(QUICK, steps=12, order="certainty", noise=0.0))
    settled = spy.heard[1][0, 8:] != TOKENS
    assert int(settled.sum()) == int(settled[:, 5].sum()) > 0


@pytest.mark.parametrize("order", ORDERS)
def test_the_same_generators_draw_the_same_tokens_and_others_do_not(order: str) -> None:
    chosen, scores = replace(QUICK, order=order), random_scores()
    one, same = (fill(Spy(scores), window(takes=3), chosen) for _ in range(2))
    assert torch.equal(one, same)
    assert not torch.equal(one[0], one[1])
    alone = window(takes=1)
    assert torch.equal(fill(Spy(scores), alone, chosen)[0], one[0])


def network(seed: int = 0, shape: TokenModelConfig = SHAPE) -> torch.nn.Module:
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        return shape.network().eval().requires_grad_(False)


UPMIXER = ParametricUpmixer(PatchPredictor(MaskedSampler(network(), SHAPE, QUICK)))
HOP = TRANSFORM.hop


@settings(max_examples=6)
@given(length=st.integers(1, 70 * HOP), places=st.lists(st.integers(0, 70 * HOP), max_size=5))
def test_blocks_of_any_size_give_the_same_side(length: int, places: list[int]) -> None:
    sound = song(length)
    whole = make_side(UPMIXER, sound, seed=3)
    stream = UPMIXER.stream(seed=3)
    with torch.inference_mode():
        parts = [*map(stream.push, cut(sound, places)), stream.finish()]
    side = torch.cat(parts, dim=1)
    assert side.shape == whole.shape == (1, length)
    assert torch.equal(side, whole)


def test_each_seed_is_a_take_of_its_own_which_no_run_changes() -> None:
    sound = song(60 * HOP)
    one, same, other = (make_side(UPMIXER, sound, seed=seed) for seed in (0, 0, 1))
    assert torch.equal(one, same)
    assert float((one - other).norm()) > 0.1 * float(one.norm())


@pytest.mark.parametrize("length", [0, 1, 500, HOP, 5 * HOP + 1])
def test_short_signals_are_upmixed_to_their_length(length: int) -> None:
    side = make_side(UPMIXER, song(length))
    assert side.shape == (1, length)
    assert bool(side.isfinite().all())


def test_silence_stays_silent() -> None:
    assert float(make_side(UPMIXER, torch.zeros(20 * HOP)).abs().max()) == 0


def test_a_saved_network_is_the_one_that_upmixes(tmp_path) -> None:
    weights = network_tensors(SHAPE, network(seed=4).state_dict(), style_prior())
    save_weights(tmp_path / "own.safetensors", "masked", weights)
    loaded = load_masked(str(tmp_path / "own.safetensors"), decoding=QUICK)
    sound = song(50 * HOP)
    mine = make_side(ParametricUpmixer(loaded), sound)
    assert mine.shape == (1, len(sound))
    assert not torch.equal(mine, make_side(UPMIXER, sound))
    again = load_masked(str(tmp_path / "own.safetensors"), decoding=QUICK)
    assert torch.equal(mine, make_side(ParametricUpmixer(again), sound))

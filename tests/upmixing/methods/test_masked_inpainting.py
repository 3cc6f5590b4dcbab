"""Settled level differences in `masked` and in the windows that it fills."""

from dataclasses import replace

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from sounds import cut, song
from soundstage.stereo import BANDS, TOKENS, TRANSFORM
from soundstage.stereo.encoding import IC_STEPS, IID_STEPS
from soundstage.stereo.features import CONTEXT_FEATURES, LEVELS, SEGMENTS
from soundstage.stereo.style_prior import STYLE_FEATURES
from soundstage.upmixing.generative.windowed_decoding import FREE, Window, WindowedPredictor
from soundstage.upmixing.methods.masked import (
    MaskedDecoding,
    MaskedSampler,
    allowed_scores,
    settled_first,
    spread_ranks,
)
from tiny import MASKED, generative_network

ORDERS = ["confidence", "entropy", "random", "spread"]
QUICK = MaskedDecoding(temperature=1.0, steps=3, first_steps=4)
NETWORK = generative_network("masked")
STEPS = len(IID_STEPS)


class Recorder:
    """The network, with a record of the tokens of every pass."""

    def __init__(self) -> None:
        self.tokens: list[torch.Tensor] = []

    def encode(self, *args):
        return NETWORK.encode(*args)

    def __call__(self, levels, tokens, *args, **more):
        self.tokens.append(tokens.clone())
        return NETWORK(levels, tokens, *args, **more)


def window(
    settled: torch.Tensor | None, positions: int = 12, known: int = 4, takes: int = 1
) -> Window:
    generator = torch.Generator().manual_seed(0)
    return Window(
        torch.randn(positions, LEVELS, generator=generator) * 10 - 58,
        torch.randint(TOKENS, (takes, known, BANDS), generator=generator),
        torch.full((takes, SEGMENTS, CONTEXT_FEATURES), torch.nan),
        torch.full((takes, len(STYLE_FEATURES)), torch.nan),
        [torch.Generator().manual_seed(take) for take in range(takes)],
        settled,
    )


def some_settled(seed: int, share: float, takes: int = 1, rest: int = 8) -> torch.Tensor:
    generator = torch.Generator().manual_seed(seed)
    steps = torch.randint(STEPS, (takes, rest, BANDS), generator=generator)
    return steps.where(torch.rand(steps.shape, generator=generator) < share, FREE)


def fill(inputs: Window, decoding: MaskedDecoding = QUICK) -> tuple[torch.Tensor, Recorder]:
    recorder = Recorder()
    with torch.inference_mode():
        return MaskedSampler(recorder, MASKED, decoding).fill(inputs), recorder


@pytest.mark.parametrize("order", ORDERS)
@settings(max_examples=4)
@given(seed=st.integers(0, 99), share=st.sampled_from([0.0, 0.1, 0.6, 1.0]))
def test_settled_tokens_keep_their_level_difference(order: str, seed: int, share: float) -> None:
    settled = some_settled(seed, share, takes=2)
    tokens, _ = fill(window(settled, takes=2), replace(QUICK, order=order))
    chosen = settled != FREE
    assert torch.equal((tokens // len(IC_STEPS))[chosen], settled[chosen])
    assert 0 <= int(tokens.min()) <= int(tokens.max()) < TOKENS


def test_their_coherence_is_drawn() -> None:
    settled = torch.full((1, 8, BANDS), STEPS // 2)
    coherence = fill(window(settled))[0] % len(IC_STEPS)
    assert len(coherence.unique()) == len(IC_STEPS)


@pytest.mark.parametrize("order", ORDERS)
def test_settled_tiles_come_before_all_others(order: str) -> None:
    settled = some_settled(1, 0.4)
    _, recorder = fill(window(settled), replace(QUICK, order=order, steps=9))
    for tokens in recorder.tokens:
        known = tokens[:, 4:] != TOKENS
        owned = settled != FREE
        assert bool(known[owned].all()) or not bool(known[~owned].any())


@pytest.mark.parametrize("order", ORDERS)
def test_a_window_without_settled_tiles_is_sampled_as_ever(order: str) -> None:
    decoding = replace(QUICK, order=order)
    plain, _ = fill(window(None, takes=3), decoding)
    free, _ = fill(window(torch.full((3, 8, BANDS), FREE), takes=3), decoding)
    assert torch.equal(plain, free)


def test_free_tiles_are_conditioned_on_settled_ones() -> None:
    left, right = (torch.full((1, 8, BANDS), FREE) for _ in range(2))
    left[:, :, ::2], right[:, :, ::2] = STEPS - 1, 0
    one, other = fill(window(left))[0], fill(window(right))[0]
    assert not torch.equal(one[:, :, 1::2], other[:, :, 1::2])


def test_each_take_has_its_own_settled_tiles() -> None:
    settled = some_settled(2, 0.5, takes=3)
    together, _ = fill(window(settled, takes=3))
    alone, _ = fill(window(settled[:1]))
    assert torch.equal(together[0], alone[0])


@given(share=st.floats(0, 1), seed=st.integers(0, 99))
def test_both_groups_keep_their_order(share: float, seed: int) -> None:
    settled = some_settled(seed, share)
    ranks = spread_ranks(8, BANDS, torch.rand(2))[None]
    new, owned = settled_first(ranks, settled), settled != FREE
    assert torch.equal(new.flatten().sort().values, torch.arange(8 * BANDS))
    for group in (owned, ~owned):
        assert torch.equal(ranks[group].argsort(), new[group].argsort())
    assert torch.equal(new[owned].sort().values, torch.arange(int(owned.sum())))


def test_other_level_differences_are_impossible() -> None:
    scores = allowed_scores(torch.zeros(2, TOKENS), torch.tensor([3, FREE]))
    assert scores[0].isfinite().nonzero()[:, 0].tolist() == list(range(24, 32))
    assert bool(scores[1].isfinite().all())


@pytest.mark.parametrize("reach", [0, 1, 3])
def test_tokens_reach_a_few_steps_around_what_is_settled(reach: int) -> None:
    settled = torch.full((1, 8, BANDS), 10)
    tokens, _ = fill(window(settled), replace(QUICK, settled_reach=reach))
    steps = tokens // len(IC_STEPS)
    assert sorted(steps.unique().tolist()) == list(range(10 - reach, 11 + reach))


@settings(max_examples=5)
@given(places=st.lists(st.integers(0, 60), max_size=4))
def test_frames_of_a_stream_keep_what_is_settled(places: list[int]) -> None:
    frames = TRANSFORM.analyze(song(59 * TRANSFORM.hop))
    settled = torch.full((1, BANDS, frames.shape[1]), FREE)
    settled[:, 5] = 23  # 19 dB
    settled[:, 9, 20:] = STEPS // 2
    stream = WindowedPredictor(MaskedSampler(NETWORK, MASKED, QUICK)).stream([3])
    with torch.inference_mode():
        parts = [
            stream.push(some, some_settled)
            for some, some_settled in zip(cut(frames, places), cut(settled, places), strict=True)
        ]
        iid = torch.cat([part.iid for part in [*parts, stream.finish()]], dim=-1)[0]
    assert iid.shape[1] == frames.shape[1]
    torch.testing.assert_close(iid[5], torch.full_like(iid[5], 19.0))
    assert float(iid[9, 20:].abs().max()) < 1e-5
    assert float(iid[9, :18].abs().max()) > 0.5

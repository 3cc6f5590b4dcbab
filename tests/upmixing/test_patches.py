import itertools
import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from sounds import cut
from soundstage.stereo import BANDS, TOKENS, TRANSFORM, Parameters, dequantize
from soundstage.stereo.descriptors import DESCRIPTORS, descriptors
from soundstage.stereo.features import (
    CONTEXT_FEATURES,
    SEGMENT_FRAMES,
    SEGMENTS,
    context_vectors,
    energy_of_levels,
    mid_levels,
    parameter_features,
    parameters_from_features,
)
from soundstage.stereo.style_prior import style_features
from soundstage.upmixing.generative.sampling import TakeStyle
from soundstage.upmixing.generative.stage_constraints import DECODED
from soundstage.upmixing.generative.windowed_decoding import PatchPredictor, TakesStream, Window
from tiny import style_prior

LONGEST = 100


class Drawing:
    """Draws tokens from the generators it is given, and keeps the windows."""

    def __init__(self, patch: int = 8, stride: int = 2) -> None:
        self.patch, self.stride = patch, stride
        self.windows: list[Window] = []
        self.style = TakeStyle(None, style_prior(), 1.0)

    def fill(self, window: Window) -> torch.Tensor:
        self.windows.append(window)
        shape = (len(window.levels) - window.known.shape[1], BANDS)
        return torch.stack(
            [torch.randint(TOKENS, shape, generator=each) for each in window.generators]
        )


def spectrogram(frames: int, seed: int = 0) -> torch.Tensor:
    generator = torch.Generator().manual_seed(seed)
    loudness = 10 ** torch.rand(frames, generator=generator)
    drawn = torch.randn(TRANSFORM.bins, frames, dtype=torch.complex64, generator=generator)
    return loudness * drawn


WHOLE = spectrogram(LONGEST)


def run(
    sampler: Drawing, frames: torch.Tensor, places: list[int] | None = None, seed: int = 0
) -> Parameters:
    stream = PatchPredictor(sampler).stream(seed=seed)
    parts = [*map(stream.push, cut(frames, places or [])), stream.finish()]
    return Parameters(*(torch.cat(values, dim=1) for values in zip(*parts, strict=True)))


def positions_of(sampler: Drawing, frames: int) -> list[range]:
    """The positions of each window of a signal."""
    total = math.ceil(frames / sampler.stride)
    hop = sampler.patch - sampler.patch // 2
    starts = [s for s in range(0, total, hop) if s == 0 or total > s + sampler.patch - hop]
    return [range(start, min(start + sampler.patch, total)) for start in starts]


def tokens_of(seed: int, sampler: Drawing, frames: int) -> torch.Tensor:
    """All tokens as the windows of a signal draw them, (positions, bands)."""
    twin = Drawing(sampler.patch, sampler.stride)
    run(twin, spectrogram(frames), seed=seed)
    again = [
        Window(*window[:4], [torch.Generator().manual_seed(window.generators[0].initial_seed())])
        for window in twin.windows
    ]
    return torch.cat([twin.fill(window)[0] for window in again])


@pytest.mark.parametrize(("patch", "stride"), [(8, 2), (9, 2), (8, 1), (10, 4)])
@pytest.mark.parametrize("frames", [1, 2, 3, 15, 16, 17, 18, 23, 24, 25, 32, 40, 57, 91])
def test_windows_lie_half_a_window_apart(patch: int, stride: int, frames: int) -> None:
    sampler = Drawing(patch, stride)
    run(sampler, WHOLE[:, :frames])
    heard = mid_levels(WHOLE[:, :frames])[::stride]
    wanted = positions_of(sampler, frames)
    assert len(sampler.windows) == len(wanted)
    for window, places in zip(sampler.windows, wanted, strict=True):
        torch.testing.assert_close(
            window.levels, heard[places.start : places.stop], rtol=0, atol=1e-3
        )
        assert window.known.shape == (1, patch // 2 if places.start else 0, BANDS)


@settings(max_examples=25)
@given(
    frames=st.integers(0, LONGEST),
    places=st.lists(st.integers(0, LONGEST), max_size=6),
    stride=st.sampled_from([1, 2, 4]),
)
def test_the_cut_changes_no_window_and_no_parameter(
    frames: int, places: list[int], stride: int
) -> None:
    one, other = Drawing(stride=stride), Drawing(stride=stride)
    whole, parts = run(one, WHOLE[:, :frames]), run(other, WHOLE[:, :frames], places)
    assert whole.iid.shape == (BANDS, frames)
    assert torch.equal(whole.iid, parts.iid)
    assert torch.equal(whole.coherence, parts.coherence)
    for first, second in zip(one.windows, other.windows, strict=True):
        torch.testing.assert_close(first.levels, second.levels, rtol=0, atol=1e-3)
        assert torch.equal(first.known, second.known)
        torch.testing.assert_close(first.memory, second.memory, rtol=0, atol=1e-4, equal_nan=True)


@pytest.mark.parametrize("frames", [1, 2, 15, 16, 17, 41, LONGEST])
def test_the_first_half_of_a_window_is_the_end_of_the_one_before(frames: int) -> None:
    sampler = Drawing()
    run(sampler, WHOLE[:, :frames])
    made = tokens_of(0, sampler, frames)
    for window, places in zip(sampler.windows, positions_of(sampler, frames), strict=True):
        begin = places.start
        assert torch.equal(window.known[0], made[begin : begin + window.known.shape[1]])


@pytest.mark.parametrize("stride", [1, 2, 4])
@pytest.mark.parametrize("frames", [1, 5, 16, 47, 64, 99])
def test_parameters_hit_the_told_positions_and_go_straight_between(
    stride: int, frames: int
) -> None:
    sampler = Drawing(stride=stride)
    found = parameter_features(run(sampler, WHOLE[:, :frames]))
    points = parameter_features(dequantize(tokens_of(0, sampler, frames).T))
    for frame in range(frames):
        position, part = divmod(frame, stride)
        following = min(position + 1, points.shape[1] - 1)
        wanted = torch.lerp(points[:, position], points[:, following], part / stride)
        torch.testing.assert_close(found[:, frame], wanted, rtol=0, atol=1e-4)


def test_the_memory_is_that_of_the_frames_before_the_window_and_48_seconds_long() -> None:
    frames = SEGMENTS * SEGMENT_FRAMES + 400
    long, sampler = spectrogram(frames, seed=1), Drawing(patch=80, stride=4)
    found = run(sampler, long, [700, 701, 1900])
    levels, held = mid_levels(long), SEGMENTS * SEGMENT_FRAMES
    begins = [sampler.stride * places.start for places in positions_of(sampler, frames)]
    assert begins[-1] > held
    for window, begin in zip(sampler.windows, begins, strict=True):
        past = slice(max(begin - held, 0), begin)
        before = Parameters(found.iid[:, past], found.coherence[:, past])
        wanted = context_vectors(levels[past], before)
        assert window.memory.shape == (1, SEGMENTS, CONTEXT_FEATURES)
        assert int(window.memory[0].isnan().all(dim=1).sum()) == max(
            SEGMENTS - begin // SEGMENT_FRAMES, 0
        )
        torch.testing.assert_close(window.memory[0], wanted, rtol=0, atol=1e-3, equal_nan=True)


def test_no_more_than_a_window_is_held_back() -> None:
    sampler = Drawing(patch=8, stride=2)
    stream, told = PatchPredictor(sampler).stream(seed=0), 0
    for seen, frame in enumerate(WHOLE.split(1, dim=1), start=1):
        told += stream.push(frame).iid.shape[1]
        assert seen - told <= sampler.patch * sampler.stride
    assert told > LONGEST - sampler.patch * sampler.stride


def test_nothing_in_is_nothing_out_and_no_window() -> None:
    sampler = Drawing()
    assert run(sampler, WHOLE[:, :0]).iid.shape == (BANDS, 0)
    assert sampler.windows == []


def test_takes_do_not_hear_each_other() -> None:
    seeds = [0, 5, 6]
    together = Drawing()
    stream: TakesStream = PatchPredictor(together).takes(seeds)
    parts = [stream.push(WHOLE), stream.finish()]
    joined = [torch.cat([part[take].iid for part in parts], dim=1) for take in range(3)]
    for take, (seed, iid) in enumerate(zip(seeds, joined, strict=True)):
        alone = Drawing()
        assert torch.equal(iid, run(alone, WHOLE, seed=seed).iid)
        for one, among in zip(alone.windows, together.windows, strict=True):
            assert torch.equal(one.known[0], among.known[take])
            torch.testing.assert_close(one.memory[0], among.memory[take], equal_nan=True)
    assert not any(torch.equal(*pair) for pair in itertools.combinations(joined, 2))


def test_every_window_of_every_take_has_a_generator_of_its_own_which_no_run_changes() -> None:
    runs = []
    for _ in range(2):
        sampler = Drawing()
        PatchPredictor(sampler).takes([0, 1, 2, 1000]).push(WHOLE)
        runs.append(
            [each.initial_seed() for window in sampler.windows for each in window.generators]
        )
    assert runs[0] == runs[1]
    assert len(set(runs[0])) == len(runs[0]) == 4 * len(sampler.windows)


def test_parameters_can_be_decoded() -> None:
    found = run(Drawing(), WHOLE)
    limited = parameters_from_features(parameter_features(found))
    assert torch.equal(found.iid, limited.iid)
    assert float(found.coherence.abs().max()) <= 1


def test_a_take_leans_one_way_in_all_windows():
    sampler = Drawing()
    stream = TakesStream(sampler, [1, 2])
    stream.push(WHOLE)
    first, second, *_ = (window.styles for window in sampler.windows)
    assert not torch.equal(first, second)  # it follows the sound
    torch.testing.assert_close(first[1] - first[0], second[1] - second[0], rtol=0, atol=1e-4)


def test_the_take_of_seed_0_leans_nowhere():
    sampler = Drawing()
    TakesStream(sampler, [0, 1]).push(WHOLE)
    window = sampler.windows[0]
    neutral, leaning = window.styles
    expected = style_prior().expected(window.levels)
    torch.testing.assert_close(neutral, expected)
    assert float((leaning - expected).abs().max()) > 0.3


@pytest.mark.parametrize("places", [[], [1], [17, 40, 41]])
def test_a_balance_and_a_width_that_are_asked_are_held_whatever_the_cut(places):
    sampler = Drawing()
    values = dict.fromkeys(DESCRIPTORS, math.nan) | {"balance": 2.0, "width": 1.2}
    asked = style_features(torch.tensor(list(values.values())))
    sampler.style = TakeStyle(asked, style_prior(), 1.0)
    energy = energy_of_levels(mid_levels(WHOLE))
    whole, cut_up = run(sampler, WHOLE), run(sampler, WHOLE, places)
    torch.testing.assert_close(cut_up.iid, whole.iid, rtol=0, atol=1e-4)
    found = dict(zip(DESCRIPTORS, descriptors(whole, energy).tolist(), strict=True))
    assert found["balance"] == pytest.approx(2.0, abs=0.7)  # windows are short here
    assert found["width"] * DECODED == pytest.approx(1.2, abs=0.1)  # the turn adds a little

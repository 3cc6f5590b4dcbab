import itertools
import math
from collections.abc import Sequence

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
)
from soundstage.upmixing import Style
from soundstage.upmixing.generative.sampling import TakeStyle
from soundstage.upmixing.generative.stage_constraints import DECODED
from soundstage.upmixing.generative.windowed_decoding import Window, WindowedPredictor
from tiny import style_prior

LONGEST = 100


class RandomSampler:
    """Samples random tokens from the generators, and keeps the windows."""

    def __init__(self, context_frames: int = 8, stride: int = 2) -> None:
        self.context_frames, self.stride = context_frames, stride
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
    noise = torch.randn(TRANSFORM.bins, frames, dtype=torch.complex64, generator=generator)
    return loudness * noise


WHOLE = spectrogram(LONGEST)


def takes(
    sampler: RandomSampler, frames: torch.Tensor, seeds: Sequence[int], places: Sequence[int] = ()
) -> list[Parameters]:
    stream = WindowedPredictor(sampler).stream(seeds)
    parts = [*map(stream.push, cut(frames, places)), stream.finish()]
    whole = (torch.cat(values, dim=-1) for values in zip(*parts, strict=True))
    return [Parameters(*take) for take in zip(*whole, strict=True)]


def run(
    sampler: RandomSampler, frames: torch.Tensor, places: Sequence[int] = (), seed: int = 0
) -> Parameters:
    return takes(sampler, frames, [seed], places)[0]


def positions_of(sampler: RandomSampler, frames: int) -> list[range]:
    """The positions of each window of a signal."""
    total = math.ceil(frames / sampler.stride)
    hop = sampler.context_frames - sampler.context_frames // 2
    starts = [
        start
        for start in range(0, total, hop)
        if start == 0 or total > start + sampler.context_frames - hop
    ]
    return [range(start, min(start + sampler.context_frames, total)) for start in starts]


def tokens_of(sampler: RandomSampler) -> torch.Tensor:
    """All tokens that the windows so far sampled, (positions, bands)."""
    twin = RandomSampler(sampler.context_frames, sampler.stride)
    again = [
        window._replace(
            generators=[torch.Generator().manual_seed(window.generators[0].initial_seed())]
        )
        for window in sampler.windows
    ]
    return torch.cat([twin.fill(window)[0] for window in again])


@pytest.mark.parametrize(
    ("context_frames", "stride", "frames"),
    [(8, 2, 1), (8, 2, 17), (8, 2, 91), (9, 2, 57), (8, 1, 23), (10, 4, 91)],
)
def test_windows_start_half_a_window_apart(context_frames: int, stride: int, frames: int) -> None:
    sampler = RandomSampler(context_frames, stride)
    run(sampler, WHOLE[:, :frames])
    levels, expected = mid_levels(WHOLE[:, :frames])[::stride], positions_of(sampler, frames)
    tokens = tokens_of(sampler)
    assert len(sampler.windows) == len(expected)
    for window, places in zip(sampler.windows, expected, strict=True):
        torch.testing.assert_close(
            window.levels, levels[places.start : places.stop], rtol=0, atol=1e-3
        )
        half = context_frames // 2 if places.start else 0
        assert torch.equal(window.known[0], tokens[places.start : places.start + half])


@settings(max_examples=25)
@given(
    frames=st.integers(0, LONGEST),
    places=st.lists(st.integers(0, LONGEST), max_size=6),
    stride=st.sampled_from([1, 2, 4]),
)
def test_the_block_size_changes_no_window_and_no_parameter(
    frames: int, places: list[int], stride: int
) -> None:
    one, other = RandomSampler(stride=stride), RandomSampler(stride=stride)
    whole, parts = run(one, WHOLE[:, :frames]), run(other, WHOLE[:, :frames], places)
    assert whole.iid.shape == (BANDS, frames)
    assert torch.equal(whole.iid, parts.iid)
    assert torch.equal(whole.coherence, parts.coherence)
    for first, second in zip(one.windows, other.windows, strict=True):
        torch.testing.assert_close(first.levels, second.levels, rtol=0, atol=1e-3)
        assert torch.equal(first.known, second.known)
        torch.testing.assert_close(first.memory, second.memory, rtol=0, atol=1e-4, equal_nan=True)


@pytest.mark.parametrize(("stride", "frames"), [(1, 47), (2, 5), (2, 99), (4, 64)])
def test_parameters_between_positions_are_interpolated(stride: int, frames: int) -> None:
    sampler = RandomSampler(stride=stride)
    found = parameter_features(run(sampler, WHOLE[:, :frames]))
    points = parameter_features(dequantize(tokens_of(sampler).T))
    for frame in range(frames):
        position, part = divmod(frame, stride)
        following = min(position + 1, points.shape[1] - 1)
        expected = torch.lerp(points[:, position], points[:, following], part / stride)
        torch.testing.assert_close(found[:, frame], expected, rtol=0, atol=1e-4)


def test_the_memory_covers_the_48_seconds_before_a_window() -> None:
    frames = SEGMENTS * SEGMENT_FRAMES + 400
    long, sampler = spectrogram(frames, seed=1), RandomSampler(80, 4)
    found = run(sampler, long, [700, 701, 1900])
    levels, covered = mid_levels(long), SEGMENTS * SEGMENT_FRAMES
    starts = [sampler.stride * places.start for places in positions_of(sampler, frames)]
    assert starts[-1] > covered
    for window, start in zip(sampler.windows, starts, strict=True):
        past = slice(max(start - covered, 0), start)
        before = Parameters(found.iid[:, past], found.coherence[:, past])
        expected = context_vectors(levels[past], before)
        assert window.memory.shape == (1, SEGMENTS, CONTEXT_FEATURES)
        torch.testing.assert_close(window.memory[0], expected, rtol=0, atol=1e-3, equal_nan=True)


def test_a_window_is_held_back_at_most() -> None:
    sampler = RandomSampler(8, 2)
    stream, done = WindowedPredictor(sampler).stream([0]), 0
    for count, frame in enumerate(WHOLE.split(1, dim=1), start=1):
        done += stream.push(frame).iid.shape[-1]
        assert count - done <= sampler.context_frames * sampler.stride
    assert done > LONGEST - sampler.context_frames * sampler.stride


def test_takes_do_not_depend_on_each_other() -> None:
    seeds, sampler = [0, 5, 6], RandomSampler()
    together = [take.iid for take in takes(sampler, WHOLE, seeds)]
    for take, seed in enumerate(seeds):
        alone = RandomSampler()
        assert torch.equal(together[take], run(alone, WHOLE, seed=seed).iid)
        for one, among in zip(alone.windows, sampler.windows, strict=True):
            assert torch.equal(one.known[0], among.known[take])
            torch.testing.assert_close(one.memory[0], among.memory[take], equal_nan=True)
    assert not any(torch.equal(*pair) for pair in itertools.combinations(together, 2))


def test_every_window_of_every_take_has_a_generator_of_its_own() -> None:
    runs = []
    for _ in range(2):
        sampler = RandomSampler()
        takes(sampler, WHOLE, [0, 1, 2, 1000])
        runs.append(
            [each.initial_seed() for window in sampler.windows for each in window.generators]
        )
    assert runs[0] == runs[1]
    assert len(set(runs[0])) == len(runs[0]) == 4 * len(sampler.windows)


def test_a_take_has_one_style_offset_in_all_windows_and_seed_0_none() -> None:
    sampler = RandomSampler()
    takes(sampler, WHOLE, [0, 1])
    first, second, *_ = (window.styles for window in sampler.windows)
    assert not torch.equal(first, second)  # the mean follows the sound
    torch.testing.assert_close(first[1] - first[0], second[1] - second[0], rtol=0, atol=1e-4)
    expected = style_prior().expected(sampler.windows[0].levels)
    torch.testing.assert_close(first[0], expected)
    assert float((first[1] - expected).abs().max()) > 0.3


@pytest.mark.parametrize("places", [[1], [17, 40, 41]])
def test_a_requested_balance_and_width_are_met_whatever_the_block_size(places) -> None:
    sampler = RandomSampler()
    sampler.style = TakeStyle(Style(balance=2.0, width=1.2), style_prior(), 1.0)
    energy = energy_of_levels(mid_levels(WHOLE))
    whole, in_blocks = run(sampler, WHOLE), run(sampler, WHOLE, places)
    torch.testing.assert_close(in_blocks.iid, whole.iid, rtol=0, atol=1e-4)
    found = dict(zip(DESCRIPTORS, descriptors(whole, energy).tolist(), strict=True))
    assert found["balance"] == pytest.approx(2.0, abs=0.7)  # windows are short here
    assert found["width"] * DECODED == pytest.approx(1.2, abs=0.1)  # panning adds a little

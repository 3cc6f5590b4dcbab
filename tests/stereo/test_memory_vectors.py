import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from soundstage.stereo import BANDS, Parameters
from soundstage.stereo.encoding import FRAME_RATE
from soundstage.stereo.features import (
    CONTEXT_FEATURES,
    LEVELS,
    SEGMENT_FRAMES,
    SEGMENTS,
    context_vectors,
    parameter_features,
)

LONGEST = (SEGMENTS + 2) * SEGMENT_FRAMES
_GENERATOR = torch.Generator().manual_seed(0)
HEARD = -58 + 20 * torch.randn(LONGEST, LEVELS, generator=_GENERATOR)
PLACED = Parameters(
    10 * torch.randn(BANDS, LONGEST, generator=_GENERATOR),
    1 - 2 * torch.rand(BANDS, LONGEST, generator=_GENERATOR),
)


def remembered(begin: int, end: int, **more: int) -> torch.Tensor:
    placed = Parameters(*(each[:, begin:end] for each in PLACED))
    return context_vectors(HEARD[begin:end], placed, **more)


@given(frames=st.integers(0, LONGEST))
def test_rows_are_means_of_the_stretches_that_end_at_the_present(frames: int) -> None:
    vectors = remembered(0, frames)
    assert vectors.shape == (SEGMENTS, CONTEXT_FEATURES)
    known = min(frames // SEGMENT_FRAMES, SEGMENTS)
    assert bool(vectors[: SEGMENTS - known].isnan().all())
    features = parameter_features(PLACED)
    for ago in range(1, known + 1):
        rows = slice(frames - ago * SEGMENT_FRAMES, frames - (ago - 1) * SEGMENT_FRAMES)
        levels = (HEARD[rows] + 58).mean(dim=0) / 20
        row = vectors[SEGMENTS - ago]
        torch.testing.assert_close(row[:LEVELS], levels, rtol=0, atol=1e-4)
        torch.testing.assert_close(row[LEVELS:], features[:, rows].mean(dim=1), rtol=0, atol=1e-4)


def test_no_more_than_48_seconds_are_remembered() -> None:
    seconds = SEGMENTS * SEGMENT_FRAMES / FRAME_RATE
    assert seconds == pytest.approx(47.6, abs=0.1)
    late = remembered(LONGEST - SEGMENTS * SEGMENT_FRAMES, LONGEST)
    assert torch.equal(remembered(0, LONGEST), late)
    assert not bool(late.isnan().any())


def test_stretches_can_be_of_another_length() -> None:
    vectors = remembered(0, 20, frames=8)
    assert int(vectors.isnan().all(dim=1).sum()) == SEGMENTS - 2
    torch.testing.assert_close(vectors[-1, :LEVELS], (HEARD[12:20] + 58).mean(dim=0) / 20)


def test_numbers_of_music_are_near_one_in_size() -> None:
    assert 0.05 < float(remembered(0, LONGEST).abs().mean()) < 1.5

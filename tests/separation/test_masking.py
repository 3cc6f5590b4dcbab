"""Masked sources add up to the input, are as long as it, and do not depend on the blocks."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from soundstage.separation.masking import (
    BLOCK,
    MaskedChannelsStream,
    MaskedSourceStream,
    residual_index,
    sharpened,
)
from soundstage.separation.separator import SourceInfo
from soundstage.stereo.encoding import RATE, TRANSFORM

THREE = [SourceInfo("low", "bass"), SourceInfo("rest", "residual"), SourceInfo("high", "object")]
BORDERS = (0, 200, 800, TRANSFORM.bins)  # bins of the three


class BandMasks:
    """Three bands, `delay` frames late."""

    def __init__(self, delay: int = 3) -> None:
        self._delay, self._waiting = delay, 0

    def push(self, spectrogram: Tensor) -> Tensor:
        self._waiting += spectrogram.shape[-1]
        return self._masks(max(self._waiting - self._delay, 0))

    def finish(self) -> Tensor:
        return self._masks(self._waiting)

    def _masks(self, count: int) -> Tensor:
        self._waiting -= count
        masks = torch.zeros(3, TRANSFORM.bins, count)
        for k in range(3):
            masks[k, BORDERS[k] : BORDERS[k + 1]] = 1
        return masks


def _in_blocks(stream: MaskedSourceStream, mono: Tensor, size: int) -> Tensor:
    parts = [stream.push(mono[start : start + size]) for start in range(0, len(mono), size)]
    return torch.cat([*parts, stream.finish()], dim=-1)


@settings(max_examples=20, deadline=None)
@given(length=st.integers(0, 3 * BLOCK), size=st.integers(1000, 2 * BLOCK), delay=st.integers(0, 9))
def test_sources_add_up_whatever_the_length_and_the_blocks(
    length: int, size: int, delay: int
) -> None:
    mono = 0.3 * torch.randn(length, generator=torch.Generator().manual_seed(length))
    sources = _in_blocks(MaskedSourceStream(BandMasks(delay), THREE), mono, size)
    assert sources.shape == (3, length)
    error = (sources.sum(dim=0) - mono).double().square().sum()
    assert error <= 1e-14 * mono.double().square().sum()
    whole = _in_blocks(MaskedSourceStream(BandMasks(delay), THREE), mono, max(length, 1))
    assert torch.equal(sources, whole)


def test_each_source_is_its_band() -> None:
    time = torch.arange(RATE, dtype=torch.float64) / RATE
    tones = [torch.sin(2 * torch.pi * hz * time).float() for hz in (441.0, 4410.0, 13230.0)]
    sources = _in_blocks(MaskedSourceStream(BandMasks(), THREE), torch.stack(tones).sum(0), 5000)
    for source, tone in zip(sources, tones, strict=True):
        inner = slice(TRANSFORM.frame, -TRANSFORM.frame)
        assert (source - tone)[inner].abs().max() < 1e-4


def test_channels_get_the_masks_of_their_mean() -> None:
    stereo = torch.randn(2, 2 * BLOCK + 77, generator=torch.Generator().manual_seed(0))
    stream = MaskedChannelsStream(BandMasks(), THREE, channels=2)
    sources = torch.cat([stream.push(stereo), stream.finish()], dim=-1)
    assert sources.shape == (3, 2, stereo.shape[1])
    assert (sources.sum(dim=0) - stereo).abs().max() < 1e-6
    left = _in_blocks(MaskedSourceStream(BandMasks(), THREE), stereo[0], BLOCK)
    assert (sources[:, 0] - left).abs().max() < 1e-5


def test_silence_stays_silence() -> None:
    assert not _in_blocks(MaskedSourceStream(BandMasks(), THREE), torch.zeros(50_000), 777).any()


def test_a_buffer_may_be_reused() -> None:
    mono = torch.randn(3 * BLOCK, generator=torch.Generator().manual_seed(1))
    expected = _in_blocks(MaskedSourceStream(BandMasks(), THREE), mono, 1000)
    stream, buffer, parts = MaskedSourceStream(BandMasks(), THREE), torch.zeros(1000), []
    for start in range(0, len(mono), 1000):
        block = buffer[: len(mono[start : start + 1000])]
        block.copy_(mono[start : start + 1000])
        parts.append(stream.push(block))
        buffer.fill_(9)
    assert torch.equal(torch.cat([*parts, stream.finish()], dim=-1), expected)


def test_the_residual_is_the_source_of_that_kind_or_the_last() -> None:
    assert residual_index(THREE) == 1
    assert residual_index([SourceInfo("a", "lead"), SourceInfo("b", "object")]) == 1
    with pytest.raises(ValueError, match="at least one"):
        residual_index([])


def test_masks_of_other_sources_are_refused() -> None:
    stream = MaskedSourceStream(BandMasks(), THREE[:2])
    with pytest.raises(ValueError, match="2 sources"):
        stream.push(torch.zeros(2 * BLOCK))


@given(sharpness=st.sampled_from([0.5, 1.0, 2.0, 8.0]), seed=st.integers(0, 20))
def test_sharp_masks_add_up_and_keep_their_order(sharpness: float, seed: int) -> None:
    values = torch.rand(4, 50, 3, generator=torch.Generator().manual_seed(seed)).softmax(dim=0)
    sharp = sharpened(values, sharpness)
    torch.testing.assert_close(sharp.sum(dim=0), torch.ones(50, 3))
    assert torch.equal(sharp.argsort(dim=0), values.argsort(dim=0))
    largest, before = sharp.amax(dim=0), values.amax(dim=0)
    assert bool((largest >= before - 1e-6).all()) or sharpness < 1


def test_masks_without_any_source_stay_without() -> None:
    assert float(sharpened(torch.zeros(3, 4, 2), 2.0).sum()) == 0

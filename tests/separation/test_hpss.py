"""Median filters tell tones from clicks, as the published formula does."""

import numpy as np
import pytest
import torch
from numpy.lib.stride_tricks import sliding_window_view
from torch import Tensor

from soundstage.separation.hpss import LENGTH, POWER, HarmonicPercussive
from soundstage.stereo.encoding import RATE, TRANSFORM


def _noise(length: int, seed: int = 0) -> Tensor:
    return 0.3 * torch.randn(length, generator=torch.Generator().manual_seed(seed))


def _masks(spectrogram: Tensor, block: int) -> Tensor:
    stream = HarmonicPercussive().mask_stream()
    parts = [stream.push(each) for each in spectrogram.split(block, dim=-1)]
    return torch.cat([*parts, stream.finish()], dim=-1)


def _sources(mono: Tensor, block: int) -> Tensor:
    stream = HarmonicPercussive().stream()
    parts = [stream.push(each) for each in mono.split(block)]
    return torch.cat([*parts, stream.finish()], dim=-1)


def _sdr(reference: Tensor, estimate: Tensor) -> float:
    ratio = reference.square().sum() / (reference - estimate).square().sum()
    return float(10 * torch.log10(ratio))


def _median(magnitudes: np.ndarray, axis: int) -> np.ndarray:
    """As `scipy.ndimage.median_filter` with mode "reflect", which librosa calls, along an axis.

    Not called itself, since SciPy 1.17 errs on arrays of two values.
    """
    around = [(0, 0), (0, 0)]
    around[axis] = (LENGTH // 2, LENGTH // 2)
    padded = np.pad(magnitudes, around, mode="symmetric")
    return np.median(sliding_window_view(padded, LENGTH, axis=axis), axis=-1)


@pytest.mark.parametrize("length", [1, 3 * TRANSFORM.hop, 8 * TRANSFORM.hop, 60_001])
def test_masks_are_those_of_the_published_formula(length: int) -> None:
    spectrogram = TRANSFORM.analyze(_noise(length))
    magnitudes = spectrogram.abs().numpy()
    harmonic = _median(magnitudes, 1)
    percussive = _median(magnitudes, 0)
    expected = harmonic**POWER / (harmonic**POWER + percussive**POWER)
    masks = _masks(spectrogram, 5)
    np.testing.assert_allclose(masks[0], expected, atol=1e-5)
    np.testing.assert_allclose(masks.sum(dim=0), 1, atol=1e-6)


@pytest.mark.parametrize("block", [1, 7, 16, 1000])
def test_masks_do_not_depend_on_the_blocks(block: int) -> None:
    spectrogram = TRANSFORM.analyze(_noise(50_000))
    assert torch.equal(_masks(spectrogram, block), _masks(spectrogram, 3))


def test_a_tone_and_clicks_are_told_apart() -> None:
    time = torch.arange(4 * RATE, dtype=torch.float64) / RATE
    tone = sum(0.1 * torch.sin(2 * torch.pi * hz * time) for hz in (220.0, 440.0, 660.0))
    assert isinstance(tone, Tensor)
    clicks = torch.zeros(len(tone))
    clicks[5000 :: RATE // 2] = 0.9
    mono = tone.float() + clicks
    harmonic, percussive = _sources(mono, 10_000)
    inner = slice(RATE // 4, -RATE // 4)
    assert _sdr(tone.float()[inner], harmonic[inner]) > 15
    assert _sdr(clicks[inner], percussive[inner]) > 15


@pytest.mark.parametrize("length", [0, 1, 1000, 4 * RATE + 1])
def test_the_two_add_up(length: int) -> None:
    mono = _noise(length, seed=length)
    sources = _sources(mono, 12_345)
    assert sources.shape == (2, length)
    assert torch.allclose(sources.sum(dim=0), mono, rtol=0, atol=1e-6)


def test_silence_has_masks_of_one_half() -> None:
    masks = _masks(torch.zeros(TRANSFORM.bins, 30, dtype=torch.complex64), 10)
    assert torch.equal(masks, torch.full_like(masks, 0.5))

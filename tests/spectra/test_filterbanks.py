import math

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from soundstage.spectra import erb_band_edges
from soundstage.spectra.filterbanks import (
    erb_rate,
    hertz_to_htk_mel,
    hertz_to_slaney_mel,
    htk_mel_filters,
    slaney_mel_filters,
    slaney_mel_to_hertz,
)


def test_erb_rate_at_1_khz_matches_glasberg_and_moore() -> None:
    assert erb_rate(1_000) == pytest.approx(21.4 * np.log10(5.37))
    assert erb_rate(0) == 0


def test_the_bands_match_the_paper() -> None:
    edges = erb_band_edges(34, 4096, 44_100)
    assert edges[[0, 1, 2, 33, 34]].tolist() == [0, 3, 7, 1787, 2049]


@given(
    bands=st.integers(2, 40),
    frame=st.sampled_from([4096, 8192]),
    rate=st.sampled_from([16_000, 24_000, 44_100]),
)
def test_edges_rise_from_zero_to_past_the_nyquist_bin(bands: int, frame: int, rate: int) -> None:
    edges = erb_band_edges(bands, frame, rate)
    assert edges.shape == (bands + 1,)
    assert edges[0] == 0
    assert edges[-1] == frame // 2 + 1
    assert np.all(np.diff(edges) > 0)


def test_bands_are_equally_wide_on_the_erb_scale() -> None:
    edges = erb_band_edges(20, 1 << 16, 44_100)  # frames so long that rounding to bins is small
    widths = np.diff(erb_rate(edges * 44_100 / (1 << 16)))
    np.testing.assert_allclose(widths, erb_rate(22_050) / 20, rtol=0.02)


def test_more_bands_than_low_bins_are_refused() -> None:
    with pytest.raises(ValueError, match="too many"):
        erb_band_edges(60, 512, 44_100)


VGGISH = (64, 512, 16_000, 125.0, 7500.0)
PANNS = (64, 1024, 32_000, 50.0, 14_000.0)


def derived_htk(bands: int, frame: int, rate: int, lowest: float, highest: float) -> np.ndarray:
    """HTK's triangles by their definition, one value at a time."""

    def mel(hertz: float) -> float:
        return 1127 * math.log(1 + hertz / 700)  # the same scale but for its unit

    step = (mel(highest) - mel(lowest)) / (bands + 1)
    weights = np.zeros((bands, frame // 2 + 1))
    for band in range(bands):
        center = mel(lowest) + (band + 1) * step
        for bin_ in range(frame // 2 + 1):
            distance = abs(mel(bin_ * rate / frame) - center)
            weights[band, bin_] = max(0.0, 1 - distance / step)
    return weights


def derived_slaney(bands: int, frame: int, rate: int, lowest: float, highest: float) -> np.ndarray:
    """Slaney's triangles by their definition, one value at a time."""

    def mel(hertz: float) -> float:
        return 3 * hertz / 200 if hertz < 1000 else 15 + 27 * math.log(hertz / 1000, 6.4)

    def hertz(mel: float) -> float:
        return 200 * mel / 3 if mel < 15 else 1000 * 6.4 ** ((mel - 15) / 27)

    step = (mel(highest) - mel(lowest)) / (bands + 1)
    weights = np.zeros((bands, frame // 2 + 1))
    for band in range(bands):
        low, center, high = (hertz(mel(lowest) + (band + k) * step) for k in range(3))
        peak = 2 / (high - low)
        for bin_ in range(frame // 2 + 1):
            at = bin_ * rate / frame
            if low < at <= center:
                weights[band, bin_] = peak * (at - low) / (center - low)
            elif center < at < high:
                weights[band, bin_] = peak * (high - at) / (high - center)
    return weights


def test_both_scales_have_their_known_points() -> None:
    assert hertz_to_htk_mel(0) == 0
    assert hertz_to_htk_mel(1000) == pytest.approx(1000, rel=1e-4)
    assert hertz_to_slaney_mel([0, 500, 1000, 6400]).tolist() == pytest.approx([0, 7.5, 15, 42])


@given(st.floats(0, 48_000))
def test_slaneys_scale_is_inverted(frequency: float) -> None:
    assert slaney_mel_to_hertz(hertz_to_slaney_mel(frequency)) == pytest.approx(frequency)


@pytest.mark.parametrize("settings", [VGGISH, (20, 1024, 44_100, 0.0, 22_050.0)])
def test_htk_filters_match_their_definition(settings) -> None:
    ours = htk_mel_filters(*settings)
    assert ours.dtype == torch.float32
    np.testing.assert_allclose(ours.numpy(), derived_htk(*settings), atol=1e-6)


@pytest.mark.parametrize("settings", [PANNS, (20, 1024, 44_100, 0.0, 22_050.0)])
def test_slaney_filters_match_their_definition(settings) -> None:
    ours = slaney_mel_filters(*settings)
    assert ours.dtype == torch.float32
    np.testing.assert_allclose(ours.numpy(), derived_slaney(*settings), atol=1e-8)


@pytest.mark.parametrize(
    ("filters", "how"),
    [
        (htk_mel_filters, {"mel_scale": "htk", "norm": None, "triangularize_in_mel_space": True}),
        (slaney_mel_filters, {"mel_scale": "slaney", "norm": "slaney"}),
    ],
)
@pytest.mark.parametrize("settings", [VGGISH, PANNS])
def test_filters_match_transformers(filters, how, settings) -> None:
    library = pytest.importorskip("transformers.audio_utils")
    bands, frame, rate, lowest, highest = settings
    theirs = library.mel_filter_bank(frame // 2 + 1, bands, lowest, highest, rate, **how)
    np.testing.assert_allclose(filters(*settings).numpy(), theirs.T, atol=1e-6)


def test_htk_filters_add_up_to_one_between_the_outer_centers() -> None:
    total = htk_mel_filters(40, 4096, 16_000, 125.0, 7500.0).sum(dim=0)
    inner = total[64:1700]  # 250 to 6640 Hz
    torch.testing.assert_close(inner, torch.ones_like(inner))


def test_slaney_filters_have_an_area_of_one() -> None:
    areas = slaney_mel_filters(40, 1 << 16, 32_000, 50.0, 14_000.0).sum(dim=1) * 32_000 / (1 << 16)
    torch.testing.assert_close(areas, torch.ones(40), atol=1e-3, rtol=0)

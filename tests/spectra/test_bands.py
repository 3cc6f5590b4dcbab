import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from soundstage.spectra import erb_band_edges
from soundstage.spectra.filterbanks import erb_rate


def test_erb_rate_at_a_kilohertz_is_that_of_glasberg_and_moore() -> None:
    assert erb_rate(1_000) == pytest.approx(21.4 * np.log10(5.37))
    assert erb_rate(0) == 0


def test_the_coders_bands_are_those_of_the_paper() -> None:
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


def test_bands_are_equally_wide_on_the_scale_of_the_ear() -> None:
    edges = erb_band_edges(20, 1 << 16, 44_100)  # frames so long that rounding to bins is small
    widths = np.diff(erb_rate(edges * 44_100 / (1 << 16)))
    np.testing.assert_allclose(widths, erb_rate(22_050) / 20, rtol=0.02)


def test_more_bands_than_low_bins_are_refused() -> None:
    with pytest.raises(ValueError, match="too many"):
        erb_band_edges(60, 512, 44_100)

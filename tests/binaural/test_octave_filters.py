import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from soundstage.binaural.room.octave_filters import (
    OCTAVE_BANDS,
    band_weights,
    minimum_phase_response,
)

SLOPE = np.array([0.0, -1, -2, -4, -6, -9, -14, -20])


def levels(response: np.ndarray, rate: int, frequencies: np.ndarray) -> np.ndarray:
    turn = np.exp(-2j * np.pi * np.outer(frequencies / rate, np.arange(response.shape[-1])))
    return 20 * np.log10(np.abs(response @ turn.T))


def test_the_weights_of_bands_add_up_and_each_has_its_middle() -> None:
    weights = band_weights(np.geomspace(1, 96_000, 500))
    np.testing.assert_allclose(weights.sum(axis=0), 1)
    assert weights.min() >= 0
    np.testing.assert_allclose(band_weights(OCTAVE_BANDS), np.eye(8), atol=1e-12)


@pytest.mark.parametrize(("taps", "lowest", "within"), [(2048, 125, 0.15), (128, 1000, 0.4)])
def test_a_band_has_its_gain(taps: int, lowest: int, within: float) -> None:
    response = minimum_phase_response(SLOPE, taps, 48_000)
    kept = lowest <= OCTAVE_BANDS
    found = levels(response, 48_000, OCTAVE_BANDS[kept])
    np.testing.assert_allclose(found, SLOPE[kept], rtol=0, atol=within)


def test_gains_go_on_beyond_the_bands() -> None:
    found = levels(minimum_phase_response(SLOPE, 2048, 96_000), 96_000, np.array([20.0, 40_000]))
    np.testing.assert_allclose(found, [0, -20], atol=0.2)


@given(gain=st.floats(-60, 20))
def test_equal_gains_only_scale(gain: float) -> None:
    found = minimum_phase_response(np.full(8, gain), 32, 44_100)
    np.testing.assert_allclose(found, 10 ** (gain / 20) * np.eye(32)[0], atol=1e-6)


def test_the_phase_is_minimum() -> None:
    response = minimum_phase_response(SLOPE, 64, 48_000)
    assert np.abs(np.roots(response)).max() < 1


def test_a_short_response_is_the_beginning_of_a_long_one() -> None:
    long = minimum_phase_response(SLOPE[::-1], 65_536, 48_000)
    for taps in (16, 1024, 6000):
        short = minimum_phase_response(SLOPE[::-1], taps, 48_000)
        assert short.shape == (taps,)
        np.testing.assert_allclose(short, long[:taps], rtol=0, atol=3e-5)


@pytest.mark.parametrize("rate", [8_000, 16_000, 44_100, 192_000])
def test_the_rate_does_not_matter(rate: int) -> None:
    asked = OCTAVE_BANDS[(0.4 * rate > OCTAVE_BANDS) & (OCTAVE_BANDS > 200)]
    found = levels(minimum_phase_response(SLOPE, rate // 20, rate), rate, asked)
    np.testing.assert_allclose(found, SLOPE[1 : 1 + len(asked)], rtol=0, atol=0.15)


def test_a_batch_is_each_of_its_own() -> None:
    gains = np.random.default_rng(0).uniform(-20, 0, (3, 4, 8))
    found = minimum_phase_response(gains, 48, 48_000)
    assert found.shape == (3, 4, 48)
    np.testing.assert_allclose(found[1, 2], minimum_phase_response(gains[1, 2], 48, 48_000))

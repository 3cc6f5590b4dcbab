import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from soundstage.binaural.room.absorption import (
    OCTAVE_BANDS,
    AbsorptionFilters,
    air_attenuation,
    band_weights,
    minimum_phase_response,
)

RATE = 48_000
CENTERS = 1000 * 10 ** (0.3 * np.arange(-4, 4))  # Hz, the exact centers of the standard's tables
SLOPE = np.array([0.0, -1, -2, -4, -6, -9, -14, -20])


def levels(response: np.ndarray, rate: int, frequencies: np.ndarray) -> np.ndarray:
    """Magnitude of a response at some frequencies, in dB."""
    phases = np.outer(np.atleast_1d(frequencies) / rate, np.arange(response.shape[-1]))
    return 20 * np.log10(np.abs(response @ np.exp(-2j * np.pi * phases).T))


def test_each_reflection_has_the_gain_of_the_walls() -> None:
    gains = np.linspace(0.9, 0.6, len(OCTAVE_BANDS))
    filters = AbsorptionFilters(RATE, wall_gains=gains, order=3).filters
    assert filters.shape[:2] == (4, 1)
    for reflections, (response,) in enumerate(filters):
        expected = reflections * 20 * np.log10(gains[3:6])
        found = levels(response, RATE, OCTAVE_BANDS[3:6])
        np.testing.assert_allclose(found, expected, rtol=0, atol=0.15)


def test_without_walls_and_air_there_is_no_absorption() -> None:
    (response,) = AbsorptionFilters(RATE).filters[0]
    np.testing.assert_allclose(response, np.eye(1, response.size)[0], atol=1e-6)


@pytest.mark.parametrize("distance", [1.0, 150.0])
def test_air_absorption_is_proportional_to_the_distance(distance: float) -> None:
    absorption = AbsorptionFilters(RATE, air=True)
    response = absorption.filters[0, absorption.nearest(np.array(distance))]
    frequencies = np.array([1000.0, 4000.0, 8000.0])
    expected = -distance * air_attenuation(frequencies)
    # Tabulated distances are 10 % apart, so the nearest is off by up to 5 %
    error = np.abs(levels(response, RATE, frequencies) - expected)
    assert (error < 0.1 + 0.06 * np.abs(expected)).all()


def test_distances_outside_of_the_table_use_its_ends() -> None:
    absorption = AbsorptionFilters(RATE, air=True)
    last = absorption.filters.shape[1] - 1
    assert absorption.nearest(np.array([0.01, 1e5])).tolist() == [0, last]


@pytest.mark.parametrize(
    ("temperature", "humidity", "published"),
    [  # dB/km from 63 Hz to 8 kHz: ISO 9613-2:1996, table 2, rounded to a tenth or three digits
        (10, 70, [0.1, 0.4, 1.0, 1.9, 3.7, 9.7, 32.8, 117]),
        (30, 70, [0.1, 0.3, 1.0, 3.1, 7.4, 12.7, 23.1, 59.3]),
        (15, 20, [0.3, 0.6, 1.2, 2.7, 8.2, 28.2, 88.8, 202]),
    ],
)
def test_air_attenuation_matches_the_tables_of_iso_9613(
    temperature: float, humidity: float, published: list
) -> None:
    found = 1000 * air_attenuation(CENTERS, temperature=temperature, humidity=humidity)
    np.testing.assert_allclose(found, published, rtol=0.005, atol=0.051)


def test_the_default_air_has_20_degrees_and_50_percent_humidity() -> None:
    found = 1000 * air_attenuation(CENTERS[1:])  # ISO 9613-1, table 1
    np.testing.assert_allclose(found, [0.445, 1.32, 2.73, 4.66, 9.86, 29.4, 104], rtol=0.004)


def test_band_weights_sum_to_one_and_peak_at_the_centers() -> None:
    weights = band_weights(np.geomspace(1, 96_000, 500))
    np.testing.assert_allclose(weights.sum(axis=0), 1)
    assert weights.min() >= 0
    np.testing.assert_allclose(band_weights(OCTAVE_BANDS), np.eye(8), atol=1e-12)


@pytest.mark.parametrize(("taps", "lowest", "within"), [(2048, 125, 0.15), (128, 1000, 0.4)])
def test_a_response_has_the_gains_of_its_bands(taps: int, lowest: int, within: float) -> None:
    response = minimum_phase_response(SLOPE, taps, RATE)
    kept = lowest <= OCTAVE_BANDS
    found = levels(response, RATE, OCTAVE_BANDS[kept])
    np.testing.assert_allclose(found, SLOPE[kept], rtol=0, atol=within)


def test_gains_are_constant_beyond_the_outer_bands() -> None:
    response = minimum_phase_response(SLOPE, 2048, 96_000)
    found = levels(response, 96_000, np.array([20.0, 40_000]))
    np.testing.assert_allclose(found, [0, -20], atol=0.2)


@given(gain=st.floats(-60, 20))
def test_equal_gains_give_a_scaled_impulse(gain: float) -> None:
    found = minimum_phase_response(np.full(8, gain), 32, 44_100)
    np.testing.assert_allclose(found, 10 ** (gain / 20) * np.eye(32)[0], atol=1e-6)


def test_responses_are_minimum_phase() -> None:
    assert np.abs(np.roots(minimum_phase_response(SLOPE, 64, RATE))).max() < 1


def test_a_short_response_is_a_truncated_long_one() -> None:
    long = minimum_phase_response(SLOPE[::-1], 65_536, RATE)
    for taps in (16, 6000):
        short = minimum_phase_response(SLOPE[::-1], taps, RATE)
        np.testing.assert_allclose(short, long[:taps], rtol=0, atol=3e-5)


@pytest.mark.parametrize("rate", [8_000, 192_000])
def test_gains_do_not_depend_on_the_sample_rate(rate: int) -> None:
    bands = OCTAVE_BANDS[(0.4 * rate > OCTAVE_BANDS) & (OCTAVE_BANDS > 200)]
    found = levels(minimum_phase_response(SLOPE, rate // 20, rate), rate, bands)
    np.testing.assert_allclose(found, SLOPE[1 : 1 + len(bands)], rtol=0, atol=0.15)


def test_a_batch_equals_its_single_responses() -> None:
    gains = np.random.default_rng(0).uniform(-20, 0, (3, 4, 8))
    found = minimum_phase_response(gains, 48, RATE)
    assert found.shape == (3, 4, 48)
    np.testing.assert_allclose(found[1, 2], minimum_phase_response(gains[1, 2], 48, RATE))

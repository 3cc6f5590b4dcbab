from fractions import Fraction

import numpy as np
import pytest

from soundstage.errors import OptionError
from soundstage.upmixing import Controls
from soundstage.upmixing.controls import (
    FILTER_TAPS,
    MAX_TAKES,
    SEEDS,
    as_seeds,
    side_filter,
    side_gain,
)

RATE = 44_100


@pytest.mark.parametrize(
    "values", [(0, 0, 0), (2, 500, 1), (np.float32(0.5), np.int64(20), Fraction(1, 2))]
)
def test_any_real_number_in_range_is_accepted(values: tuple) -> None:
    controls = Controls(*values)
    assert (controls.width, controls.bass_mono, controls.center_focus) == tuple(map(float, values))
    assert controls.filters == any(values[1:])


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("width", -0.01), ("width", 2.01), ("width", np.float32("nan")), ("width", True),
        ("bass_mono", -1), ("bass_mono", 19.9), ("bass_mono", 501), ("bass_mono", "120"),
        ("center_focus", 1.1), ("center_focus", None), ("center_focus", float("inf")),
    ],
)  # fmt: skip
def test_other_values_are_refused_by_name(name: str, value: object) -> None:
    with pytest.raises(OptionError, match=f"^`{name}` must be"):
        Controls(**{name: value})


@pytest.mark.parametrize(
    ("seed", "expected"),
    [(3, [3]), (np.uint8(3), [3]), ([0, np.int64(7)], [0, 7]), (range(2), [0, 1]),
     (np.array([5, 6]), [5, 6]), (np.array(4), [4])],
)  # fmt: skip
def test_a_seed_or_several_become_integers(seed: object, expected: list[int]) -> None:
    assert as_seeds(seed) == expected
    assert all(type(each) is int for each in as_seeds(seed))


@pytest.mark.parametrize(
    "seed", [-1, SEEDS, 1.5, "3", None, True, [], [1, 1], range(MAX_TAKES + 1), [0, 2.0]]
)
def test_other_seeds_are_refused(seed: object) -> None:
    with pytest.raises(OptionError, match="seed"):
        as_seeds(seed)


def test_the_crossover_is_6_db_down_and_24_db_an_octave() -> None:
    gain = side_gain(Controls(bass_mono=100), np.array([0.0, 25.0, 50.0, 100.0, 10_000.0]))
    in_db = 20 * np.log10(gain[1:])
    assert gain[0] == 0
    assert in_db[2] == pytest.approx(-6.02, abs=0.01)
    assert in_db[1] - in_db[0] == pytest.approx(24, abs=0.6)
    assert in_db[3] == pytest.approx(0, abs=1e-6)


def test_center_focus_attenuates_the_side_in_the_range_of_voices() -> None:
    frequency = np.array([0.0, 125.0, 250.0, 1_000.0, 4_000.0, 8_000.0, 20_000.0])
    full = side_gain(Controls(center_focus=1), frequency)
    np.testing.assert_allclose(full, [1, 1, 0, 0, 0, 1, 1], atol=1e-12)
    half = side_gain(Controls(center_focus=0.5), frequency)
    np.testing.assert_allclose(half, [1, 1, 0.5, 0.5, 0.5, 1, 1], atol=1e-12)
    between = side_gain(Controls(center_focus=1), np.array([125 * 2**0.5, 4_000 * 2**0.5]))
    np.testing.assert_allclose(between, 0.5, atol=1e-9)


@pytest.mark.parametrize(
    ("controls", "tolerance"),
    [
        (Controls(bass_mono=20), 0.04),  # the filter is as long as four periods of it
        (Controls(bass_mono=120), 0.002),
        (Controls(center_focus=1), 0.005),
        (Controls(center_focus=0.3, bass_mono=200), 0.001),
    ],
)
def test_the_filter_has_this_gain_and_no_delay(controls: Controls, tolerance: float) -> None:
    response = side_filter(controls, RATE)
    assert response.shape == (FILTER_TAPS,)
    np.testing.assert_allclose(response, response[::-1], atol=1e-7)
    spectrum = np.fft.rfft(response.astype(float), 1 << 16)
    expected = side_gain(controls, np.fft.rfftfreq(1 << 16, 1 / RATE))
    np.testing.assert_allclose(np.abs(spectrum), expected, atol=tolerance)
    if controls.bass_mono == 120:
        assert abs(response.astype(float).sum()) < 1e-5  # none of 0 Hz

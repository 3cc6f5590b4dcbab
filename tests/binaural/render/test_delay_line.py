import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sounds import cut, noise
from soundstage.binaural.render.delay_line import AFTER, DelayLine

RATE = 48_000
TIME = np.arange(3000)
POSITIONS = np.random.default_rng(1).uniform(100, 2900, 4000)


def line_of(samples: np.ndarray, cuts=()) -> DelayLine:
    line = DelayLine()
    for block in cut(samples, cuts):
        line.push(block)
    return line


def sine(hertz: float, at: np.ndarray) -> np.ndarray:
    return np.sin(2 * np.pi * hertz / RATE * at + 0.4)


@pytest.mark.parametrize(
    ("hertz", "decibels"), [(50, -98), (10_000, -98), (19_000, -85), (21_000, -55)]
)
def test_a_sine_is_interpolated_between_samples(hertz: float, decibels: float) -> None:
    found = line_of(sine(hertz, TIME)).read(POSITIONS)
    assert 20 * np.log10(np.abs(found - sine(hertz, POSITIONS)).max()) < decibels


def test_whole_positions_return_the_samples() -> None:
    samples = noise(400).numpy()
    # The error of the fitted polynomials is −128 dB
    np.testing.assert_allclose(line_of(samples).read(np.arange(0.0, 370)), samples[:370], atol=1e-6)


@given(cuts=st.lists(st.integers(0, 900), max_size=6))
def test_block_sizes_do_not_matter(cuts: list[int]) -> None:
    samples, positions = noise(900).numpy(), np.linspace(-40, 870, 300)
    whole, parts = line_of(samples), line_of(samples, cuts)
    assert whole.end == parts.end == 900 - AFTER
    np.testing.assert_allclose(whole.read(positions), parts.read(positions), atol=1e-6)


def test_positions_before_the_start_are_silent() -> None:
    line = line_of(noise(200).numpy())
    assert not line.read(np.array([-1e6, -500.25, -float(AFTER) - 0.5])).any()


def test_forgotten_and_future_positions_are_refused() -> None:
    line = line_of(noise(1000).numpy())
    before = line.read(np.array([600.5, 601.25]))
    with pytest.raises(ValueError, match="not on the delay line"):
        line.read(np.array([line.end + 0.0]))
    line.forget(600.0)
    np.testing.assert_array_equal(line.read(np.array([600.5, 601.25])), before)
    for position in (599.0, -1000.0):
        with pytest.raises(ValueError, match="not on the delay line"):
            line.read(np.array([position]))


def test_positions_may_have_any_shape() -> None:
    line = line_of(noise(500).numpy())
    positions = np.random.default_rng(0).uniform(0, 400, (2, 3, 5))
    found = line.read(positions)
    np.testing.assert_array_equal(found.ravel(), line.read(positions.ravel()))
    assert line.read(np.zeros((2, 0))).shape == (2, 0)

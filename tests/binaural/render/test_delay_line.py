import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sounds import cut, noise
from soundstage.binaural.render.delay_line import AFTER, DelayLine

RATE = 48_000
TIME = np.arange(3000)
PLACES = np.random.default_rng(1).uniform(100, 2900, 4000)


def line_of(samples: np.ndarray, places=()) -> DelayLine:
    line = DelayLine()
    for block in cut(samples, places):
        line.push(block)
    return line


def sine(hertz: float, at: np.ndarray) -> np.ndarray:
    return np.sin(2 * np.pi * hertz / RATE * at + 0.4)


@pytest.mark.parametrize(
    ("hertz", "decibels"), [(50, -98), (1000, -98), (10_000, -98), (19_000, -85), (21_000, -55)]
)
def test_a_sine_is_read_between_its_samples(hertz: float, decibels: float) -> None:
    found = line_of(sine(hertz, TIME)).read(PLACES)
    assert 20 * np.log10(np.abs(found - sine(hertz, PLACES)).max()) < decibels


def test_samples_are_read_as_they_are() -> None:
    samples = noise(400).numpy()
    # The polynomials are fitted between the samples, and −128 dB off where they are
    np.testing.assert_allclose(line_of(samples).read(np.arange(0.0, 370)), samples[:370], atol=1e-6)


@given(places=st.lists(st.integers(0, 900), max_size=6))
def test_blocks_make_no_difference_that_can_be_heard(places: list[int]) -> None:
    samples, wanted = noise(900).numpy(), np.linspace(-40, 870, 300)
    whole, parts = line_of(samples), line_of(samples, places)
    assert whole.end == parts.end == 900 - AFTER
    np.testing.assert_allclose(whole.read(wanted), parts.read(wanted), atol=1e-6)


def test_before_the_beginning_there_is_silence() -> None:
    line = line_of(noise(200).numpy())
    assert not line.read(np.array([-1e6, -500.25, -float(AFTER) - 0.5])).any()


def test_what_was_let_go_and_what_is_not_there_yet_cannot_be_read() -> None:
    line = line_of(noise(1000).numpy())
    before = line.read(np.array([600.5, 601.25]))
    with pytest.raises(ValueError, match="not yet"):
        line.read(np.array([line.end + 0.0]))
    line.forget(600.0)
    np.testing.assert_array_equal(line.read(np.array([600.5, 601.25])), before)
    for place in (599.0, -1000.0):
        with pytest.raises(ValueError, match="any more"):
            line.read(np.array([place]))


def test_it_may_be_read_in_any_shape() -> None:
    line = line_of(noise(500).numpy())
    places = np.random.default_rng(0).uniform(0, 400, (2, 3, 5))
    np.testing.assert_array_equal(line.read(places).ravel(), line.read(places.ravel()))
    assert line.read(np.zeros((2, 0))).shape == (2, 0)

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from soundstage.binaural import HrtfSet
from spheres import RATE, grid, sphere_head, spread

HRTF = sphere_head(grid(30))


def test_directions_are_normalized_and_arrays_are_read_only() -> None:
    long = HrtfSet(3 * HRTF.directions, HRTF.distances, HRTF.responses, HRTF.delays, RATE)
    np.testing.assert_allclose(long.directions, HRTF.directions, atol=1e-12)
    with pytest.raises(ValueError, match="read-only"):
        long.responses[0, 0, 0] = 1


def test_arrays_of_different_lengths_are_refused() -> None:
    with pytest.raises(ValueError, match="delays must have the shape"):
        HrtfSet(HRTF.directions, HRTF.distances, HRTF.responses, HRTF.delays[1:], RATE)


@given(st.integers(0, 199))
def test_the_nearest_direction_has_the_smallest_angle(number: int) -> None:
    target = spread(200)[number]
    angles = np.arccos((HRTF.directions @ target).clip(-1, 1))
    assert angles[HRTF.nearest(target[None])[0]] == pytest.approx(angles.min(), abs=1e-9)


@pytest.mark.parametrize(
    ("rate", "tolerance"),  # downsampling rings before the response
    [(48_000, 3e-3), (88_200, 3e-3), (22_050, 0.06)],
)
def test_resampling_keeps_the_transfer_functions(rate: int, tolerance: float) -> None:
    resampled = HRTF.resampled(rate)
    frequencies = np.array([200.0, 1000.0, 5000.0, 8000.0])

    def transfer(hrtf: HrtfSet) -> np.ndarray:
        turns = np.exp(-2j * np.pi * frequencies * np.arange(hrtf.taps)[:, None] / hrtf.rate)
        return hrtf.responses.astype(float) @ turns

    assert resampled.rate == rate
    np.testing.assert_allclose(transfer(resampled), transfer(HRTF), rtol=0, atol=tolerance)
    assert HRTF.resampled(RATE) is HRTF


def test_resampling_keeps_delays_in_seconds() -> None:
    delayed = HrtfSet(HRTF.directions, HRTF.distances, HRTF.responses, HRTF.delays + 10, RATE)
    np.testing.assert_allclose(delayed.resampled(2 * RATE).delays, 20)

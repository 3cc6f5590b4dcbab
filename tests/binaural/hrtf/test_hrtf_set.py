import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from soundstage.binaural import HrtfSet
from spheres import RATE, grid, sphere_head, spread

HEAD = sphere_head(grid(30))


def test_directions_become_unit_vectors_and_nothing_can_be_changed() -> None:
    long = HrtfSet(3 * HEAD.directions, HEAD.distances, HEAD.responses, HEAD.delays, RATE)
    np.testing.assert_allclose(long.directions, HEAD.directions, atol=1e-12)
    with pytest.raises(ValueError, match="read-only"):
        long.responses[0, 0, 0] = 1


def test_arrays_that_do_not_go_together_are_refused() -> None:
    with pytest.raises(ValueError, match="delays of shape"):
        HrtfSet(HEAD.directions, HEAD.distances, HEAD.responses, HEAD.delays[1:], RATE)


@given(st.integers(0, 199))
def test_the_nearest_is_at_the_smallest_angle(number: int) -> None:
    wanted = spread(200)[number]
    angles = np.arccos((HEAD.directions @ wanted).clip(-1, 1))
    assert angles[HEAD.nearest(wanted[None])[0]] == pytest.approx(angles.min(), abs=1e-9)


@pytest.mark.parametrize(
    ("rate", "tolerance"),  # going down, the filter rings to before the response
    [(48_000, 3e-3), (88_200, 3e-3), (22_050, 0.06)],
)
def test_resampling_keeps_the_transfer_functions(rate: int, tolerance: float) -> None:
    made = HEAD.resampled(rate)
    frequencies = np.array([200.0, 1000.0, 5000.0, 8000.0])

    def transfer(head: HrtfSet) -> np.ndarray:
        turns = np.exp(-2j * np.pi * frequencies * np.arange(head.taps)[:, None] / head.rate)
        return head.responses.astype(float) @ turns

    assert made.rate == rate
    np.testing.assert_allclose(transfer(made), transfer(HEAD), rtol=0, atol=tolerance)
    assert HEAD.resampled(RATE) is HEAD


def test_resampling_keeps_delays_in_seconds() -> None:
    late = HrtfSet(HEAD.directions, HEAD.distances, HEAD.responses, HEAD.delays + 10, RATE)
    np.testing.assert_allclose(late.resampled(2 * RATE).delays, 20)

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sounds import noise
from soundstage.ambisonics.encoding import encode
from soundstage.ambisonics.harmonics import to_direction
from soundstage.ambisonics.stereo_decoding import MomentMeter, cardioids, search_azimuths


def moments(field: np.ndarray) -> np.ndarray:
    meter = MomentMeter()
    for part in np.array_split(field, 3, axis=1):
        meter.push(part)
    return meter.moments()


@given(azimuth=st.floats(-180, 180))
def test_opposite_cardioids_have_the_mono_sum_w(azimuth: float) -> None:
    field = encode(noise(300).numpy().astype(float), to_direction(azimuth, 0.0), 1)
    left, right = cardioids(field)
    np.testing.assert_allclose((left + right) / 2, field[0], atol=1e-15)
    np.testing.assert_allclose((left - right) / 2, field[1], atol=1e-15)


@pytest.mark.parametrize("opposite", [False, True])
def test_the_search_finds_the_pair_of_nearest_levels(opposite: bool) -> None:
    front = encode(noise(9_000).numpy(), to_direction(30.0, 0.0), 1)
    side = encode(noise(9_000, seed=1).numpy(), to_direction(100.0, 0.0), 1)
    field = front + 0.5 * side
    found = search_azimuths(moments(field), opposite=opposite)

    def difference(pair: tuple[float, float]) -> float:
        left, right = np.square(cardioids(field, pair)).mean(axis=1)
        return abs(10 * np.log10(left / right))

    lefts = range(10, 180, 10)
    pairs = [(a, a - 180) if opposite else (a, -b) for a in lefts for b in lefts]
    assert difference(found) < min(map(difference, pairs)) + 0.1
    assert 0 < found[0] < 180
    if opposite:
        assert found[0] - found[1] == 180


def test_a_source_ahead_is_heard_by_microphones_to_the_left_and_right() -> None:
    field = encode(noise(3_000).numpy(), to_direction(0.0, 0.0), 1)
    for opposite in (False, True):
        assert search_azimuths(moments(field), opposite=opposite) == (90.0, -90.0)


def test_silence_has_a_pair_too() -> None:
    assert search_azimuths(moments(np.zeros((4, 10)))) == (90.0, -90.0)

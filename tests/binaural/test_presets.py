import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from soundstage.binaural.geometry import to_spherical
from soundstage.binaural.presets import approach, constant, fly_by, orbit
from soundstage.errors import OptionError


def seen(way, times):
    return to_spherical(way.at(np.asarray(times, float)).positions)


def test_a_constant_source_stays():
    places = seen(constant(-30, 20, 3), [-1, 0, 1e6])
    np.testing.assert_allclose(places, np.tile([-30, 20, 3], (3, 1)), atol=1e-12)
    np.testing.assert_allclose(seen(constant(90), [0]), [[90, 0, 1.5]], atol=1e-12)


@given(
    st.floats(0.5, 60), st.floats(0.1, 500), st.floats(-180, 180), st.floats(-80, 80), st.booleans()
)
def test_an_orbit_turns_evenly_at_its_height(turn, duration, start, elevation, clockwise):
    direction = "clockwise" if clockwise else "counter-clockwise"
    way = orbit(
        turn, duration, radius=2, elevation=elevation, start_azimuth=start, direction=direction
    )
    times = np.linspace(0, duration, 101)
    azimuth, heights, radii = seen(way, times).T
    wanted = start + (-360 if clockwise else 360) * times / turn
    np.testing.assert_allclose((azimuth - wanted + 180) % 360, 180, atol=1e-8)
    np.testing.assert_allclose(heights, elevation, atol=1e-10)
    np.testing.assert_allclose(radii, 2, atol=1e-12)


def test_an_orbit_rests_where_it_ends():
    np.testing.assert_allclose(seen(orbit(4, 1), [0, 0.5, 1, 99])[:, 0], [0, 45, 90, 90])
    np.testing.assert_allclose(seen(orbit(4, 1, direction="clockwise"), [1])[:, 0], [-90])


def test_an_orbit_of_hours_is_a_few_points_a_turn():
    way = orbit(2, 14_400)
    assert len(way.times) == 3 * 7_200 + 1
    np.testing.assert_allclose(seen(way, [14_398.5])[0, 0], 90, atol=1e-6)


@given(st.floats(1, 50), st.floats(0.1, 5), st.floats(1, 20), st.sampled_from(["left", "right"]))
def test_a_fly_by_is_nearest_at_half_its_time(speed, closest, duration, side):
    way = fly_by(speed, closest, duration, side=side)
    middle = way.at(np.array([duration / 2])).positions
    np.testing.assert_allclose(
        middle, [[0, closest if side == "left" else -closest, 0]], atol=1e-12
    )
    times = np.linspace(0, duration, 201)
    distance = np.hypot(speed * (duration / 2 - times), closest)
    np.testing.assert_allclose(seen(way, times)[:, 2], distance, rtol=1e-12)
    assert way.at(times[:1]).positions[0, 0] > 0  # comes from ahead


@given(st.floats(0.1, 50), st.floats(0.1, 50), st.floats(-170, 170), st.floats(-80, 80))
def test_an_approach_is_even_in_one_direction(start, end, azimuth, elevation):
    way = approach(start, end, 4.0, azimuth=azimuth, elevation=elevation)
    times = np.linspace(0, 4, 9)
    wanted = np.stack([0 * times + azimuth, 0 * times + elevation, np.linspace(start, end, 9)], 1)
    np.testing.assert_allclose(seen(way, times), wanted, atol=1e-9)


@pytest.mark.parametrize(
    ("make", "said"),
    [
        (lambda: constant(0, 91), "elevation of 91"),
        (lambda: constant(float("nan")), "not finite"),
        (lambda: constant(0, 0, 0.05), "middle of the head"),
        (lambda: orbit(0.05, 1), "seconds_per_turn goes from 0.1 to 86,400, and is 0.05"),
        (lambda: orbit(float("nan"), 1), "seconds_per_turn"),
        (lambda: orbit(1, 0), "duration goes from 0.01 to 86,400, and is 0"),
        (lambda: orbit(1, float("inf")), "duration"),
        (lambda: orbit(1, 1, radius=0), "middle of the head"),
        (lambda: orbit(1, 1, direction="left"), "clockwise, not 'left'"),
        (lambda: fly_by(-1, 1, 1), "speed goes from 0.01 to 300, and is -1"),
        (lambda: fly_by(343, 1, 1), "speed"),
        (lambda: fly_by(1, -1, 1), "closest goes from 0.1 to 1,000, and is -1"),
        (lambda: fly_by(100, 1, 100), "5e.03 m from the middle"),
        (lambda: fly_by(1, 1, -1), "duration"),
        (lambda: fly_by(1, 1, 1, side="up"), "left or right, not 'up'"),
        (lambda: approach(2, 0.01, 1), "middle of the head"),
        (lambda: approach(2, 1, 0), "duration"),
    ],
)
def test_what_is_out_of_range_is_refused_by_name(make, said):
    with pytest.raises(OptionError, match=said) as caught:
        make()
    assert str(caught.value).endswith(".")

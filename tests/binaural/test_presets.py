import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from soundstage.binaural.geometry import to_spherical
from soundstage.binaural.presets import approach, constant, fly_by, orbit
from soundstage.errors import OptionError


def spherical(path, times):
    return to_spherical(path.at(np.asarray(times, float)).positions)


def test_a_constant_position_does_not_change():
    positions = spherical(constant(-30, 20, 3), [-1, 0, 1e6])
    np.testing.assert_allclose(positions, np.tile([-30, 20, 3], (3, 1)), atol=1e-12)
    np.testing.assert_allclose(spherical(constant(90), [0]), [[90, 0, 1.5]], atol=1e-12)


@given(
    st.floats(0.5, 60), st.floats(0.1, 500), st.floats(-180, 180), st.floats(-80, 80), st.booleans()
)
def test_an_orbit_has_constant_speed_height_and_radius(turn, duration, start, elevation, clockwise):
    direction = "clockwise" if clockwise else "counter-clockwise"
    path = orbit(
        turn, duration, radius=2, elevation=elevation, start_azimuth=start, direction=direction
    )
    times = np.linspace(0, duration, 101)
    azimuth, heights, radii = spherical(path, times).T
    expected = start + (-360 if clockwise else 360) * times / turn
    np.testing.assert_allclose((azimuth - expected + 180) % 360, 180, atol=1e-8)
    np.testing.assert_allclose(heights, elevation, atol=1e-10)
    np.testing.assert_allclose(radii, 2, atol=1e-12)


def test_an_orbit_stops_at_its_end():
    np.testing.assert_allclose(spherical(orbit(4, 1), [0, 0.5, 1, 99])[:, 0], [0, 45, 90, 90])
    np.testing.assert_allclose(spherical(orbit(4, 1, direction="clockwise"), [1])[:, 0], [-90])


def test_an_orbit_has_three_points_per_turn():
    path = orbit(2, 14_400)
    assert len(path.times) == 3 * 7_200 + 1
    np.testing.assert_allclose(spherical(path, [14_398.5])[0, 0], 90, atol=1e-6)


@given(st.floats(1, 50), st.floats(0.1, 5), st.floats(1, 20), st.sampled_from(["left", "right"]))
def test_a_fly_by_is_closest_at_half_of_its_duration(speed, closest, duration, side):
    path = fly_by(speed, closest, duration, side=side)
    middle = path.at(np.array([duration / 2])).positions
    np.testing.assert_allclose(
        middle, [[0, closest if side == "left" else -closest, 0]], atol=1e-12
    )
    times = np.linspace(0, duration, 201)
    distance = np.hypot(speed * (duration / 2 - times), closest)
    np.testing.assert_allclose(spherical(path, times)[:, 2], distance, rtol=1e-12)
    assert path.at(times[:1]).positions[0, 0] > 0  # comes from ahead


@given(st.floats(0.1, 50), st.floats(0.1, 50), st.floats(-170, 170), st.floats(-80, 80))
def test_an_approach_has_constant_speed_and_direction(start, end, azimuth, elevation):
    path = approach(start, end, 4.0, azimuth=azimuth, elevation=elevation)
    times = np.linspace(0, 4, 9)
    expected = np.stack([0 * times + azimuth, 0 * times + elevation, np.linspace(start, end, 9)], 1)
    np.testing.assert_allclose(spherical(path, times), expected, atol=1e-9)


@pytest.mark.parametrize(
    ("make", "reason"),
    [
        (lambda: constant(0, 91), "elevation is -90 to 90 degrees, not 91"),
        (lambda: constant(float("nan")), "not finite"),
        (lambda: constant(0, 0, 0.05), "center of the head"),
        (lambda: orbit(0.05, 1), "`seconds_per_turn` is 0.1 to 86,400, not 0.05"),
        (lambda: orbit(1, float("nan")), "`duration`"),
        (lambda: orbit(1, 1, direction="left"), "clockwise, not 'left'"),
        (lambda: fly_by(343, 1, 1), "`speed` is 0.01 to 300, not 343"),
        (lambda: fly_by(1, -1, 1), "`closest`"),
        (lambda: fly_by(100, 1, 100), "5e.03 m from the center"),
        (lambda: fly_by(1, 1, 1, side="up"), "left or right, not 'up'"),
        (lambda: approach(2, 0.01, 1), "center of the head"),
        (lambda: approach(2, 1, 0), "`duration`"),
    ],
)
def test_an_argument_out_of_range_is_refused_by_name(make, reason):
    with pytest.raises(OptionError, match=reason) as caught:
        make()
    assert str(caught.value).endswith(".")

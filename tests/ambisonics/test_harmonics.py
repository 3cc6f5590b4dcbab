import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from soundstage.ambisonics.harmonics import degrees, even_directions, harmonics, to_direction
from spaudiopy_reference import ambix_harmonics

ORDERS = [1, 2, 3]


@pytest.mark.parametrize("order", ORDERS)
def test_harmonics_are_those_of_spaudiopy(order: int) -> None:
    directions = even_directions(500)
    difference = harmonics(directions, order) - ambix_harmonics(directions, order)
    assert np.abs(difference).max() < 1e-13


@pytest.mark.parametrize("order", ORDERS)
def test_harmonics_are_orthogonal_with_the_norm_of_sn3d(order: int) -> None:
    values = harmonics(even_directions(5_000), order)
    gram = values.T @ values / len(values)
    np.testing.assert_allclose(gram, np.diag(1 / (2 * degrees(order) + 1)), atol=2e-3)


@given(azimuth=st.floats(-180, 180), elevation=st.floats(-90, 90), length=st.floats(0.01, 100))
def test_the_first_degree_is_the_direction_itself(
    azimuth: float, elevation: float, length: float
) -> None:
    direction = to_direction(azimuth, elevation)
    w, y, z, x = harmonics(length * direction, 1)
    np.testing.assert_allclose([w, x, y, z], [1, *direction], atol=1e-12)


def test_even_directions_have_equal_density() -> None:
    directions = even_directions(1_000)
    assert np.abs(directions.mean(axis=0)).max() < 2e-3
    nearest = np.sort(directions @ directions.T, axis=1)[:, -2]
    angles = np.degrees(np.arccos(nearest))
    assert 5.5 < angles.min() < angles.max() < 6.5  # a square grid would have 6.4

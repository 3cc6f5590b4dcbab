import numpy as np
import pytest

from sounds import noise
from soundstage.ambisonics.conventions import channels_of
from soundstage.ambisonics.encoding import encode
from soundstage.ambisonics.harmonics import degrees, even_directions, to_direction
from soundstage.ambisonics.intensity import (
    FieldMoments,
    direction_of,
    energy_by_direction,
)
from soundstage.ambisonics.loudspeakers import order_weights


def moments_of(field: np.ndarray, order: int) -> np.ndarray:
    moments = FieldMoments(order)
    for part in np.array_split(field, 7, axis=1):
        moments.push(part)
    assert moments.frames == field.shape[1]
    return moments.mean()


@pytest.mark.parametrize("order", [1, 2, 3])
def test_the_energy_is_largest_where_the_source_is(order: int) -> None:
    directions = even_directions(400)
    source = directions[123]
    field = encode(noise(5_000).numpy(), source, order)
    energy = energy_by_direction(moments_of(field, order), directions)
    assert energy.argmax() == 123
    assert energy.mean() == pytest.approx(1, abs=0.02)
    widths, weights = 2 * np.arange(order + 1) + 1, order_weights(order, "max-re")
    directivity = (widths @ weights) ** 2 / (widths @ weights**2)
    assert energy.max() == pytest.approx(directivity, rel=0.02)


@pytest.mark.parametrize("order", [1, 2, 3])
def test_a_diffuse_field_has_the_same_energy_everywhere(order: int) -> None:
    random = np.random.default_rng(0)
    powers = 1 / np.sqrt(2 * degrees(order) + 1)
    field = random.standard_normal((channels_of(order), 200_000)) * powers[:, None]
    energy = energy_by_direction(moments_of(field, order), even_directions(50))
    np.testing.assert_allclose(energy, 1, atol=0.06)
    assert direction_of(field).diffuseness > 0.98


def test_two_equal_sources_are_half_diffuse_and_between() -> None:
    field = encode(noise(100_000).numpy(), to_direction(0.0, 0.0), 1)
    field = field + encode(noise(100_000, seed=1).numpy(), to_direction(90.0, 0.0), 1)
    found = direction_of(field)
    assert found.azimuth == pytest.approx(45, abs=1)
    assert found.elevation == pytest.approx(0, abs=1)
    assert found.diffuseness == pytest.approx(1 - np.sqrt(0.5), abs=0.02)


def test_silence_is_diffuse_and_ahead() -> None:
    assert direction_of(np.zeros((4, 10))) == (0.0, 0.0, 1.0)

import numpy as np
import pytest

from soundstage.binaural.room.absorption import Losses
from soundstage.binaural.room.air import air_attenuation
from soundstage.binaural.room.octave_filters import OCTAVE_BANDS

RATE = 48_000


def level(response: np.ndarray, hertz: float) -> float:
    turn = np.exp(-2j * np.pi * hertz / RATE * np.arange(response.size))
    return 20 * np.log10(abs(response @ turn))


def test_walls_take_their_share_at_every_reflection() -> None:
    gains = np.linspace(0.9, 0.6, len(OCTAVE_BANDS))
    filters = Losses(RATE, wall_gains=gains, order=3).filters
    assert filters.shape[:2] == (4, 1)
    for reflections, (response,) in enumerate(filters):
        for band in (3, 4, 5):
            wanted = reflections * 20 * np.log10(gains[band])
            assert level(response, OCTAVE_BANDS[band]) == pytest.approx(wanted, abs=0.15)


def test_without_walls_and_air_nothing_is_lost() -> None:
    (response,) = Losses(RATE).filters[0]
    np.testing.assert_allclose(response, np.eye(1, response.size)[0], atol=1e-6)


@pytest.mark.parametrize("distance", [1.0, 20.0, 150.0])
def test_air_takes_treble_with_the_distance(distance: float) -> None:
    losses = Losses(RATE, air=True)
    response = losses.filters[0, losses.nearest(np.array(distance))]
    for hertz in (1000.0, 4000.0, 8000.0):
        wanted = -distance * float(air_attenuation(np.array(hertz)))
        # Distances stand a tenth apart, so that the nearest is off by a twentieth
        assert level(response, hertz) == pytest.approx(wanted, abs=0.1 + 0.06 * abs(wanted))


def test_distances_beyond_the_table_have_its_ends() -> None:
    losses = Losses(RATE, air=True)
    assert losses.nearest(np.array([0.01, 1e5])).tolist() == [0, losses.filters.shape[1] - 1]

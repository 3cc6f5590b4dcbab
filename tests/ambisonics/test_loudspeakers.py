import numpy as np
import pytest

from soundstage.ambisonics.harmonics import even_directions, harmonics, to_direction
from soundstage.ambisonics.loudspeakers import (
    LAYOUTS,
    decoding_matrix,
    find_layout,
    order_weights,
)
from soundstage.errors import OptionError
from spaudiopy_reference import ambix_epad

FULL = ["cube", "octagon", "hexagon", "quad", "7.1", "7.1.4"]


def sources(name: str) -> np.ndarray:
    """Directions that the layout covers."""
    if LAYOUTS[name].is_flat:
        return to_direction(np.arange(0, 360, 5.0), 0.0)
    around = even_directions(500)
    return around if name == "cube" else around[around[:, 2] > -0.05]


def energy_vectors(name: str, matrix: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    order = int(np.sqrt(matrix.shape[1])) - 1
    layout = LAYOUTS[name]
    squares = np.square(harmonics(sources(name), order) @ matrix.T)[:, layout.full_range]
    energies = squares.sum(axis=1)
    return energies, squares @ layout.directions / energies[:, None]


@pytest.mark.parametrize("order", [1, 2, 3])
@pytest.mark.parametrize("name", FULL)
def test_allrad_has_even_loudness_and_comes_from_the_source(name: str, order: int) -> None:
    energies, vectors = energy_vectors(name, decoding_matrix(LAYOUTS[name], order))
    levels = 10 * np.log10(energies)
    assert np.ptp(levels) < 2.6  # a layout without loudspeakers below loses some at its edge
    lengths = np.linalg.norm(vectors, axis=1)
    errors = np.degrees(np.arccos((vectors * sources(name)).sum(axis=1) / lengths))
    assert errors.mean() < 10
    assert errors.max() < 20
    assert lengths.min() > {1: 0.34, 2: 0.5, 3: 0.55}[order]


def test_epad_keeps_the_energy_of_every_direction_and_is_that_of_spaudiopy() -> None:
    layout = LAYOUTS["cube"]
    matrix = decoding_matrix(layout, 1, method="epad", weights="basic")
    energies, vectors = energy_vectors("cube", matrix)
    np.testing.assert_allclose(energies, 1, atol=1e-2)
    reference = ambix_epad(layout.directions, 1)
    reference *= matrix[0, 0] / reference[0, 0]
    assert 20 * np.log10(np.abs(matrix - reference).max()) < -80
    np.testing.assert_allclose(np.linalg.norm(vectors, axis=1), 0.5, atol=1e-6)


def test_weights_make_the_energy_vector_long() -> None:
    cube = LAYOUTS["cube"]
    for weights, expected in (("basic", 0.5), ("max-re", np.sqrt(1 / 3))):
        matrix = decoding_matrix(cube, 1, method="epad", weights=weights)
        lengths = np.linalg.norm(energy_vectors("cube", matrix)[1], axis=1)
        np.testing.assert_allclose(lengths, expected, atol=2e-3)  # basic and max-rE
    np.testing.assert_allclose(order_weights(1, "max-re"), [1, 0.577], atol=4e-3)  # Gerzon: √⅓


def test_a_subwoofer_gets_nothing() -> None:
    layout = find_layout("5.1")
    assert layout.labels[3] == "LFE"
    matrix = decoding_matrix(layout, 1)
    assert not matrix[3].any()
    assert matrix[[0, 1, 2, 4, 5], 0].min() > 0


def test_left_and_right_are_not_swapped() -> None:
    for name, layout in LAYOUTS.items():
        gains = decoding_matrix(layout, 1) @ harmonics(np.array([0.0, 1.0, 0.0]), 1)
        loudest = layout.azimuths[int(gains.argmax())]
        assert loudest is not None, name
        assert 0 < loudest < 180, name


def test_what_cannot_be_decoded_is_refused_in_a_sentence() -> None:
    with pytest.raises(OptionError, match=r"choose one of quad, 5\.1"):
        find_layout("9.9")
    with pytest.raises(OptionError, match="choose allrad"):
        decoding_matrix(LAYOUTS["octagon"], 1, method="epad")
    with pytest.raises(OptionError, match="choose allrad or epad"):
        decoding_matrix(LAYOUTS["cube"], 1, method="sad")  # type: ignore[arg-type]
    with pytest.raises(OptionError, match="max-re or basic"):
        decoding_matrix(LAYOUTS["cube"], 1, weights="inphase")  # type: ignore[arg-type]

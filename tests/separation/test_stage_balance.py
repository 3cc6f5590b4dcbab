import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from soundstage.separation.stage_balance import (
    BALANCE_EDGES,
    MAX_BAND_IMBALANCE_DB,
    MAX_IMBALANCE_DB,
    balanced,
    band_energies,
    imbalance,
)

PANS = st.lists(st.floats(-12, 12), min_size=1, max_size=6)


def test_the_imbalance_of_one_source_is_its_pan():
    assert imbalance(np.array([5.0]), np.array([[0.3, 0.0]])) == pytest.approx([5.0, 0.0])


def test_equal_sources_on_both_sides_are_balanced():
    pans = np.array([8.0, -8.0])
    assert balanced(pans, np.ones((2, 3))).tolist() == pans.tolist()


def test_one_source_alone_moves_to_the_limit():
    assert balanced(np.array([9.0]), np.ones((1, 1))) == pytest.approx([MAX_IMBALANCE_DB], abs=1e-3)


def test_a_band_may_lean_further_than_the_mix():
    energies = np.array([[1.0, 0.0], [0.0, 20.0]])
    moved = balanced(np.array([9.0, 0.0]), energies)
    assert moved[0] == pytest.approx(MAX_BAND_IMBALANCE_DB, abs=1e-3)
    leaning = balanced(np.array([0.0, 2.5]), energies)  # within the limit of its band
    assert leaning[1] < 2.5
    whole = imbalance(leaning, energies.sum(axis=1, keepdims=True))
    assert whole == pytest.approx([MAX_IMBALANCE_DB], abs=0.02)


def test_a_source_of_another_band_stays():
    pans = np.array([9.0, 7.0, 0.0])
    energies = np.array([[1.0, 0.0], [0.0, 0.1], [0.0, 20.0]])
    moved = balanced(pans, energies)
    assert moved[0] == pytest.approx(MAX_BAND_IMBALANCE_DB, abs=1e-3)
    assert moved[1:].tolist() == pans[1:].tolist()


def test_the_loudest_source_of_a_band_moves_most():
    pans = np.array([8.0, 8.0, 0.0])
    moved = balanced(pans, np.array([[1.0], [0.1], [1.0]]))
    assert moved[0] < 0.6 * moved[1]
    assert moved[1] < 8.0


@given(st.data(), PANS)
def test_bands_are_balanced_by_moves_inwards(data, pans):
    rows = st.lists(st.one_of(st.just(0.0), st.floats(1e-6, 1)), min_size=5, max_size=5)
    energies = np.array(data.draw(st.lists(rows, min_size=len(pans), max_size=len(pans))))
    moved = balanced(np.array(pans), energies)
    assert (np.abs(moved) <= np.abs(pans)).all()
    assert (moved * np.array(pans) >= 0).all()
    assert np.abs(imbalance(moved, energies)).max() <= MAX_BAND_IMBALANCE_DB + 0.02
    whole = imbalance(moved, energies.sum(axis=1, keepdims=True))
    assert np.abs(whole).max() <= MAX_IMBALANCE_DB + 0.02


def test_energies_fall_in_their_bands_and_none_is_counted_twice():
    frequencies = np.array([0.0, 179.0, 180.0, 400.0, 749.0, 750.0, 2_000.0, 5_000.0, 15_999.0])
    frequencies = np.append(frequencies, [16_000.0, 20_000.0])
    found = band_energies(2.0 ** np.arange(11)[None], frequencies)
    assert found.tolist() == [[3.0, 4.0, 24.0, 32.0, 64.0, 128.0, 256.0]]
    assert found.shape[1] == len(BALANCE_EDGES) - 1

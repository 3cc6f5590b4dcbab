import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from soundstage.separation.formation_cut import (
    HISTOGRAM,
    WindowPeaks,
    harmonic_similarity,
    normalized_cut,
    peak_similarity,
    proximity,
    wrapped_spectra,
)
from soundstage.separation.formation_peaks import Peaks


def peaks(*frames: list[float], amplitude: float = 0.1) -> WindowPeaks:
    """Peaks of equal amplitude at these frequencies in Hz, the same number in each frame."""
    frequency = np.array(frames)
    return WindowPeaks(Peaks(frequency, np.where(frequency > 0, amplitude, 0)))


def test_a_spectrum_is_wrapped_around_a_peak() -> None:
    window = peaks([100, 200, 300, 130, 260, 390], amplitude=1)
    around = wrapped_spectra(window, np.array([1, 2]), np.array([200.0, 200.0]))
    expected = np.zeros((2, HISTOGRAM))
    # −100, 0, 100, −70, 60, 190 Hz over 200 Hz, then −200, −100, 0, −170, −40, 90 Hz
    for row, places in enumerate([[0.5, 0, 0.5, 0.65, 0.3, 0.95], [0, 0.5, 0, 0.15, 0.8, 0.45]]):
        np.add.at(expected[row], np.rint(np.array(places) * HISTOGRAM).astype(int), 1)
    np.testing.assert_array_equal(around, expected)
    assert harmonic_similarity(window)[1, 2] == pytest.approx((2 + 2) / 8)


def test_the_fundamental_is_like_all_partials_of_its_note() -> None:
    similarity = harmonic_similarity(peaks([110.0 * n for n in range(1, 9)]))
    np.testing.assert_allclose(similarity[0], 1)


@given(ratio=st.floats(1.2, 1.9).filter(lambda r: min(abs(r * 12 % 1), 1 - r * 12 % 1) > 0.1))
def test_partials_of_one_note_are_more_alike_than_those_of_two(ratio: float) -> None:
    first, second = 110.0 * np.arange(1, 5), 110.0 * ratio * np.arange(1, 5)
    similarity = harmonic_similarity(peaks([*first, *second]))
    within = (similarity[0, 1:4].mean() + similarity[4, 5:].mean()) / 2
    across = similarity[:4, 4:].mean()
    assert within > across + 0.2


@given(
    frequencies=st.lists(st.floats(30, 15_000), min_size=2, max_size=20),
    factor=st.floats(0.1, 10),
)
def test_similarity_is_symmetric_from_zero_to_one_and_needs_no_level(
    frequencies: list[float], factor: float
) -> None:
    amplitude = np.linspace(0.01, 0.09, len(frequencies))
    window = WindowPeaks(Peaks(np.array([frequencies]), amplitude[None]))
    louder = WindowPeaks(Peaks(np.array([frequencies]), factor * amplitude[None]))
    similarity = peak_similarity(window)
    np.testing.assert_array_equal(similarity, similarity.T)
    np.testing.assert_allclose(np.diag(similarity), 1)
    assert ((similarity >= 0) & (similarity <= 1)).all()
    np.testing.assert_allclose(similarity, peak_similarity(louder), atol=1e-9)


def test_proximity_is_a_gaussian_of_two_standard_deviations() -> None:
    values = np.array([0.0, 4.0])  # standard deviation 2
    np.testing.assert_allclose(proximity(values, 0.1)[0, 1], np.exp(-1))
    np.testing.assert_allclose(proximity(values, 4.0)[0, 1], np.exp(-0.25))


@given(sizes=st.lists(st.integers(3, 12), min_size=2, max_size=5), seed=st.integers(0, 1000))
def test_blocks_are_cut_apart_in_any_order(sizes: list[int], seed: int) -> None:
    generator = np.random.default_rng(seed)
    truth = generator.permutation(np.repeat(np.arange(len(sizes)), sizes))
    similarity = np.where(truth[:, None] == truth, 0.9, 0.02)
    np.fill_diagonal(similarity, 1)
    labels = normalized_cut(similarity, len(sizes))
    pairs = set(zip(truth.tolist(), labels.tolist(), strict=True))
    assert len(pairs) == len(sizes) == len(set(labels.tolist()))


@given(count=st.integers(1, 8), groups=st.integers(1, 5))
def test_few_items_are_cut_into_no_more_groups(count: int, groups: int) -> None:
    labels = normalized_cut(np.ones((count, count)), groups)
    assert labels.shape == (count,)
    assert 0 <= labels.min() <= labels.max() < min(groups, count)


def test_partials_of_one_note_are_not_cut_apart() -> None:
    note = peaks(*[[220.0 * n for n in range(1, 6)]] * 10)
    assert normalized_cut(peak_similarity(note), 5).max() == 0

import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from soundstage.stereo.prediction import MAX_POWER_CORRECTION, mixing_matrix


def matrix(iid: float, coherence: float) -> list[list[float]]:
    gains = mixing_matrix(
        torch.tensor(iid, dtype=torch.float64), torch.tensor(coherence, dtype=torch.float64)
    )
    return gains.tolist()


@given(iid=st.floats(-45, 45), coherence=st.floats(-0.99, 1))
def test_an_ideal_decorrelator_gives_the_wanted_level_difference_and_coherence(
    iid: float, coherence: float
) -> None:
    left, right = matrix(iid, coherence)
    left_energy, right_energy = left[0] ** 2 + left[1] ** 2, right[0] ** 2 + right[1] ** 2
    cross = left[0] * right[0] + left[1] * right[1]
    assert 10 * math.log10(left_energy / right_energy) == pytest.approx(iid, abs=1e-6)
    assert cross / math.sqrt(left_energy * right_energy) == pytest.approx(coherence, abs=1e-6)


@given(iid=st.floats(-45, 45), coherence=st.floats(-0.7, 1))
def test_the_power_is_that_of_the_two_channels_whose_mean_the_mid_is(
    iid: float, coherence: float
) -> None:
    c = 10 ** (iid / 20)
    mid_energy = (c**2 + 1 + 2 * coherence * c) / 4  # of channels with energies c² and 1
    left, right = matrix(iid, coherence)
    power = mid_energy * (left[0] ** 2 + left[1] ** 2 + right[0] ** 2 + right[1] ** 2)
    assert power == pytest.approx(c**2 + 1, rel=1e-6)


def test_without_the_limit_opposite_channels_would_be_endless() -> None:
    left, right = matrix(0.0, -1.0)
    power = left[0] ** 2 + left[1] ** 2 + right[0] ** 2 + right[1] ** 2
    assert power == pytest.approx(2 * MAX_POWER_CORRECTION**2)


def test_a_centered_coherent_sound_stays_as_it_is() -> None:
    left, right = matrix(0.0, 1.0)
    assert left == pytest.approx([1, 0])
    assert right == pytest.approx([1, 0])


@given(iid=st.floats(-45, 45), coherence=st.floats(-1, 1))
def test_mirrored_parameters_swap_the_channels(iid: float, coherence: float) -> None:
    left, right = matrix(iid, coherence)
    mirrored_left, mirrored_right = matrix(-iid, coherence)
    assert mirrored_left == pytest.approx([right[0], -right[1]], abs=1e-6)
    assert mirrored_right == pytest.approx([left[0], -left[1]], abs=1e-6)


def test_every_band_and_frame_has_its_own_matrix() -> None:
    iid = torch.linspace(-20, 20, 6).reshape(2, 3)
    whole = mixing_matrix(iid, torch.full_like(iid, 0.5))
    assert whole.shape == (2, 2, 2, 3)
    assert whole[:, :, 1, 2].tolist() == [pytest.approx(row, abs=1e-6) for row in matrix(20.0, 0.5)]

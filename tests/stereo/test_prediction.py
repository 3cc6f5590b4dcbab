import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from soundstage.stereo import TRANSFORM, Parameters, encode
from soundstage.stereo.prediction import (
    MAX_POWER_CORRECTION,
    MAX_SIDE_GAIN,
    mix_parameters,
    mixing_matrix,
    parameters_from_gains,
    prediction_gains,
)


def gains(iid: float, coherence: float) -> tuple[float, float]:
    alpha, beta = prediction_gains(
        torch.tensor([iid], dtype=torch.float64), torch.tensor([coherence], dtype=torch.float64)
    )
    return alpha.item(), beta.item()


def expected_side_gain(iid: float, coherence: float) -> float:
    c = 10 ** (iid / 20)
    return math.sqrt((c**2 + 1 - 2 * coherence * c) / (c**2 + 1 + 2 * coherence * c))


@given(iid=st.floats(-50, 50), coherence=st.floats(-0.88, 1))
def test_the_side_has_the_given_level_difference_and_coherence(
    iid: float, coherence: float
) -> None:
    # M and D as orthogonal vectors of length 1
    alpha, beta = gains(iid, coherence)
    left, right = 1 + alpha, 1 - alpha
    left_energy, right_energy = left**2 + beta**2, right**2 + beta**2
    cross = left * right - beta**2
    assert alpha**2 + beta**2 < MAX_SIDE_GAIN**2
    assert 10 * math.log10(left_energy / right_energy) == pytest.approx(iid, abs=1e-6)
    assert cross / math.sqrt(left_energy * right_energy) == pytest.approx(coherence, abs=1e-6)


@given(iid=st.floats(-50, 50), coherence=st.floats(-1, 1))
def test_the_side_gain_is_exact_up_to_its_limit(iid: float, coherence: float) -> None:
    side_gain = math.hypot(*gains(iid, coherence))
    if abs(iid) > 0.1 or coherence > -0.999:  # elsewhere the mid vanishes
        expected = min(expected_side_gain(iid, coherence), MAX_SIDE_GAIN)
        assert side_gain == pytest.approx(expected, rel=1e-4, abs=1e-6)
    assert side_gain <= MAX_SIDE_GAIN * (1 + 1e-9)


@given(iid=st.floats(-50, 50), coherence=st.floats(-1, 1))
def test_mirrored_parameters_negate_the_direct_gain_only(iid: float, coherence: float) -> None:
    # 10^(x/20) is rounded, and near IID 0 and IC −1 its rounding is all that alpha has
    alpha, beta = gains(iid, coherence)
    mirrored = gains(-iid, coherence)
    assert mirrored[0] == pytest.approx(-alpha, rel=1e-3, abs=1e-4)
    assert mirrored[1] == pytest.approx(beta, rel=1e-3, abs=1e-4)


def test_the_limit_keeps_the_proportion_of_direct_to_diffuse() -> None:
    c, coherence = 10 ** (1 / 20), -0.99
    alpha, beta = gains(1.0, coherence)
    assert math.hypot(alpha, beta) == pytest.approx(MAX_SIDE_GAIN)
    unlimited = (c**2 - 1) / (2 * c * math.sqrt(1 - coherence**2))
    assert alpha / beta == pytest.approx(unlimited)


def test_a_centered_coherent_sound_has_no_side() -> None:
    assert gains(0.0, 1.0) == (0.0, 0.0)


def test_a_centered_incoherent_sound_is_all_diffuse() -> None:
    alpha, beta = gains(0.0, 0.0)
    assert alpha == 0
    assert beta == pytest.approx(1)


def test_a_panned_source_has_no_diffuse_part() -> None:
    alpha, beta = gains(6.0, 1.0)
    assert beta == 0
    assert alpha == pytest.approx((10**0.3 - 1) / (10**0.3 + 1))  # (L − R)/(L + R)


def test_gains_of_opposite_channels_are_finite() -> None:
    iid = torch.tensor([-1e-6, 0.0, 1e-6, 30.0])
    alpha, beta = prediction_gains(iid, torch.full_like(iid, -1.0))
    assert torch.isfinite(alpha).all()
    assert torch.isfinite(beta).all()


@given(iid=st.floats(-18, 18), coherence=st.floats(-0.6, 0.999))
def test_parameters_are_recovered_from_their_gains(iid: float, coherence: float) -> None:
    alpha, beta = (torch.tensor([each]).double() for each in gains(iid, coherence))
    back = parameters_from_gains(alpha, beta)
    assert back.iid.item() == pytest.approx(iid, abs=1e-3)
    assert back.coherence.item() == pytest.approx(coherence, abs=1e-3)


def noise(seed: int) -> torch.Tensor:
    """A panned source with some room."""
    random = torch.Generator().manual_seed(seed)
    direct, *room = (0.1 * torch.randn(80 * 1024, generator=random) for _ in range(3))
    left, right = 0.2 + torch.rand(2, generator=random)
    return TRANSFORM.analyze(
        torch.stack([left * direct + 0.3 * room[0], right * direct + 0.3 * room[1]])
    )


@pytest.mark.parametrize("gain", [0.0, 0.3, 1.0])
def test_mixed_parameters_are_those_of_the_sum(gain: float) -> None:
    # Frames of noise agree with the expectation in the mean over time only
    one, other = noise(1), gain * noise(2)
    energies = [each.mean(dim=0).abs().square().mean() for each in (one, other)]
    share = energies[1] / sum(energies)
    parts = [encode(*each) for each in (one, other if gain else noise(2))]
    found = mix_parameters(*parts, share.expand(parts[0].iid.shape))
    expected = encode(*(one + other))
    for mixed, true in zip(found, expected, strict=True):
        torch.testing.assert_close(mixed[8:].mean(), true[8:].mean(), rtol=0.03, atol=0.03)


def test_a_share_of_zero_or_one_is_one_of_the_recordings() -> None:
    iid, coherence = torch.full((2, 3), 5.0), torch.full((2, 3), 0.7)
    nothing, all_of_it = torch.zeros(2, 3), torch.ones(2, 3)
    other = Parameters(-iid, coherence / 2)
    for share, expected in ((nothing, Parameters(iid, coherence)), (all_of_it, other)):
        for mixed, true in zip(
            mix_parameters(Parameters(iid, coherence), other, share), expected, strict=True
        ):
            torch.testing.assert_close(mixed, true, rtol=0, atol=1e-3)


def matrix(iid: float, coherence: float) -> list[list[float]]:
    gains = mixing_matrix(
        torch.tensor(iid, dtype=torch.float64), torch.tensor(coherence, dtype=torch.float64)
    )
    return gains.tolist()


@given(iid=st.floats(-45, 45), coherence=st.floats(-0.99, 1))
def test_the_mixing_matrix_gives_the_level_difference_and_coherence(
    iid: float, coherence: float
) -> None:
    left, right = matrix(iid, coherence)
    left_energy, right_energy = left[0] ** 2 + left[1] ** 2, right[0] ** 2 + right[1] ** 2
    cross = left[0] * right[0] + left[1] * right[1]
    assert 10 * math.log10(left_energy / right_energy) == pytest.approx(iid, abs=1e-6)
    assert cross / math.sqrt(left_energy * right_energy) == pytest.approx(coherence, abs=1e-6)


@given(iid=st.floats(-45, 45), coherence=st.floats(-0.7, 1))
def test_the_mixing_matrix_keeps_the_power_of_the_two_channels(
    iid: float, coherence: float
) -> None:
    c = 10 ** (iid / 20)
    mid_energy = (c**2 + 1 + 2 * coherence * c) / 4  # of channels with energies c² and 1
    left, right = matrix(iid, coherence)
    power = mid_energy * (left[0] ** 2 + left[1] ** 2 + right[0] ** 2 + right[1] ** 2)
    assert power == pytest.approx(c**2 + 1, rel=1e-6)


def test_the_power_of_opposite_channels_is_limited() -> None:
    left, right = matrix(0.0, -1.0)
    power = left[0] ** 2 + left[1] ** 2 + right[0] ** 2 + right[1] ** 2
    assert power == pytest.approx(2 * MAX_POWER_CORRECTION**2)


def test_the_mixing_matrix_of_a_centered_coherent_sound_is_the_identity() -> None:
    left, right = matrix(0.0, 1.0)
    assert left == pytest.approx([1, 0])
    assert right == pytest.approx([1, 0])


@given(iid=st.floats(-45, 45), coherence=st.floats(-1, 1))
def test_mirrored_parameters_swap_the_channels_of_the_mixing_matrix(
    iid: float, coherence: float
) -> None:
    left, right = matrix(iid, coherence)
    mirrored_left, mirrored_right = matrix(-iid, coherence)
    assert mirrored_left == pytest.approx([right[0], -right[1]], abs=1e-6)
    assert mirrored_right == pytest.approx([left[0], -left[1]], abs=1e-6)


def test_every_band_and_frame_has_its_own_matrix() -> None:
    iid = torch.linspace(-20, 20, 6).reshape(2, 3)
    whole = mixing_matrix(iid, torch.full_like(iid, 0.5))
    assert whole.shape == (2, 2, 2, 3)
    assert whole[:, :, 1, 2].tolist() == [pytest.approx(row, abs=1e-6) for row in matrix(20.0, 0.5)]

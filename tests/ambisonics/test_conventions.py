import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from soundstage.ambisonics.conventions import (
    CONVENTIONS,
    channels_of,
    from_ambix,
    order_of,
    to_ambix,
)
from soundstage.ambisonics.harmonics import harmonics, to_direction
from soundstage.errors import InputError, OptionError


def furse_malham(azimuth: float, elevation: float) -> dict[str, float]:
    """The encoding equations as published (Malham 2003, table 2)."""
    a, e = np.radians(azimuth), np.radians(elevation)
    return {
        "W": np.sqrt(0.5),
        "X": np.cos(a) * np.cos(e),
        "Y": np.sin(a) * np.cos(e),
        "Z": np.sin(e),
        "R": (3 * np.sin(e) ** 2 - 1) / 2,
        "S": np.cos(a) * np.sin(2 * e),
        "T": np.sin(a) * np.sin(2 * e),
        "U": np.cos(2 * a) * np.cos(e) ** 2,
        "V": np.sin(2 * a) * np.cos(e) ** 2,
        "K": np.sin(e) * (5 * np.sin(e) ** 2 - 3) / 2,
        "L": np.sqrt(135 / 256) * np.cos(a) * np.cos(e) * (5 * np.sin(e) ** 2 - 1),
        "M": np.sqrt(135 / 256) * np.sin(a) * np.cos(e) * (5 * np.sin(e) ** 2 - 1),
        "N": np.sqrt(27 / 4) * np.cos(2 * a) * np.sin(e) * np.cos(e) ** 2,
        "O": np.sqrt(27 / 4) * np.sin(2 * a) * np.sin(e) * np.cos(e) ** 2,
        "P": np.cos(3 * a) * np.cos(e) ** 3,
        "Q": np.sin(3 * a) * np.cos(e) ** 3,
    }


@given(azimuth=st.floats(-180, 180), elevation=st.floats(-90, 90), order=st.integers(1, 3))
def test_fuma_is_that_of_furse_and_malham(azimuth: float, elevation: float, order: int) -> None:
    ambix = harmonics(to_direction(azimuth, elevation), order)[:, None]
    expected = list(furse_malham(azimuth, elevation).values())[: len(ambix)]
    np.testing.assert_allclose(from_ambix(ambix, "fuma")[:, 0], expected, atol=1e-12)


@pytest.mark.parametrize("convention", CONVENTIONS)
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@given(order=st.integers(1, 3), seed=st.integers(0, 9))
def test_every_convention_there_and_back_is_the_identity(
    convention: str, dtype: type, order: int, seed: int
) -> None:
    field = np.random.default_rng(seed).standard_normal((2, channels_of(order), 5)).astype(dtype)
    back = to_ambix(from_ambix(field, convention), convention)
    assert back.dtype == dtype
    np.testing.assert_allclose(back, field, rtol=4 * np.finfo(dtype).eps)


def test_n3d_has_the_same_power_in_every_channel_of_a_diffuse_field() -> None:
    field = from_ambix(np.ones((16, 1)), "n3d")[:, 0]
    np.testing.assert_allclose(np.square(field[[0, 1, 4, 9]]), [1, 3, 5, 7])


@pytest.mark.parametrize("channels", [1, 2, 3, 5, 8, 12, 25])
def test_other_numbers_of_channels_have_no_order(channels: int) -> None:
    with pytest.raises(InputError, match=f"4, 9 or 16 channels, not {channels}"):
        order_of(channels)


def test_unknown_orders_and_conventions_are_refused_in_a_sentence() -> None:
    assert [order_of(channels_of(order)) for order in (1, 2, 3)] == [1, 2, 3]
    with pytest.raises(OptionError, match="is 1, 2 or 3, not 4"):
        channels_of(4)
    with pytest.raises(OptionError, match="choose one of ambix, n3d, fuma"):
        to_ambix(np.zeros((4, 1)), "acn")

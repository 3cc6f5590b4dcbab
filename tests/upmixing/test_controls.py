import numpy as np
import pytest
import torch

from soundstage.errors import OptionError
from soundstage.upmixing import Controls
from soundstage.upmixing.controls import FILTER_TAPS, side_filter, side_gain

RATE = 44_100


@pytest.mark.parametrize("width", [0, 0.5, 2, 2.0])
@pytest.mark.parametrize("bass_mono_hz", [0, 20, 120.5, 500])
@pytest.mark.parametrize("center_focus", [0, 1])
def test_the_whole_of_every_range_is_allowed(
    width: float, bass_mono_hz: float, center_focus: float
) -> None:
    controls = Controls(width, bass_mono_hz, center_focus)
    assert controls.filters == (bass_mono_hz > 0 or center_focus > 0)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("width", -0.01),
        ("width", 2.01),
        ("bass_mono_hz", -1),
        ("bass_mono_hz", 19.9),
        ("bass_mono_hz", 501),
        ("center_focus", -0.1),
        ("center_focus", 1.1),
        *((name, value) for name in ("width", "bass_mono_hz", "center_focus") for value in (
            float("nan"), float("inf"), -float("inf"), "1", None, True, [1.0]
        )),
    ],
)  # fmt: skip
def test_what_is_out_of_range_or_no_number_is_refused_by_name(name: str, value: object) -> None:
    with pytest.raises(OptionError, match=name) as caught:
        Controls(**{name: value})
    assert str(caught.value).endswith(".")


def test_controls_cannot_be_changed_behind_the_check() -> None:
    with pytest.raises(AttributeError):
        Controls().width = 7  # type: ignore[misc]


def test_the_crossover_is_6_db_down_and_24_db_an_octave() -> None:
    gain = side_gain(Controls(bass_mono_hz=100), np.array([0.0, 25.0, 50.0, 100.0, 10_000.0]))
    in_db = 20 * np.log10(gain[1:])
    assert gain[0] == 0
    assert in_db[2] == pytest.approx(-6.02, abs=0.01)
    assert in_db[1] - in_db[0] == pytest.approx(24, abs=0.6)
    assert in_db[3] == pytest.approx(0, abs=1e-6)


def test_center_focus_empties_the_side_where_voices_are() -> None:
    frequency = np.array([0.0, 125.0, 250.0, 1_000.0, 4_000.0, 8_000.0, 20_000.0])
    full = side_gain(Controls(center_focus=1), frequency)
    np.testing.assert_allclose(full, [1, 1, 0, 0, 0, 1, 1], atol=1e-12)
    half = side_gain(Controls(center_focus=0.5), frequency)
    np.testing.assert_allclose(half, [1, 1, 0.5, 0.5, 0.5, 1, 1], atol=1e-12)
    between = side_gain(Controls(center_focus=1), np.array([125 * 2**0.5, 4_000 * 2**0.5]))
    np.testing.assert_allclose(between, 0.5, atol=1e-9)


@pytest.mark.parametrize(
    ("controls", "tolerance"),
    [
        (Controls(), 1e-9),
        (Controls(bass_mono_hz=20), 0.04),  # the filter is as long as four periods of it
        (Controls(bass_mono_hz=120), 0.002),
        (Controls(bass_mono_hz=500), 0.0002),
        (Controls(center_focus=1), 0.005),
        (Controls(center_focus=0.3, bass_mono_hz=200), 0.001),
    ],
)
def test_the_filter_has_the_announced_gain(controls: Controls, tolerance: float) -> None:
    spectrum = np.fft.rfft(side_filter(controls, RATE).double().numpy(), 1 << 16)
    frequency = np.fft.rfftfreq(1 << 16, 1 / RATE)
    error = np.abs(np.abs(spectrum) - side_gain(controls, frequency))
    assert error.max() < max(tolerance, 1e-6)


def test_the_filter_is_symmetric_about_its_center() -> None:
    response = side_filter(Controls(bass_mono_hz=80, center_focus=0.5), RATE)
    assert response.shape == (FILTER_TAPS,)
    assert response.abs().argmax() == FILTER_TAPS // 2
    torch.testing.assert_close(response, response.flip(0), rtol=0, atol=1e-7)


def test_the_bass_stays_out_of_the_side_altogether() -> None:
    assert side_filter(Controls(bass_mono_hz=120), RATE).double().sum().abs() < 1e-5

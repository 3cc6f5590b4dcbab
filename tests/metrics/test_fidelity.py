import numpy as np
import pytest

from sounds import noise, stereo_scene
from soundstage.metrics import fold_down_error


def test_an_equal_fold_down_has_an_error_of_minus_400_db() -> None:
    mono = noise(1_000).numpy()
    assert fold_down_error(np.stack([mono, mono]), mono) == -400


def test_a_side_signal_is_no_error() -> None:
    left, right = stereo_scene(1_000).numpy().astype(np.float64)
    assert fold_down_error(np.stack([left, right]), (left + right) / 2) == -400


@pytest.mark.parametrize("level_db", [-100, -40, 0, 6])
def test_an_added_error_is_measured_in_decibels(level_db: float) -> None:
    mono = noise(1_000).numpy().astype(np.float64)
    error = np.roll(mono, 1) * 10 ** (level_db / 20)
    stereo = np.stack([mono + 2 * error, mono])  # in one channel alone, so halved
    assert fold_down_error(stereo, mono) == pytest.approx(level_db, abs=1e-6)


def test_a_gain_of_one_per_mille_is_an_error_of_minus_60_db() -> None:
    mono = noise(1_000).numpy()
    stereo = np.stack([mono, mono]).astype(np.float64) * 1.001
    assert fold_down_error(stereo, mono) == pytest.approx(-60, abs=0.01)


def test_the_error_of_a_silent_input_counts_from_full_scale() -> None:
    silent = np.zeros(100, np.float32)
    assert fold_down_error(np.zeros((2, 100), np.float32), silent) == -400
    assert fold_down_error(np.full((2, 100), 0.01), silent) == pytest.approx(-40)

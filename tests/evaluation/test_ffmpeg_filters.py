"""The baselines of FFmpeg."""

import numpy as np
import pytest

from sounds import noise
from soundstage.errors import OptionError
from soundstage.evaluation.ffmpeg_filters import FILTERS, filter_sound

MONO = noise(3 * 44_100).numpy()


@pytest.mark.parametrize("name", FILTERS)
@pytest.mark.parametrize("length", [1, 3 * 44_100])
def test_filters_are_deterministic_and_keep_the_length(name: str, length: int) -> None:
    made = filter_sound(name, MONO[:length], 44_100)
    assert made.shape == (2, length)
    assert made.dtype == np.float32
    np.testing.assert_array_equal(made, filter_sound(name, MONO[:length], 44_100))


def test_two_filters_widen_and_two_leave_a_mono_file_mono() -> None:
    correlations = {
        name: float(np.corrcoef(filter_sound(name, MONO, 44_100))[0, 1]) for name in FILTERS
    }
    assert correlations["haas"] < 0.9
    assert correlations["adecorrelate"] < 0.9
    assert correlations["stereowiden"] == pytest.approx(1)
    assert correlations["extrastereo"] == pytest.approx(1)


def test_adecorrelate_depends_on_the_seed() -> None:
    one, other = (filter_sound("adecorrelate", MONO, 44_100, seed=seed) for seed in (1, 2))
    assert not np.array_equal(one, other)


def test_the_input_of_a_filter_keeps_its_level() -> None:
    made = filter_sound("extrastereo", MONO, 44_100)  # leaves a mono sound as it is
    np.testing.assert_allclose(made, np.stack([MONO, MONO]), atol=1e-6)


def test_an_unknown_filter_is_refused() -> None:
    with pytest.raises(OptionError, match="Unknown filter 'reverb'; choose one of haas"):
        filter_sound("reverb", MONO, 44_100)

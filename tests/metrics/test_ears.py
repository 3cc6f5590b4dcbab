import math

import pytest
import torch

from sounds import noise
from soundstage.metrics.binaural_metrics import amplitude_l2, binaural_errors, phase_l2, wave_l2
from soundstage.metrics.interaural import (
    comparable_ears,
    ild_error,
    interaural_level_differences,
    interaural_time_difference,
    itd_error,
)
from soundstage.metrics.speech_quality import pesq

RATE = 48_000
GOOD = noise(2 * 4_000).reshape(2, -1)


def spoilt(value: float) -> torch.Tensor:
    bad = GOOD.clone()
    bad[1, 7] = value
    return bad


MEASURES = {
    "wave_l2": wave_l2,
    "amplitude_l2": lambda made, true: amplitude_l2(made, true, RATE),
    "phase_l2": lambda made, true: phase_l2(made, true, RATE),
    "pesq": lambda made, true: pesq(made, true, RATE),
    "itd_error": lambda made, true: itd_error(made, true, RATE),
    "ild_error": lambda made, true: ild_error(made, true, RATE),
    "binaural_errors": lambda made, true: binaural_errors(made, true, RATE),
}
OF_ONE = (interaural_time_difference, interaural_level_differences)
BAD = {
    "one ear": GOOD[:1],
    "three ears": GOOD[[0, 1, 0]],
    "a batch": GOOD[None],
    "a batch of two": GOOD.reshape(2, 2, -1),
    "no ear": GOOD[0],
    "no frame": GOOD[:, :0],
    "NaN": spoilt(math.nan),
    "infinite": spoilt(-math.inf),
}


@pytest.mark.parametrize("name", MEASURES)
@pytest.mark.parametrize("bad", BAD)
def test_what_is_not_the_sound_at_two_ears_is_refused(name: str, bad: str) -> None:
    sound = BAD[bad]
    same_shape = torch.zeros(sound.shape)
    for made, true in ((sound, same_shape), (same_shape, sound)):
        with pytest.raises(ValueError, match=r"shape|finite"):
            MEASURES[name](made, true)


@pytest.mark.parametrize("name", MEASURES)
def test_lengths_have_to_be_equal(name: str) -> None:
    with pytest.raises(ValueError, match=r"\(2, 3999\), not \(2, 4000\)"):
        MEASURES[name](GOOD[:, 1:], GOOD)


@pytest.mark.parametrize("of_one", OF_ONE)
@pytest.mark.parametrize("bad", BAD)
def test_differences_of_what_has_no_two_ears_are_refused(of_one, bad: str) -> None:
    with pytest.raises(ValueError, match="the sound has"):
        of_one(BAD[bad], RATE)


@pytest.mark.parametrize("rate", [99, 51_201])
def test_rates_whose_window_does_not_fit_are_refused(rate: int) -> None:
    for measure in (amplitude_l2, phase_l2):
        with pytest.raises(ValueError, match="the rate is 100 to 51200 Hz"):
            measure(GOOD, GOOD, rate)


def test_rates_too_low_for_the_ears_bands_are_refused() -> None:
    for error in (itd_error, ild_error):
        with pytest.raises(ValueError, match="8000 Hz or more, not 7999"):
            error(GOOD, GOOD, 7_999)
    for of_one in OF_ONE:
        with pytest.raises(ValueError, match="8000 Hz or more, not 7999"):
            of_one(GOOD, 7_999)


def test_what_is_made_is_limited_to_full_scale_and_the_truth_is_not() -> None:
    made, true = comparable_ears(30 * GOOD, 30 * GOOD)
    assert torch.equal(made, (30 * GOOD).clamp(-1, 1))
    assert torch.equal(true, 30 * GOOD)
    for name in ("wave_l2", "amplitude_l2", "phase_l2", "itd_error", "ild_error"):
        measure = MEASURES[name]
        assert measure(30 * GOOD, GOOD) == measure((30 * GOOD).clamp(-1, 1), GOOD)
        assert measure(30 * GOOD, GOOD) != measure(0.1 * GOOD, GOOD)

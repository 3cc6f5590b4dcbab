from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from soundstage.binaural import HrtfInterpolator, HrtfSet
from soundstage.binaural.hrtf.onsets import onset_delays
from spheres import RATE, TAPS, delays, directions, grid, sphere_head, spread

HRTF = sphere_head(grid(15))
INTERPOLATOR = HrtfInterpolator(HRTF)
NOISY = replace(  # not a smooth function of direction
    HRTF,
    responses=HRTF.responses
    + 0.02 * np.random.default_rng(0).standard_normal(HRTF.responses.shape),
)


def decibels(error: np.ndarray, signal: np.ndarray) -> float:
    energy = (signal.astype(float) ** 2).sum(axis=-1)
    return 10 * np.log10(((error.astype(float) ** 2).sum(axis=-1) / energy).max())


def padded(hrtf: HrtfSet, taps: int) -> np.ndarray:
    return np.pad(hrtf.responses, ((0, 0), (0, 0), (0, taps - hrtf.taps)))


@pytest.mark.parametrize("nearest", [False, True])
@pytest.mark.parametrize("hrtf", [HRTF, NOISY])
def test_a_measured_direction_returns_the_measured_response(hrtf: HrtfSet, nearest: bool) -> None:
    interpolator = HrtfInterpolator(hrtf, nearest=nearest)
    expected = padded(hrtf, interpolator.taps)
    assert decibels(interpolator.responses(hrtf.directions) - expected, expected) < -120


def test_whole_delays_and_remainders_return_the_measured_response() -> None:
    interpolator = HrtfInterpolator(NOISY)
    found = interpolator.aligned(NOISY.directions, whole=True)
    np.testing.assert_array_equal(found.delays, np.rint(found.delays))
    expected = padded(NOISY, interpolator.taps)
    steps = found.delays.astype(int) - interpolator.lead
    assert steps.min() >= -interpolator.lead
    assert steps.max() <= 0
    delayed = np.stack(
        [
            [np.roll(ear, step) for ear, step in zip(pair, two, strict=True)]
            for pair, two in zip(found.responses, steps, strict=True)
        ]
    )
    assert decibels(delayed - expected, expected) < -120


def test_delays_of_the_file_are_added() -> None:
    delayed = replace(HRTF, delays=np.tile([5.0, 12.0], (len(HRTF.delays), 1)))
    interpolator = HrtfInterpolator(delayed)
    found = interpolator.responses(HRTF.directions)
    for ear, delay in enumerate((5, 12)):
        expected = np.roll(padded(HRTF, interpolator.taps)[:, ear], delay, axis=-1)
        assert decibels(found[:, ear] - expected, expected) < -120


def test_the_full_response_is_the_aligned_one_delayed() -> None:
    towards = spread(50)
    found = INTERPOLATOR.aligned(towards)
    frequencies = np.fft.rfftfreq(INTERPOLATOR.taps)[:-1]
    turns = np.exp(-2j * np.pi * frequencies * (found.delays[..., None] - INTERPOLATOR.lead))
    delayed = np.fft.rfft(found.responses)[..., :-1] * turns
    expected = np.fft.rfft(INTERPOLATOR.responses(towards))[..., :-1]
    assert np.abs(delayed - expected).max() < 1e-5


@given(azimuth=st.floats(0, 360), elevation=st.floats(-85, 85))
def test_between_measurements_delays_follow_the_formula(azimuth: float, elevation: float) -> None:
    towards = directions(azimuth, elevation)[None]
    left, right = INTERPOLATOR.aligned(towards).delays[0] / RATE
    expected = np.subtract(*delays(towards)[0])
    assert left - right == pytest.approx(expected, abs=10e-6)  # the grid is one of 15°
    left, right = onset_delays(INTERPOLATOR.responses(towards), RATE)[0] / RATE
    assert left - right == pytest.approx(expected, abs=15e-6)


def test_interpolation_has_a_quarter_of_the_error_of_the_nearest() -> None:
    towards = spread(200)
    truth = padded(sphere_head(towards), INTERPOLATOR.taps)

    def error(interpolator: HrtfInterpolator) -> float:
        band = slice(1, int(0.8 * INTERPOLATOR.taps / 2))  # above, the responses fade out
        spectra = [
            np.fft.rfft(each)[..., band] for each in (interpolator.responses(towards), truth)
        ]
        levels = np.abs(spectra)
        return float(np.abs(20 * np.log10(levels[0] / levels[1])).mean())

    assert error(INTERPOLATOR) < 0.25 * error(HrtfInterpolator(HRTF, nearest=True))


def test_interpolation_keeps_the_level_where_phases_differ() -> None:
    noise = np.random.default_rng(1).standard_normal(HRTF.responses.shape)
    interpolator = HrtfInterpolator(replace(HRTF, responses=noise * np.exp(-np.arange(TAPS) / 20)))
    measured, between = (
        10 * np.log10((interpolator.responses(each) ** 2).sum(axis=-1)).mean()
        for each in (HRTF.directions, spread(300))
    )
    assert between == pytest.approx(measured, abs=1)  # dB; without the correction the loss is 2.8


def test_interpolation_is_symmetric() -> None:
    towards = spread(300)
    mirrored = towards * [1, -1, 1]
    ears, other = INTERPOLATOR.responses(towards), INTERPOLATOR.responses(mirrored)[:, ::-1]
    energy = (ears**2).sum(axis=-1)
    assert np.median(((ears - other) ** 2).sum(axis=-1) / energy) < 10**-3.5
    delayed = INTERPOLATOR.aligned(towards).delays - INTERPOLATOR.aligned(mirrored).delays[:, ::-1]
    assert np.abs(delayed).mean() / RATE < 0.5e-6
    assert np.abs(delayed).max() / RATE < 15e-6


def test_responses_are_continuous_in_direction() -> None:
    path = directions(np.arange(0, 360, 0.25), np.full(1440, 22.0))
    found = INTERPOLATOR.responses(path)
    assert decibels(np.diff(found, axis=0), found[1:]) < -20
    assert np.abs(np.diff(INTERPOLATOR.aligned(path).delays, axis=0)).max() < 0.2  # samples


def test_nearest_returns_the_nearest_measurement() -> None:
    interpolator = HrtfInterpolator(HRTF, nearest=True)
    towards = spread(50)
    expected = padded(HRTF, interpolator.taps)[HRTF.nearest(towards)]
    assert decibels(interpolator.responses(towards) - expected, expected) < -120


@pytest.mark.parametrize("azimuths", [np.arange(0, 360, 10.0), [30.0]])
def test_a_horizontal_measurement_is_defined_everywhere(azimuths: list) -> None:
    hrtf = sphere_head(directions(np.asarray(azimuths), 0.0 * np.asarray(azimuths)))
    interpolator = HrtfInterpolator(hrtf)
    found = interpolator.responses(spread(300))
    assert np.isfinite(found).all()
    energy, measured = (found**2).sum(axis=-1), (hrtf.responses**2).sum(axis=-1)
    assert energy.max() < 2 * measured.max()
    assert energy.min() > 0.2 * measured.min()


def test_a_one_sided_measurement_is_symmetric_behind_the_head() -> None:
    right = HrtfInterpolator(sphere_head(directions(np.arange(-90, 1, 5.0), np.zeros(19))))
    early, delayed = right.aligned(np.array([[-1.0, 0, 0]])).delays[0]
    assert early == pytest.approx(delayed)


def test_of_two_distances_the_farther_is_used() -> None:
    near = replace(HRTF, responses=3 * HRTF.responses, distances=0.5 * HRTF.distances)
    fields = ("directions", "distances", "responses", "delays")
    both = {name: np.concatenate([getattr(near, name), getattr(HRTF, name)]) for name in fields}
    found = HrtfInterpolator(replace(HRTF, **both)).responses(HRTF.directions)
    expected = padded(HRTF, found.shape[-1])
    assert decibels(found - expected, expected) < -120


def test_a_response_does_not_depend_on_the_other_directions() -> None:
    towards = spread(150)
    whole = INTERPOLATOR.responses(towards)
    alone = np.concatenate([INTERPOLATOR.responses(each[None]) for each in towards])
    np.testing.assert_allclose(whole, alone, rtol=0, atol=1e-6)
    np.testing.assert_allclose(INTERPOLATOR.responses(7 * towards), whole, rtol=0, atol=1e-6)


@pytest.mark.parametrize("wrong", [[[0.0, 0, 0]], [[np.nan, 0, 1]], np.zeros((0, 3))])
def test_an_invalid_direction_is_refused(wrong: list) -> None:
    with pytest.raises(ValueError, match="direction"):
        INTERPOLATOR.responses(np.array(wrong))


def test_the_number_of_taps_is_small() -> None:
    assert INTERPOLATOR.lead < 45  # samples: the spread of delays over a hrtf
    assert TAPS + INTERPOLATOR.lead <= INTERPOLATOR.taps <= TAPS + INTERPOLATOR.lead + 48

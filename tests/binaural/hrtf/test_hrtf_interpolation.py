from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from soundstage.binaural import HrtfInterpolator, HrtfSet
from soundstage.binaural.hrtf.onsets import onset_delays
from spheres import RATE, TAPS, delays, directions, grid, sphere_head, spread

HEAD = sphere_head(grid(15))
MADE = HrtfInterpolator(HEAD)
NOISY = replace(  # responses that are no smooth function of direction, as in real rooms
    HEAD,
    responses=HEAD.responses
    + 0.02 * np.random.default_rng(0).standard_normal(HEAD.responses.shape),
)


def decibels(error: np.ndarray, signal: np.ndarray) -> float:
    energy = (signal.astype(float) ** 2).sum(axis=-1)
    return 10 * np.log10(((error.astype(float) ** 2).sum(axis=-1) / energy).max())


def padded(head: HrtfSet, taps: int) -> np.ndarray:
    return np.pad(head.responses, ((0, 0), (0, 0), (0, taps - head.taps)))


@pytest.mark.parametrize("nearest", [False, True])
@pytest.mark.parametrize("head", [HEAD, NOISY])
def test_a_measured_direction_returns_its_response(head: HrtfSet, nearest: bool) -> None:
    made = HrtfInterpolator(head, nearest=nearest)
    wanted = padded(head, made.taps)
    assert decibels(made.responses(head.directions) - wanted, wanted) < -120


def test_it_does_so_after_whole_delays_too() -> None:
    made = HrtfInterpolator(NOISY)
    found = made.aligned(NOISY.directions, whole=True)
    np.testing.assert_array_equal(found.delays, np.rint(found.delays))
    wanted = padded(NOISY, made.taps)
    steps = found.delays.astype(int) - made.lead
    assert steps.min() >= -made.lead
    assert steps.max() <= 0
    put_back = np.stack(
        [
            [np.roll(ear, step) for ear, step in zip(pair, two, strict=True)]
            for pair, two in zip(found.responses, steps, strict=True)
        ]
    )
    assert decibels(put_back - wanted, wanted) < -120


def test_delays_of_the_file_are_added() -> None:
    late = replace(HEAD, delays=np.tile([5.0, 12.0], (len(HEAD.delays), 1)))
    made = HrtfInterpolator(late)
    found = made.responses(HEAD.directions)
    for ear, delay in enumerate((5, 12)):
        wanted = np.roll(padded(HEAD, made.taps)[:, ear], delay, axis=-1)
        assert decibels(found[:, ear] - wanted, wanted) < -120


def test_the_full_response_is_the_aligned_one_delayed() -> None:
    towards = spread(50)
    found = MADE.aligned(towards)
    frequencies = np.fft.rfftfreq(MADE.taps)[:-1]
    turns = np.exp(-2j * np.pi * frequencies * (found.delays[..., None] - MADE.lead))
    made = np.fft.rfft(found.responses)[..., :-1] * turns
    wanted = np.fft.rfft(MADE.responses(towards))[..., :-1]
    assert np.abs(made - wanted).max() < 1e-5


@given(azimuth=st.floats(0, 360), elevation=st.floats(-85, 85))
def test_between_measurements_delays_follow_the_formula(azimuth: float, elevation: float) -> None:
    towards = directions(azimuth, elevation)[None]
    left, right = MADE.aligned(towards).delays[0] / RATE
    wanted = np.subtract(*delays(towards)[0])
    assert left - right == pytest.approx(wanted, abs=10e-6)  # the grid is one of 15°
    left, right = onset_delays(MADE.responses(towards), RATE)[0] / RATE
    assert left - right == pytest.approx(wanted, abs=15e-6)


def test_between_measurements_it_is_far_nearer_than_the_nearest() -> None:
    towards = spread(200)
    truth = padded(sphere_head(towards), MADE.taps)

    def error(made: HrtfInterpolator) -> float:
        heard = slice(1, int(0.8 * MADE.taps / 2))  # beyond, the head fades out
        spectra = [np.fft.rfft(each)[..., heard] for each in (made.responses(towards), truth)]
        levels = np.abs(spectra)
        return float(np.abs(20 * np.log10(levels[0] / levels[1])).mean())

    assert error(MADE) < 0.25 * error(HrtfInterpolator(HEAD, nearest=True))


def test_level_is_kept_where_phases_differ() -> None:
    noise = np.random.default_rng(1).standard_normal(HEAD.responses.shape)
    made = HrtfInterpolator(replace(HEAD, responses=noise * np.exp(-np.arange(TAPS) / 20)))
    measured, between = (
        10 * np.log10((made.responses(each) ** 2).sum(axis=-1)).mean()
        for each in (HEAD.directions, spread(300))
    )
    assert between == pytest.approx(measured, abs=1)  # dB; the blend alone loses 2.8


def test_a_symmetric_head_stays_symmetric() -> None:
    towards = spread(300)
    mirrored = towards * [1, -1, 1]
    ears, other = MADE.responses(towards), MADE.responses(mirrored)[:, ::-1]
    energy = (ears**2).sum(axis=-1)
    # Four measurements in a rectangle are cut along either diagonal, which need not be mirrored
    assert np.median(((ears - other) ** 2).sum(axis=-1) / energy) < 10**-3.5
    late = MADE.aligned(towards).delays - MADE.aligned(mirrored).delays[:, ::-1]
    assert np.abs(late).mean() / RATE < 0.5e-6
    assert np.abs(late).max() / RATE < 15e-6


def test_neighboring_directions_have_neighboring_responses() -> None:
    way = directions(np.arange(0, 360, 0.25), np.full(1440, 22.0))
    found = MADE.responses(way)
    assert decibels(np.diff(found, axis=0), found[1:]) < -20
    assert np.abs(np.diff(MADE.aligned(way).delays, axis=0)).max() < 0.2  # samples


def test_the_nearest_takes_a_measured_response_whole() -> None:
    made = HrtfInterpolator(HEAD, nearest=True)
    towards = spread(50)
    wanted = padded(HEAD, made.taps)[HEAD.nearest(towards)]
    assert decibels(made.responses(towards) - wanted, wanted) < -120


@pytest.mark.parametrize("azimuths", [np.arange(0, 360, 10.0), np.arange(-90, 91, 5.0), [30.0]])
def test_heads_measured_in_the_horizontal_plane_answer_everywhere(azimuths: list) -> None:
    head = sphere_head(directions(np.asarray(azimuths), 0.0 * np.asarray(azimuths)))
    made = HrtfInterpolator(head)
    found = made.responses(spread(300))
    assert np.isfinite(found).all()
    energy, measured = (found**2).sum(axis=-1), (head.responses**2).sum(axis=-1)
    assert energy.max() < 2 * measured.max()
    assert energy.min() > 0.2 * measured.min()


def test_a_head_measured_on_one_side_hears_what_is_behind_it_with_both_ears() -> None:
    right = HrtfInterpolator(sphere_head(directions(np.arange(-90, 1, 5.0), np.zeros(19))))
    early, late = right.aligned(np.array([[-1.0, 0, 0]])).delays[0]
    assert early == pytest.approx(late)


def test_of_two_distances_the_farther_counts() -> None:
    near = replace(HEAD, responses=3 * HEAD.responses, distances=0.5 * HEAD.distances)
    fields = ("directions", "distances", "responses", "delays")
    both = {name: np.concatenate([getattr(near, name), getattr(HEAD, name)]) for name in fields}
    found = HrtfInterpolator(replace(HEAD, **both)).responses(HEAD.directions)
    wanted = padded(HEAD, found.shape[-1])
    assert decibels(found - wanted, wanted) < -120


def test_nothing_depends_on_what_else_is_asked() -> None:
    towards = spread(150)
    whole = MADE.responses(towards)
    alone = np.concatenate([MADE.responses(each[None]) for each in towards])
    np.testing.assert_allclose(whole, alone, rtol=0, atol=1e-6)
    np.testing.assert_allclose(MADE.responses(7 * towards), whole, rtol=0, atol=1e-6)


@pytest.mark.parametrize("wrong", [[[0.0, 0, 0]], [[np.nan, 0, 1]], np.zeros((0, 3))])
def test_what_is_no_direction_is_refused(wrong: list) -> None:
    with pytest.raises(ValueError, match="direction"):
        MADE.responses(np.array(wrong))


def test_the_taps_are_few() -> None:
    assert MADE.lead < 45  # samples: the spread of delays over a head
    assert TAPS + MADE.lead <= MADE.taps <= TAPS + MADE.lead + 48

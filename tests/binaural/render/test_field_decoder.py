"""Decoding of sound fields to two ears."""

from functools import cache

import numpy as np
import pytest

from soundstage.ambisonics.harmonics import harmonics
from soundstage.binaural.hrtf.interpolation import HrtfInterpolator
from soundstage.binaural.render.field_decoder import CUTOFFS, LEAD, decoding_filters
from soundstage.binaural.render_options import DECODERS
from spheres import RATE, grid, sphere_head, spread

INTERPOLATOR = HrtfInterpolator(sphere_head(grid(15)))
DIRECTIONS = spread(60)
SIZE = 2048
FREQUENCIES = np.fft.rfftfreq(SIZE, 1 / RATE)


@cache
def decoded(order: int, decoding: str):
    """Spectra at the ears of plane waves through the field of an order."""
    filters = decoding_filters(INTERPOLATOR, order, decoding)
    spectra = np.fft.rfft(filters.responses, SIZE)
    spectra = spectra * np.exp(2j * np.pi * FREQUENCIES * filters.lead / RATE)
    return np.einsum("dc,ecb->deb", harmonics(DIRECTIONS, order), spectra)


EXPECTED = np.fft.rfft(INTERPOLATOR.responses(DIRECTIONS), SIZE)


def error_db(found, low, high):
    """Power of the error relative to that of the HRTFs."""
    band = (low < FREQUENCIES) & (high > FREQUENCIES)
    difference = np.square(np.abs(found - EXPECTED)[..., band]).sum()
    return 10 * np.log10(difference / np.square(np.abs(EXPECTED)[..., band]).sum())


def level_errors(found, low, high):
    """Level at each ear and direction relative to that of the HRTFs, in dB."""
    band = (low < FREQUENCIES) & (high > FREQUENCIES)
    powers = [np.square(np.abs(each)[..., band]).sum(axis=-1) for each in (found, EXPECTED)]
    return 10 * np.log10(powers[0] / powers[1])


@pytest.mark.parametrize("decoding", DECODERS)
@pytest.mark.parametrize(
    ("order", "highest", "allowed"), [(1, 200, -25), (2, 500, -25), (3, 1000, -20)]
)
def test_low_frequencies_are_those_of_the_hrtfs(order, highest, allowed, decoding) -> None:
    assert error_db(decoded(order, decoding), 50, highest) < allowed


@pytest.mark.parametrize(("order", "allowed"), [(1, 3.0), (2, 2.5), (3, 2.0)])
def test_magnitudes_above_the_cutoff_are_those_of_the_hrtfs(order, allowed) -> None:
    errors = level_errors(decoded(order, "magls"), 2 * CUTOFFS[order], 8_000)
    assert np.sqrt(np.square(errors).mean()) < allowed
    loudspeakers = level_errors(decoded(order, "loudspeakers"), 2 * CUTOFFS[order], 8_000)
    assert np.square(errors).mean() < np.square(loudspeakers).mean()


@pytest.mark.parametrize("decoding", DECODERS)
def test_higher_orders_are_closer(decoding) -> None:
    errors = [error_db(decoded(order, decoding), 300, 1000) for order in (1, 2, 3)]
    assert errors == sorted(errors, reverse=True)
    assert errors[2] < errors[0] - 6


@pytest.mark.parametrize("decoding", DECODERS)
@pytest.mark.parametrize("order", [1, 2, 3])
def test_left_and_right_are_mirror_images(order, decoding) -> None:
    """The sphere is the same left and right: channels odd in y change their sign."""
    left, right = decoding_filters(INTERPOLATOR, order, decoding).responses
    odd = np.sign(harmonics(np.array([0.3, 0.5, 0.7]), order))
    odd *= np.sign(harmonics(np.array([0.3, -0.5, 0.7]), order))
    assert np.abs(left - odd[:, None] * right).max() < 0.02 * np.abs(left).max()


@pytest.mark.parametrize("rate", [8_000, 96_000])
def test_filters_fit_every_rate(rate) -> None:
    interpolator = HrtfInterpolator(sphere_head(grid(45)).resampled(rate))
    filters = decoding_filters(interpolator, 1)
    assert np.isfinite(filters.responses).all()
    assert filters.lead == round(LEAD * rate)
    sums = filters.responses[:, 0].sum(axis=-1)  # W at 0 Hz
    assert sums == pytest.approx([1.0, 1.0], abs=0.1)


def test_responses_ring_out_within_the_filters() -> None:
    responses = decoding_filters(INTERPOLATOR, 3).responses
    power = np.square(responses).sum(axis=(0, 1))
    assert power[-len(power) // 10 :].sum() < 1e-5 * power.sum()
    assert power[: len(power) // 40].sum() < 1e-2 * power.sum()

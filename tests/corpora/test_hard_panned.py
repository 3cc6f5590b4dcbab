"""Hard-panned mixes hold their stems where the three habits of the 1960s put them."""

import numpy as np
import pytest

from soundstage.corpora.hard_panned import STYLES, delayed, hard_pan

KINDS = ("lead", "drums", "bass", "object", "object")


@pytest.fixture
def stems():
    return 0.1 * np.random.default_rng(0).standard_normal((len(KINDS), 8_000))


@pytest.mark.parametrize("style", STYLES)
@pytest.mark.parametrize("mirrored", [False, True])
def test_the_mid_is_the_sum_of_the_stems(stems, style, mirrored):
    mix = hard_pan(stems, KINDS, style, rate=8_000, mirrored=mirrored)
    np.testing.assert_allclose(mix.stereo.mean(axis=0), stems.sum(axis=0), atol=1e-6)
    side = (np.array(mix.pans)[:, None] * stems).sum(axis=0)
    np.testing.assert_allclose((mix.stereo[0] - mix.stereo[1]) / 2, side, atol=1e-6)


@pytest.mark.parametrize(
    ("style", "pans"),
    [
        ("band-left", (-1, 1, 1, 1, 1)),
        ("left-center-right", (0, 1, 0, -1, 1)),
        ("twin-track", (-1, 1, 1, -1, 1)),
    ],
)
def test_styles_place_their_sources(stems, style, pans):
    assert hard_pan(stems, KINDS, style, rate=8_000).pans == pans
    mirrored = hard_pan(stems, KINDS, style, rate=8_000, mirrored=True).pans
    assert mirrored == tuple(-pan for pan in pans)


def test_faults_are_those_that_are_stated(stems):
    mix = hard_pan(stems, KINDS, "left-center-right", rate=8_000, lag=2.0, gain_db=6.0)
    np.testing.assert_allclose(mix.stereo[0], mix.clean[0], atol=1e-6)
    late = 10 ** (6 / 20) * mix.clean[1, :-2]
    np.testing.assert_allclose(mix.stereo[1, 2:], late, atol=1e-4)


def test_a_plate_is_decorrelated_and_hiss_has_its_level(stems):
    dry = hard_pan(stems, KINDS, "band-left", rate=8_000)
    wet = hard_pan(stems, KINDS, "band-left", rate=8_000, plate_db=0.0)
    left, right = wet.stereo - dry.stereo
    assert abs(np.corrcoef(left, right)[0, 1]) < 0.1
    noisy = hard_pan(stems, KINDS, "band-left", rate=8_000, hiss_db=-40.0)
    hiss = noisy.stereo - dry.stereo
    assert 20 * np.log10(hiss.std() / np.sqrt(np.mean(dry.stereo**2))) == pytest.approx(-40, abs=1)


def test_a_delay_of_half_a_sample_twice_is_one_sample(stems):
    smooth = np.convolve(stems[0], np.hanning(16), "same")
    twice = delayed(delayed(smooth, 0.5), 0.5)
    np.testing.assert_allclose(twice[101:-100], smooth[100:-101], atol=1e-3)

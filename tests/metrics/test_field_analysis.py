import json

import numpy as np
import pytest

from sounds import noise
from soundstage.ambisonics.conventions import CONVENTIONS, from_ambix
from soundstage.ambisonics.encoding import control_points, encode
from soundstage.ambisonics.harmonics import degrees, to_direction
from soundstage.errors import InputError
from soundstage.metrics.field_analysis import AZIMUTHS, analyze_field

RATE = 16_000


def two_sources(order: int) -> np.ndarray:
    left = encode(noise(2 * RATE).numpy(), to_direction(90.0, 0.0), order)
    above = encode(noise(2 * RATE, seed=1, level=0.05).numpy(), to_direction(-45.0, 60.0), order)
    return left + above


@pytest.mark.parametrize("convention", CONVENTIONS)
def test_sources_are_found_where_they_are(convention: str) -> None:
    field = from_ambix(two_sources(3), convention)
    found = analyze_field((field, RATE), convention=convention)
    assert (found.order, found.channels, found.used_order) == (3, 16, 3)
    assert [(peak.azimuth, peak.elevation) for peak in found.peaks[:1]] == [(90.0, 0.0)]
    second = found.peaks[1]
    assert abs(second.azimuth + 45) <= 10
    assert abs(second.elevation - 60) <= 10
    assert 4 < found.peaks[0].level_db - second.level_db < 8  # 6 dB apart
    np.testing.assert_allclose(found.degree_levels_db, 0, atol=0.1)
    assert found.map.max() / 10 ** (found.peaks[0].level_db / 10) == pytest.approx(1)


def test_a_source_that_moves_is_followed_around_the_horizon() -> None:
    frames = 10 * RATE
    azimuths = 30 * control_points(frames) / RATE  # 300 degrees in 10 s, to the left
    field = encode(noise(frames).numpy(), to_direction(azimuths, 0.0), 1)
    found = analyze_field((field, RATE))
    loudest = AZIMUTHS[found.horizon.argmax(axis=0)]
    expected = (15 + 30 * np.arange(10) + 180) % 360 - 180
    assert np.abs((loudest - expected + 180) % 360 - 180).max() <= 5


def test_octaves_have_directions_of_their_own() -> None:
    time = np.arange(2 * RATE) / RATE
    low = encode(0.1 * np.sin(2 * np.pi * 250 * time), to_direction(60.0, 0.0), 1)
    high = encode(0.1 * np.sin(2 * np.pi * 4_000 * time), to_direction(-120.0, 30.0), 1)
    bands = {band.center_hz: band for band in analyze_field((low + high, RATE)).bands}
    assert bands[250].azimuth == pytest.approx(60, abs=1)
    assert bands[4000].azimuth == pytest.approx(-120, abs=1)
    assert bands[4000].elevation == pytest.approx(30, abs=1)
    assert bands[250].diffuseness < 0.01
    assert bands[250].energy_share == pytest.approx(0.5, abs=0.01)
    assert 8000 not in bands  # half of the rate


def test_a_diffuse_field_and_empty_degrees() -> None:
    random = np.random.default_rng(0)
    field = random.standard_normal((16, RATE)) * 0.1 / np.sqrt(2 * degrees(3) + 1)[:, None]
    assert analyze_field((field, RATE)).diffuseness > 0.95
    field[4:] = 0
    found = analyze_field((field, RATE))
    assert found.used_order == 1
    assert found.degree_levels_db[2:] == (-np.inf, -np.inf)


def test_silence_is_measured_and_json_is_finite() -> None:
    found = analyze_field((np.zeros((4, 500)), RATE))
    assert found.true_peak_db == -np.inf
    text = json.dumps(found.as_dict(), allow_nan=False)
    assert json.loads(text)["kind"] == "ambisonics"


def test_stereo_is_no_field() -> None:
    with pytest.raises(InputError, match="4, 9 or 16 channels, not 2"):
        analyze_field((np.zeros((2, 500)), RATE))

"""Places like those of a reference record."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from stereo_songs import LENGTH, SurveyedLowsAndHighs, high, low

from soundstage import restyle
from soundstage.errors import InputError
from soundstage.restyling.pan_histogram import pan_histogram
from soundstage.restyling.placing import make_plans
from soundstage.restyling.reference import histogram_distance, match_reference, read_reference
from soundstage.restyling.survey import survey_stage
from soundstage.separation.placement import own_diffuseness
from soundstage.stereo import RATE
from soundstage.upmixing.stage_options import StageOptions


class Separator:
    """Of lows and highs, both objects that may move."""

    def survey(self):
        """Start a song."""
        return SurveyedLowsAndHighs(("object", "object")).survey()


def stage_of(stereo):
    return survey_stage(lambda: [stereo.numpy()], RATE, separator=Separator())


def panned(low_gain, high_gain):
    """A record with lows and highs at gains in the side."""
    lows, highs = low(seed=7), high(seed=8)
    rows = [(1 + sign * low_gain) * lows + (1 + sign * high_gain) * highs for sign in (1.0, -1.0)]
    return torch.stack(rows)


@pytest.fixture(scope="module")
def stage():
    """Lows hard left, highs hard right, in the bands that they have."""
    found = stage_of(torch.stack([2 * low(), 2 * high()]))
    bands = {"left": [1, 1, 1, 0, 0, 0, 0], "right": [0, 0, 0, 0, 1, 1, 0]}
    own = [bands.get(source.info.name.split("-")[0], [0] * 7) for source in found.sources]
    whole = found.energies.sum(axis=1, keepdims=True)
    return replace(found, energies=whole * np.array(own, dtype=float))


@pytest.mark.parametrize("gains", [(0.3, -0.3), (-0.45, 0.45), (0.0, 0.0)])
def test_sources_stand_where_the_reference_has_their_bands(stage, gains):
    reference = pan_histogram([panned(*gains)])
    start = np.zeros(len(stage.sources))
    pans, _ = match_reference(stage, reference, start, own_diffuseness(stage.infos))
    for prefix, gain in zip(("left", "right"), gains, strict=True):
        loudest = max(
            (k for k, s in enumerate(stage.sources) if s.info.name.startswith(prefix)),
            key=lambda k: stage.sources[k].info.energy,
        )
        wanted = 20 * np.log10((1 + gain) / (1 - gain))
        assert pans[loudest] == pytest.approx(wanted, abs=2.5)


def test_the_distance_is_0_for_the_same_and_grows_with_pans():
    center, near, far = (pan_histogram([panned(gain, -gain)]) for gain in (0.0, 0.25, 0.5))
    assert histogram_distance(near, near) == 0
    assert histogram_distance(center, near) == pytest.approx(0.25, abs=0.1)
    assert histogram_distance(center, far) == pytest.approx(0.5, abs=0.1)
    assert histogram_distance(near, far) < histogram_distance(center, far)
    silent = pan_histogram([torch.zeros(2, LENGTH)])
    assert histogram_distance(silent, silent) == 0


def test_a_wide_reference_makes_diffuse_parts_larger_than_a_narrow_one(stage):
    noise = torch.randn(2, 2, LENGTH, generator=torch.Generator().manual_seed(3))
    narrow = noise[0, :1] + torch.tensor([[0.1], [-0.1]]) * noise[1, :1]
    start = np.zeros(len(stage.sources))
    own = own_diffuseness(stage.infos)
    wide_parts = match_reference(stage, pan_histogram([noise[0]]), start, own)[1]
    narrow_parts = match_reference(stage, pan_histogram([narrow]), start, own)[1]
    assert sum(wide_parts) > 2 * sum(narrow_parts)


def test_a_song_comes_nearer_to_its_reference_and_keeps_its_sum():
    song = torch.stack([2 * low(), 2 * high()]).numpy()
    record = panned(0.4, -0.4).numpy()
    result = restyle((song, RATE), like=(record, RATE)).samples
    reference = pan_histogram([torch.from_numpy(record)])
    distances = [
        histogram_distance(pan_histogram([torch.tensor(each)]), reference)
        for each in (song, restyle((song, RATE)).samples, result)
    ]
    assert distances[2] < 0.7 * distances[0]
    assert distances[2] <= distances[1] + 0.01
    assert np.abs(result.sum(axis=0) - song.sum(axis=0)).max() < 1e-6


def test_what_is_requested_goes_before_the_reference(stage):
    reference = pan_histogram([panned(0.3, -0.3)])
    name = stage.sources[0].info.name
    (plan,) = make_plans(
        stage,
        [0],
        options=StageOptions(place=f"{name}=-7 dB"),
        adjust=lambda pans, parts: match_reference(stage, reference, pans, parts),
    )
    assert plan.sources[0].pan_db == -7


def test_a_mono_reference_is_refused():
    with pytest.raises(InputError, match="stereo record"):
        read_reference((np.zeros((1, 100)), RATE))

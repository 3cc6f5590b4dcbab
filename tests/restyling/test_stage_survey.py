import numpy as np
import pytest
import torch
from stereo_songs import SurveyedLowsAndHighs, high, low, two_track

import sounds
from soundstage.restyling.directions import DIRECTIONS
from soundstage.restyling.survey import survey_stage
from soundstage.stereo import RATE


def surveyed(stereo, rate=RATE, block=30_000, **options):
    options.setdefault("separator", SurveyedLowsAndHighs())

    def read():
        for start in range(0, stereo.shape[1], block):
            yield stereo[:, start : start + block]

    return survey_stage(read, rate, **options)


def by_name(stage):
    return {source.info.name: source for source in stage.sources}


def test_sources_of_each_channel_are_found():
    stage = surveyed(two_track()[0])
    assert stage.need == 1
    assert not stage.has_center
    found = by_name(stage)
    assert {"left-lows", "left-highs", "right-highs"} <= found.keys()
    assert [found[name].present for name in ("left-lows", "right-highs")] == [1, -1]
    assert sum(source.info.energy for source in stage.sources) == pytest.approx(1)
    assert stage.energies.shape[0] == len(stage.sources)


def test_a_channel_of_one_source_is_never_cut():
    found = by_name(surveyed(two_track()[0]))
    assert found["right-highs"].members == ()
    assert found["left-lows"].members == (0,)


def test_voices_beside_the_lead_belong_to_it():
    stereo = torch.stack([2 * low(), 2 * (low(seed=5) + high())]).numpy()
    stage = surveyed(stereo, separator=SurveyedLowsAndHighs(("voice", "lead")))
    lead = [source for source in stage.sources if source.info.kind == "lead"]
    assert [source.info.name for source in lead] == ["right-lead"]


def test_an_empty_direction_is_one_silent_source():
    stage = surveyed(two_track()[0])
    center = [each for each in stage.sources if DIRECTIONS[each.direction] == "center"]
    assert [(each.info.name, each.info.kind) for each in center] == [("center-rest", "residual")]
    assert stage.separators[1] is None


def test_a_modern_mix_ends_after_the_histogram():
    stereo = torch.stack([sounds.song(RATE), 0.8 * sounds.song(RATE)]).numpy()
    stage = surveyed(stereo, separator=object())  # which is not used
    assert stage.sources == ()
    assert stage.strength == 0
    assert "modern" in stage.describe()
    requested = surveyed(stereo, always=True)
    assert requested.strength == 1
    assert requested.sources


@pytest.mark.parametrize("rate", [RATE, 48_000])
def test_a_song_has_one_survey_in_any_blocks(rate):
    stereo = two_track()[0]
    one, other = (surveyed(stereo, rate, block=block) for block in (1_000, stereo.shape[1]))
    assert one.infos == other.infos
    np.testing.assert_array_equal(one.energies, other.energies)


@pytest.mark.parametrize("length", [0, 1, 700])
def test_short_and_silent_songs_have_a_survey(length):
    stage = surveyed(np.zeros((2, length), np.float32))
    assert stage.need == 0
    assert surveyed(np.zeros((2, length), np.float32), always=True).sources

from itertools import pairwise

import numpy as np
import pytest

from soundstage.errors import OptionError
from soundstage.restyling.pan_histogram import BANDS, CELLS, PanHistogram
from soundstage.restyling.placing import MODERATE, NEAR_LEAD_DB, make_plans
from soundstage.restyling.survey import Stage, StageSource
from soundstage.separation.separator import SourceInfo
from soundstage.separation.stage_balance import MAX_IMBALANCE_DB, TOLERANCE_DB, imbalance
from soundstage.upmixing.generative.style import parse_style
from soundstage.upmixing.stage_options import StageOptions

LEFT, CENTER, RIGHT = range(3)
HISTOGRAM = PanHistogram(np.zeros((BANDS, CELLS)), np.zeros((BANDS, 3)), 0)
BAND = [
    ("left-drums", "drums", LEFT, 0.3),
    ("left-bass", "bass", LEFT, 0.2),
    ("left-other-1", "object", LEFT, 0.1),
    ("left-other-2", "object", LEFT, 0.08),
    ("right-lead", "lead", RIGHT, 0.2),
    ("right-other-1", "object", RIGHT, 0.12),
]


def stage_of(rows=BAND):
    sources = tuple(
        StageSource(SourceInfo(name, kind, energy, 800.0 + 300 * k), direction, (k,))
        for k, (name, kind, direction, energy) in enumerate(rows)
    )
    energies = np.array([[row[3] / BANDS] * BANDS for row in rows])
    return Stage(HISTOGRAM, has_center=False, sources=sources, energies=energies, strength=1.0)


def pans(stage, seed=0, **options):
    (plan,) = make_plans(stage, [seed], **options)
    return {source.name: source.pan_db for source in plan.sources}


def test_lead_drums_and_bass_join_the_center_and_fill_the_hole():
    found = pans(stage_of())
    assert [found[name] for name in ("left-drums", "left-bass", "right-lead")] == [0, 0, 0]


def test_other_sources_stand_off_the_center_far_from_a_hard_pan():
    found = pans(stage_of())
    others = [abs(pan) for name, pan in found.items() if "other" in name]
    assert min(others) > 1
    assert max(others) <= 12 * MODERATE


def test_sources_keep_their_side_where_the_balance_allows_it():
    rows = [("left-other-1", "object", LEFT, 0.1), ("right-other-1", "object", RIGHT, 0.1)]
    found = pans(stage_of([*rows, ("center-lead", "lead", CENTER, 0.5)]))
    assert found["left-other-1"] > 5
    assert found["right-other-1"] < -5


def test_a_band_on_one_side_is_spread_over_both():
    rows = [(f"left-other-{k}", "object", LEFT, 0.2) for k in (1, 2, 3)]
    found = pans(stage_of([*rows, ("right-lead", "lead", RIGHT, 0.3)]))
    others = [pan for name, pan in found.items() if "other" in name]
    assert min(others) < -1
    assert max(others) > 1


@pytest.mark.parametrize("seed", range(6))
def test_every_take_is_balanced(seed):
    stage = stage_of()
    found = np.array(list(pans(stage, seed).values()))
    whole = stage.energies.sum(axis=1, keepdims=True)
    assert abs(imbalance(found, whole)[0]) < MAX_IMBALANCE_DB + TOLERANCE_DB + 0.01


@pytest.mark.parametrize("seed", range(6))
def test_sources_beside_the_lead_stay_near_it(seed):
    assert abs(pans(stage_of(), seed)["right-other-1"]) <= NEAR_LEAD_DB


def test_what_is_at_the_center_stays_there():
    rows = [*BAND, ("center-other-1", "object", CENTER, 0.2)]
    assert pans(stage_of(rows))["center-other-1"] == 0


def test_takes_differ():
    takes = [tuple(pans(stage_of(), seed).values()) for seed in range(3)]
    assert len(set(takes)) == 3
    assert all(one != other for one, other in pairwise(takes))


def test_requests_are_done_exactly():
    options = StageOptions(place="drums=left, left-other-1=-3 dB")
    found = pans(stage_of(), options=options)
    assert found["left-drums"] > 6
    assert found["left-other-1"] == -3
    (plan,) = make_plans(stage_of(), [0])
    moved = plan.placed("right-lead", pan_db=2.0)
    assert pans(stage_of(), options=StageOptions(plan=moved))["right-lead"] == 2


def test_a_source_that_the_song_does_not_have_is_refused():
    with pytest.raises(OptionError, match="no source"):
        make_plans(stage_of(), [0], options=StageOptions(place="other-9=left"))


@pytest.mark.parametrize(("word", "is_wider"), [("narrow", False), ("wide", True)])
def test_a_style_scales_all_places(word, is_wider):
    plain, styled = pans(stage_of()), pans(stage_of(), style=parse_style(word, places=True))
    assert (abs(styled["left-other-1"]) > abs(plain["left-other-1"])) == is_wider


def test_a_song_without_sources_has_a_plan_without_any():
    stage = Stage(HISTOGRAM, has_center=True)
    assert [plan.sources for plan in make_plans(stage, [0, 7])] == [(), ()]

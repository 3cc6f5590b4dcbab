import numpy as np
import pytest

from soundstage.upmixing.plan import PlacedSource, Plan
from soundstage.upmixing.plan_differences import places_sentence, plan_differences


def plan(**pans):
    return Plan(tuple(PlacedSource(name, "object", pan) for name, pan in pans.items()))


def test_plans_differ_by_the_mean_over_their_common_sources():
    plans = [plan(a=6.0, b=-4.0, c=0.0), plan(a=-6.0, b=4.0, c=0.0), plan(b=-4.0, d=9.0)]
    assert plan_differences(plans) == pytest.approx(
        np.array([[0, 20 / 3, 0], [20 / 3, 0, 8], [0, 8, 0]])
    )


def test_plans_without_a_common_source_do_not_differ():
    assert plan_differences([plan(a=5.0), plan(b=-5.0), plan()]).max() == 0


def test_the_sentence_of_two_takes_has_one_difference():
    sentence = places_sentence([plan(a=5.0), plan(a=-2.0)])
    assert sentence == "Places of two takes differ by 7.0 dB on average."

import contextlib
import json
import string
from dataclasses import replace
from typing import get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st

from soundstage.errors import InputError, OptionError, OutputError
from soundstage.separation.placement import Place, place_sources
from soundstage.separation.separator import Kind, SourceInfo
from soundstage.upmixing.plan import PlacedSource, Plan, make_plan

NAMES = st.text(min_size=1, max_size=20).filter(str.strip).filter(str.isprintable)
PLACED = st.builds(
    PlacedSource,
    NAMES,
    st.sampled_from(get_args(Kind)),
    st.floats(-12, 12),
    st.floats(0, 3),
    st.floats(0, 1),
)
PLANS = st.builds(
    Plan,
    st.lists(PLACED, max_size=6, unique_by=lambda source: source.name).map(tuple),
    st.integers(0, 2**32 - 1),
    NAMES,
)
TRIO = [
    SourceInfo("lead", "lead", 0.5, 900.0),
    SourceInfo("other-1", "object", 0.2, 1_500.0),
    SourceInfo("other-2", "object", 0.2, 3_000.0),
]
PLAN = make_plan(TRIO, 3, method="placed")


@given(PLANS)
def test_the_text_of_a_plan_is_the_plan(plan):
    assert Plan.from_json(json.loads(plan.to_json())) == plan


@given(plan=PLANS)
def test_a_file_of_a_plan_is_the_plan(tmp_path_factory, plan):
    path = tmp_path_factory.mktemp("plans") / "plan.json"
    plan.write(path)
    assert Plan.read(path) == plan


@given(PLANS)
def test_gains_give_the_level_differences(plan):
    for source, gain in zip(plan.sources, plan.to_gains(), strict=True):
        assert (1 + gain) / (1 - gain) == pytest.approx(10 ** (source.pan_db / 20))


def test_a_plan_has_the_places_of_the_rules():
    places = place_sources(TRIO, 3)
    found = [Place(source.pan_db, source.diffuseness) for source in PLAN.sources]
    assert tuple(found) == places
    assert [source.name for source in PLAN.sources] == ["lead", "other-1", "other-2"]
    assert (PLAN.seed, PLAN.method) == (3, "placed")
    assert [source.energy for source in PLAN.sources] == [0.5, 0.2, 0.2]


def test_a_plan_gives_its_places_to_another_take():
    moved = PLAN.placed("other-1", pan_db=-11.0)
    again = make_plan(TRIO, 8, requested=moved.requests())
    assert replace(again, seed=3, method="placed") == moved
    assert moved.sources[1].pan_db == -11.0
    assert moved.sources[2] == PLAN.sources[2]


def test_a_source_that_a_plan_does_not_name_follows_the_rules():
    short = Plan((PlacedSource("other-1", "object", 2.0, 0.5),))
    made = make_plan(TRIO, 3, requested=short.requests())
    assert made.sources[1].pan_db == 2.0
    assert made.sources[2] == PLAN.sources[2]


def test_seed_method_place_and_energy_may_be_left_out():
    content = {"version": 1, "sources": [{"name": "piano", "kind": "object"}]}
    assert Plan.from_json(content) == Plan((PlacedSource("piano", "object"),))


def test_a_missing_source_is_named():
    with pytest.raises(OptionError, match="no source 'guitar': it has lead, other-1, other-2"):
        PLAN.placed("guitar", pan_db=1.0)


def changed(**changes):
    content = json.loads(PLAN.to_json())
    content["sources"][1].update(changes)
    return content


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        ([], "must have keys"),
        ({}, "needs the key 'sources'"),
        ({"sources": []}, "needs the key 'version'"),
        ({"version": 2, "sources": []}, "version must be 1, not 2"),
        ({"version": True, "sources": []}, "version must be 1, not True"),
        ({"version": 1, "sources": {}}, "sources must be a list"),
        ({"version": 1, "sources": ["lead"]}, "a source must have keys"),
        ({"version": 1, "sources": [], "tempo": 1}, "no key 'tempo': choose among method, "),
        ({"version": 1, "sources": [], "seed": -1}, "seed must be an integer from 0, not -1"),
        ({"version": 1, "sources": [], "seed": 1.5}, "seed must be an integer"),
        ({"version": 1, "sources": [], "method": 3}, "method must be text"),
        (changed(pan=3), "a source has no key 'pan': choose among diffuseness, energy"),
        (changed(pan_db="3"), "'other-1': pan_db must be a number, not '3'"),
        (changed(pan_db=True), "'other-1': pan_db must be a number, not True"),
        (changed(pan_db=12.5), "'other-1': pan_db must be from -12 to 12, not 12.5"),
        (changed(diffuseness=-1), "'other-1': diffuseness must be from 0 to 3"),
        (changed(energy=10**30), "'other-1': energy must be from 0 to 1, not 1000"),
        (changed(kind="guitar"), "'other-1': kind must be one of lead, voice, "),
        (changed(kind=["lead"]), "'other-1': kind must be one of lead, voice, "),
        (changed(name=""), "the name of a source must be text"),
        (changed(name=7), "the name of a source must be text"),
        (changed(name="x" * 101), "the name of a source must be text"),
        (changed(name="lead"), "two sources have the name 'lead'"),
    ],
)
def test_wrong_content_is_one_sentence_with_the_file(tmp_path, content, problem):
    path = tmp_path / "plan.json"
    path.write_text(json.dumps(content), encoding="utf-8")
    with pytest.raises(InputError) as caught:
        Plan.read(path)
    assert str(caught.value).startswith(f"{path}: ")
    assert problem in str(caught.value)
    assert str(caught.value).endswith(".")


@pytest.mark.parametrize("text", ["", "{", '{"version": NaN}', '{"version": 1, "version": 1}'])
def test_what_is_no_json_is_refused(tmp_path, text):
    path = tmp_path / "plan.json"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(InputError, match=r"plan\.json, line 1: "):
        Plan.read(path)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(string.printable, max_size=8),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(["version", "sources", "name", "kind", "pan_db", "seed"]), inner
        )
    ),
)


@given(JSON)
def test_any_content_is_a_plan_or_an_error_of_ours(content):
    rows = {"version": 1, "sources": [content]}
    for each in (content, rows):
        with contextlib.suppress(OptionError):
            assert isinstance(Plan.from_json(each), Plan)


def test_an_existing_file_is_kept_where_asked(tmp_path):
    path = tmp_path / "deep" / "plan.json"
    PLAN.write(path)
    with pytest.raises(OutputError):
        Plan((), 1).write(path, overwrite=False)
    assert Plan.read(path) == PLAN

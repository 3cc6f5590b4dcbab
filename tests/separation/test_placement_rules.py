import math
from typing import get_args

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from soundstage.corpora import placed_mixes
from soundstage.separation import placement
from soundstage.separation.placement import (
    DIFFUSENESS,
    FAINT,
    LOW_CENTROID,
    MAX_PAN_DB,
    Place,
    PlaceRequest,
    alternate_sides,
    amounts,
    is_faint,
    is_low,
    lead_names,
    pan_ramp,
    place_sources,
    requested_place,
)
from soundstage.separation.separator import Kind, SourceInfo
from soundstage.separation.stage_balance import (
    BALANCE_EDGES,
    MAX_BAND_IMBALANCE_DB,
    MAX_IMBALANCE_DB,
    imbalance,
    pan_gain,
)

KINDS = get_args(Kind)
BANDS = len(BALANCE_EDGES) - 1


def song(*sources):
    """Sources from (kind, energy, centroid)."""
    return [
        SourceInfo(f"{kind}-{k}", kind, energy, centroid)
        for k, (kind, energy, centroid) in enumerate(sources)
    ]


BAND = song(
    ("lead", 0.3, 1_200.0),
    ("drums", 0.3, 3_000.0),
    ("bass", 0.15, 150.0),
    ("voice", 0.05, 1_500.0),
    ("object", 0.08, 700.0),
    ("object", 0.06, 1_800.0),
    ("object", 0.04, 2_500.0),
    ("object", 0.02, 4_000.0),
    ("residual", 0.01, 0.0),
)

SOURCES = st.lists(
    st.tuples(
        st.sampled_from(KINDS),
        st.one_of(st.just(0.0), st.floats(1e-4, 1)),
        st.one_of(st.just(0.0), st.floats(50, 8_000)),
    ),
    max_size=8,
).map(lambda facts: song(*facts))
SEEDS = st.integers(0, 2**32 - 1)
REQUESTS = st.builds(
    PlaceRequest,
    st.none() | st.floats(-12, 12),
    st.none() | st.floats(0, 3),
    st.none() | st.floats(0.1, 3),
)


@st.composite
def songs_in_bands(draw):
    sources = draw(SOURCES)
    cells = st.one_of(st.just(0.0), st.floats(1e-6, 1))
    rows = st.lists(cells, min_size=BANDS, max_size=BANDS)
    energies = draw(st.lists(rows, min_size=len(sources), max_size=len(sources)))
    return sources, np.array(energies).reshape(len(sources), BANDS)


def pans(sources, seed=0, **options):
    return np.array([place.pan_db for place in place_sources(sources, seed, **options)])


def test_every_kind_has_a_diffuseness():
    assert set(DIFFUSENESS) == set(KINDS)
    assert set(placement.AMOUNTS_DB) == set(KINDS) - placement.CENTERED


@given(SOURCES, SEEDS)
def test_lead_drums_bass_ambience_and_residual_stand_in_the_center(sources, seed):
    for source, place in zip(sources, place_sources(sources, seed), strict=True):
        if source.kind not in ("voice", "object"):
            assert place.pan_db == 0


def test_an_unknown_lead_is_the_loudest_voice():
    sources = song(("voice", 0.1, 900.0), ("voice", 0.2, 800.0), ("object", 0.2, 1_000.0))
    assert lead_names(sources) == {"voice-1"}
    places = place_sources(sources)
    assert places[1] == Place(0.0, DIFFUSENESS["lead"])
    assert places[0].pan_db * places[2].pan_db < 0
    assert lead_names([*sources, SourceInfo("singer", "lead")]) == {"singer"}


def test_low_sources_stand_in_the_center():
    sources = song(
        ("object", 0.2, LOW_CENTROID - 1), ("object", 0.2, LOW_CENTROID), *[("lead", 0.6, 900.0)]
    )
    first, second, _ = pans(sources)
    assert first == 0
    assert second != 0
    assert not is_low(SourceInfo("unknown", "object", centroid=0.0))


def test_remnants_stand_in_the_center_and_unknown_energies_do_not():
    assert is_faint(SourceInfo("remnant", "object", FAINT / 2, 900.0))
    assert not is_faint(SourceInfo("unknown", "object", 0.0, 900.0))
    sources = song(("lead", 0.9, 900.0), ("object", FAINT / 2, 900.0), ("object", 0.1, 900.0))
    assert pans(sources).nonzero()[0].tolist() == [2]


@given(st.lists(st.floats(200, 8_000), min_size=2, max_size=8, unique=True))
def test_neighbors_in_centroid_stand_on_opposite_sides(centroids):
    sides = alternate_sides(centroids)
    distances = np.abs(np.subtract.outer(centroids, centroids))
    np.fill_diagonal(distances, np.inf)
    for k, row in enumerate(distances):
        nearest = np.flatnonzero(row == row.min())
        assert (sides[nearest] != sides[k]).any()
    assert abs(sides.sum()) <= 1


@given(
    st.lists(st.tuples(st.floats(200, 8_000), st.floats(0, 1)), min_size=1, max_size=8),
    st.booleans(),
)
def test_width_grows_with_the_centroid(facts, is_drawn):
    sources = song(*[("object", 0.1, centroid) for centroid, _ in facts])
    found = amounts(sources, np.array([share for _, share in facts]) if is_drawn else None)
    order = np.argsort([source.centroid for source in sources], kind="stable")
    assert (np.diff(found[order]) >= 0).all()
    if not is_drawn:
        assert found.max() == placement.AMOUNTS_DB["object"][1]


def test_the_highest_source_stands_further_out_than_the_lowest():
    low, high = np.abs(amounts(song(("object", 0.1, 400.0), ("object", 0.1, 4_000.0))))
    assert high - low > 2


@given(
    SOURCES, SEEDS, st.dictionaries(st.sampled_from([f"object-{k}" for k in range(4)]), REQUESTS)
)
def test_nothing_is_panned_hard(sources, seed, requested):
    for place in place_sources(sources, seed, requested=requested):
        assert abs(place.pan_db) <= MAX_PAN_DB
        assert 0 <= place.diffuseness <= placement.MAX_DIFFUSENESS


@given(songs_in_bands(), SEEDS)
def test_every_band_is_balanced(sources_and_energies, seed):
    sources, energies = sources_and_energies
    levels = imbalance(pans(sources, seed, energies=energies), energies)
    assert np.abs(levels).max(initial=0) <= MAX_BAND_IMBALANCE_DB + 0.05  # rounded to 0.01 dB
    whole = imbalance(pans(sources, seed, energies=energies), energies.sum(axis=1, keepdims=True))
    assert np.abs(whole).max(initial=0) <= MAX_IMBALANCE_DB + 0.05


@given(st.floats(-12, 12), st.floats(-12, 12), st.integers(8_000, 192_000))
def test_a_change_of_pan_takes_22_milliseconds(start_db, end_db, rate):
    start, end = pan_gain(start_db), pan_gain(end_db)
    ramp = pan_ramp(start, end, rate)
    assert len(ramp) >= 0.022 * rate
    assert ramp[-1] == pytest.approx(end)
    steps = np.diff(np.concatenate([[start], ramp]))
    assert steps == pytest.approx(np.full(len(ramp), (end - start) / len(ramp)), abs=1e-9)


@given(st.floats(-12, 12))
def test_the_law_is_linear_and_gives_the_level_difference(pan_db):
    gain = pan_gain(pan_db)
    assert 20 * math.log10((1 + gain) / (1 - gain)) == pytest.approx(pan_db)
    left, right = placed_mixes.place_sources(torch.ones(1, 1), [pan_db]).flatten().tolist()
    assert (left, right) == pytest.approx((1 + gain, 1 - gain), rel=1e-6)
    assert (left + right) / 2 == pytest.approx(1)


def test_the_default_is_moderate_but_a_stage():
    own = pans(BAND)
    assert 2.5 <= own.std() <= 8
    assert np.abs(own).max() <= MAX_PAN_DB
    gains = np.tanh(own * math.log(10) / 40)
    energies = np.array([source.energy for source in BAND])
    width = 2 * math.sqrt((energies * gains**2).sum() / energies.sum())
    assert 0.2 <= width <= 0.6  # of real music 1.09, with the diffuse part


@given(SOURCES, SEEDS)
def test_an_odd_seed_mirrors_the_one_before(sources, seed):
    even = seed - seed % 2
    assert pans(sources, even + 1) == pytest.approx(-pans(sources, even))


@given(SOURCES, SEEDS)
def test_a_seed_has_one_result(sources, seed):
    assert place_sources(sources, seed) == place_sources(sources, seed)


def test_takes_differ_in_who_stands_where():
    takes = np.array([pans(BAND, seed) for seed in range(8)])
    movable = [k for k, source in enumerate(BAND) if source.kind in ("voice", "object")]
    differences = np.abs(takes[:, None, movable] - takes[None, :, movable]).mean(axis=-1)
    assert differences[np.triu_indices(8, 1)].min() >= 4
    over_all = np.abs(takes[::2] - takes[1::2]).mean(axis=-1)
    assert over_all.min() >= 4
    assert all(np.abs(take).mean() >= 3 for take in takes)


def test_two_sources_of_five_stand_4_db_apart_in_consecutive_takes():
    sources = song(
        ("lead", 0.3, 1_200.0),
        ("drums", 0.3, 3_000.0),
        ("bass", 0.15, 150.0),
        ("object", 0.15, 1_000.0),
        ("voice", 0.1, 1_500.0),
    )
    assert np.abs(pans(sources, 0) - pans(sources, 1)).mean() >= 4


@given(songs_in_bands(), SEEDS, st.lists(REQUESTS, min_size=8, max_size=8), st.integers(0, 255))
def test_a_request_moves_no_other_source(sources_and_energies, seed, requests, chosen):
    sources, energies = sources_and_energies
    names = [source.name for k, source in enumerate(sources) if chosen >> k & 1]
    requested = dict(zip(names, requests, strict=False))
    own = place_sources(sources, seed, energies=energies)
    made = place_sources(sources, seed, energies=energies, requested=requested)
    for source, before, after in zip(sources, own, made, strict=True):
        assert after == requested_place(before, requested.get(source.name, PlaceRequest()))
        if source.name not in requested:
            assert after == before


def test_requests_are_exact_or_relative():
    own = Place(-6.0, 0.5)
    assert requested_place(own, PlaceRequest(pan_db=3.0)) == Place(3.0, 0.5)
    assert requested_place(own, PlaceRequest(diffuseness=2.0)) == Place(-6.0, 2.0)
    assert requested_place(own, PlaceRequest(width=3.0)) == Place(-12.0, 1.5)
    assert requested_place(own, PlaceRequest(pan_db=3.0, width=2.0)) == Place(3.0, 1.0)


@given(songs_in_bands(), SEEDS)
def test_no_source_stands_further_out_than_the_rules_allow(sources_and_energies, seed):
    sources, energies = sources_and_energies
    movable = placement.movable_sources(sources)
    outermost = amounts([sources[k] for k in movable])
    held = pans(sources, seed % 2, energies=energies)
    assert (np.abs(held[movable]) <= outermost + 0.01).all()


def test_sources_of_one_band_stand_opposite_where_alternate_sides_would_cost_the_stage():
    sources = song(("object", 0.3, 600.0), ("object", 0.01, 900.0), ("object", 0.3, 1_300.0))
    apart = np.array([[0.3, 0.0], [0.01, 0.0], [0.0, 0.3]])
    together = np.array([[0.3, 0.0], [0.01, 0.0], [0.3, 0.0]])
    assert pans(sources, energies=np.zeros((3, 1))) @ [1, 0, 1] > 15  # both left
    assert np.abs(pans(sources, energies=apart))[[0, 2]].max() < 4  # each alone in its band
    first, _, last = pans(sources, energies=together)
    assert first * last < 0
    assert min(abs(first), abs(last)) > 7

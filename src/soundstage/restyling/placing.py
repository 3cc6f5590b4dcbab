"""New places for the sources of a hard-panned mix, by the rules of placement.

    1  what is at the center stays there; lead, drums and bass of a side join it
    2  other sources keep their side where they can, at 7 to 9 dB in place of a hard pan
    3  left and right balanced, in all and in seven bands (`separation/stage_balance.py`); where a
       side has nothing else, some of its sources change to the other one
    4  sources that are told apart from the lead by masks stay near it, and on both sides of it: a
       part of the lead is always among them, and must not pull it aside

All assignments of sides are tried; the best keeps most of a stage and of its present sides. Seed 0
is the best one, and every further seed the one that differs most from those before it. What is
requested is done exactly.
"""

from collections.abc import Callable, Sequence
from itertools import product
from typing import TYPE_CHECKING

import numpy as np
from jaxtyping import Float

from soundstage.restyling.options import METHOD
from soundstage.restyling.survey import Stage
from soundstage.separation.placement import (
    Place,
    PlaceRequest,
    amounts,
    movable_sources,
    own_diffuseness,
    requested_place,
)
from soundstage.separation.stage_balance import balanced, pan_gain
from soundstage.upmixing.generative.style import MUSIC, Style
from soundstage.upmixing.places import stage_requests
from soundstage.upmixing.plan import PlacedSource, Plan
from soundstage.upmixing.stage_options import StageOptions

if TYPE_CHECKING:
    from soundstage.separation.separator import SourceInfo

CENTER = 1  # index of the direction
MODERATE = 0.75  # of the amounts of an upmix: 7 to 9 dB, far from a hard pan
NEAR_LEAD_DB = 4.5  # of a source in the direction of the lead; a part of the lead is in it
KEPT = 0.5  # worth of the present sides, beside a stage of 1
LEAN = 4.0  # cost of a gain in the side of the sources beside the lead
MOST_TRIED = 8  # sources of which all sides are tried; the faintest further ones keep theirs
GOOD = 0.6  # of the best merit, from which on an assignment is a take
COMPRESSION = 0.3  # loudness grows as energy^0.3
MEDIAN = 3  # among the percentiles of music; a style with this value changes nothing

Array = np.ndarray
Adjust = Callable[
    [Float[Array, " sources"], Sequence[float]], tuple[Float[Array, " sources"], list[float]]
]


def make_plans(
    stage: Stage,
    seeds: Sequence[int],
    *,
    options: StageOptions | None = None,
    style: Style | None = None,
    adjust: Adjust | None = None,
) -> list[Plan]:
    """The plan of each take; one without sources where nothing has to move.

    Args:
        stage: the song.
        seeds: one a take.
        options: requested places, in words and as a plan.
        style: words about instruments are requests; a width scales all places, and a diffuseness
            the diffuse parts.
        adjust: changes places and diffuseness of the rules, as a reference does; what is requested
            goes first.

    Raises:
        OptionError: a place is requested for a source that the song does not have.
    """
    options = options or StageOptions()
    words = style.places if style else ()
    found: dict[str, PlaceRequest] = {}
    if stage.sources:
        found = stage_requests(stage.infos, plan=options.plan, words=words, place=options.place)
    width, diffuse = _factors(style)
    arrangements = place_stage(stage)
    plans = []
    for seed in seeds:
        pans, diffuseness = arrangements[seed % len(arrangements)], own_diffuseness(stage.infos)
        if adjust:
            pans, diffuseness = adjust(pans, diffuseness)
        diffuseness = [diffuse * each for each in diffuseness]
        rows = zip(stage.infos, pans.tolist(), diffuseness, strict=True)
        plans.append(
            Plan(
                tuple(
                    _placed(
                        info,
                        requested_place(
                            Place(pan, own), found.get(info.name, PlaceRequest(width=width))
                        ),
                    )
                    for info, pan, own in rows
                ),
                seed,
                METHOD,
            )
        )
    return plans


def place_stage(stage: Stage) -> list[Float[Array, " sources"]]:
    """Arrangements of the sources of a song, in dB of left over right, from the best."""
    sources = stage.sources
    if not sources or stage.energies is None:
        return [np.zeros(0)]
    infos, energies = stage.infos, stage.energies
    movable = movable_of(stage)
    if not movable:
        return [np.zeros(len(sources))]
    lead = lead_direction(stage)
    beside = beside_lead(stage)
    own = np.zeros(len(sources))
    own[movable] = MODERATE * amounts([infos[k] for k in movable])
    own[beside] = own[beside].clip(max=NEAR_LEAD_DB)
    present = np.sign([source.present for source in sources])
    weights = energies.sum(axis=1) ** COMPRESSION * (own > 0)
    tried = movable[:MOST_TRIED]
    candidates, merits = [], []
    for signs in product((1.0, -1.0), repeat=len(tried)):
        sides = present.copy()
        sides[tried] = np.array(signs) * present[tried]
        pans = balanced(sides * own, energies)
        stage_kept = float((weights * np.abs(pans)).sum() / (weights * own).sum())
        kept = float((weights * np.abs(pans) * (sides == present)).sum() / (weights * own).sum())
        candidates.append(np.round(pans, 2) + 0.0)
        merits.append(stage_kept + KEPT * kept - LEAN * _lean(pans, energies, beside, stage, lead))
    return _ordered(candidates, merits)


def movable_of(stage: Stage) -> list[int]:
    """The sources that may stand beside the center, the loudest first."""
    movable = [k for k in movable_sources(stage.infos) if stage.sources[k].direction != CENTER]
    return sorted(movable, key=lambda k: -stage.infos[k].energy)


def beside_lead(stage: Stage) -> list[int]:
    """Those of them that are told apart from the lead by masks."""
    lead = lead_direction(stage)
    return [k for k in movable_of(stage) if stage.sources[k].direction == lead]


def lead_direction(stage: Stage) -> int:
    """The direction in which most of the lead is; −1 if there is none."""
    energies = np.zeros(3)
    for source in stage.sources:
        if source.info.kind == "lead":
            energies[source.direction] += source.info.energy
    return int(energies.argmax()) if energies.any() else -1


def _lean(
    pans: Float[Array, " sources"],
    energies: Float[Array, "sources bands"],
    beside: Sequence[int],
    stage: Stage,
    lead: int,
) -> float:
    """Gain in the side of a lead that is spread over the sources beside it by their energy."""
    if not beside:
        return 0.0
    whole = energies.sum(axis=1)
    members = [k for k, source in enumerate(stage.sources) if source.direction == lead]
    gains = np.array([pan_gain(pan) for pan in pans])
    return abs(float((whole * gains)[beside].sum() / whole[members].sum()))


def _ordered(
    candidates: list[Float[Array, " sources"]], merits: list[float]
) -> list[Float[Array, " sources"]]:
    """The best arrangement, then of all good ones the farthest from those before."""
    best = int(np.argmax(merits))
    kept = [candidates[best]]
    left = [
        each
        for k, each in enumerate(candidates)
        if k != best and merits[k] >= GOOD * abs(merits[best])
    ]
    while left:
        far = [min(float(np.abs(each - other).sum()) for other in kept) for each in left]
        kept.append(left.pop(int(np.argmax(far))))
    return kept


def _factors(style: Style | None) -> tuple[float, float]:
    """Of all places, and of the diffuse parts alone, by a style."""
    values = style.requested() if style else {}
    pairs = [(values.get(name), MUSIC[name][MEDIAN]) for name in ("width", "diffuseness")]
    width, diffuse = (1.0 if value is None else value / typical for value, typical in pairs)
    return width, diffuse


def _placed(info: "SourceInfo", place: Place) -> PlacedSource:
    energy = round(min(max(info.energy, 0.0), 1.0), 6)
    return PlacedSource(info.name, info.kind, place.pan_db, place.diffuseness, energy)

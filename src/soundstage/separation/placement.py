"""Placement: rules of automatic mixing give every source of a song a place that it keeps.

A place is a pan, the level of left over right in dB, and a diffuseness, the gain of the
decorrelated part. The rules are those of Perez-Gonzalez & Reiss (2010) and Mansbridge et al.
(2012), and of common practice:

    1  the lead voice, drums and bass at the center; if no voice is known to be the lead, the
       loudest one is                                                         `lead_names`
    2  a spectral centroid under 200 Hz: center                               `is_low`
    3  the higher its centroid, the further out a source may stand            `amounts`
    4  a source goes opposite the source with the nearest centroid            `alternate_sides`
    5  no hard panning: 12 dB at most                                         `limited`
    6  left and right balanced, in all and in seven bands, by moves inwards   `balanced`
    7  a change of pan takes 22 ms at least; remnants of separation stay      `pan_ramp`, `is_faint`
    8  the linear law L = (1 + a)·s, R = (1 − a)·s                            `pan_gain`
    9  what no source owns stays at the center or in the ambience             `CENTERED`
    10 moderate amounts                                                       `AMOUNTS_DB`

Rules 4 and 6 can disagree, as a loud source alone on its side is moved far inwards: where other
sides keep clearly more of the stage, they are taken. The rest is the choice of a seed. Seed 0 has
the arrangement of the rules, and an odd seed the mirror of the seed before it. Further pairs have
other sides and amounts, drawn from the places of real music; of many draws, the one that differs
most from the pairs before it. What is requested is done exactly, and moves no other source.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache, partial
from itertools import product
from typing import TYPE_CHECKING

import numpy as np
from jaxtyping import Float

from soundstage.separation.place_prior import drawn_amount
from soundstage.separation.stage_balance import balanced

if TYPE_CHECKING:
    from soundstage.separation.separator import Kind, SourceInfo

Array = np.ndarray

MAX_PAN_DB = 12.0  # 8 to 12 dB already sound fully to one side; a = 0.6
LOW_CENTROID = 200.0  # Hz; a source below it has no direction that one hears
FAINT = 1e-3  # share of the song's energy: −30 dB, where the activity gate of the paper closes
RAMP_SECONDS = 0.022  # a shorter change of pan clicks
CENTERED: "frozenset[Kind]" = frozenset({"lead", "drums", "bass", "ambience", "residual"})
"""Kinds at the center. The snare is among the drums, against some published tables."""
DIFFUSENESS: "Mapping[Kind, float]" = {
    "lead": 0.3,  # keeps its side 12 dB under its mid: a voice in front, with a little room
    "voice": 1.0,
    "drums": 0.5,  # attacks stay dry, cymbals and the room are wide
    "bass": 0.2,  # a wide bass is lost on one loudspeaker
    "object": 1.0,
    "ambience": 1.5,  # a diffuse field is wider than the mix it is part of
    "residual": 1.0,
}
"""Gain of the decorrelated part by kind; 1 is the typical one of music."""
MAX_DIFFUSENESS = 3.0
AMOUNTS_DB: "Mapping[Kind, tuple[float, float]]" = {"object": (9.0, 12.0), "voice": (9.0, 12.0)}
"""|pan| of the lowest and of the highest source. Guitars and keys are usually 0.3 to 0.4 of the way
from left to right, strings and backing voices 0.15 to 0.2: 3.5 to 15 dB. 9 dB sound to one side,
and the balance moves loud sources inwards from here."""
MOST_TRIED = 8  # movable sources of which all sides are tried
TIE = 0.1  # of the stage; what is kept less clearly is no reason against rule 4
COMPRESSION = 0.3  # loudness grows as energy^0.3
CANDIDATES = 48  # drawn arrangements, of which the most different one is kept
WIDTH_COUNTS = 0.5  # of mean |pan| beside the difference, so that no take is narrow
FIRST_PAIRS = 4  # pairs of takes that are kept apart from each other; further ones from these


@dataclass(frozen=True)
class Place:
    """Where a source stands."""

    pan_db: float
    """Level of left over right, −12 to 12 dB."""
    diffuseness: float = 1.0
    """Gain of the decorrelated part, 0 to 3; 1 is the typical one of music."""


@dataclass(frozen=True)
class PlaceRequest:
    """What is requested of a place; None leaves it to the rules."""

    pan_db: float | None = None
    """Level of left over right, −12 to 12 dB."""
    diffuseness: float | None = None
    """Gain of the decorrelated part, 0 to 3."""
    width: float | None = None
    """Factor of what the rules choose for both; below 1 is narrow."""


def place_sources(
    sources: "Sequence[SourceInfo]",
    seed: int = 0,
    *,
    energies: Float[Array, "sources bands"] | None = None,
    requested: Mapping[str, PlaceRequest] | None = None,
) -> tuple[Place, ...]:
    """The places of the sources of one song, in their order.

    Args:
        sources: of the song; facts that are not known are 0.
        seed: of the take, 0 or more; odd ones mirror the one before.
        energies: of the sources in the bands of `stage_balance.BALANCE_EDGES`, in any unit; by
            default the energies of `sources` in one band, where none is known equal ones.
        requested: by name of the source; other names have no effect.
    """
    requests = requested or {}
    if energies is None:
        shares = np.array([source.energy for source in sources])
        energies = (shares if shares.any() else np.ones(len(sources)))[:, None]
    pans = arrangement(sources, seed // 2, energies=np.asarray(energies, dtype=float))
    mirrored = -pans if seed % 2 else pans
    own = zip(sources, mirrored.tolist(), own_diffuseness(sources), strict=True)
    return tuple(
        requested_place(Place(pan + 0.0, diffuse), requests.get(source.name, PlaceRequest()))
        for source, pan, diffuse in own
    )


def own_diffuseness(sources: "Sequence[SourceInfo]") -> list[float]:
    """The diffuseness of each source by the rules."""
    lead = lead_names(sources)
    return [DIFFUSENESS["lead" if each.name in lead else each.kind] for each in sources]


def requested_place(place: Place, request: PlaceRequest) -> Place:
    """A place with what is requested of it.

    >>> requested_place(Place(-6.0, 1.0), PlaceRequest(width=0.5))
    Place(pan_db=-3.0, diffuseness=0.5)
    """
    width = 1.0 if request.width is None else request.width
    pan, diffuseness = request.pan_db, request.diffuseness
    return Place(
        limited(width * place.pan_db if pan is None else pan),
        min(width * place.diffuseness if diffuseness is None else diffuseness, MAX_DIFFUSENESS),
    )


def arrangement(
    sources: "Sequence[SourceInfo]", pair: int, *, energies: Float[Array, "sources bands"]
) -> Float[Array, " sources"]:
    """Pans in dB of a pair of takes, which mirror each other; pair 0 is that of the rules."""
    rows = tuple(map(tuple, np.asarray(energies, dtype=float).tolist()))
    return np.array(_arrangements(tuple(sources), rows, pair)[-1])


@lru_cache(maxsize=64)
def _arrangements(
    sources: "tuple[SourceInfo, ...]", rows: tuple[tuple[float, ...], ...], pair: int
) -> tuple[tuple[float, ...], ...]:
    """The pans of the first pairs, as far as they count for this one, which is the last."""
    if pair:
        kept = _arrangements(sources, rows, min(pair, FIRST_PAIRS) - 1)
    movable = movable_sources(sources)
    energies = np.array(rows).reshape(len(sources), len(rows[0]) if rows else 0)
    placed = partial(_placed, sources, movable, energies)
    if not pair or not movable:
        return (tuple(_own_arrangement([sources[k].centroid for k in movable], energies, placed)),)
    return (*kept, tuple(_most_different(np.array(kept), pair, len(movable), placed)))


def _own_arrangement(
    centroids: Sequence[float], energies: Float[Array, "sources bands"], placed: "partial[Array]"
) -> Float[Array, " sources"]:
    """The arrangement of the rules: opposite neighbors, unless other sides keep more of a stage."""
    count = len(centroids)
    weights = energies.sum(axis=1) ** COMPRESSION

    def stage(pans: Float[Array, " sources"]) -> float:
        return float((weights * np.abs(pans)).sum())

    own = placed(alternate_sides(centroids), None)
    if not 2 <= count <= MOST_TRIED:
        return own
    others = [
        placed(np.array([1.0, *sides]), None) for sides in product((1.0, -1.0), repeat=count - 1)
    ]
    best = max(others, key=stage)
    return own if stage(own) >= (1 - TIE) * stage(best) else best


def _most_different(
    kept: Float[Array, "pairs sources"], pair: int, count: int, placed: "partial[Array]"
) -> Float[Array, " sources"]:
    """Of random arrangements the one that is farthest from the nearest of those kept."""
    generator = np.random.default_rng(pair)
    drawn = [
        placed(generator.choice([-1.0, 1.0], count), generator.random(count))
        for _ in range(CANDIDATES)
    ]
    others = [sign * other for other in kept for sign in (1, -1)]

    def merit(pans: Float[Array, " sources"]) -> float:
        nearest = min(float(np.abs(pans - other).mean()) for other in others)
        return nearest + WIDTH_COUNTS * float(np.abs(pans).mean())

    return max(drawn, key=merit)


def _placed(
    sources: "Sequence[SourceInfo]",
    movable: Sequence[int],
    energies: Float[Array, "sources bands"],
    sides: Float[Array, " movable"],
    shares: Float[Array, " movable"] | None,
) -> Float[Array, " sources"]:
    """Balanced pans, from a side (+1 left) and a share of the prior for each movable source."""
    pans = np.zeros(len(sources))
    pans[movable] = sides * amounts([sources[k] for k in movable], shares)
    return np.array([round(limited(pan), 2) for pan in balanced(pans, energies)])


def movable_sources(sources: "Sequence[SourceInfo]") -> list[int]:
    """Indices of the sources that do not have to stand at the center."""
    lead = lead_names(sources)
    return [
        k
        for k, source in enumerate(sources)
        if source.kind not in CENTERED
        and source.name not in lead
        and not is_low(source)
        and not is_faint(source)
    ]


def lead_names(sources: "Sequence[SourceInfo]") -> frozenset[str]:
    """Names of the sources that count as the lead: if none is known, the loudest voice."""
    known = frozenset(source.name for source in sources if source.kind == "lead")
    voices = [source for source in sources if source.kind == "voice"]
    if known or not voices:
        return known
    return frozenset({max(voices, key=lambda voice: voice.energy).name})


def is_low(source: "SourceInfo") -> bool:
    """Whether a source is so low that it belongs to the center."""
    return 0 < source.centroid < LOW_CENTROID


def is_faint(source: "SourceInfo") -> bool:
    """Whether a source is no more than a remnant of separation; not where nothing is known."""
    return 0 < source.energy < FAINT


def amounts(
    sources: "Sequence[SourceInfo]", shares: Float[Array, " sources"] | None = None
) -> Float[Array, " sources"]:
    """|pan| in dB of sources off the center, which does not fall with the centroid.

    Args:
        sources: those that may move; one of unknown centroid counts as the middle.
        shares: 0 to 1, of the distribution of places in music, in any order; by default the
            centroids over the largest one.
    """
    centroids = np.array([source.centroid for source in sources])
    relative = np.where(centroids > 0, centroids / max(centroids.max(initial=0), 1e-9), 0.5)
    if shares is None:
        ordered = relative
    else:
        ordered = np.empty(len(sources))
        ordered[np.argsort(relative, kind="stable")] = np.sort(shares)
    pairs = zip(sources, ordered.tolist(), strict=True)
    if shares is not None:
        return np.array([drawn_amount(source.kind, share) for source, share in pairs])
    low, high = np.array([AMOUNTS_DB[source.kind] for source in sources]).reshape(-1, 2).T
    return low + (high - low) * ordered


def alternate_sides(centroids: Sequence[float]) -> Float[Array, " sources"]:
    """Sides (+1 left, −1 right): neighbors in the order of the centroids are opposite.

    So every source stands opposite the one with the nearest centroid.

    >>> alternate_sides([900.0, 3000.0, 400.0]).tolist()
    [-1.0, 1.0, 1.0]
    """
    sides = np.empty(len(centroids))
    sides[np.argsort(centroids, kind="stable")] = [(-1.0) ** k for k in range(len(centroids))]
    return sides


def limited(pan_db: float) -> float:
    """A pan of at most `MAX_PAN_DB` to either side."""
    return min(max(pan_db, -MAX_PAN_DB), MAX_PAN_DB)


def pan_ramp(start: float, end: float, rate: int) -> Float[Array, " samples"]:
    """Gains from one place to another over `RAMP_SECONDS`, where a place changes in time.

    The places of a plan hold for the whole song and need none.

    Args:
        start: gain in the side before, as of `pan_gain`.
        end: gain afterwards, which is the last value.
        rate: in Hz.
    """
    count = int(np.ceil(RAMP_SECONDS * rate))
    return start + (end - start) * np.arange(1, count + 1) / count

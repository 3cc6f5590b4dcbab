"""The survey of a song: its pan histogram, its directions, and the sources in each of them.

    read → histogram → need → (if there is any) read again → directions → sources

The first pass measures the pan histogram (`pan_histogram`), which tells whether the mix is
hard-panned and whether it has a center. Where it is, the second pass splits it into directions
(`directions`), and a separator surveys each of them as a signal of its own: a source that was
alone in its channel is nearly separated already. Only what stands too far out has to move, so that
a modern mix ends after the first pass.

A direction that one kind of source fills almost alone is that source, and is never cut by masks.
Neither are voices in the direction of the lead told apart from it. What is faint goes together.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import cast

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from soundstage import interruption
from soundstage.audio import StreamResampler
from soundstage.restyling.directions import DIRECTIONS, PANS, DirectionStream
from soundstage.restyling.pan_histogram import BANDS, PanHistogram, PanMeter
from soundstage.separation.registry import load_separator
from soundstage.separation.separator import Kind, MaskSeparator, SongSeparator, SourceInfo
from soundstage.spectra import AnalysisStream, SampleQueue, SynthesisStream
from soundstage.stereo import RATE, TRANSFORM
from soundstage.upmixing.engine import METHOD_BLOCK, reproducible

Read = Callable[[], Iterable[Float[np.ndarray, "2 frames"]]]
"""Reads a stereo sound from its start, in blocks of any size."""
PURE = 0.88  # share of a direction from which one source is all of it
FAINT = 0.03  # share of a direction below which a source goes with the rest
QUIET = 1e-3  # share of the energy of the song below which a direction is one source
COMPRESSION = 0.3  # loudness of a band grows as energy^0.3

_Group = tuple[str, Kind, tuple[int, ...]]  # name, kind and masks of a source


@dataclass(frozen=True)
class StageSource:
    """A source of a stereo song, in one direction."""

    info: SourceInfo
    """Name, such as "left-drums", kind, share of energy and centroid."""
    direction: int
    """Index of `DIRECTIONS`."""
    members: tuple[int, ...]
    """The masks of the separator of this direction that belong to it; empty: all of it."""

    @property
    def present(self) -> float:
        """Its gain in the side as the song is, 1 for hard left."""
        return PANS[self.direction]


@dataclass(frozen=True)
class Stage:
    """A stereo song as it is mixed."""

    histogram: PanHistogram
    has_center: bool
    """Whether there is a center beside left and right."""
    sources: tuple[StageSource, ...] = ()
    """None where nothing has to move."""
    energies: Float[np.ndarray, "sources bands"] | None = None
    """Of the sources in the bands of `stage_balance.BALANCE_EDGES`, in any unit."""
    separators: tuple[MaskSeparator | None, ...] = (None, None, None)
    """Of each direction; None where it is one source, or empty."""
    strength: float = 0.0
    """How far the sources go to their places: the need of the mix, or 1 if it is requested."""

    @property
    def need(self) -> float:
        """0 for a mix in which all stands where it should, 1 for a hard-panned one."""
        return self.histogram.need

    @property
    def infos(self) -> tuple[SourceInfo, ...]:
        """The sources for the rules of placement."""
        return tuple(source.info for source in self.sources)

    def describe(self) -> str:
        """Half a sentence about the mix."""
        left, right = self.histogram.hard_left, self.histogram.hard_right
        if not self.need:
            return "modern, little is to be done"
        center = "with a center" if self.has_center else "with an empty center"
        return f"{100 * left:.0f} % hard left, {100 * right:.0f} % hard right, {center}"


def survey_stage(
    read: Read,
    rate: int,
    *,
    separator: SongSeparator | None = None,
    always: bool = False,
) -> Stage:
    """Survey a stereo sound; it is read once, or twice if it is hard-panned.

    Args:
        read: reads the sound.
        rate: in Hz.
        separator: by masks; None for `stems`.
        always: find the sources of a modern mix too, for places that a user requests.
    """
    analysis, meter = AnalysisStream(TRANSFORM, (2,)), PanMeter()
    for block in _at_rate(read(), rate):
        with reproducible():
            meter.push(analysis.push(block))
    with reproducible():
        meter.push(analysis.finish())
    histogram = meter.finish()
    stage = Stage(histogram, histogram.has_center, strength=1.0 if always else histogram.need)
    if not stage.strength:
        return stage
    song = separator or cast("SongSeparator", load_separator("stems"))
    return _with_sources(stage, read, rate, song)


def _with_sources(stage: Stage, read: Read, rate: int, separator: SongSeparator) -> Stage:
    """The stage with its sources, which a separator finds in each direction."""
    with reproducible():
        survey = _DirectionSurvey(separator, has_center=stage.has_center)
    for block in _at_rate(read(), rate):
        with reproducible():
            survey.push(block)
    with reproducible():
        return survey.finish(stage)


class _DirectionSurvey:
    """The second pass: a survey of the separator for each direction."""

    def __init__(self, separator: SongSeparator, *, has_center: bool) -> None:
        self._directions = DirectionStream(has_center=has_center)
        self._analysis = AnalysisStream(TRANSFORM, (2,))
        self._synthesis = SynthesisStream(TRANSFORM, (len(DIRECTIONS),))
        self._surveys = [separator.survey() for _ in DIRECTIONS]
        self._energies = torch.zeros(len(DIRECTIONS), dtype=torch.float64)

    def push(self, stereo: Float[Tensor, "2 length"]) -> None:
        self._push(self._directions.push(self._analysis.push(stereo)))

    def finish(self, stage: Stage) -> Stage:
        self._push(self._directions.push(self._analysis.finish()))
        self._push(self._directions.finish())
        self._feed(self._synthesis.finish())
        fitted = [cast("MaskSeparator", survey.finish()) for survey in self._surveys]
        shares = (self._energies / self._energies.sum().clamp(min=1e-20)).tolist()
        return _joined(stage, fitted, shares)

    def _push(self, parts: Tensor) -> None:
        self._feed(self._synthesis.push(parts))

    def _feed(self, signals: Float[Tensor, "3 length"]) -> None:
        self._energies += signals.double().square().sum(dim=-1)
        for survey, signal in zip(self._surveys, signals, strict=True):
            survey.push(signal)


def _joined(stage: Stage, fitted: Sequence[MaskSeparator], shares: Sequence[float]) -> Stage:
    """The stage with the sources of all directions."""
    tables = [_energies_of(separator) for separator in fitted]
    total = max(sum(float(table.sum()) for table in tables), 1e-20)
    lead_energies = [
        sum(
            float(table[k].sum()) for k, each in enumerate(separator.sources) if each.kind == "lead"
        )
        for separator, table in zip(fitted, tables, strict=True)
    ]
    lead_direction = int(np.argmax(lead_energies))
    sources: list[StageSource] = []
    energies: list[np.ndarray] = []
    separators: list[MaskSeparator | None] = []
    for direction, (separator, table) in enumerate(zip(fitted, tables, strict=True)):
        groups = _groups(separator.sources, table, has_lead=direction == lead_direction)
        if shares[direction] < QUIET:
            groups = [("rest", "residual", ())]
        for stem, kind, members in groups:
            rows = table[list(members)] if members else table
            energies.append(rows.sum(axis=0))
            info = SourceInfo(
                f"{DIRECTIONS[direction]}-{stem}",
                kind,
                energy=float(rows.sum()) / total,
                centroid=_centroid(separator.sources, table, members),
            )
            sources.append(StageSource(info, direction, members))
        separators.append(separator if len(groups) > 1 else None)
    return replace(
        stage,
        sources=tuple(sources),
        energies=np.array(energies),
        separators=tuple(separators),
    )


def _groups(
    sources: Sequence[SourceInfo], table: Float[np.ndarray, "sources bands"], *, has_lead: bool
) -> list[_Group]:
    """Name, kind and masks of the sources of a direction; without masks, it is all of one."""
    shares = _loudness_shares(table)
    voices = tuple(k for k, each in enumerate(sources) if each.kind in ("lead", "voice"))
    if has_lead and voices:
        own: list[_Group] = [("lead", "lead", voices)]
        others = [k for k in range(len(sources)) if k not in voices]
    else:
        own, others = [], list(range(len(sources)))
    own += [(sources[k].name, sources[k].kind, (k,)) for k in others]
    audible = [group for group in own if shares[list(group[2])].sum() >= FAINT]
    largest = max(own, key=lambda group: float(shares[list(group[2])].sum()))
    if not audible or shares[list(largest[2])].sum() >= PURE:
        return [(largest[0], largest[1], ())]
    faint = tuple(k for group in own if group not in audible for k in group[2])
    return [*audible, ("rest", "residual", faint)] if faint else audible


def _loudness_shares(table: Float[np.ndarray, "sources bands"]) -> Float[np.ndarray, " sources"]:
    """Share of every source in the loudness of a direction."""
    total = table.sum(axis=0)
    weights = np.where(total > 1e-6 * max(total.max(), 1e-20), total, 0) ** COMPRESSION
    each = (table / np.where(total > 0, total, 1) * weights).sum(axis=1)
    return np.asarray(each / max(weights.sum(), 1e-20))


def _energies_of(separator: MaskSeparator) -> Float[np.ndarray, "sources bands"]:
    found = getattr(separator, "balance_energies", None)
    if found is not None:
        return np.asarray(found, dtype=float)
    shares = np.array([source.energy for source in separator.sources])
    return np.tile(shares[:, None] / BANDS, BANDS)  # nothing is known of bands


def _centroid(
    sources: Sequence[SourceInfo], table: Float[np.ndarray, "sources bands"], members: Sequence[int]
) -> float:
    """Of several sources together, in Hz."""
    chosen = list(members) or list(range(len(sources)))
    weights = table[chosen].sum(axis=1)
    centroids = np.array([sources[k].centroid for k in chosen])
    return float((weights * centroids).sum() / max(weights.sum(), 1e-20))


def _at_rate(
    blocks: Iterable[Float[np.ndarray, "2 frames"]], rate: int
) -> Iterator[Float[Tensor, "2 length"]]:
    """Blocks at the rate of the coder, all of one size, so that the survey is always the same."""
    resampler, waiting = StreamResampler(rate, RATE, 2), SampleQueue((2,))
    for block in blocks:
        interruption.check()
        own = np.array(block, np.float32)  # a caller may reuse its buffer
        waiting.push(torch.from_numpy(np.ascontiguousarray(resampler.push(own))))
        while len(waiting) >= METHOD_BLOCK:
            yield waiting.pop(METHOD_BLOCK)
    waiting.push(torch.from_numpy(np.ascontiguousarray(resampler.finish())))
    while rest := len(waiting):
        yield waiting.pop(min(rest, METHOD_BLOCK))

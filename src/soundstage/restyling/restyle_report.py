"""The report of a restyled take, for people and as JSON."""

from dataclasses import dataclass
from typing import Any

import numpy as np

from soundstage.restyling.corrections import Corrections
from soundstage.restyling.directions import DIRECTIONS
from soundstage.restyling.histogram_text import histogram_lines
from soundstage.restyling.pan_histogram import CENTERS, PanHistogram
from soundstage.restyling.reference import histogram_distance
from soundstage.restyling.survey import Stage
from soundstage.separation.stage_balance import BALANCE_EDGES
from soundstage.upmixing.report import TakeReport, place_of

_PRESENT = ("hard left", "center", "hard right")
LEAST_ENERGY = 1e-4  # share of the song from which a source is named
_DIGITS = 5  # of shares in JSON


@dataclass(frozen=True, kw_only=True)
class RestyleReport(TakeReport):
    """Facts about one restyled take."""

    amount: float
    """0 leaves all as it is, 1 moves the sources to their places."""
    corrections: Corrections
    """Errors between the channels of the input; those that matter are corrected."""
    stage: Stage
    """The mix as it was."""
    histogram: PanHistogram
    """Of the result; that of the corrected input is in `stage`."""
    reference: PanHistogram | None = None
    """Of the record that it is to be like."""

    @property
    def made(self) -> str:
        """What became of the input, for a title."""
        return "restyled"

    def as_dict(self) -> dict[str, Any]:
        """For JSON; see `finite`."""
        values = super().as_dict()
        stage = self.stage
        del values["stage"], values["histogram"], values["reference"]
        if self.reference is not None:
            before, after = self._distances(self.reference)
            values["reference_distance"] = {"before": before, "after": after}
        values["corrections"] = self.corrections.as_dict()
        values["need"] = stage.need
        values["has_center"] = stage.has_center
        values["present"] = {
            source.info.name: _PRESENT[source.direction] for source in stage.sources
        }
        values["pan_histogram"] = {
            "edges_hz": list(BALANCE_EDGES),
            "pan": np.round(CENTERS, _DIGITS).tolist(),
            "before": np.round(stage.histogram.bands, _DIGITS).tolist(),
            "after": np.round(self.histogram.bands, _DIGITS).tolist(),
        }
        return values

    def _details(self) -> list[str]:
        lines = [f"channels: {self.corrections.describe()}", f"mix: {self.stage.describe()}"]
        lines += self._sources()
        lines += [line for line in super()._details() if not line.startswith("places: ")]
        shown = {"pan before": self.stage.histogram, "and after": self.histogram}
        if self.reference is not None:
            before, after = self._distances(self.reference)
            lines.append(f"mean distance of pans to the reference: {before:.2f}, then {after:.2f}")
            shown["reference"] = self.reference
        return [*lines, *histogram_lines([*shown.values()], [*shown])]

    def _distances(self, reference: PanHistogram) -> tuple[float, float]:
        """To the reference, before and after."""
        before, after = (
            histogram_distance(each, reference) for each in (self.stage.histogram, self.histogram)
        )
        return before, after

    def _sources(self) -> list[str]:
        """Who stood where, and stands where."""
        if self.plan is None:
            return []
        names = {"same in both channels": 1, "left alone": 0, "right alone": 2}
        pairs = [
            (source, placed)
            for source, placed in zip(self.stage.sources, self.plan.sources, strict=True)
            if source.info.energy >= LEAST_ENERGY
        ]
        lines = []
        for words, direction in names.items():
            found = [source.info.name for source, _ in pairs if source.direction == direction]
            if found:
                lines.append(f"{words}: {', '.join(found)}")
        moved = [
            f"{source.info.name} to {_place(placed)}"
            for source, placed in pairs
            if DIRECTIONS[source.direction] != "center" or place_of(placed) != "center"
        ]
        return [*lines, f"moved: {', '.join(moved)}"] if moved and self.amount else lines


def _place(placed: Any) -> str:
    place = place_of(placed)
    return "the center" if place == "center" else place

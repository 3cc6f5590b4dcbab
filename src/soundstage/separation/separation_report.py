"""The report of written sources, for people and as JSON."""

import math
from dataclasses import dataclass

from soundstage.audio.file_report import WrittenReport


@dataclass(frozen=True)
class SourceFile:
    """A written source."""

    name: str
    kind: str
    """As in `soundstage.separation.separator.Kind`."""
    path: str
    energy: float
    """Its share of the summed energies of all sources, 0 to 1."""


@dataclass(frozen=True, kw_only=True)
class SeparationReport(WrittenReport):
    """Facts about the sources of one sound; the method is the separator."""

    source: str
    folder: str
    files: tuple[SourceFile, ...]
    channels: int
    sum_error_db: float | None
    """Error of the sum of all files under the input times the gain, read back; −∞ if it is exact;
    None if they were not read back, or their format is lossy."""

    def _start(self) -> str:
        return f"{self.folder}: {len(self.files)} sources, "

    def _facts(self) -> list[str]:
        return [*self._resampling(), *self._attenuation(), self._sum()]

    def _details(self) -> list[str]:
        return [f"{each.path}: {100 * each.energy:.0f} % of the energy" for each in self.files]

    def _sum(self) -> str:
        if self.sum_error_db is None:
            return "the sum was not read back" if self._is_lossless() else "the sum is not exact"
        if self.sum_error_db == -math.inf:
            return f"the sum is the {'' if self.gain_db == 0 else 'attenuated '}input"
        return f"the sum is the input, error {self.sum_error_db:.1f} dB"

    def _is_lossless(self) -> bool:
        return self.encoding.startswith(("PCM", "ALAC", "FLOAT", "DOUBLE"))

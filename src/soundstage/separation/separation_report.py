"""The report of written sources, for people and as JSON."""

import math
from dataclasses import asdict, dataclass
from typing import Any

from soundstage.audio.file_report import finite


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
class SeparationReport:
    """Facts about the sources of one sound."""

    source: str
    folder: str
    files: tuple[SourceFile, ...]
    method: str
    """The separator."""
    source_rate: int
    """Of the input, in Hz."""
    rate: int
    """Of the files, in Hz."""
    channels: int
    frames: int
    container: str
    encoding: str
    gain_db: float
    """One gain of all files, which prevents clipping."""
    sum_error_db: float | None
    """Error of the sum of all files under the input times the gain, read back; −∞ if it is exact;
    None if they were not read back, or their format is lossy."""
    seconds: float
    """Computing time."""
    carried: tuple[str, ...] = ()
    """Tags, pictures, markers and more of the input that each file holds."""
    not_carried: tuple[str, ...] = ()
    """What they do not hold, and why."""

    @property
    def real_time_factor(self) -> float:
        """Computing time for each second of sound."""
        return self.seconds * self.rate / max(self.frames, 1)

    def as_dict(self) -> dict[str, Any]:
        """For JSON; see `finite`."""
        return finite({**asdict(self), "real_time_factor": self.real_time_factor})

    def lines(self) -> list[str]:
        """Lines for people; all but the first are indented."""
        facts = [f"{self.frames / self.rate:.1f} s, {self.encoding}"]
        if self.rate != self.source_rate:
            facts.append(f"resampled from {self.source_rate:,} to {self.rate:,} Hz")
        if self.gain_db < 0:
            facts.append(f"attenuated by {-self.gain_db:.1f} dB to prevent clipping")
        facts.append(self._sum())
        first = f"{self.folder}: {len(self.files)} sources, {'; '.join(facts)}"
        lines = [f"{first} ({self.real_time_factor:.3f} of real time)"]
        lines += [f"  {each.path}: {100 * each.energy:.0f} % of the energy" for each in self.files]
        if self.carried:
            lines.append(f"  carried: {', '.join(self.carried)}")
        return lines + [f"  not carried: {each}" for each in self.not_carried]

    def _sum(self) -> str:
        if self.sum_error_db is None:
            return "the sum was not read back" if self._is_lossless() else "the sum is not exact"
        if self.sum_error_db == -math.inf:
            return f"the sum is the {'' if self.gain_db == 0 else 'attenuated '}input"
        return f"the sum is the input, error {self.sum_error_db:.1f} dB"

    def _is_lossless(self) -> bool:
        return self.encoding.startswith(("PCM", "ALAC", "FLOAT", "DOUBLE"))

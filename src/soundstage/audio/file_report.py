"""Facts about a written file that the reports of all tasks share."""

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any


@dataclass(frozen=True, kw_only=True)
class WrittenReport:
    """Facts about one written file, or about several of one sound."""

    source_rate: int
    """Of the input, in Hz; of several, the highest."""
    rate: int
    """Of the result, in Hz."""
    frames: int
    container: str
    encoding: str
    method: str
    gain_db: float
    """Gain of the whole result, which prevents clipping, or was requested."""
    seconds: float
    """Computing time."""
    carried: tuple[str, ...] = ()
    """Tags, pictures, markers and more of the source that the result holds."""
    not_carried: tuple[str, ...] = ()
    """What it does not hold, and why."""

    @property
    def real_time_factor(self) -> float:
        """Computing time for each second of sound."""
        return self.seconds * self.rate / max(self.frames, 1)

    def as_dict(self) -> dict[str, Any]:
        """For JSON; see `finite`."""
        return finite({**asdict(self), "real_time_factor": self.real_time_factor})

    def lines(self) -> list[str]:
        """Lines for people; all but the first are indented."""
        details = self._details()
        if self.carried:
            details.append(f"carried: {', '.join(self.carried)}")
        details += [f"not carried: {each}" for each in self.not_carried]
        facts = "; ".join([f"{self._start()}{self._length()}", *self._facts()])
        summary = f"{facts} ({self.real_time_factor:.3f} of real time)"
        return [summary, *("  " + line for line in details)]

    def sentence(self) -> str:
        """The lines as one text."""
        return "\n".join(self.lines())

    def _start(self) -> str:
        """What was written, before its length and encoding."""
        raise NotImplementedError

    def _length(self) -> str:
        return f"{self.frames / self.rate:.1f} s, {self.encoding}"

    def _facts(self) -> list[str]:
        """Parts of the first line after these."""
        return []

    def _details(self) -> list[str]:
        """Further lines."""
        return []

    def _resampling(self) -> list[str]:
        if self.rate == self.source_rate:
            return []
        return [f"resampled from {self.source_rate:,} to {self.rate:,} Hz"]

    def _attenuation(self) -> list[str]:
        if self.gain_db >= 0:
            return []
        return [f"attenuated by {-self.gain_db:.1f} dB to prevent clipping"]


@dataclass(frozen=True, kw_only=True)
class FileReport(WrittenReport):
    """Facts about one written file."""

    target: str
    true_peak_db: float
    """Of what is written, after the gain."""

    def _start(self) -> str:
        return f"{self.target}: "


def finite(values: Mapping[str, Any]) -> dict[str, Any]:
    """Values for JSON, with None for levels that are not finite: of silence, of an exact sum."""
    return {
        name: None if isinstance(value, float) and not math.isfinite(value) else value
        for name, value in values.items()
    }

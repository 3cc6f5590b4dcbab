"""The report of a written take, for people and as JSON."""

import math
from dataclasses import asdict, dataclass
from typing import Any


@dataclass(frozen=True)
class Report:
    """Facts about one written take."""

    source: str
    target: str
    rate: int
    frames: int
    container: str
    encoding: str
    method: str
    seed: int
    dual_mono: bool
    """The input had two equal channels."""
    downmixed: bool
    """The input was stereo and was folded down."""
    exact_fold_down: bool
    """Whether (L+R)/2 is the input to rounding, gain apart; not with lossy formats or "mixing"."""
    gain_db: float
    """Gain of the whole file, which prevents clipping."""
    true_peak_db: float
    """After the gain."""
    width: float
    """2·rms(S)/rms(M)."""
    correlation: float
    """Of left and right."""
    seconds: float
    """Computing time; of takes that were made together, the share of each."""
    style: str | None = None
    """Requested style."""

    @property
    def real_time_factor(self) -> float:
        """Computing time for each second of sound."""
        return self.seconds * self.rate / max(self.frames, 1)

    def as_dict(self) -> dict[str, Any]:
        """For JSON, where the level of silence is None instead of −∞."""
        values = {**asdict(self), "real_time_factor": self.real_time_factor}
        if self.style is None:
            del values["style"]
        return {
            name: None if isinstance(value, float) and not math.isfinite(value) else value
            for name, value in values.items()
        }

    def sentence(self) -> str:
        """A line for people."""
        facts = [f"{self.target}: {self.frames / self.rate:.1f} s, {self.encoding}"]
        facts.append(f"width {self.width:.2f}, correlation {self.correlation:.2f}")
        if self.gain_db < 0:
            facts.append(f"attenuated by {-self.gain_db:.1f} dB to prevent clipping")
        if self.dual_mono:
            facts.append("the input had two equal channels")
        if self.downmixed:
            facts.append("the input was folded down")
        if not self.exact_fold_down:
            facts.append("the fold-down is not exact")
        return "; ".join(facts) + f" ({self.real_time_factor:.3f} of real time)"

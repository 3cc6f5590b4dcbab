"""What was done to a file, as numbers and as a sentence."""

import math
from dataclasses import asdict, dataclass
from typing import Any


@dataclass(frozen=True)
class Report:
    """What was done to one file."""

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
    """The input had two different channels, folded down as asked."""
    exact_fold_down: bool
    """Whether (L+R)/2 is the input to rounding, gain apart; not with lossy formats or "mixing"."""
    gain_db: float
    """Gain applied to the whole file to keep it from clipping."""
    true_peak_db: float
    """Of the result, after the gain."""
    width: float
    """2·rms(S)/rms(M) of the result."""
    correlation: float
    """Of left with right."""
    seconds: float
    """That the work took; of takes that were made at once, the part of each."""
    style: str | None = None
    """What was asked of a generative method."""

    @property
    def real_time_factor(self) -> float:
        """Seconds of work a second of sound."""
        return self.seconds * self.rate / max(self.frames, 1)

    def as_dict(self) -> dict[str, Any]:
        """For JSON, which has no infinity: the level of silence is None."""
        fields = {**asdict(self), "real_time_factor": self.real_time_factor}
        if self.style is None:
            del fields["style"]
        return {
            name: None if isinstance(value, float) and not math.isfinite(value) else value
            for name, value in fields.items()
        }

    def sentence(self) -> str:
        """For people."""
        said = [f"{self.target}: {self.frames / self.rate:.1f} s, {self.encoding}"]
        said.append(f"width {self.width:.2f}, correlation {self.correlation:.2f}")
        if self.gain_db < 0:
            said.append(f"turned down by {-self.gain_db:.1f} dB so as not to clip")
        if self.dual_mono:
            said.append("the input had two equal channels")
        if self.downmixed:
            said.append("the input was folded down")
        if not self.exact_fold_down:
            said.append("the fold-down is not exact")
        return "; ".join(said) + f" ({self.real_time_factor:.3f} of real time)"

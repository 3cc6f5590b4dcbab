"""The report of a written take, for people and as JSON."""

import math
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from soundstage.ambisonics.conventions import describe
from soundstage.audio.file_report import FileReport
from soundstage.upmixing.codec_check import CodecCheck, loudness_facts
from soundstage.upmixing.controls import Controls
from soundstage.upmixing.downmix import Channels
from soundstage.upmixing.file_options import field_order

if TYPE_CHECKING:
    from soundstage.upmixing.plan import PlacedSource, Plan

_KINDS = {"mid-side": "holds mid and side", "side": "holds the side alone"}


@dataclass(frozen=True, kw_only=True)
class TakeReport(FileReport):
    """Facts about one take in a file; of takes that were made together, `seconds` is a share."""

    source: str
    outputs: str
    """What the file holds, such as "stereo", "mid-side" or "ambix1"."""
    seed: int
    exact_fold_down: bool
    """Whether (L+R)/2 is the input to rounding, gain apart; not with lossy formats or "mixing"."""
    proven: bool
    """The file was read back and compared with the input."""
    fold_down_error_db: float | None
    """Error of the mono sum under the input, read back; −∞ if it is the input bit for bit; None if
    it was not read back, or the file holds the side alone."""
    loudness_difference: float | None
    """Loudness of the decoded mono sum of a lossy file less that of the input, in LU."""
    fold_down_lag: int
    """Frames by which a lossy file is decoded late without saying so."""
    gain_requested: bool
    width: float
    """2·rms(S)/rms(M)."""
    correlation: float
    """Of left and right."""
    style: str | None = None
    """Requested style."""
    codec_checks: tuple[CodecCheck, ...] = ()
    """The mono sum after each codec that the result was tried with."""
    plan: "Plan | None" = None
    """Who stands where; None for a method that gives nothing a place."""
    facts: tuple[str, ...] = ()
    """Half sentences about the input."""

    @property
    def made(self) -> str:
        """What became of the input, for a title."""
        raise NotImplementedError

    def as_dict(self) -> dict[str, Any]:
        """For JSON; see `finite`."""
        values = super().as_dict()
        if self.style is None:
            del values["style"]
        values["codec_checks"] = [check.as_dict() for check in self.codec_checks]
        if self.plan is None:
            del values["plan"]
        else:
            values["plan"] = [asdict(source) for source in self.plan.sources]
        return values

    def _facts(self) -> list[str]:
        facts = [_KINDS[self.outputs]] if self.outputs in _KINDS else []
        if order := field_order(self.outputs):
            facts = [describe(order, self.outputs[:-1])]
        facts += self._resampling()
        facts.append(f"width {self.width:.2f}, correlation {self.correlation:.2f}")
        if self.gain_requested:
            facts.append(f"gain {self.gain_db:+.2f} dB as requested")
        else:
            facts += self._attenuation()
        return facts

    def _details(self) -> list[str]:
        lines = []
        if self.fold_down_error_db is not None:
            lines.append(f"mono sum, read back: {self._fold_down()}")
        if self.plan is not None:
            lines.append(f"places: {places_of(self.plan)}")
        lines += [f"mono sum after {check.sentence()}" for check in self.codec_checks]
        return [*lines, *self.facts]

    def _fold_down(self) -> str:
        assert self.fold_down_error_db is not None
        if self.fold_down_error_db == -math.inf:
            return "the input bit for bit"
        rounding = " (rounding)" if self.exact_fold_down else ""
        facts = [f"error {self.fold_down_error_db:.1f} dB{rounding}"]
        facts += loudness_facts(self.loudness_difference)
        if self.fold_down_lag:
            facts.append(f"{self.fold_down_lag} frames late")
        return ", ".join(facts)


@dataclass(frozen=True, kw_only=True)
class Report(TakeReport):
    """Facts about one upmixed take."""

    dual_mono: bool
    """The input had two equal channels."""
    downmixed: bool
    """The input was stereo and was folded down."""
    content: str | None = None
    """"speech", "solo", "music", "noise" or "silence"; None if the options do not depend on it."""
    lag: float | None = None
    """Of two channels of the input, in samples by which right is later; None for one channel."""

    @property
    def made(self) -> str:
        """What became of the input, for a title."""
        return f"upmixed by {self.method}"

    def _facts(self) -> list[str]:
        facts = super()._facts()
        if self.dual_mono:
            facts.append("the input had two equal channels")
        if self.downmixed:
            facts.append("the input was folded down")
        if not self.exact_fold_down:
            facts.append("the fold-down is not exact")
        return facts


def places_of(plan: "Plan") -> str:
    """Who stands where, from left to right.

    >>> from soundstage.upmixing.plan import PlacedSource, Plan
    >>> sources = [PlacedSource("other-1", "object", -6.4), PlacedSource("lead", "lead")]
    >>> places_of(Plan((*sources, PlacedSource("other-2", "object", 5.0))))
    'other-2 5.0 dB left, lead center, other-1 6.4 dB right'
    """
    sources = sorted(plan.sources, key=lambda source: -source.pan_db)
    return ", ".join(f"{source.name} {place_of(source)}" for source in sources)


def place_of(source: "PlacedSource") -> str:
    """The place of a source, such as "6.4 dB right"; "center" within 0.05 dB of it."""
    pan = round(source.pan_db, 1)
    side = "left" if pan > 0 else "right"
    return f"{abs(pan):.1f} dB {side}" if pan else "center"


def facts_of(controls: Controls, channels: Channels) -> tuple[str, ...]:
    """What the content and the noise of the input did to the result, as half sentences.

    Options are named as in Python, in backticks.
    """
    facts = list(channels.facts)
    content, noise = channels.content, channels.noise
    if content and controls.width is None and content.sentence:
        facts.append(content.sentence)
    if noise and not controls.spread_noise and noise.describe():
        facts.append(f"{noise.describe()}: kept in the middle; `spread_noise` spreads it")
    return tuple(facts)

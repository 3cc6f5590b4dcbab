"""The rows of the fitness table about stereo that was mixed with switches, measured on `restyle`.

The song is mixed as in the 1960s from its parts, which stay known.
"""

import numpy as np
import torch

from soundstage.audio import Audio
from soundstage.corpora.hard_panned import Style, hard_pan
from soundstage.evaluation.complaints.rows import Outcome, Row
from soundstage.evaluation.complaints.subjects import Stereo, Subject
from soundstage.metrics.defects import null_depth
from soundstage.metrics.ear_levels import ear_levels
from soundstage.restyling import restyle
from soundstage.restyling.pan_histogram import pan_histogram
from soundstage.stereo import RATE
from soundstage.upmixing.stem_files import kind_of

WEAKEST_DB = -12.0  # level of a part in its weaker ear under the other one
LEAST_CENTER = 0.1  # share of a band within 3.5 dB of the center


def _restyled(subject: Subject, style: Style) -> tuple[Stereo, Stereo]:
    """The mix, and what `restyle` makes of it."""
    parts = subject.material.parts
    kinds = [kind_of(name) for name in parts]
    mix = hard_pan(np.array([*parts.values()]), kinds, style, rate=RATE).stereo
    return mix, restyle(Audio(mix, RATE)).samples


def _one_ear(subject: Subject) -> Outcome:
    parts = torch.tensor(np.array([*subject.material.parts.values()]))
    weakest = -np.inf
    for style in ("band-left", "twin-track"):
        _, result = _restyled(subject, style)
        weakest = max(weakest, *np.abs(ear_levels(torch.tensor(result), parts)))
    text = f"{-weakest:.1f} dB in the weaker ear"
    return Outcome(text, bool(-weakest >= WEAKEST_DB), {"weaker_ear_db": float(-weakest)})


def _switched(subject: Subject) -> Outcome:
    mix, result = _restyled(subject, "left-center-right")
    depth = null_depth(result, mix.mean(axis=0))
    center = pan_histogram([torch.tensor(result)]).emptiest_center
    values = {"center": center, "null_db": depth}
    passed = center >= LEAST_CENTER and depth <= -100
    return Outcome(f"{100 * center:.0f} %, {depth:.0f} dB", passed, values)


RESTYLE_ROWS = (
    Row(21, "hard-panned voices in one ear only",
        "restyled two-track mixes: level of each part in its weaker ear",
        "≥ −12 dB", _one_ear),
    Row(22, "left, right and center only",
        "a restyled mix of switches: center of its emptiest band, and null of the mono sum",
        "≥ 10 %, ≤ −100 dB", _switched),
)  # fmt: skip

"""The kind of a file, from its channels: what an archivist wants to know before anything is done.

mono             one channel
dual mono        two that sound the same
one channel      two, and one is silent
near-mono        one recording in two channels with lag, gain, polarity or noise between them
hard-panned      stereo with most of its energy in one channel alone, band by band
stereo           all others
"""

from typing import Literal

import numpy as np
from jaxtyping import Float

from soundstage.metrics.content import ContentMeter
from soundstage.spectra import PowerFrames
from soundstage.stereo import Alignment, AlignmentMeter, SurfaceNoiseMeter

FileKind = Literal["mono", "dual mono", "one channel", "near-mono", "hard-panned", "stereo"]

SILENT_DB = 60.0  # of one channel below the other
HARD_DB = 12.0  # between the channels of a band in a frame: fully to one side
HARD_SHARE = 0.5  # of the energy
HARD_CORRELATION = 0.5  # of the channels; above it there is a common center


def kind_of(
    channels: int,
    *,
    dual_mono: bool,
    balance_db: float,
    alignment: Alignment | None,
    hard_panned_share: float,
    correlation: float,
) -> FileKind:
    """The kind of a file, from the measurements of an `Analysis`."""
    if channels == 1:
        return "mono"
    if dual_mono:
        return "dual mono"
    if abs(balance_db) > SILENT_DB:
        return "one channel"
    if alignment and alignment.is_near_mono:
        return "near-mono"
    if hard_panned_share > HARD_SHARE and correlation < HARD_CORRELATION:
        return "hard-panned"
    return "stereo"


class SourceMeter:
    """Content and noise of the mono sum, and the alignment of two channels.

    Args:
        rate: of the sound, in Hz.
    """

    def __init__(self, rate: int) -> None:
        self._frames = PowerFrames(rate)
        self.contents = ContentMeter(self._frames)
        self.noises = SurfaceNoiseMeter(self._frames)
        self._aligner = AlignmentMeter(rate)
        self._channels = 1

    def push(self, block: Float[np.ndarray, "channels length"]) -> None:
        """Measure the next frames of one channel or two."""
        self._channels = len(block)
        if self._channels == 2:
            self._aligner.push(block)
        mid = block.mean(axis=0)
        power = self._frames.push(mid)
        self.contents.push(power)
        self.noises.push(mid, power)

    def alignment(self) -> Alignment | None:
        """Of two channels, none of which is silent."""
        return self._aligner.alignment() if self._channels == 2 else None

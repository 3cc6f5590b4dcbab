"""The kind of a file, from its channels: what an archivist wants to know before anything is done.

mono             one channel
dual mono        two that sound the same
one channel      two, and one is silent
near-mono        one recording in two channels with lag, gain, polarity or noise between them
hard-panned      stereo with most of its energy in one channel alone, band by band
stereo           all others
"""

from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from soundstage.metrics.analysis import Analysis

FileKind = Literal["mono", "dual mono", "one channel", "near-mono", "hard-panned", "stereo"]

SILENT_DB = 60.0  # of one channel below the other
HARD_DB = 12.0  # between the channels of a band in a frame: fully to one side
HARD_SHARE = 0.5  # of the energy
HARD_CORRELATION = 0.5  # of the channels; above it there is a common center


def kind_of(analysis: "Analysis") -> FileKind:
    """The kind of an analyzed file."""
    if analysis.channels == 1:
        return "mono"
    if analysis.dual_mono:
        return "dual mono"
    if abs(analysis.balance_db) > SILENT_DB:
        return "one channel"
    if analysis.alignment and analysis.alignment.is_near_mono:
        return "near-mono"
    if analysis.hard_panned_share > HARD_SHARE and analysis.channel_correlation < HARD_CORRELATION:
        return "hard-panned"
    return "stereo"

"""The passes over a stereo song before it is restyled.

    inspect: is it stereo? errors of the channels → survey of the corrected channels → plans

Each pass reads the song from its start, in bounded memory. Mono, in one channel or in two, has no
mix to restyle.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np
from jaxtyping import Float

from soundstage.audio import SoundReader
from soundstage.errors import InputError
from soundstage.parallel import Progress
from soundstage.restyling.correction_meter import CorrectionMeter
from soundstage.restyling.corrections import Corrections, corrected_blocks
from soundstage.restyling.options import RestyleOptions
from soundstage.restyling.pan_histogram import PanHistogram
from soundstage.restyling.placing import make_plans
from soundstage.restyling.reference import match_reference, read_reference
from soundstage.restyling.survey import Read, Stage, survey_stage
from soundstage.separation.separator import SongSeparator
from soundstage.stereo import MidSideMeter
from soundstage.upmixing.engine import reproducible
from soundstage.upmixing.plan import Plan

READ_FRAMES = 1 << 16  # frames read at a time
_PASSES = (0.0, 0.15), (0.15, 0.3), (0.3, 1.0)
"""Shares of the work of each pass."""


@dataclass(frozen=True)
class SurveyedSong:
    """What the passes found in a song."""

    corrections: Corrections
    stage: Stage
    plans: tuple[Plan, ...]
    """One a take."""
    reference: PanHistogram | None = None
    """Of the record that it is to be like."""


def survey_song(
    sound: SoundReader,
    seeds: Sequence[int],
    options: RestyleOptions,
    *,
    separator: SongSeparator | None = None,
    progress: Progress | None = None,
) -> SurveyedSong:
    """All passes before the last one.

    Args:
        sound: the song.
        seeds: one a take.
        options: of restyling.
        separator: by masks; None for `stems`.
        progress: called with the finished fraction.

    Raises:
        InputError: it is not stereo, or the reference is not.
        OptionError: a place is requested for a source that the song does not have.
    """
    reference = None if options.like is None else read_reference(options.like)
    passes = iter(_PASSES)

    def read() -> Iterator[Float[np.ndarray, "2 frames"]]:
        """The song from its start, with the progress of this pass."""
        first, last = next(passes)
        done = 0
        for block in sound.blocks(READ_FRAMES):
            yield block
            done += block.shape[1]
            if progress and sound.frames:
                progress(first + (last - first) * min(done / sound.frames, 1.0))

    corrections = inspect_stereo(sound, read, correct=options.correct)
    stage = survey_stage(
        lambda: corrected_blocks(read(), corrections),
        sound.rate,
        separator=separator,
        always=options.has_requests,
    )
    adjust = None if reference is None else partial(match_reference, stage, reference)
    plans = make_plans(stage, seeds, options=options.stage, style=options.style, adjust=adjust)
    return SurveyedSong(corrections, stage, tuple(plans), reference)


def inspect_stereo(sound: SoundReader, read: Read, *, correct: bool = True) -> Corrections:
    """Check that a sound is a stereo mix, and measure the errors of its channels.

    Args:
        sound: the song.
        read: reads it, once.
        correct: whether errors are measured; without, there are none.

    Raises:
        InputError: it has one channel, two with the same signal, or more.
    """
    if sound.channels == 1:
        raise InputError(f"{sound.name} is mono: use `upmix` to make it stereo.")
    if sound.channels > 2:
        raise InputError(
            f"{sound.name} has {sound.channels} channels, but restyling takes two: export a stereo "
            "version."
        )
    mid_side, errors = MidSideMeter(), CorrectionMeter(sound.rate)
    for block in read():
        mid_side.push(block)
        if correct:
            with reproducible():
                errors.push(block)
    if mid_side.is_dual_mono():
        raise InputError(
            f"{sound.name} has the same sound in both channels: use `upmix` to make it stereo."
        )
    if not correct:
        return Corrections(sound.rate)
    with reproducible():
        return errors.corrections()


def song_blocks(
    sound: SoundReader, corrections: Corrections
) -> Iterator[Float[np.ndarray, "2 frames"]]:
    """The corrected channels of a song, from its start."""
    return corrected_blocks(sound.blocks(READ_FRAMES), corrections)

"""Takes that an earlier run has written, measured again from their files.

A contact sheet or a page that is missing beside complete takes needs no upmixing: left and right
give mid and side back. The gain of a file and the error of its mono sum need the input, and stay
unknown.
"""

import math
from collections.abc import Iterator, Mapping
from contextlib import ExitStack
from itertools import zip_longest
from pathlib import Path

import numpy as np

from soundstage.audio import SoundReader, TruePeakMeter, decibels, open_sound
from soundstage.errors import OptionError, OutputError
from soundstage.metrics import ImageMeter
from soundstage.precision import in_single_precision
from soundstage.stereo import to_mid_side
from soundstage.upmixing.comparison import TakesMeter
from soundstage.upmixing.engine import MidSide
from soundstage.upmixing.file_options import COMPARABLE, FileOptions, plan_path
from soundstage.upmixing.plan import Plan
from soundstage.upmixing.report import Report
from soundstage.upmixing.take_files import TakesResult

READ_FRAMES = 1 << 16  # frames read at a time


@in_single_precision
def measure_existing(
    source: Path, targets: Mapping[int, Path], options: FileOptions
) -> TakesResult:
    """Reports and comparison of takes that exist as files.

    Args:
        source: their input, for the reports; it is not read.
        targets: files by seed, of two channels.
        options: with which they were made.

    Returns:
        As `upmix_to_files` does; in the reports the gain is NaN, and nothing is proven.

    Raises:
        OptionError: the files hold the side alone, or a sound field.
        InputError: a file cannot be read, or the plan that was written beside one.
        OutputError: the files differ in sample rate or length, or a file is not stereo.
    """
    if options.outputs not in COMPARABLE:
        raise OptionError("Only files of two channels can be compared: use `overwrite`.")
    with ExitStack() as stack:
        sounds = [stack.enter_context(open_sound(path)) for path in targets.values()]
        rate = sounds[0].rate
        if any((sound.rate, sound.channels) != (rate, 2) for sound in sounds):
            raise _not_one_run(sounds)
        peaks = [TruePeakMeter(rate, 2) for _ in sounds]
        images = [ImageMeter() for _ in sounds]
        meter = TakesMeter(rate, list(targets), shared_mid=False) if len(sounds) > 1 else None
        frames = 0
        for blocks in _blocks(sounds):
            takes = [_mid_side(block, options.outputs) for block in blocks]
            for block, take, peak, image in zip(blocks, takes, peaks, images, strict=True):
                peak.push(block)
                image.push(take.left_right())
            if meter:
                meter.push(takes)
            frames += blocks[0].shape[1]
        for peak in peaks:
            peak.finish()
        if meter:
            meter.finish()
        reports = [
            Report(
                source=str(source),
                target=str(path),
                source_rate=rate,
                rate=rate,
                frames=frames,
                container=sound.format.container,
                encoding=sound.format.encoding,
                outputs=options.outputs,
                method=options.method,
                seed=seed,
                dual_mono=False,
                downmixed=False,
                exact_fold_down=False,
                proven=False,
                fold_down_error_db=None,
                loudness_difference=None,
                fold_down_lag=0,
                gain_db=math.nan,
                gain_requested=False,
                true_peak_db=decibels(peak.true_peak),
                width=image.width(),
                correlation=image.correlation(),
                seconds=0.0,
                style=options.style,
                plan=Plan.read(plan_path(path)) if plan_path(path).exists() else None,
            )
            for (seed, path), sound, peak, image in zip(
                targets.items(), sounds, peaks, images, strict=True
            )
        ]
    return TakesResult(reports, meter.comparison() if meter else None)


def _blocks(sounds: list[SoundReader]) -> Iterator[tuple[np.ndarray, ...]]:
    """The next block of every sound, all of one length."""
    readers = [sound.blocks(READ_FRAMES) for sound in sounds]
    for blocks in zip_longest(*readers):
        if any(block is None or block.shape != blocks[0].shape for block in blocks):
            raise _not_one_run(sounds)
        yield blocks


def _mid_side(block: np.ndarray, outputs: str) -> MidSide:
    return MidSide(*(block if outputs == "mid-side" else to_mid_side(*block)))


def _not_one_run(sounds: list[SoundReader]) -> OutputError:
    names = f"{sounds[0].name} and {sounds[-1].name}"
    return OutputError(
        f"{names} are not takes of one run, since they differ in rate, channels or length: use "
        "`overwrite` to make all of them again."
    )

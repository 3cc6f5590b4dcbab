"""The files of the takes of one input: their format, their writers, and what they became."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from soundstage.ambisonics.field_formats import field_mark
from soundstage.audio import (
    SoundFormat,
    SoundReader,
    SoundWriter,
    decibels,
    is_same_file,
    output_format,
    resampled_frames,
    supported_rate,
)
from soundstage.errors import OptionError, OutputError
from soundstage.upmixing.codec_check import CodecCheck, check_codecs
from soundstage.upmixing.comparison import TakesComparison
from soundstage.upmixing.file_options import OUTPUTS, FileOptions, field_order
from soundstage.upmixing.report import TakeReport
from soundstage.upmixing.take_passes import Result, Take, TakePasses


class TakesResult(NamedTuple):
    """The takes of one input."""

    reports: Sequence[TakeReport]
    """One a take."""
    comparison: TakesComparison | None
    """Differences of several takes."""


def result_of(sound: SoundReader, targets: Mapping[int, Path], options: FileOptions) -> Result:
    """Format, rate and kind of all takes.

    Args:
        sound: the input.
        targets: files by seed, all with one suffix, which chooses the container.
        options: of all takes.

    Raises:
        OptionError: the suffixes differ, or the format cannot be written with these options.
    """
    suffixes = {path.suffix.lower() for path in targets.values()}
    if len(suffixes) > 1:
        raise OptionError("The takes of an input have one format: give all targets one suffix.")
    form = output_format(
        sound.format, "".join(suffixes), options.bit_depth, lossy=options.bit_rate is not None
    )
    return Result(form, options.rate or supported_rate(form, sound.rate), options.outputs)


def take_writer(
    sound: SoundReader, target: Path, result: Result, options: FileOptions
) -> SoundWriter:
    """The writer of a take; the file appears when it is complete.

    Raises:
        OutputError: the target is the source, exists, or cannot be written.
    """
    if is_same_file(sound.path, target):
        raise OutputError(f"{target} is the source itself: choose another name.")
    order = field_order(result.outputs)
    frames = sound.frames and resampled_frames(sound.frames, sound.rate, result.rate)
    return SoundWriter(
        target,
        rate=result.rate,
        channels=OUTPUTS[result.outputs],
        format=result.form,
        metadata=sound.metadata,
        source_rate=sound.rate,
        bit_rate=options.bit_rate,
        overwrite=options.overwrite,
        expected_frames=frames,
        picture_from=sound.path,
        keep_original=options.keep_original,
        field=field_mark(order, result.outputs[:-1]) if order else None,
    )


def take_facts(
    sound: SoundReader,
    passes: TakePasses,
    take: Take,
    options: FileOptions,
    seconds: float,
    codec_checks: Sequence[CodecCheck],
) -> dict[str, Any]:
    """The fields of a `TakeReport` that do not depend on what makes the takes."""
    form, fold_down = take.result.form, take.fold_down
    return {
        "source": sound.name,
        "target": str(take.writer.path),
        "source_rate": sound.rate,
        "rate": take.result.rate,
        "frames": passes.frames,
        "container": form.container,
        "encoding": form.encoding,
        "outputs": take.result.outputs,
        "method": options.method,
        "seed": take.seed,
        "exact_fold_down": passes.keeps_mid and not form.is_lossy,
        "proven": options.proof,
        "fold_down_error_db": None if fold_down is None else fold_down.error_db,
        "loudness_difference": fold_down.loudness if fold_down and form.is_lossy else None,
        "fold_down_lag": fold_down.lag if fold_down else 0,
        "gain_db": decibels(take.gain),
        "gain_requested": options.gain_db is not None,
        "true_peak_db": decibels(take.peak.true_peak * take.gain),
        "width": take.image.width(),
        "correlation": take.image.correlation(),
        "seconds": seconds,
        "style": options.style,
        "codec_checks": tuple(codec_checks),
        "carried": take.writer.receipt.carried,
        "not_carried": take.writer.receipt.not_carried,
    }


def checked_codecs(passes: TakePasses, options: FileOptions) -> list[list[CodecCheck]]:
    """What codecs make of the mono sum of each take, whose files are complete."""
    return [
        check_codecs(
            take.writer.complete(),
            options.codecs,
            lambda gain, take=take: lambda: passes.scaled_mids(take.gain * gain),  # type: ignore[misc]
            take.peak.true_peak * take.gain,
        )
        for take in passes.takes
    ]


def encoding_facts(source: SoundFormat, result: SoundFormat) -> list[str]:
    """That a lossy encoding becomes another one, which the container of the result may impose."""
    if not (source.is_lossy and result.is_lossy) or source.encoding == result.encoding:
        return []
    return [f"the encoding changes from {source.encoding} to {result.encoding}"]

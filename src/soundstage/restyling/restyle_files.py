"""From a stereo song to restyled files: read, survey, restyle, measure, write, prove; name them."""

import time
from collections.abc import Mapping
from contextlib import ExitStack
from pathlib import Path

from soundstage.atomic_files import check_target
from soundstage.audio import SoundReader, Source, decibels, open_sound
from soundstage.open_files import check_open_files
from soundstage.parallel import Progress
from soundstage.precision import in_single_precision
from soundstage.restyling.options import METHOD, RestyleOptions
from soundstage.restyling.pan_histogram import PanHistogram
from soundstage.restyling.restyle_passes import SURVEYED, RestylePasses
from soundstage.restyling.restyle_report import RestyleReport
from soundstage.restyling.song import SurveyedSong, survey_song
from soundstage.upmixing.codec_check import CodecCheck, check_codecs
from soundstage.upmixing.controls import as_seeds
from soundstage.upmixing.file_options import FileOptions, plan_path
from soundstage.upmixing.take_files import TakesResult, encoding_facts, result_of, take_writer
from soundstage.upmixing.take_passes import Take


@in_single_precision
def restyle_to_files(
    source: Source,
    targets: Mapping[int, Path],
    options: RestyleOptions,
    files: FileOptions,
    progress: Progress | None = None,
) -> TakesResult:
    """Restyle a stereo song into one file a take, and compare the takes.

    A take is the same file, byte for byte, alone and beside others. After an error none is left.

    Args:
        source: a stereo song; a film keeps its picture if the targets are films.
        targets: files by seed, all with one suffix, which chooses the container; they appear when
            they are complete and proven.
        options: of restyling.
        files: of all takes.
        progress: called with the finished fraction.

    Returns:
        With a `RestyleReport` for each take.

    Raises:
        InputError: the source cannot be used, or is not stereo.
        OutputError: a target cannot be written, or does not hold what it must when it is read back;
            existing ones are unchanged.
        OptionError: the number of takes is out of its range, their suffixes differ, their format
            cannot be written, or not with that bit depth, the requested gain would clip, or a
            place is requested for a source that the song does not have.
    """
    started = time.perf_counter()
    check_open_files(len(targets))
    if files.write_plan:
        for target in targets.values():
            check_target(plan_path(target), overwrite=files.overwrite)
    shown = progress or (lambda fraction: None)
    with ExitStack() as stack:
        sound = stack.enter_context(open_sound(source))
        result = result_of(sound, targets, files)
        seeds = as_seeds(list(targets))
        takes = [
            Take(
                seed, result, stack.enter_context(take_writer(sound, targets[seed], result, files))
            )
            for seed in seeds
        ]
        song = survey_song(
            sound, seeds, options, progress=lambda fraction: shown(SURVEYED * fraction)
        )
        passes = RestylePasses(sound, song, takes, files, amount=options.amount, progress=progress)
        passes.write()
        histograms = passes.histograms()
        if files.proof:
            passes.prove()
        checks = [
            check_codecs(
                take.writer.complete(),
                files.codecs,
                lambda gain, take=take: lambda: passes.scaled_mids(take.gain * gain),  # type: ignore[misc]
                take.peak.true_peak * take.gain,
            )
            for take in takes
        ]
        if files.write_plan:
            for take, plan in zip(takes, song.plans, strict=True):
                plan.write(plan_path(take.writer.path), overwrite=files.overwrite)
        shown(1.0)
    seconds = (time.perf_counter() - started) / len(takes)
    reports = [
        _report(sound, song, passes, number, tuple(checked), histogram, options, files, seconds)
        for number, (checked, histogram) in enumerate(zip(checks, histograms, strict=True))
    ]
    return TakesResult(reports, passes.meter.comparison() if passes.meter else None)


def _report(
    sound: SoundReader,
    song: SurveyedSong,
    passes: RestylePasses,
    number: int,
    codec_checks: tuple[CodecCheck, ...],
    histogram: PanHistogram,
    options: RestyleOptions,
    files: FileOptions,
    seconds: float,
) -> RestyleReport:
    take = passes.takes[number]
    form, fold_down = take.result.form, take.fold_down
    return RestyleReport(
        source=sound.name,
        target=str(take.writer.path),
        source_rate=sound.rate,
        rate=take.result.rate,
        frames=passes.frames,
        container=form.container,
        encoding=form.encoding,
        outputs=take.result.outputs,
        method=METHOD,
        seed=take.seed,
        exact_fold_down=not form.is_lossy,
        proven=files.proof,
        fold_down_error_db=None if fold_down is None else fold_down.error_db,
        loudness_difference=fold_down.loudness if fold_down and form.is_lossy else None,
        fold_down_lag=fold_down.lag if fold_down else 0,
        gain_db=decibels(take.gain),
        gain_requested=files.gain_db is not None,
        true_peak_db=decibels(take.peak.true_peak * take.gain),
        width=take.image.width(),
        correlation=take.image.correlation(),
        seconds=seconds,
        style=files.style,
        codec_checks=codec_checks,
        carried=take.writer.receipt.carried,
        not_carried=take.writer.receipt.not_carried,
        plan=song.plans[number],
        facts=(*sound.notes, *encoding_facts(sound.format, form)),
        amount=options.amount,
        corrections=song.corrections,
        stage=song.stage,
        histogram=histogram,
        reference=song.reference,
    )

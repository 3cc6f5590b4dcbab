"""From a stereo song to restyled files: read, survey, restyle, measure, write, prove; name them."""

import time
from collections.abc import Mapping
from contextlib import ExitStack
from pathlib import Path

from soundstage.atomic_files import check_target
from soundstage.audio import Source, open_sound
from soundstage.open_files import check_open_files
from soundstage.parallel import Progress
from soundstage.precision import in_single_precision
from soundstage.restyling.options import RestyleOptions
from soundstage.restyling.restyle_passes import SURVEYED, RestylePasses
from soundstage.restyling.restyle_report import RestyleReport
from soundstage.restyling.song import survey_song
from soundstage.upmixing.controls import as_seeds
from soundstage.upmixing.file_options import FileOptions, plan_path
from soundstage.upmixing.take_files import (
    TakesResult,
    checked_codecs,
    encoding_facts,
    result_of,
    take_facts,
    take_writer,
)
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
        checks = checked_codecs(passes, files)
        if files.write_plan:
            for take, plan in zip(takes, song.plans, strict=True):
                plan.write(plan_path(take.writer.path), overwrite=files.overwrite)
        shown(1.0)
    seconds = (time.perf_counter() - started) / len(takes)
    reports = [
        RestyleReport(
            **take_facts(sound, passes, take, files, seconds, checked),
            plan=plan,
            facts=(*sound.notes, *encoding_facts(sound.format, take.result.form)),
            amount=options.amount,
            corrections=song.corrections,
            stage=song.stage,
            histogram=histogram,
            reference=song.reference,
        )
        for take, checked, plan, histogram in zip(
            takes, checks, song.plans, histograms, strict=True
        )
    ]
    return TakesResult(reports, passes.meter.comparison() if passes.meter else None)

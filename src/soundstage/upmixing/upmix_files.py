"""From a mono input to stereo files: read, upmix, measure, write, prove; then name them."""

import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Any

from soundstage.atomic_files import check_target
from soundstage.audio import (
    SoundReader,
    Source,
    decibels,
    open_sound,
)
from soundstage.errors import OptionError
from soundstage.open_files import check_open_files
from soundstage.parallel import Progress
from soundstage.precision import in_single_precision
from soundstage.separation.separation_files import SourceOptions, write_sources
from soundstage.separation.source_folders import check_folder
from soundstage.upmixing.codec_check import CodecCheck
from soundstage.upmixing.controls import as_seeds
from soundstage.upmixing.downmix import Channels, inspect_channels, mid_blocks
from soundstage.upmixing.engine import UpmixMethod
from soundstage.upmixing.file_options import FileOptions, plan_path
from soundstage.upmixing.report import Report, facts_of
from soundstage.upmixing.song_pass import plans_of
from soundstage.upmixing.take_files import (
    TakesResult,
    checked_codecs,
    encoding_facts,
    result_of,
    take_facts,
    take_writer,
)
from soundstage.upmixing.take_passes import Take
from soundstage.upmixing.upmix_passes import UpmixPasses

if TYPE_CHECKING:
    from soundstage.upmixing.plan import Plan


@in_single_precision
def upmix_to_files(
    source: Source,
    targets: Mapping[int, Path],
    load: Callable[[], UpmixMethod],
    options: FileOptions,
    progress: Progress | None = None,
) -> TakesResult:
    """Upmix a mono input into one file a take, and compare the takes.

    A take is the same file, byte for byte, alone and beside others. After an error none is left.

    Args:
        source: a mono input; a film keeps its picture if the targets are films.
        targets: files by seed, all with one suffix, which chooses the container; they appear when
            they are complete and proven.
        load: returns the method; called when input and targets are found to be usable.
        options: of all takes.
        progress: called with the finished fraction.

    Raises:
        InputError: the source cannot be used.
        OutputError: a target cannot be written, or does not hold what it must when it is read back;
            existing ones are unchanged.
        OptionError: the number of takes is out of its range, their suffixes differ, their format
            cannot be written, or not with that bit depth, or the requested gain would clip.
        WeightsError: `load` cannot use the weights.
    """
    started = time.perf_counter()
    check_open_files(len(targets))
    if options.write_plan:
        for target in targets.values():
            check_target(plan_path(target), overwrite=options.overwrite)
    if options.write_stems:
        check_folder(options.write_stems, overwrite=options.overwrite)
    with ExitStack() as stack:
        sound = stack.enter_context(open_sound(source))
        result = result_of(sound, targets, options)
        takes = [
            Take(
                seed,
                result,
                stack.enter_context(take_writer(sound, targets[seed], result, options)),
            )
            for seed in as_seeds(list(targets))
        ]
        channels = _inspected(sound, options)
        passes = UpmixPasses(sound, channels, takes, load(), options, progress)
        passes.write()
        plans = _plans(passes, takes, options)
        if options.proof:
            passes.prove()
        checks = checked_codecs(passes, options)
        if options.write_stems:
            _write_stems(sound, channels, passes.method, options)
        if options.write_plan:
            for take, plan in zip(takes, plans, strict=True):
                assert plan is not None
                plan.write(plan_path(take.writer.path), overwrite=options.overwrite)
        if progress:
            progress(1.0)
    seconds = (time.perf_counter() - started) / len(takes)
    reports = [
        _report(sound, channels, passes, take, checked, options, seconds, plan)
        for take, checked, plan in zip(takes, checks, plans, strict=True)
    ]
    return TakesResult(reports, passes.meter.comparison() if passes.meter else None)


@in_single_precision
def measure_gain(
    source: Source,
    targets: Mapping[int, Path],
    load: Callable[[], UpmixMethod],
    options: FileOptions,
    progress: Progress | None = None,
) -> float:
    """The gain in dB, at most 0, that keeps all takes of an input from clipping in their files.

    The smallest of all inputs of a batch, given to each as `gain_db`, keeps their balance.

    Args:
        source: as for `upmix_to_files`, as all others.
        targets: only their suffix matters, nothing is written.
        load: see there.
        options: see there; its own gain is ignored.
        progress: see there.

    Raises:
        InputError: the source cannot be used.
        OptionError: as for `upmix_to_files`.
        WeightsError: `load` cannot use the weights.
    """
    with open_sound(source) as sound:
        result = result_of(sound, targets, options)
        if result.form.is_floating:
            return 0.0
        takes = [Take(seed, result) for seed in as_seeds(list(targets))]
        channels = _inspected(sound, options)
        passes = UpmixPasses(sound, channels, takes, load(), options, progress)
        passes.measure()
        return decibels(min(1.0, *(passes.largest_gain(take) for take in takes)))


def _inspected(sound: SoundReader, options: FileOptions) -> Channels:
    return inspect_channels(
        sound,
        downmix=options.downmix,
        align=options.align,
        mix=options.mix,
        content=options.controls.needs_inspection,
    )


def _plans(passes: UpmixPasses, takes: list[Take], options: FileOptions) -> "Sequence[Plan | None]":
    """The plan of each take; None for a method that gives nothing a place.

    Raises:
        OptionError: plans or sources are to be written, and the method has none.
    """
    plans = plans_of(passes.method, [take.seed for take in takes])
    if plans is None and options.write_plan:
        raise OptionError("This method gives nothing a place: leave `write_plan` out.")
    if options.write_stems and not hasattr(passes.method, "separator"):
        raise OptionError("This method separates no sources: leave `write_stems` out.")
    return plans or [None] * len(takes)


def _write_stems(sound: SoundReader, channels: Channels, method: Any, options: FileOptions) -> None:
    """Write the sources of the mono input."""
    assert options.write_stems is not None
    write_sources(
        sound,
        lambda: method.separator,
        options.write_stems,
        blocks=lambda: (mid[None] for mid in mid_blocks(sound, channels)),
        channels=1,
        exact=channels.identical,
        options=SourceOptions(overwrite=options.overwrite, method=options.method),
    )


def _report(
    sound: SoundReader,
    channels: Channels,
    passes: UpmixPasses,
    take: Take,
    codec_checks: list[CodecCheck],
    options: FileOptions,
    seconds: float,
    plan: "Plan | None",
) -> Report:
    return Report(
        **take_facts(sound, passes, take, options, seconds, codec_checks),
        dual_mono=channels.dual_mono,
        downmixed=sound.channels == 2 and not (channels.dual_mono or channels.aligned),
        content=channels.content.kind if channels.content else None,
        lag=channels.alignment.lag if channels.alignment else None,
        plan=plan,
        facts=(
            *sound.notes,
            *encoding_facts(sound.format, take.result.form),
            *facts_of(options.controls, channels),
        ),
    )

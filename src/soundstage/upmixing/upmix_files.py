"""From a mono input to stereo files: read, upmix, measure, quantize, write.

Floating-point formats are written at once. All others need the gain of the whole result first: the
side waits in an unnamed temporary file beside the target (4 bytes a sample) while the peaks are
measured, and the mid is read a second time for writing. The takes of an input are made together:
the input is read as often as for one take, and each take has its own temporary file and gain.

Decoding, the method, and encoding run in a pipeline of threads, which changes no sample.
"""

import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, closing
from pathlib import Path
from typing import NamedTuple

import numpy as np
from jaxtyping import Float

from soundstage.audio import (
    SoundReader,
    SoundWriter,
    Source,
    Spool,
    TruePeakMeter,
    decibels,
    is_same_file,
    open_sound,
    output_format,
    safe_gain,
)
from soundstage.errors import OptionError, OutputError
from soundstage.metrics import ImageMeter
from soundstage.parallel import Progress, prefetch
from soundstage.upmixing.comparison import TakesComparison, TakesMeter
from soundstage.upmixing.controls import Controls, as_seeds
from soundstage.upmixing.downmix import Channels, inspect_channels, mid_blocks
from soundstage.upmixing.engine import MidSide, UpmixMethod, upmix_blocks
from soundstage.upmixing.file_options import FileOptions
from soundstage.upmixing.quantization import PairQuantizer
from soundstage.upmixing.report import Report

FIRST_PASS = 0.8  # share of the work before the gain is known, for the progress


class UpmixResult(NamedTuple):
    """The takes of one input."""

    reports: list[Report]
    """One a take."""
    comparison: TakesComparison | None
    """Differences of several takes."""


def upmix_to_files(
    source: Source,
    targets: Mapping[int, Path],
    load: Callable[[], UpmixMethod],
    options: FileOptions,
    progress: Progress | None = None,
) -> UpmixResult:
    """Upmix a mono input into one file a take, and compare the takes.

    A take is the same file, byte for byte, alone and beside others. After an error none is left.

    Args:
        source: a mono input; a film keeps its picture if the targets are films.
        targets: files by seed, all with one suffix, which chooses the container; they appear when
            they are complete.
        load: returns the method; called when input and targets are found to be usable.
        options: of all takes.
        progress: called with the finished fraction.

    Raises:
        InputError: the source cannot be used.
        OutputError: a target cannot be written; existing ones are unchanged.
        OptionError: the number of takes is out of its range, their suffixes differ, or their format
            cannot be written, or not with that bit depth.
        WeightsError: `load` cannot use the weights.
    """
    started = time.perf_counter()
    seeds = as_seeds(list(targets))
    if len({path.suffix.lower() for path in targets.values()}) > 1:
        raise OptionError("The takes of an input have one format: give all targets one suffix.")
    with ExitStack() as stack:
        sound = stack.enter_context(open_sound(source))
        takes = [
            _Take(stack.enter_context(_writer(sound, targets[seed], options)), seed)
            for seed in seeds
        ]
        channels = inspect_channels(sound, downmix=options.downmix)
        job = _Upmix(sound, takes, load(), options.controls, progress)
        if job.floating:
            job.write_at_once()
        else:
            job.write_with_gain(mid_is_whole=channels.identical)
    seconds = (time.perf_counter() - started) / len(takes)
    reports = [job.report(take, channels, options, seconds) for take in takes]
    return UpmixResult(reports, job.meter.comparison() if job.meter else None)


def _writer(sound: SoundReader, target: Path, options: FileOptions) -> SoundWriter:
    if is_same_file(sound.path, target):
        raise OutputError(f"{target} is the source itself: choose another name.")
    return SoundWriter(
        target,
        rate=sound.rate,
        channels=2,
        format=output_format(sound.format, target.suffix, options.bit_depth),
        tags=sound.tags,
        overwrite=options.overwrite,
        expected_frames=sound.frames,
        picture_from=sound.path,
    )


class _Take:
    """One unfinished file and its measurements."""

    def __init__(self, writer: SoundWriter, seed: int) -> None:
        self.writer, self.seed = writer, seed
        self.peak = TruePeakMeter(writer.rate, 2)
        self.image = ImageMeter()
        self.gain = 1.0

    def measure(self, block: MidSide) -> None:
        stereo = block.left_right()
        self.peak.push(stereo)
        self.image.push(stereo)


class _Upmix:
    """All takes of one input."""

    def __init__(
        self,
        sound: SoundReader,
        takes: list[_Take],
        method: UpmixMethod,
        controls: Controls,
        progress: Progress | None,
    ) -> None:
        self._sound, self._takes = sound, takes
        self._method, self._controls = method, controls
        self._progress = progress or (lambda fraction: None)
        self._frames = 0
        self._replaces_mid = method.n_outputs == 2
        target = takes[0].writer.format
        self._bits = target.integer_bits
        self.floating = target.integer_bits is None and not target.is_lossy
        self.meter = None
        if len(takes) > 1:
            seeds = [take.seed for take in takes]
            self.meter = TakesMeter(sound.rate, seeds, shared_mid=not self._replaces_mid)

    def write_at_once(self) -> None:
        """Write floating point, with a gain of 1."""
        for blocks in self._measured(mid_blocks(self._sound), share=1.0):
            for take, block in zip(self._takes, blocks, strict=True):
                take.writer.write(block.left_right())
        for take in self._takes:
            take.peak.finish()

    def write_with_gain(self, *, mid_is_whole: bool) -> None:
        """Upmix and measure, then write with one gain a take.

        Args:
            mid_is_whole: whether the mid has no finer steps than the source.
        """
        source_bits = self._sound.format.integer_bits
        depth_suffices = bool(self._bits and source_bits and source_bits <= self._bits)
        mid_fits = mid_is_whole and depth_suffices and not self._replaces_mid
        with ExitStack() as stack:
            spools = [
                stack.enter_context(Spool(take.writer.path, self._method.n_outputs))
                for take in self._takes
            ]
            self._fill(spools)
            quantizers = [
                PairQuantizer(self._bits, take.gain, mid_fits=mid_fits, seed=take.seed)
                for take in self._takes
            ]
            mids = stack.enter_context(closing(prefetch(mid_blocks(self._sound))))
            done = 0
            for mid in mids:
                for take, spool, quantizer in zip(self._takes, spools, quantizers, strict=True):
                    outputs = spool.read(mid.size)
                    block = MidSide(outputs[0] if self._replaces_mid else mid, outputs[-1])
                    take.writer.write(quantizer(block))
                done += mid.size
                self._progress(FIRST_PASS + (1 - FIRST_PASS) * done / self._frames)

    def _fill(self, spools: list[Spool]) -> None:
        """Fill the spools and find the gains."""
        mid_peak = TruePeakMeter(self._sound.rate, 1)

        def metered() -> Iterator[Float[np.ndarray, " frames"]]:
            for mid in mid_blocks(self._sound):
                mid_peak.push(mid[None])
                yield mid

        for blocks in self._measured(metered(), share=FIRST_PASS):
            for spool, block in zip(spools, blocks, strict=True):
                spool.write(np.stack(block) if self._replaces_mid else block.side[None])
        mid_peak.finish()
        for take, spool in zip(self._takes, spools, strict=True):
            take.peak.finish()
            take.gain = safe_gain(take.peak, mid_peak, self._bits)
            spool.rewind()

    def report(
        self, take: _Take, channels: Channels, options: FileOptions, seconds: float
    ) -> Report:
        written = take.writer.format
        return Report(
            source=self._sound.name,
            target=str(take.writer.path),
            rate=self._sound.rate,
            frames=self._frames,
            container=written.container,
            encoding=written.encoding,
            method=options.method,
            seed=take.seed,
            dual_mono=channels.dual_mono,
            downmixed=self._sound.channels == 2 and not channels.dual_mono,
            exact_fold_down=not self._replaces_mid and not written.is_lossy,
            gain_db=decibels(take.gain),
            true_peak_db=decibels(take.peak.true_peak * take.gain),
            width=take.image.width(),
            correlation=take.image.correlation(),
            seconds=seconds,
            style=options.style,
        )

    def _measured(
        self, mids: Iterator[Float[np.ndarray, " frames"]], *, share: float
    ) -> Iterator[list[MidSide]]:
        """The measured takes, block by block; `share` is the part of the work that this is."""
        seconds, rate = self._sound.seconds, self._sound.rate  # an estimate in some containers
        total = self._sound.frames or (round(seconds * rate) if seconds else None)
        seeds = [take.seed for take in self._takes]
        with (
            closing(prefetch(mids)) as decoded,
            closing(
                prefetch(
                    upmix_blocks(decoded, self._method, rate, seeds=seeds, controls=self._controls)
                )
            ) as upmixed,
        ):
            for blocks in upmixed:
                for take, block in zip(self._takes, blocks, strict=True):
                    take.measure(block)
                if self.meter:
                    self.meter.push(blocks)
                self._frames += blocks[0].mid.size
                yield blocks
                if total:
                    self._progress(share * min(self._frames / total, 1))
        if self.meter:
            self.meter.finish()

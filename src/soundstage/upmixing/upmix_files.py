"""From a mono file to a stereo file: read, upmix, keep from clipping, quantize, write.

Formats in floating point are written as they are made. For all others the whole result must be
known before its gain is: the side is kept in a nameless temporary file beside the target (4 bytes
a sample), the peaks are measured, and the mid is read a second time as the result is written.

Takes of one file are written side by side: it is read no more often than for one, and each take has
its own temporary file and its own gain.

In integer formats mid and side are quantized, and left and right are their sum and difference in
whole steps. So (L+R)/2 is a whole number too, and when the input already has the bit depth of the
result and no gain is needed, it is the input bit for bit.
"""

import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack
from pathlib import Path
from typing import NamedTuple

import numpy as np
from jaxtyping import Float

from soundstage.audio import (
    Quantizer,
    SoundReader,
    SoundWriter,
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
from soundstage.stereo import to_left_right
from soundstage.upmixing.comparison import TakesComparison, TakesMeter
from soundstage.upmixing.controls import Controls
from soundstage.upmixing.downmix import Channels, find_dual_mono, mid_blocks
from soundstage.upmixing.engine import MidSide, upmix_takes_blocks
from soundstage.upmixing.report import Report
from soundstage.upmixing.upmixer import Upmixer

MOST_TAKES = 32  # at once: each holds two files open, and some 20 MB of what is on its way

Progress = Callable[[float], None]
"""Told which part of the work is done, from 0 to 1."""


class Takes(NamedTuple):
    """What was done to one file in several takes."""

    reports: list[Report]
    comparison: TakesComparison


def upmix_file(
    source: str | Path,
    target: str | Path,
    upmixer: Upmixer,
    *,
    method: str = "",
    controls: Controls | None = None,
    seed: int = 0,
    downmix: bool = False,
    bit_depth: str | None = None,
    overwrite: bool = False,
    style: str | None = None,
    progress: Progress | None = None,
) -> Report:
    """Upmix a mono file.

    Args:
        source: any file that `open_sound` reads; a film keeps its picture if `target` is a film.
        target: its suffix chooses the container; it appears only when it is complete.
        upmixer: out of `load_method`.
        method: its name, for the report.
        controls: what is asked of the side.
        seed: which take.
        downmix: fold down a true stereo file instead of refusing it.
        bit_depth: "16", "24", "32", "float", ...; by default that of the source.
        overwrite: whether an existing target may be replaced.
        style: with which the method was loaded, for the report.
        progress: called as the work goes on.

    Raises:
        InputError: the source cannot be used.
        OutputError: the target cannot be written; an existing one is as it was.
        OptionError: the target's format cannot be written, or not with that bit depth.
    """
    request = _Request(method, controls or Controls(), downmix, bit_depth, overwrite, style)
    reports, _ = _upmix(Path(source), {seed: Path(target)}, upmixer, request, progress)
    return reports[0]


def upmix_takes(
    source: str | Path,
    targets: Mapping[int, str | Path],
    upmixer: Upmixer,
    *,
    method: str = "",
    controls: Controls | None = None,
    downmix: bool = False,
    bit_depth: str | None = None,
    overwrite: bool = False,
    style: str | None = None,
    progress: Progress | None = None,
) -> Takes:
    """Upmix a mono file into several takes at once, and measure how they differ.

    The file is read as often as for one take, and the method makes all takes together if it can.
    Each becomes the same file, byte for byte, as `upmix_file` makes with its seed. What goes wrong
    while they are made leaves none of them.

    Args:
        source: any file that `open_sound` reads.
        targets: by the seed of each take, in the order of the reports; from two to `MOST_TAKES`,
            all with one suffix.
        upmixer: out of `load_method`.
        method: its name, for the reports.
        controls: what is asked of the sides.
        downmix: fold down a true stereo file instead of refusing it.
        bit_depth: of all takes; by default that of the source.
        overwrite: whether existing targets may be replaced.
        style: with which the method was loaded, for the reports.
        progress: called as the work goes on.

    Raises:
        InputError: the source cannot be used.
        OutputError: a target cannot be written; existing ones are as they were.
        OptionError: the number of takes is out of its range, their suffixes differ, or their format
            cannot be written.
    """
    paths = {seed: Path(target) for seed, target in targets.items()}
    if not 2 <= len(paths) <= MOST_TAKES:
        raise OptionError(f"From 2 to {MOST_TAKES} takes are made at once, and not {len(paths)}.")
    if len({path.suffix.lower() for path in paths.values()}) > 1:
        raise OptionError("The takes of a file have one format: give all targets one suffix.")
    request = _Request(method, controls or Controls(), downmix, bit_depth, overwrite, style)
    reports, meter = _upmix(Path(source), paths, upmixer, request, progress)
    assert meter is not None
    return Takes(reports, meter.comparison())


class _Request(NamedTuple):
    """What is asked of all takes."""

    method: str
    controls: Controls
    downmix: bool
    bit_depth: str | None
    overwrite: bool
    style: str | None


def _upmix(
    source: Path,
    targets: Mapping[int, Path],
    upmixer: Upmixer,
    request: _Request,
    progress: Progress | None,
) -> tuple[list[Report], TakesMeter | None]:
    """Write every take; the meter is there where there are several."""
    started = time.perf_counter()
    with ExitStack() as stack:
        sound = stack.enter_context(open_sound(source))
        takes = [
            _Take(stack.enter_context(_writer(sound, target, request)), seed)
            for seed, target in targets.items()
        ]
        channels = find_dual_mono(sound, downmix=request.downmix)
        job = _Job(sound, takes, upmixer, request.controls, progress)
        if job.floating:
            job.write_direct()
        else:
            job.write_measured(mid_is_whole=channels.identical)
    seconds = (time.perf_counter() - started) / len(takes)
    return [job.report(take, channels, request, seconds) for take in takes], job.meter


def _writer(sound: SoundReader, target: Path, request: _Request) -> SoundWriter:
    if is_same_file(sound.path, target):
        raise OutputError(f"{target} is the source itself; choose another name.")
    return SoundWriter(
        target,
        rate=sound.rate,
        channels=2,
        format=output_format(sound.format, target.suffix, request.bit_depth),
        tags=sound.tags,
        overwrite=request.overwrite,
        expected_frames=sound.frames,
        picture_from=sound.path,
    )


class _Take:
    """One result in the making, and what is measured of it."""

    def __init__(self, writer: SoundWriter, seed: int) -> None:
        self.writer, self.seed = writer, seed
        self.peak = TruePeakMeter(writer.rate, 2)
        self.image = ImageMeter()
        self.gain = 1.0

    def measure(self, block: MidSide) -> None:
        stereo = block.left_right()
        self.peak.push(stereo)
        self.image.push(stereo)


class _Job:
    """One file on its way; both ways of writing share what they measure."""

    def __init__(
        self,
        sound: SoundReader,
        takes: list[_Take],
        upmixer: Upmixer,
        controls: Controls,
        progress: Progress | None,
    ) -> None:
        self._sound, self._takes = sound, takes
        self._upmixer, self._controls = upmixer, controls
        self._progress = progress
        self._frames = 0
        wanted = takes[0].writer.format
        self._bits = wanted.integer_bits
        self.floating = wanted.integer_bits is None and not wanted.is_lossy
        self.meter = None
        if len(takes) > 1:
            seeds = [take.seed for take in takes]
            self.meter = TakesMeter(sound.rate, seeds, shared_mid=upmixer.rows == 1)

    def write_direct(self) -> None:
        """Write in floating point as it is made, with a gain of 1."""
        for blocks in self._measured(mid_blocks(self._sound), share=1.0):
            for take, block in zip(self._takes, blocks, strict=True):
                take.writer.write(block.left_right())
        for take in self._takes:
            take.peak.finish()

    def write_measured(self, *, mid_is_whole: bool) -> None:
        """Make and measure, then write with one gain a take.

        Args:
            mid_is_whole: whether the mid is made of the steps of the source.
        """
        replaces_mid = self._upmixer.rows == 2
        source_bits = self._sound.format.integer_bits
        depth_suffices = bool(self._bits and source_bits and source_bits <= self._bits)
        mid_fits = mid_is_whole and depth_suffices and not replaces_mid
        with ExitStack() as stack:
            spools = [
                stack.enter_context(Spool(take.writer.path, self._upmixer.rows))
                for take in self._takes
            ]
            self._make(spools, replaces_mid)
            quantizers = [
                _PairQuantizer(self._bits, take.gain, mid_fits=mid_fits, seed=take.seed)
                for take in self._takes
            ]
            done = 0
            for mid in mid_blocks(self._sound):
                for take, spool, quantizer in zip(self._takes, spools, quantizers, strict=True):
                    rows = spool.read(mid.size)
                    block = MidSide(rows[0] if replaces_mid else mid, rows[-1])
                    take.writer.write(quantizer(block))
                done += mid.size
                self._tell(0.8 + 0.2 * done / self._frames)

    def _make(self, spools: list[Spool], replaces_mid: bool) -> None:
        """Fill the spools and find the gains."""
        mid_peak = TruePeakMeter(self._sound.rate, 1)

        def metered() -> Iterator[Float[np.ndarray, " frames"]]:
            for mid in mid_blocks(self._sound):
                mid_peak.push(mid[None])
                yield mid

        for blocks in self._measured(metered(), share=0.8):
            for spool, block in zip(spools, blocks, strict=True):
                spool.write(np.stack(block) if replaces_mid else block.side[None])
        mid_peak.finish()
        for take, spool in zip(self._takes, spools, strict=True):
            take.peak.finish()
            take.gain = safe_gain(take.peak, mid_peak, self._bits)
            spool.rewind()

    def report(self, take: _Take, channels: Channels, request: _Request, seconds: float) -> Report:
        """What was done."""
        written = take.writer.format
        return Report(
            source=self._sound.name,
            target=str(take.writer.path),
            rate=self._sound.rate,
            frames=self._frames,
            container=written.container,
            encoding=written.encoding,
            method=request.method,
            seed=take.seed,
            dual_mono=channels.dual_mono,
            downmixed=self._sound.channels == 2 and not channels.dual_mono,
            exact_fold_down=self._upmixer.rows == 1 and not written.is_lossy,
            gain_db=decibels(take.gain),
            true_peak_db=decibels(take.peak.true_peak * take.gain),
            width=take.image.width(),
            correlation=take.image.correlation(),
            seconds=seconds,
            style=request.style,
        )

    def _measured(
        self, mids: Iterator[Float[np.ndarray, " frames"]], *, share: float
    ) -> Iterator[list[MidSide]]:
        """The results block by block, measured; `share` is the part of the work that this is."""
        seconds = self._sound.seconds  # a guess in containers that do not tell their length
        rate = self._sound.rate
        total = self._sound.frames or (round(seconds * rate) if seconds else None)
        seeds = [take.seed for take in self._takes]
        for blocks in upmix_takes_blocks(
            mids, self._upmixer, rate, seeds=seeds, controls=self._controls
        ):
            for take, block in zip(self._takes, blocks, strict=True):
                take.measure(block)
            if self.meter:
                self.meter.push(blocks)
            self._frames += blocks[0].mid.size
            yield blocks
            if total:
                self._tell(share * min(self._frames / total, 1))
        if self.meter:
            self.meter.finish()

    def _tell(self, part: float) -> None:
        if self._progress:
            self._progress(part)


class _PairQuantizer:
    """From mid and side to left and right as the target wants them."""

    def __init__(self, bits: int | None, gain: float, *, mid_fits: bool, seed: int) -> None:
        self._gain = gain
        self._dither_mid = not mid_fits or gain != 1
        self._bottom, self._top = (-(1 << bits - 1), (1 << bits - 1) - 1) if bits else (0, 0)
        self._quantizers = (
            [Quantizer(bits, seed=2 * seed), Quantizer(bits, seed=2 * seed + 1)] if bits else []
        )

    def __call__(self, block: MidSide) -> np.ndarray:
        mid, side = block.mid * self._gain, block.side * self._gain
        if self._quantizers:
            for_mid, for_side = self._quantizers
            mid = for_mid.quantize(mid, dither=self._dither_mid)
            side = for_side.quantize(side)
            # At full scale the step that dither adds must not push left or right beyond it
            room = np.minimum(self._top - mid, mid - self._bottom)
            side = side.clip(-room, room)
        return np.stack(to_left_right(mid, side))


__all__ = ["MOST_TAKES", "Progress", "Report", "Takes", "upmix_file", "upmix_takes"]

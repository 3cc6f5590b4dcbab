"""From a sound to one file a source, side by side in a folder, which add up to the sound.

Floating-point formats hold the sources as they are. For integers every source but the residual is
quantized with dither, and the residual is the input in whole steps less all others: the sum of the
files is the input, step by step. If a source passes full scale, which a part of a sound may, all
files get one gain, which is reported; it is known only after the whole sound, so that sources wait
in an unnamed temporary file (4 bytes a sample) and the input is read once more.
"""

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing, contextmanager, suppress
from dataclasses import replace
from pathlib import Path

import numpy as np
from jaxtyping import Float

from soundstage.audio import (
    Metadata,
    SoundFormat,
    SoundReader,
    SoundWriter,
    Source,
    Spool,
    StreamResampler,
    decibels,
    is_same_file,
    open_sound,
    resampled_frames,
    supported_rate,
)
from soundstage.errors import OutputError
from soundstage.parallel import Progress, prefetch
from soundstage.precision import in_single_precision
from soundstage.separation.api import READ_FRAMES
from soundstage.separation.separation_report import SeparationReport, SourceFile
from soundstage.separation.separator import Separator, SongSeparator
from soundstage.separation.sound_sources import SoundSources, fit_to_sound, surveys
from soundstage.separation.source_folders import check_folder, file_names, own_files
from soundstage.separation.source_options import SourceOptions, sources_format
from soundstage.separation.source_steps import SLACK, SourceSteps, prove_sum

Block = Float[np.ndarray, "channels frames"]
Blocks = Callable[[], Iterator[Block]]
"""Starts a pass over the channels of a sound."""

# Shares of the work, for the progress
_SURVEYED, _SEPARATED, _WRITTEN = 0.4, 0.85, 0.95
_NO_CLIP = 0.49  # steps beyond full scale that rounding takes back
_ROUNDED = 1e-7  # so that the peak is not beyond full scale after the gain, in single precision


@in_single_precision
def separate_to_files(
    source: Source,
    folder: str | Path,
    load: Callable[[], Separator | SongSeparator],
    options: SourceOptions | None = None,
    progress: Progress | None = None,
) -> SeparationReport:
    """Separate a sound into files of a folder, each named after its source.

    Args:
        source: a sound with any number of channels, which all files have too.
        folder: made if it is missing; files of an earlier run that this one does not replace are
            removed from it with `overwrite`, others stay.
        load: returns the separator; called when input and folder are found to be usable.
        options: of the files.
        progress: called with the finished fraction.

    Raises:
        InputError: the source cannot be used.
        OutputError: a file exists, or cannot be written, or does not hold what it must when it is
            read back; after an error no new file is left.
        OptionError: the format cannot be written, or not with that bit depth.
        WeightsError: `load` cannot use the weights.
    """
    with open_sound(source) as sound:
        return write_sources(sound, load, folder, options=options, progress=progress)


@in_single_precision
def write_sources(
    sound: SoundReader,
    load: Callable[[], Separator | SongSeparator],
    folder: str | Path,
    *,
    blocks: Blocks | None = None,
    channels: int | None = None,
    exact: bool = True,
    options: SourceOptions | None = None,
    progress: Progress | None = None,
) -> SeparationReport:
    """Write the sources of a sound, or of a mix of its channels such as the mid.

    Args:
        sound: for its name, format, tags, and unless `blocks` are given its samples.
        load: returns the separator, which may be fitted to the song already.
        folder: see `separate_to_files`.
        blocks: starts a pass over samples of the rate of `sound`, in place of its own.
        channels: of `blocks`.
        exact: whether `blocks` have no finer steps than the sound.
        options: of the files.
        progress: called with the finished fraction.

    Raises:
        SoundstageError: as `separate_to_files`.
    """
    options, started = options or SourceOptions(), time.perf_counter()
    form, suffix = sources_format(sound.format, sound.path, options)
    folder = Path(folder)
    check_folder(folder, overwrite=options.overwrite)
    run = _Run(sound, folder, form, suffix, options, progress or (lambda fraction: None))
    if blocks is not None:
        run.own_blocks, run.channels, run.exact = blocks, channels or 1, exact
    run.write(load())
    return run.report(time.perf_counter() - started)


class _Run:
    """The passes over one sound."""

    def __init__(
        self,
        sound: SoundReader,
        folder: Path,
        form: SoundFormat,
        suffix: str,
        options: SourceOptions,
        progress: Progress,
    ) -> None:
        self._sound, self._folder, self._form, self._suffix = sound, folder, form, suffix
        self._options, self._progress = options, progress
        self.rate = supported_rate(form, sound.rate)
        self.own_blocks: Blocks | None = None
        self.channels, self.exact = sound.channels, True
        self.frames, self.gain = 0, 1.0
        self._sum_error: float | None = None

    def write(self, loaded: Separator | SongSeparator) -> None:
        """All passes; the files get their names at the end."""
        start = _SURVEYED if surveys(loaded) else 0.0
        separator = fit_to_sound(loaded, self._surveyed(), self.rate)
        self._sources = SoundSources(separator, self.rate, self.channels)
        names = file_names([each.name for each in self._sources.sources], self._suffix)
        self._paths = [self._folder / name for name in names]
        self._energies = np.zeros(len(names))
        self._peak, self._lock = 0.0, threading.Lock()
        with self._unchanged_after_an_error(), ExitStack() as stack:
            self._writers = [
                stack.enter_context(self._writer(path, each.name))
                for path, each in zip(self._paths, self._sources.sources, strict=True)
            ]
            if self._form.is_floating:
                for block in self._separated(start, _WRITTEN):
                    self._put(block)
            else:
                self._write_with_gain(start)
            if self._options.proof:
                files = [writer.complete() for writer in self._writers]
                slack = 0.0 if self._keeps_steps() else SLACK
                self._sum_error = prove_sum(files, self._folder, self._form, self._scaled, slack)
        if self._options.overwrite:
            for path in own_files(self._folder):
                if path not in self._paths:  # of an earlier run with other sources
                    path.unlink(missing_ok=True)
        self._progress(1.0)

    def report(self, seconds: float) -> SeparationReport:
        """What was written."""
        total = max(float(self._energies.sum()), 1e-30)
        receipt = self._writers[0].receipt
        return SeparationReport(
            source=self._sound.name,
            folder=str(self._folder),
            files=tuple(
                SourceFile(info.name, info.kind, str(path), float(energy / total))
                for info, path, energy in zip(
                    self._sources.sources, self._paths, self._energies, strict=True
                )
            ),
            method=self._options.method,
            source_rate=self._sound.rate,
            rate=self.rate,
            channels=self.channels,
            frames=self.frames,
            container=self._form.container,
            encoding=self._form.encoding,
            gain_db=decibels(self.gain),
            sum_error_db=self._sum_error,
            seconds=seconds,
            carried=receipt.carried,
            not_carried=receipt.not_carried,
        )

    def _surveyed(self) -> Iterator[Block]:
        total, frames = self._total(), 0
        for block in self._blocks():
            yield block
            frames += block.shape[1]
            if total:
                self._progress(_SURVEYED * min(frames / total, 1))

    def _blocks(self) -> Iterator[Block]:
        """The input at the rate of the files."""
        blocks = self.own_blocks() if self.own_blocks else self._sound.blocks(READ_FRAMES)
        resampler = StreamResampler(self._sound.rate, self.rate, self.channels)
        for block in blocks:
            if (ready := resampler.push(block)).size:
                yield ready
        if (rest := resampler.finish()).size:
            yield rest

    def _scaled(self) -> Iterator[Float[np.ndarray, "channels frames"]]:
        return (np.multiply(block, self.gain, dtype=np.float64) for block in self._blocks())

    def _total(self) -> int | None:
        """Expected frames."""
        if self._sound.frames:
            return resampled_frames(self._sound.frames, self._sound.rate, self.rate)
        return round(self._sound.seconds * self.rate) if self._sound.seconds else None

    def _separated(
        self, start: float, end: float
    ) -> Iterator[Float[np.ndarray, "sources channels frames"]]:
        """The measured sources, block by block."""
        total = self._total()

        def separated() -> Iterator[np.ndarray]:
            with closing(prefetch(self._blocks())) as decoded:
                for block in decoded:
                    self._measure(block)
                    yield self._sources.push(block)
            yield self._sources.finish()

        with closing(prefetch(separated())) as blocks:
            for block in blocks:
                if block.size:
                    self._peak = max(self._peak, float(block.max()), -float(block.min()))
                    self._energies += np.einsum("kct,kct->k", block, block, dtype=np.float64)
                self.frames += block.shape[-1]
                yield block
                if total:
                    self._progress(start + (end - start) * min(self.frames / total, 1))

    def _write_with_gain(self, start: float) -> None:
        """Separate and measure, then write with one gain."""
        count = len(self._paths)
        with Spool(self._paths[0], count * self.channels) as spool:
            for block in self._separated(start, _SEPARATED):
                spool.write(block.reshape(count * self.channels, block.shape[-1]))
            bits = self._form.integer_bits
            if self._peak > (1 + _NO_CLIP / 2 ** (bits - 1) if bits else 1):
                self.gain = (1 - _ROUNDED) / self._peak
            spool.rewind()
            steps = self._steps()
            done = 0
            with closing(prefetch(self._blocks())) as decoded:
                for whole_block in decoded:
                    size = whole_block.shape[-1]
                    held = spool.read(size).reshape(count, self.channels, size)
                    sources = np.multiply(held, self.gain, dtype=np.float64)
                    if steps:
                        total = np.multiply(whole_block, self.gain, dtype=np.float64)
                        self._put(steps(total, sources))
                    else:
                        self._put(sources)
                    done += size
                    part = done / max(self.frames, 1)
                    self._progress(_SEPARATED + (_WRITTEN - _SEPARATED) * part)

    def _steps(self) -> SourceSteps | None:
        bits = self._form.integer_bits
        if bits is None:
            return None
        residual, count = self._sources.residual, len(self._paths)
        return SourceSteps(bits, count, residual, dither_sum=not self._keeps_steps())

    def _keeps_steps(self) -> bool:
        """Whether the sum of the files has the steps of the input."""
        source_bits, bits = self._sound.format.integer_bits, self._form.integer_bits
        fits = bool(source_bits and bits and source_bits <= bits)
        return fits and self.exact and self.gain == 1 and self.rate == self._sound.rate

    @contextmanager
    def _unchanged_after_an_error(self) -> Iterator[None]:
        """Remove what is new, since a part of the sources would not add up."""
        folders = [each for each in (self._folder, *self._folder.parents) if not each.exists()]
        new = [path for path in self._paths if not path.exists()]
        try:
            yield
        except BaseException:
            with suppress(OSError):
                for path in new:
                    path.unlink(missing_ok=True)
                for folder in folders:
                    folder.rmdir()
            raise

    def _measure(self, block: np.ndarray) -> None:
        """The peak of the input and of all sources; in any order, and from two threads."""
        with self._lock:
            self._peak = max(self._peak, float(np.abs(block).max(initial=0)))

    def _put(self, sources: np.ndarray) -> None:
        for writer, block in zip(self._writers, sources, strict=True):
            writer.write(block)

    def _writer(self, path: Path, name: str) -> SoundWriter:
        if is_same_file(self._sound.path, path):
            raise OutputError(f"{path} is the source itself: choose another folder.")
        return SoundWriter(
            path,
            rate=self.rate,
            channels=self.channels,
            format=self._form,
            metadata=_titled(self._sound.metadata, name),
            source_rate=self._sound.rate,
            overwrite=self._options.overwrite,
            expected_frames=self._total(),
        )


def _titled(metadata: Metadata, name: str) -> Metadata:
    """With the source in the title."""
    title = metadata.tags.get("title")
    if not title:
        return metadata
    return replace(metadata, tags={**metadata.tags, "title": (f"{title[0]} ({name})",)})

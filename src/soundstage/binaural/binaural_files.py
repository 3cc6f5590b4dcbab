"""From sound files to a binaural file: read, render, mix, keep from clipping, quantize, write.

Formats in floating point are written as they are made. For all others the whole result must be
known before its gain is: it waits in a nameless temporary file beside the target.
"""

import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import numpy as np
from jaxtyping import Float32

from soundstage.audio import (
    Quantizer,
    SoundWriter,
    Spool,
    TruePeakMeter,
    decibels,
    is_same_file,
    output_format,
    safe_gain,
)
from soundstage.binaural.renderers import Renderer, RendererStream
from soundstage.binaural.report import BinauralReport
from soundstage.binaural.scenes import Source
from soundstage.errors import OptionError, OutputError

Progress = Callable[[float], None]
"""Told which part of the work is done, from 0 to 1."""
Stereo = Float32[np.ndarray, "2 frames"]


def render_file(
    sources: Sequence[Source],
    target: str | Path,
    renderer: Renderer,
    *,
    method: str = "",
    tail: bool = True,
    bit_depth: str | None = None,
    overwrite: bool = False,
    progress: Progress | None = None,
) -> BinauralReport:
    """Render sources into one file, at the highest of their sample rates.

    Args:
        sources: out of `sources_of` or `read_scene`. Tags, and a film's picture where the target
            is a film too, are kept where all come out of one file and begin with it.
        target: its suffix chooses the container; it appears only when it is complete.
        renderer: such as an `HrtfRenderer`.
        method: its name, for the report.
        tail: keep what is heard after the end of the last sound, or end with it.
        bit_depth: "16", "24", "32", "float", ...; by default that of the first source.
        overwrite: whether an existing target may be replaced.
        progress: called as the work goes on.

    Raises:
        InputError: a source cannot be used.
        OutputError: the target cannot be written; an existing one is as it was.
        OptionError: there is no source, the format cannot be written, or a source cannot be where
            it is wanted.
    """
    started = time.perf_counter()
    if not sources:
        raise OptionError("There is nothing to be heard: give one source at least.")
    target, first = Path(target), sources[0].sound
    for source in sources:
        if is_same_file(source.sound.path, target):
            raise OutputError(f"{target} is one of the sources; choose another name.")
    alone = all(each.sound.name == first.name and not each.start for each in sources)
    job = _Job(sources, renderer, tail, progress)
    with SoundWriter(
        target,
        rate=job.rate,
        channels=2,
        format=output_format(first.format, target.suffix, bit_depth),
        tags=first.tags if alone else None,
        overwrite=overwrite,
        expected_frames=job.expected_frames,
        picture_from=first.path if alone else None,
    ) as writer:
        job.write(writer)
    return BinauralReport(
        sources=[source.sound.name for source in sources],
        target=str(target),
        rate=job.rate,
        frames=job.frames,
        container=writer.format.container,
        encoding=writer.format.encoding,
        method=method,
        gain_db=decibels(job.gain),
        true_peak_db=decibels(job.peak.true_peak * job.gain),
        seconds=time.perf_counter() - started,
    )


class _Job:
    """One result in the making."""

    def __init__(
        self,
        sources: Sequence[Source],
        renderer: Renderer,
        tail: bool,
        progress: Progress | None,
    ) -> None:
        self._tail, self._progress = tail, progress
        self.rate = max(source.sound.rate for source in sources)
        self.peak = TruePeakMeter(self.rate, 2)
        self.frames, self.gain = 0, 1.0
        nearest = min(source.trajectory.nearest for source in sources)
        self._voices = [
            _Voice(source, renderer.stream(source.trajectory, self.rate, no_delay=nearest))
            for source in sources
        ]
        ends = [source.seconds for source in sources]
        self._seconds = None if None in ends else max(end for end in ends if end is not None)

    @property
    def expected_frames(self) -> int | None:
        """About how many there will be, where the files tell."""
        if self._seconds is None:
            return None
        return round(self._seconds * self.rate) + max(voice.tail for voice in self._voices)

    def write(self, writer: SoundWriter) -> None:
        """All of it."""
        wanted = writer.format
        if wanted.integer_bits is None and not wanted.is_lossy:
            for block in self._made(share=1.0):
                writer.write(block)
            self.peak.finish()
            return
        with Spool(writer.path, 2) as spool:
            sizes = []
            for block in self._made(share=0.8):
                spool.write(block)
                sizes.append(block.shape[1])
            self.peak.finish()
            self.gain = safe_gain(self.peak, None, wanted.integer_bits)
            spool.rewind()
            self._write_from(spool, sizes, writer)

    def _write_from(self, spool: Spool, sizes: list[int], writer: SoundWriter) -> None:
        bits = writer.format.integer_bits
        quantizer = Quantizer(bits) if bits else None
        done = 0
        for size in sizes:
            block = spool.read(size) * np.float32(self.gain)
            writer.write(quantizer.quantize(block) if quantizer else block)
            done += size
            self._tell(0.8 + 0.2 * done / self.frames)

    def _made(self, *, share: float) -> Iterator[Stereo]:
        for mixed in _mixed([voice.blocks(self.rate) for voice in self._voices]):
            block = mixed
            if not self._tail:  # what is mixed by now never passes the end of an unfinished sound
                end = max(voice.frames for voice in self._voices)
                block = mixed[:, : max(end - self.frames, 0)]
                if not block.shape[1]:
                    return
            self.peak.push(block)
            self.frames += block.shape[1]
            yield block
            if self._seconds:
                self._tell(share * min(self.frames / (self._seconds * self.rate), 1))

    def _tell(self, part: float) -> None:
        if self._progress:
            self._progress(part)


class _Voice:
    """What the ears hear of one source.

    Attributes:
        frames: of the source by now, without what rings on.
        tail: frames that ring on.
    """

    def __init__(self, source: Source, stream: RendererStream) -> None:
        self._source, self._stream = source, stream
        self.frames, self.tail = 0, stream.tail

    def blocks(self, rate: int) -> Iterator[Stereo]:
        for block in self._source.blocks(rate):
            self.frames += len(block)
            yield self._stream.push(block)
        yield self._stream.finish()


def _mixed(voices: Sequence[Iterator[Stereo]]) -> Iterator[Stereo]:
    """The sum of sounds whose blocks have lengths of their own, as long as the longest."""
    waiting = [np.zeros((2, 0), np.float32) for _ in voices]
    going = dict(enumerate(voices))
    while going:
        for number, voice in list(going.items()):
            while number in going and not waiting[number].shape[1]:
                block = next(voice, None)
                if block is None:
                    del going[number]
                else:
                    waiting[number] = block
        present = [block.shape[1] for block in waiting if block.shape[1]]
        if present:
            size = min(present)
            yield sum((block[:, :size] for block in waiting if block.shape[1]), np.float32(0))
            waiting = [block[:, size:] for block in waiting]

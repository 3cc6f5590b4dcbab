"""Binaural files: render the sources, mix, prevent clipping, quantize, write.

Floating-point formats are written while rendering. For all others the gain depends on the peak of
the whole result, which is kept meanwhile in an unnamed temporary file beside the target. Reading,
rendering and writing run in three threads.
"""

import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from jaxtyping import Float32

from soundstage.audio import (
    MAX_RATE,
    MIN_RATE,
    Metadata,
    Quantizer,
    SoundWriter,
    Spool,
    TruePeakMeter,
    decibels,
    is_same_file,
    output_format,
    safe_gain,
    supported_rate,
)
from soundstage.audio.file_report import FileReport
from soundstage.binaural.renderers import Renderer, RendererStream
from soundstage.binaural.scenes import Source
from soundstage.errors import OptionError, OutputError
from soundstage.parallel import Progress, prefetch
from soundstage.precision import in_single_precision

RENDERING = 0.8  # share of the progress before the gain is known

Stereo = Float32[np.ndarray, "2 frames"]


@dataclass(frozen=True, kw_only=True)
class BinauralReport(FileReport):
    """Result of rendering a binaural file."""

    sources: list[str]
    """File of each source; a stereo file on two loudspeakers appears twice."""

    def _facts(self) -> list[str]:
        facts = self._resampling()
        if len(self.sources) > 1:
            facts.append(f"{len(self.sources)} sources")
        return facts + self._attenuation()


@in_single_precision
def render_file(
    sources: Sequence[Source],
    target: str | Path,
    renderer: Renderer,
    *,
    method: str = "",
    tail: bool = True,
    bit_depth: str | None = None,
    rate: int | None = None,
    overwrite: bool = False,
    progress: Progress | None = None,
) -> BinauralReport:
    """Render sources into one file.

    Args:
        sources: from `sources_of` or `read_scene`. If all are from one file and start with it, its
            tags and other metadata are kept, and the video of a film if the target is a film.
        target: its suffix selects the container; the file appears when it is complete.
        renderer: for example an `HrtfRenderer`.
        method: name of the renderer, for the report.
        tail: keep the reverberation tail after the last sound.
        bit_depth: "16", "24", "32", "float", ...; by default that of the first source.
        rate: sample rate in Hz, 8,000 to 192,000; by default the highest of the sources, or the
            next that the format holds.
        overwrite: whether to replace an existing target.
        progress: callback.

    Raises:
        InputError: a source cannot be read.
        OutputError: the target cannot be written; an existing one is unchanged.
        OptionError: there is no source, the format cannot be written, or a position is impossible.
    """
    started = time.perf_counter()
    target = Path(target)
    for source in sources:
        if is_same_file(source.sound.path, target):
            raise OutputError(f"{target} is one of the sources; choose another name.")
    if not sources:
        raise OptionError("There is no source: give at least one.")
    first = sources[0].sound
    form = output_format(first.format, target.suffix, bit_depth)
    highest = max(source.sound.rate for source in sources)
    mix = BinauralMix(sources, renderer, tail=tail, rate=rate or supported_rate(form, highest))
    alone = first.path is not None and all(
        each.sound.path == first.path and not each.start for each in sources
    )
    with SoundWriter(
        target,
        rate=mix.rate,
        channels=2,
        format=form,
        metadata=first.metadata if alone else Metadata(),
        source_rate=first.rate,
        overwrite=overwrite,
        expected_frames=mix.expected_frames,
        picture_from=first.path if alone else None,
    ) as writer:
        written = _write(mix, writer, progress or (lambda _: None))
    return BinauralReport(
        sources=[source.sound.name for source in sources],
        target=str(target),
        source_rate=highest,
        rate=mix.rate,
        frames=written.frames,
        container=writer.format.container,
        encoding=writer.format.encoding,
        method=method,
        gain_db=decibels(written.gain),
        true_peak_db=decibels(written.peak.true_peak * written.gain),
        seconds=time.perf_counter() - started,
        carried=writer.receipt.carried,
        not_carried=writer.receipt.not_carried if alone else _left_behind(sources),
    )


def _left_behind(sources: Sequence[Source]) -> tuple[str, ...]:
    """What a mix of several files does not carry."""
    names = {
        source.sound.name
        for source in sources
        if source.sound.path is not None and source.sound.metadata != Metadata()
    }
    return tuple(f"metadata of {name}: the result is a mix" for name in sorted(names))


class BinauralMix:
    """The sum of rendered sources, block by block.

    Args:
        sources: at least one.
        renderer: of all of them.
        tail: keep the reverberation tail after the last sound.
        rate: sample rate in Hz; by default the highest of the sources.

    Attributes:
        rate: sample rate in Hz.

    Raises:
        OptionError: there is no source, the rate is out of its range, or a position is impossible.
    """

    def __init__(
        self,
        sources: Sequence[Source],
        renderer: Renderer,
        *,
        tail: bool = True,
        rate: int | None = None,
    ) -> None:
        if not sources:
            raise OptionError("There is no source: give at least one.")
        self._tail = tail
        if rate is not None and not MIN_RATE <= rate <= MAX_RATE:
            raise OptionError(f"`rate` must be from {MIN_RATE:,} to {MAX_RATE:,} Hz, not {rate:,}.")
        self.rate = rate or max(source.sound.rate for source in sources)
        nearest = min(source.trajectory.min_distance for source in sources)
        self._sources = [
            _RenderedSource(source, renderer.stream(source.trajectory, self.rate, no_delay=nearest))
            for source in sources
        ]
        ends = [source.seconds for source in sources]
        self._seconds = None if None in ends else max(end for end in ends if end is not None)

    @property
    def sound_frames(self) -> int | None:
        """Expected frames without the tail; None if a file does not state its length."""
        return None if self._seconds is None else round(self._seconds * self.rate)

    @property
    def expected_frames(self) -> int | None:
        """Expected frames with the longest tail; None if a file does not state its length."""
        frames = self.sound_frames
        return None if frames is None else frames + max(source.tail for source in self._sources)

    def blocks(self) -> Iterator[Stereo]:
        """The ear signals."""
        frames = 0
        for block in _mixed([source.blocks(self.rate) for source in self._sources]):
            if not self._tail:  # a source that has not ended is never ahead of the mix
                end = max(source.frames for source in self._sources)
                block = block[:, : max(end - frames, 0)]
                if not block.shape[1]:
                    return
            frames += block.shape[1]
            yield block


class _RenderedSource:
    """The ear signals of one source.

    Attributes:
        frames: frames of the sound so far, without the tail.
        tail: frames of the tail.
    """

    def __init__(self, source: Source, stream: RendererStream) -> None:
        self._source, self._stream = source, stream
        self.frames, self.tail = 0, stream.tail

    def blocks(self, rate: int) -> Iterator[Stereo]:
        blocks = self._source.blocks(rate)
        if self._source.sound.path is not None:  # two readers may share a file object
            blocks = prefetch(blocks)
        for block in blocks:
            self.frames += len(block)
            yield self._stream.push(block)
        yield self._stream.finish()


def _mixed(signals: Sequence[Iterator[Stereo]]) -> Iterator[Stereo]:
    """Sum of signals with blocks of different sizes, as long as the longest."""
    waiting = [np.zeros((2, 0), np.float32) for _ in signals]
    active = dict(enumerate(signals))
    while active:
        for number, signal in list(active.items()):
            while number in active and not waiting[number].shape[1]:
                block = next(signal, None)
                if block is None:
                    del active[number]
                else:
                    waiting[number] = block
        present = [block.shape[1] for block in waiting if block.shape[1]]
        if present:
            size = min(present)
            yield sum((block[:, :size] for block in waiting if block.shape[1]), np.float32(0))
            waiting = [block[:, size:] for block in waiting]


@dataclass
class _Written:
    """Measurements of a written file."""

    peak: TruePeakMeter
    frames: int = 0
    gain: float = 1.0


def _write(mix: BinauralMix, writer: SoundWriter, progress: Progress) -> _Written:
    written = _Written(TruePeakMeter(mix.rate, 2))
    bits = writer.format.integer_bits
    if bits is None and not writer.format.is_lossy:
        for block in _measured(mix, written, progress, share=1.0):
            writer.write(block)
        written.peak.finish()
        return written
    with Spool(writer.path, 2) as spool:
        sizes = []
        for block in _measured(mix, written, progress, share=RENDERING):
            spool.write(block)
            sizes.append(block.shape[1])
        written.peak.finish()
        written.gain = safe_gain(written.peak, None, bits)
        spool.rewind()
        quantizer, done = Quantizer(bits) if bits else None, 0
        for size in sizes:
            block = spool.read(size) * np.float32(written.gain)
            writer.write(quantizer.quantize(block) if quantizer else block)
            done += size
            progress(RENDERING + (1 - RENDERING) * done / written.frames)
    return written


def _measured(
    mix: BinauralMix, written: _Written, progress: Progress, *, share: float
) -> Iterator[Stereo]:
    """The blocks of a mix, with their peak and number of frames measured."""
    expected = mix.sound_frames
    for block in prefetch(mix.blocks()):
        written.peak.push(block)
        written.frames += block.shape[1]
        yield block
        if expected:
            progress(share * min(written.frames / expected, 1))

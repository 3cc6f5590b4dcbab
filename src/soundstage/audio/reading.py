"""Reading a sound from start to end, as often as needed, a block at a time.

| sound                                                           | is read by                  |
| --------------------------------------------------------------- | --------------------------- |
| PCM, float, µ-law and A-law in one finished chunk of WAV, RF64,  | libsndfile: seeks are exact |
| AIFF, AU or CAF                                                 |                             |
| Ogg Vorbis of a few pages, and ALAC in CAF if libsndfile can     | libsndfile: FFmpeg drops    |
|                                                                 | the end                     |
| Ogg Opus made of a lower rate than 48 kHz                        | libsndfile: keeps that rate |
| all other that FFmpeg knows by its content: compressed sound,    | FFmpeg                      |
| films, chunks of open length, W64, BW64                         |                             |
| what FFmpeg does not know: MAT, HTK, SDS, XI, some ADPCM        | libsndfile                  |
"""

import os
from collections.abc import Callable, Iterator
from functools import cached_property
from pathlib import Path
from types import TracebackType
from typing import Any, BinaryIO, Protocol, TypeVar

import numpy as np
import soundfile
from jaxtyping import Float

from soundstage.audio.codecs.input_file import InputFile
from soundstage.audio.codecs.integrity import Inspection, inspect
from soundstage.audio.codecs.sndfile_reader import SndfileSource
from soundstage.audio.formats import SoundFormat
from soundstage.audio.metadata import Metadata, read_metadata
from soundstage.errors import InputError
from soundstage.parallel import in_thread, prefetch

MIN_RATE, MAX_RATE = 8_000, 192_000  # Hz
# +200 dB of full scale. Floats that hold the steps of 32 bits stay under it; squares and sums of
# what is a thousand million times larger leave the range of single precision
MAX_SAMPLE = 1e10

_FFMPEG_ONLY = ("FLAC", "OGG", "MP3", "RAW")
"""Containers in which FFmpeg's refusal is final; RAW is anything with the suffix of raw sound."""

Block = Float[np.ndarray, "channels frames"]
T = TypeVar("T")


class _Decoder(Protocol):
    rate: int
    channels: int
    frames: int | None
    seconds: float | None
    format: SoundFormat

    def chunks(self, frames: int, start: int = 0) -> Iterator[Block]: ...


class MemorySource:
    """Samples in memory, read like a file."""

    def __init__(self, samples: Block, rate: int) -> None:
        self.rate, self._samples = rate, samples
        self.channels, self.frames = samples.shape
        self.seconds = self.frames / rate
        self.format = SoundFormat("memory", "FLOAT")

    def chunks(self, frames: int, start: int = 0) -> Iterator[Block]:
        """The samples from `start` on, up to `frames` at a time."""
        for first in range(start, self.frames, frames):
            yield self._samples[:, first : first + frames]


class SoundReader:
    """An inspected sound that can be read any number of times.

    No file is held open between the passes.

    Attributes:
        name: of the file, for messages.
        path: of the file; None for a file object and for sound in memory.
        rate: sample rate in Hz, from 8,000 to 192,000.
        channels: number of channels, one or more.
        frames: length, or None if it is unknown before decoding.
        seconds: approximate length, for a progress bar; None if unknown.
        format: container and encoding.
        notes: what a user should know about the file, as parts of sentences.
    """

    def __init__(
        self,
        decoder: _Decoder,
        name: str,
        path: Path | None = None,
        file: InputFile | None = None,
        notes: tuple[str, ...] = (),
    ) -> None:
        self.name, self.path, self._file = name, path, file
        self._decoder = decoder
        self.notes = notes
        self.rate = decoder.rate
        self.channels = decoder.channels
        self.frames = decoder.frames
        self.seconds = decoder.seconds
        self.format = decoder.format
        if not MIN_RATE <= self.rate <= MAX_RATE:
            raise InputError(
                f"{self.name} has a sample rate of {self.rate:,} Hz: resample it to something "
                f"between {MIN_RATE:,} and {MAX_RATE:,} Hz first."
            )
        if self.frames == 0:
            raise self._no_sound()

    def blocks(self, frames: int, start: int = 0) -> Iterator[Block]:
        """The samples from `start` on, in blocks of `frames` frames; the last may be shorter.

        Full scale is 1. Single precision, or double if the encoding has more than 24 bits. Samples
        before the start are decoded and dropped where a seek would change those after it.

        Raises:
            InputError: the file is damaged, cut short, holds a sample that is not finite, or is not
                the one that was inspected any more.
        """
        done = start
        try:
            self._check_unchanged()
            for block in _reblock(self._chunks(frames, start), frames):
                self._check_samples(block, done)
                done += block.shape[1]
                yield block
        except InputError:
            self._check_unchanged()  # the better reason, if it is one
            raise
        self._check_unchanged()
        if done == start:
            raise self._no_sound()

    @cached_property
    def metadata(self) -> Metadata:
        """Tags, pictures, chapters and other data of the file; read at the first use."""
        if self._file is None:
            return Metadata()
        return _apart(self._file, read_metadata, self._file)

    def __enter__(self) -> "SoundReader":
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Nothing is open."""

    def __repr__(self) -> str:
        length = "unknown length" if self.frames is None else f"{self.frames / self.rate:.2f} s"
        return f"SoundReader({self.name!r}, {self.rate} Hz, {self.channels} channels, {length})"

    def _chunks(self, frames: int, start: int) -> Iterator[Block]:
        chunks = self._decoder.chunks(frames, start)
        if self._file is None or self.path is not None:
            return chunks
        return prefetch(chunks)  # as in `_apart`

    def _check_unchanged(self) -> None:
        if self._file is not None:
            self._file.check_unchanged()

    def _check_samples(self, block: Block, done: int) -> None:
        usable = np.abs(block) <= MAX_SAMPLE  # which NaN is not
        if usable.all():
            return
        first = int(np.argmin(usable.all(axis=0)))
        finite = np.isfinite(block[:, first]).all()
        kind = "200 dB and more beyond full scale" if finite else "that are not finite numbers"
        raise InputError(
            f"{self.name} has samples {kind}, from {(done + first) / self.rate:.3f} s on: repair "
            "it in an editor, or export it again."
        )

    def _no_sound(self) -> InputError:
        return InputError(f"{self.name} is empty, its length is 0: export it again.")


def open_file(file: str | os.PathLike[str] | BinaryIO) -> SoundReader:
    """Inspect a sound file, or the main sound track of a film; see `open_sound`."""
    source = InputFile(file)
    known = inspect(source)
    decoder = _apart(source, _find_decoder, source, known)
    return SoundReader(decoder, source.name, source.path, source, known.notes)


def _apart(file: InputFile, function: Callable[..., T], *arguments: Any) -> T:
    """The value of a call, in a thread if it reads a file object.

    FFmpeg calls the file object, and takes the exception of a signal there for the end of the file.
    Python handles signals in the main thread only.
    """
    return function(*arguments) if file.path else in_thread(function, *arguments)


def _find_decoder(file: InputFile, known: Inspection) -> _Decoder:
    if known.for_libsndfile or known.low_opus:
        source = _by_libsndfile(file)
        if source and not source.misread and (source.plain or source.only_here or known.low_opus):
            return source
    from soundstage.audio.codecs.ffmpeg_reader import MediaSource

    try:
        media = MediaSource(file, known)
    except InputError:
        other = None if known.not_for_libsndfile else _by_libsndfile(file)
        if other is None or other.misread or other.format.container in _FFMPEG_ONLY:
            raise
        return other
    if known.vorbis and media.starts_late and (vorbis := _by_libsndfile(file)):
        return vorbis
    return media


def _by_libsndfile(file: InputFile) -> SndfileSource | None:
    try:
        return SndfileSource(file)
    except (soundfile.LibsndfileError, TypeError):
        return None


def _reblock(chunks: Iterator[Block], frames: int) -> Iterator[Block]:
    held: list[Block] = []
    size = 0
    for chunk in chunks:
        held.append(chunk)
        size += chunk.shape[1]
        if size < frames:
            continue
        joined = held[0] if len(held) == 1 else np.concatenate(held, axis=1)
        whole = size - size % frames
        for start in range(0, whole, frames):
            yield joined[:, start : start + frames]
        size -= whole
        held = [joined[:, whole:]] if size else []
    if size:
        yield np.concatenate(held, axis=1)

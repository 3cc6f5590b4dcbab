"""Reading a sound from start to end, as often as needed, a block at a time."""

import os
from collections.abc import Iterator
from pathlib import Path
from types import TracebackType
from typing import BinaryIO, Protocol

import numpy as np
import soundfile
from jaxtyping import Float

from soundstage.audio.codecs.ffmpeg_reader import MediaSource, is_media
from soundstage.audio.codecs.input_file import InputFile
from soundstage.audio.codecs.integrity import check_complete, check_length
from soundstage.audio.codecs.mpeg import is_mpeg, scan_frames
from soundstage.audio.codecs.sndfile_reader import SndfileSource
from soundstage.audio.formats import MEDIA_SUFFIXES, SoundFormat
from soundstage.errors import InputError

MIN_RATE, MAX_RATE = 8_000, 192_000  # Hz

_BOTH_READ = (b"OggS", b"RIFF")  # FFmpeg reads some of these that libsndfile does not

Block = Float[np.ndarray, "channels frames"]


class _Decoder(Protocol):
    rate: int
    channels: int
    frames: int | None
    seconds: float | None
    format: SoundFormat
    tags: dict[str, str]

    def chunks(self, frames: int, start: int = 0) -> Iterator[Block]: ...


class MemorySource:
    """Samples in memory, read like a file."""

    def __init__(self, samples: Block, rate: int) -> None:
        self.rate, self._samples = rate, samples
        self.channels, self.frames = samples.shape
        self.seconds = self.frames / rate
        self.format = SoundFormat("memory", "FLOAT")
        self.tags: dict[str, str] = {}

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
        tags: by the names in `soundstage.audio.tags`.
    """

    def __init__(self, decoder: _Decoder, name: str, path: Path | None = None) -> None:
        self.name, self.path = name, path
        self._decoder = decoder
        self.rate = decoder.rate
        self.channels = decoder.channels
        self.frames = decoder.frames
        self.seconds = decoder.seconds
        self.format = decoder.format
        self.tags = decoder.tags
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
            InputError: the file is damaged, cut short, or holds a sample that is not finite.
        """
        done = start
        for block in _reblock(self._decoder.chunks(frames, start), frames):
            self._check_finite(block, done)
            done += block.shape[1]
            yield block
        if done == start:
            raise self._no_sound()
        check_length(self.name, self.frames, done, self.rate, self._slack())

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

    def _check_finite(self, block: Block, done: int) -> None:
        finite = np.isfinite(block)
        if finite.all():
            return
        first = done + int(np.argmin(finite.all(axis=0)))
        raise InputError(
            f"{self.name} has samples that are not finite numbers, from {first / self.rate:.3f} s "
            "on: repair it in an editor, or export it again."
        )

    def _no_sound(self) -> InputError:
        return InputError(f"{self.name} is empty, its length is 0: export it again.")

    def _slack(self) -> int:
        """Frames by which the header of a complete file may be too long."""
        # Padding that one decoder drops and another keeps: two frames of MP3, or of HE-AAC
        return {"MP3": 2 * 1152, "MP4": 2 * 2048, "MOV": 2 * 2048}.get(self.format.container, 0)


def open_file(file: str | os.PathLike[str] | BinaryIO) -> SoundReader:
    """Inspect a sound file, or the main sound track of a film; see `open_sound`."""
    source = InputFile(file)
    return SoundReader(_find_decoder(source), source.name, source.path)


def _find_decoder(file: InputFile) -> _Decoder:
    head = file.head()
    check_complete(file)
    if is_media(head):
        return MediaSource(file)
    mpeg = scan_frames(file) if is_mpeg(head) else None
    if mpeg and (mpeg.cut or mpeg.short):
        declared = max(mpeg.declared or 0, mpeg.counted + 1)
        raise InputError(
            f"{file} is cut short: it holds {mpeg.counted:,} complete frames of {declared:,} or "
            "more; get a complete copy of it."
        )
    try:
        source = SndfileSource(file, mpeg)
    except (soundfile.LibsndfileError, TypeError) as error:
        if file.suffix in MEDIA_SUFFIXES or head[:4] in _BOTH_READ:
            return MediaSource(file)
        raise _not_sound(file, error) from error
    if source.format.container == "RAW":  # chosen by its suffix, whatever its content
        raise _not_sound(file, None)
    return source


def _not_sound(file: InputFile, error: BaseException | None) -> InputError:
    because = f" ({str(error).rsplit(': ', 1)[-1].strip().rstrip('.')})" if error else ""
    return InputError(f"{file} is not a readable sound file{because}: convert it to WAV.")


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

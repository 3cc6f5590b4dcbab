"""Reading any sound file from start to end, as often as needed, a block at a time."""

from collections.abc import Iterator
from pathlib import Path
from types import TracebackType
from typing import Protocol

import numpy as np
import soundfile
from jaxtyping import Float

from soundstage.audio.codecs.ffmpeg_reader import MediaSource, is_media
from soundstage.audio.codecs.integrity import check_complete, check_length
from soundstage.audio.codecs.mpeg import is_mpeg, walk_frames
from soundstage.audio.codecs.sndfile_reader import SndfileSource
from soundstage.audio.formats import MEDIA_SUFFIXES, SoundFormat
from soundstage.errors import InputError

MIN_RATE, MAX_RATE = 8_000, 192_000  # Hz

_BOTH_READ = (b"OggS", b"RIFF")  # FFmpeg knows some of these that libsndfile does not

Block = Float[np.ndarray, "channels frames"]


class _Source(Protocol):
    rate: int
    channels: int
    frames: int | None
    seconds: float | None
    format: SoundFormat
    tags: dict[str, str]

    def chunks(self, frames: int, start: int = 0) -> Iterator[Block]: ...


class SoundReader:
    """A sound file that has been looked at and can be read, any number of times.

    No file is held open between the passes.

    Attributes:
        path: of the file.
        rate: sample rate in Hz, from 8,000 to 192,000.
        channels: number of channels, one or more.
        frames: length, or None if only decoding can tell.
        seconds: about how long it is, for a progress bar; None if nothing tells.
        format: container and encoding.
        tags: by the names in `soundstage.audio.tags`.
    """

    def __init__(self, path: str | Path) -> None:
        self.path = Path(path)
        _check_readable(self.path)
        self._source = _find_source(self.path)
        self.rate = self._source.rate
        self.channels = self._source.channels
        self.frames = self._source.frames
        self.seconds = self._source.seconds
        self.format = self._source.format
        self.tags = self._source.tags
        if not MIN_RATE <= self.rate <= MAX_RATE:
            raise InputError(
                f"{self.path} has a sample rate of {self.rate:,} Hz: resample it to something "
                f"between {MIN_RATE:,} and {MAX_RATE:,} Hz first."
            )
        if self.frames == 0:
            raise _no_sound(self.path)

    def blocks(self, frames: int, start: int = 0) -> Iterator[Block]:
        """The samples from `start` on, in blocks of `frames` frames; the last may be shorter.

        Full scale is 1. Single precision, or double if the encoding has more than 24 bits. What
        lies before the start is decoded and dropped where a seek would change what follows.

        Raises:
            InputError: the file is damaged, cut short, or holds a sample that is not a number.
        """
        done = start
        for block in _reblock(self._source.chunks(frames, start), frames):
            self._check_finite(block, done)
            done += block.shape[1]
            yield block
        if done == start:
            raise _no_sound(self.path)
        check_length(self.path, self.frames, done, self.rate, self._slack())

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
        return (
            f"SoundReader({str(self.path)!r}, {self.rate} Hz, {self.channels} channels, {length})"
        )

    def _check_finite(self, block: Block, done: int) -> None:
        finite = np.isfinite(block)
        if finite.all():
            return
        first = done + int(np.argmin(finite.all(axis=0)))
        raise InputError(
            f"{self.path} has samples that are not numbers, from {first / self.rate:.3f} s on: "
            "repair it in an editor, or export it again."
        )

    def _slack(self) -> int:
        """Frames that the length in the header may be over in a whole file."""
        # Padding that one decoder drops and another keeps: two frames of MP3, or of HE-AAC
        return {"MP3": 2 * 1152, "MP4": 2 * 2048, "MOV": 2 * 2048}.get(self.format.container, 0)


def open_sound(path: str | Path) -> SoundReader:
    """Look at a sound file, or at a film's sound.

    Raises:
        InputError: it is missing, not a file, not readable, empty, not sound, cut short, holds no
            samples, has a rate beyond 8 to 192 kHz, or needs a package that is not installed.
    """
    return SoundReader(path)


def _check_readable(path: Path) -> None:
    try:
        if path.is_dir():
            raise InputError(f"{path} is a folder: name a file in it.")
        if path.exists() and not path.is_file():
            raise InputError(f"{path} is not a plain file: save its sound to one first.")
        with path.open("rb") as file:
            if not file.read(1):
                raise InputError(f"{path} is empty: get a whole copy of it.")
    except FileNotFoundError:
        raise InputError(f"{path} does not exist: check its name and folder.") from None
    except OSError as error:
        raise InputError(
            f"{path} cannot be read ({error.strerror}): check its permissions."
        ) from error
    except ValueError:
        raise InputError(f"{str(path)!r} is not the name of a file.") from None


def _find_source(path: Path) -> _Source:
    with path.open("rb") as file:
        head = file.read(16)
    check_complete(path)
    if is_media(head):
        return MediaSource(path)
    mpeg = walk_frames(path) if is_mpeg(head) else None
    if mpeg and (mpeg.cut or mpeg.short):
        promised = max(mpeg.promised or 0, mpeg.counted + 1)
        raise InputError(
            f"{path} is cut short: it holds {mpeg.counted:,} whole frames of {promised:,} or "
            "more; get a whole copy of it."
        )
    try:
        source = SndfileSource(path, mpeg)
    except (soundfile.LibsndfileError, TypeError) as error:
        if path.suffix.lower() in MEDIA_SUFFIXES or head[:4] in _BOTH_READ:
            return MediaSource(path)
        raise _not_sound(path, error) from error
    if source.format.container == "RAW":  # taken by its suffix, whatever it is
        raise _not_sound(path, None)
    return source


def _not_sound(path: Path, error: BaseException | None) -> InputError:
    because = f" ({str(error).rsplit(': ', 1)[-1].strip().rstrip('.')})" if error else ""
    return InputError(f"{path} is not a sound file that can be read{because}: convert it to WAV.")


def _no_sound(path: Path) -> InputError:
    return InputError(f"{path} holds no sound, its length is 0: export it again.")


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

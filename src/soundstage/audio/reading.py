"""Reading any sound file from start to end, as often as needed, a block at a time."""

from collections.abc import Iterator
from pathlib import Path
from types import TracebackType
from typing import Protocol

import numpy as np
import soundfile
from jaxtyping import Float

from soundstage.audio.formats import MEDIA_SUFFIXES, SoundFormat
from soundstage.audio.integrity import check_complete, check_length
from soundstage.audio.sndfile import SndfileSource
from soundstage.errors import InputError

MIN_RATE, MAX_RATE = 8_000, 192_000  # Hz

Block = Float[np.ndarray, "channels frames"]


class _Source(Protocol):
    rate: int
    channels: int
    frames: int | None
    format: SoundFormat
    tags: dict[str, str]

    def chunks(self, frames: int) -> Iterator[Block]: ...


class SoundReader:
    """A sound file that has been looked at and can be read, any number of times.

    No file is held open between the passes.

    Attributes:
        path: of the file.
        rate: sample rate in Hz, from 8,000 to 192,000.
        channels: number of channels, one or more.
        frames: length, or None if only decoding can tell.
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
        self.format = self._source.format
        self.tags = self._source.tags
        if not MIN_RATE <= self.rate <= MAX_RATE:
            raise InputError(
                f"{self.path} has a sample rate of {self.rate:,} Hz: resample it to something "
                f"between {MIN_RATE:,} and {MAX_RATE:,} Hz first."
            )
        if self.frames == 0:
            raise _no_sound(self.path)

    def blocks(self, frames: int) -> Iterator[Block]:
        """The samples from the start, in blocks of `frames` frames; the last may be shorter.

        Full scale is 1. Single precision, or double if the encoding has more than 24 bits.

        Raises:
            InputError: the file is damaged, cut short, or holds a sample that is not a number.
        """
        done = 0
        for block in _reblock(self._source.chunks(frames), frames):
            self._check_finite(block, done)
            done += block.shape[1]
            yield block
        if not done:
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
        # A sum is not finite if any term is not; it may also overflow, so look again
        if np.isfinite(block.sum(dtype=np.float64)) or np.isfinite(block).all():
            return
        first = done + int(np.argmin(np.isfinite(block).all(axis=0)))
        raise InputError(
            f"{self.path} has samples that are not numbers, from {first / self.rate:.3f} s on: "
            "repair it in an editor, or export it again."
        )

    def _slack(self) -> int:
        """Frames that the length in the header may be over in a whole file."""
        if self.format.container in ("MP3", "MP4", "MOV"):
            return 2 * 1152  # padding that one decoder drops and another keeps
        return 0


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
        head = file.read(4096)
    check_complete(path)
    if not _is_media(head):
        try:
            source = SndfileSource(path)
        except (soundfile.LibsndfileError, TypeError) as error:
            if path.suffix.lower() not in MEDIA_SUFFIXES and head[:4] not in (b"OggS", b"RIFF"):
                raise _not_sound(path, error) from error
        else:
            if source.format.container == "RAW":
                raise _not_sound(path, None)
            if source.mpeg and (source.mpeg.cut or source.mpeg.short):
                promised = source.mpeg.promised or source.mpeg.counted + 1
                raise InputError(
                    f"{path} is cut short: it holds {source.mpeg.counted:,} whole frames "
                    f"of at least {promised:,}; get a whole copy of it."
                )
            return source
    from soundstage.audio.media import MediaSource

    return MediaSource(path)


def _is_media(head: bytes) -> bool:
    """Whether the first bytes are those of a file that libsndfile cannot know."""
    return (
        head[4:8] in (b"ftyp", b"moov", b"mdat", b"wide", b"free", b"skip")
        or head[:4] == b"\x1aE\xdf\xa3"
        or (head[:4] == b"RIFF" and head[8:12] == b"AVI ")
        or (head[0] == 0xFF and len(head) > 1 and head[1] & 0xF6 == 0xF0)
    )


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

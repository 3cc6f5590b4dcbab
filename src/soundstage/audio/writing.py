"""Writing a sound file that appears only when it is complete."""

import contextlib
import errno
import os
import secrets
import weakref
from collections.abc import Iterator, Mapping
from pathlib import Path
from types import TracebackType
from typing import Protocol

import numpy as np
from jaxtyping import Float, Int32

from soundstage.audio.codecs.sndfile_writer import SndfileTarget
from soundstage.audio.formats import MEDIA_CONTAINERS, SoundFormat, check_encoding
from soundstage.audio.limits import check_limits
from soundstage.errors import OutputError

_LONGEST_NAME = 200  # bytes of the target's name kept in the temporary one; 255 is the usual limit

Block = Float[np.ndarray, "channels frames"] | Int32[np.ndarray, "channels frames"]


class _Target(Protocol):
    def write(self, block: np.ndarray) -> None: ...

    def close(self) -> None: ...

    def abort(self) -> None: ...


class SoundWriter:
    """A sound file in the making; use it in a `with` statement.

    The sound goes to a hidden file beside the target, which takes the target's name when the
    `with` block ends well. If it ends with an exception or an interrupt, the hidden file is
    removed and an existing target is as it was.

    Args:
        path: the target; its suffix is not looked at.
        rate: in Hz.
        channels: number of channels.
        format: what to write, usually out of `output_format`.
        tags: by the names in `soundstage.audio.tags`; those that the container cannot hold are
            left out.
        overwrite: whether an existing target may be replaced.
        expected_frames: length, if known; a WAV file that may pass 4 GB is written as RF64.
        picture_from: a film whose picture, subtitles, chapters, cover and other tracks are copied
            untouched if the target is a film or M4A too; of no meaning otherwise.

    Raises:
        OutputError: the target exists, is a folder, is in a folder that is missing or read-only,
            or its format cannot hold the rate or the channels.
        OptionError: no such format can be written.
    """

    def __init__(
        self,
        path: str | Path,
        *,
        rate: int,
        channels: int,
        format: SoundFormat,
        tags: Mapping[str, str] | None = None,
        overwrite: bool = False,
        expected_frames: int | None = None,
        picture_from: str | Path | None = None,
    ) -> None:
        self.path = Path(path)
        self.rate, self.channels, self.format = rate, channels, format
        self._tags, self._overwrite = dict(tags or {}), overwrite
        self._expected_frames = expected_frames
        self._picture_from = None if picture_from is None else Path(picture_from)
        self._target: _Target | None = None
        self._temporary: Path | None = None
        self._check_place()
        check_encoding(format.container, format.encoding)
        check_limits(self.path, format, rate, channels)

    def write(self, block: Block) -> None:
        """Append frames.

        Args:
            block: for an integer format int32 steps of its own bits, out of `Quantizer`, written
                bit for bit; for any other, floats whose full scale is 1 (lossy formats take
                no more than full scale).

        Raises:
            TypeError: floats for an integer format, or the other way round.
            ValueError: the number of channels is wrong, or a sample does not fit.
            OutputError: the disk is full, or fails.
        """
        if self._target is None:
            raise RuntimeError("open the writer with a `with` statement first")
        prepared = self._prepared(block)
        with self._failures():
            self._target.write(prepared)

    def __enter__(self) -> "SoundWriter":
        self._temporary = _hidden_name(self.path)
        # An interrupt may come at any line, even between here and the block of the `with`
        self._remove = weakref.finalize(self, _remove_file, self._temporary)
        try:
            with self._failures():
                _create(self._temporary)
                self._target = self._open(self._temporary)
        except BaseException:
            self._remove()
            raise
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Give the file its name, or remove it."""
        assert self._target is not None
        assert self._temporary is not None
        try:
            if kind is None:
                with self._failures():
                    self._target.close()
                    _flush(self._temporary)
                    self._land(self._temporary)
            else:
                self._target.abort()
        except BaseException:
            self._target.abort()
            raise
        finally:
            self._target = None
            self._remove()

    def _open(self, temporary: Path) -> _Target:
        if self.format.container not in MEDIA_CONTAINERS:
            return SndfileTarget(
                temporary,
                self.format,
                self.rate,
                self.channels,
                self._tags,
                self._expected_frames,
            )
        from soundstage.audio.codecs.ffmpeg_writer import MediaTarget

        return MediaTarget(
            temporary, self.format, self.rate, self.channels, self._tags, self._picture_from
        )

    def _prepared(self, block: np.ndarray) -> np.ndarray:
        if block.ndim != 2 or block.shape[0] != self.channels:
            raise ValueError(f"a block of shape {block.shape} is not ({self.channels}, frames)")
        bits = self.format.integer_bits
        if bits is not None:
            if block.dtype != np.int32:
                raise TypeError(f"{self.format.encoding} takes int32 steps, not {block.dtype}")
            if block.size and not -(1 << bits - 1) <= block.min() <= block.max() < 1 << bits - 1:
                raise ValueError(f"a step does not fit into {bits} bits")
            return block << (32 - bits)
        if not np.issubdtype(block.dtype, np.floating):
            raise TypeError(f"{self.format.encoding} takes floats, not {block.dtype}")
        if self.format.is_lossy and not np.abs(block).max(initial=0) <= 1:
            raise ValueError(f"{self.format.encoding} takes samples from -1 to 1")
        return block.astype(np.float64 if self.format.encoding == "DOUBLE" else np.float32)

    def _check_place(self) -> None:
        folder = self.path.parent
        if self.path.is_dir():
            raise OutputError(f"{self.path} is a folder: name a file in it.")
        if not folder.is_dir():
            raise OutputError(f"{self.path} cannot be written: make the folder {folder} first.")
        if not os.access(folder, os.W_OK | os.X_OK):
            raise OutputError(
                f"{self.path} cannot be written: the folder {folder} is read-only; choose another."
            )
        self._check_free()

    def _check_free(self) -> None:
        if not self._overwrite and os.path.lexists(self.path):
            raise OutputError(f"{self.path} exists: choose another name, or allow overwriting it.")

    def _land(self, temporary: Path) -> None:
        if self._overwrite:
            os.replace(temporary, self.path)
            return
        try:
            os.link(temporary, self.path)  # unlike a rename, never replaces what has appeared
        except FileExistsError:
            self._check_free()
            raise
        except OSError:  # a file system without hard links
            self._check_free()
            os.replace(temporary, self.path)

    @contextlib.contextmanager
    def _failures(self) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            if error.errno in (errno.ENOSPC, errno.EDQUOT):
                said = "the disk is full: make room, or choose another folder"
            else:
                said = f"{(error.strerror or str(error)).rstrip('.')}: choose another folder"
            raise OutputError(f"{self.path} could not be written, {said}.") from error


def _hidden_name(path: Path) -> Path:
    """Of a file beside the target."""
    name = os.fsencode(path.name)[:_LONGEST_NAME].decode(errors="ignore")
    return path.with_name(f".{name}.{secrets.token_hex(4)}.part")


def _create(path: Path) -> None:
    """An empty file, with the permissions that a new file has."""
    os.close(os.open(path, os.O_CREAT | os.O_EXCL | os.O_RDWR, 0o666))


def _remove_file(path: Path) -> None:
    with contextlib.suppress(OSError):
        path.unlink(missing_ok=True)


def _flush(path: Path) -> None:
    """Have a file on the disk before it gets its name."""
    with path.open("r+b") as file:
        os.fsync(file.fileno())

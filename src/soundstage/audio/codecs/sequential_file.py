"""A sound file of libsndfile that is read or written strictly from start to end."""

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import Any

import numpy as np
import soundfile
from soundfile import _ffi


class SequentialFile(soundfile.SoundFile):
    """A `soundfile.SoundFile` that never seeks, and loses no exception.

    soundfile seeks after each block that it reads or writes, to the current position. That restarts
    decoders: MP3 loses its bit reservoir, FLAC its speed, Ogg Vorbis its position.

    An exception, such as Ctrl-C, cannot leave a function that libsndfile calls for a file object:
    libsndfile would go on with half a file. It is kept, and raised when libsndfile returns.
    """

    def __init__(self, file: Any, *arguments: Any, **options: Any) -> None:
        self._kept: BaseException | None = None
        try:
            with self._raising():
                super().__init__(file, *arguments, **options)
        except BaseException:
            with suppress(Exception):  # libsndfile may have opened it in spite of that
                super().close()
            raise

    def seekable(self) -> bool:
        """False, so that soundfile does not try."""
        return False

    def read(self, *arguments: Any, **options: Any) -> Any:
        """Read the next frames."""
        with self._raising():
            return super().read(*arguments, **options)

    def write(self, data: np.ndarray) -> None:
        """Append frames."""
        with self._raising():
            super().write(data)

    def seek(self, frames: int, whence: int = os.SEEK_SET) -> int:
        """Move to a frame."""
        with self._raising():
            return super().seek(frames, whence)

    def close(self) -> None:
        """Close the file."""
        with self._raising():
            super().close()

    @contextmanager
    def _raising(self) -> Iterator[None]:
        try:
            yield
        finally:
            kept, self._kept = self._kept, None
            if kept is not None:
                raise kept

    def _init_virtual_io(self, file: Any) -> Any:
        """The functions that libsndfile calls; they must live as long as the file."""

        def length(_: Any) -> int:
            at = file.tell()
            file.seek(0, os.SEEK_END)
            end = file.tell()
            file.seek(at)
            return end

        def seek(offset: int, whence: int, _: Any) -> int:
            file.seek(offset, whence)
            return file.tell()

        def read(place: Any, count: int, _: Any) -> int:
            data = file.read(count)
            _ffi.buffer(place, len(data))[:] = data
            return len(data)

        def write(place: Any, count: int, _: Any) -> int:
            return file.write(_ffi.buffer(place, count)[:])

        def tell(_: Any) -> int:
            return file.tell()

        self._virtual_io = {
            "get_filelen": self._called("sf_vio_get_filelen", length, -1),
            "seek": self._called("sf_vio_seek", seek, -1),
            "read": self._called("sf_vio_read", read, 0),
            "write": self._called("sf_vio_write", write, 0),
            "tell": self._called("sf_vio_tell", tell, -1),
        }
        return _ffi.new("SF_VIRTUAL_IO*", self._virtual_io)

    def _called(self, kind: str, function: Callable[..., int], failed: int) -> Any:
        def once(*arguments: Any) -> int:
            return failed if self._kept else function(*arguments)

        return _ffi.callback(kind, once, error=failed, onerror=self._keep)

    def _keep(self, kind: type[BaseException], error: BaseException, trace: Any) -> None:
        self._kept = self._kept or error

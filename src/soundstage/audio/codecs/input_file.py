"""A sound file by its path or as a binary file object, opened anew for every pass over it."""

import io
import os
import threading
from pathlib import Path
from typing import Any, BinaryIO

from soundstage.errors import InputError


class InputFile:
    """A readable, seekable file that is not empty; its text form is its name for messages.

    A file object is read from its first byte on, whatever its position, and left open. Passes over
    it may be interleaved: each has its own position.

    Args:
        file: a path, or a binary file object that can seek.

    Raises:
        InputError: the file does not exist, is a folder, is not a plain file, cannot be read or
            sought, holds text, or is empty.
    """

    def __init__(self, file: str | os.PathLike[str] | BinaryIO) -> None:
        self.path: Path | None = None
        """None for a file object."""
        self._object: Any = None
        self._lock = threading.Lock()
        if is_file_object(file):
            self._object = file
            name = getattr(file, "name", None)
            self.name = name if isinstance(name, str) and name else "The file object"
            self._check_object()
        else:
            try:
                self.path = Path(file)  # type: ignore[arg-type]
            except TypeError:
                raise InputError(f"{file!r} is not the name of a file.") from None
            self.name = str(self.path)
            _check_path(self.path)
        self._stamp = self._state()

    @property
    def suffix(self) -> str:
        """The suffix of its name, lower case, with the dot."""
        return Path(self.name).suffix.lower()

    def open(self) -> BinaryIO:
        """A reader from the first byte on; closing it does not close a file object."""
        if self.path is not None:
            return self.path.open("rb")
        return io.BufferedReader(_View(self._object, self._lock, self.name))

    def head(self, size: int = 16) -> bytes:
        """The first bytes."""
        with self.open() as file:
            return file.read(size)

    def check_unchanged(self) -> None:
        """Refuse a file that is not the one that was inspected: another one, changed, or gone.

        Raises:
            InputError: it is not.
        """
        if self._state() != self._stamp:
            raise InputError(
                f"{self} was replaced, changed or removed while it was being read: start again "
                "when it does not change any more."
            )

    def __str__(self) -> str:
        return self.name

    def _state(self) -> tuple[int, ...] | None:
        """Identity, length and time of writing; of a file object its length."""
        try:
            if self.path is not None:
                found = self.path.stat()
                return found.st_dev, found.st_ino, found.st_size, found.st_mtime_ns
            with self._lock:
                return (int(self._object.seek(0, os.SEEK_END) or self._object.tell()),)
        except (OSError, ValueError):
            return None

    def _check_object(self) -> None:
        try:
            self._object.seek(0)
            first = self._object.read(1)
        except (OSError, ValueError, AttributeError) as error:
            raise InputError(
                f"{self} cannot be read from its start ({error}): read it into io.BytesIO first."
            ) from error
        if isinstance(first, str):
            raise InputError(f"{self} is open as text: open it as binary, with mode 'rb'.")
        if not first:
            raise InputError(f"{self} is empty: get a complete copy of it.")


class _View(io.RawIOBase):
    """A file object with a position of its own."""

    def __init__(self, file: Any, lock: threading.Lock, name: str) -> None:
        self._file, self._lock, self._at = file, lock, 0
        self.name = name

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        with self._lock:
            self._file.seek(self._at)
            data = self._file.read(len(buffer))
        buffer[: len(data)] = data
        self._at += len(data)
        return len(data)

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        if whence == os.SEEK_END:
            with self._lock:
                self._file.seek(0, os.SEEK_END)
                offset += self._file.tell()
        elif whence == os.SEEK_CUR:
            offset += self._at
        self._at = offset
        return offset

    def tell(self) -> int:
        return self._at


def is_file_object(value: Any) -> bool:
    """Whether a value is a file object rather than a name or samples."""
    return hasattr(value, "read") and hasattr(value, "seek")


def _check_path(path: Path) -> None:
    try:
        if path.is_dir():
            raise InputError(f"{path} is a folder: name a file in it.")
        if path.exists() and not path.is_file():
            raise InputError(f"{path} is not a plain file: save its sound to one first.")
        with path.open("rb") as file:
            if not file.read(1):
                raise InputError(f"{path} is empty: get a complete copy of it.")
    except FileNotFoundError:
        raise InputError(f"{path} does not exist: check its name and folder.") from None
    except OSError as error:
        raise InputError(
            f"{path} cannot be read ({error.strerror}): check its permissions."
        ) from error
    except ValueError:
        raise InputError(f"{str(path)!r} is not the name of a file.") from None

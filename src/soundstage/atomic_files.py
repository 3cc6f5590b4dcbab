"""Files that appear under their name only when they are complete.

The content goes to a hidden file beside the target, which is flushed to the disk and renamed. After
an exception or an interrupt the hidden file is removed, and an existing target is unchanged; what a
killed run has left is removed by the next one (see `soundstage.hidden_files`).
"""

import errno
import os
import weakref
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from types import TracebackType

from soundstage import interruption
from soundstage.errors import OutputError
from soundstage.hidden_files import create_locked, hidden_name, remove_abandoned


class AtomicFile:
    """A file that replaces its target when the `with` block ends without an exception.

    `with AtomicFile(path) as temporary:` gives the path of an empty hidden file to write to. Code
    without a `with` block calls `create`, then `commit` or `discard`.

    Args:
        path: the target.
        overwrite: whether an existing target may be replaced.

    Raises:
        OutputError: the target exists, or the file cannot be created, flushed or renamed; also in
            place of an OSError in the `with` block.
    """

    def __init__(self, path: str | Path, *, overwrite: bool = True) -> None:
        self.path, self.overwrite = Path(path), overwrite
        self.temporary = hidden_name(self.path)
        self._lock: list[int] = []
        # An interrupt may come at any line, even before the first of the `with` block
        self.discard = weakref.finalize(self, _discard, self.temporary, self._lock, os.getpid())
        """Remove the hidden file, if it is still there."""

    def create(self) -> Path:
        """Create the empty hidden file, with the permissions of a new file, and its folder."""
        with output_errors(self.path):
            self.path.parent.mkdir(parents=True, exist_ok=True)
            remove_abandoned(self.path.parent)
            self._lock.append(create_locked(self.temporary))
        if os.name == "nt":  # where an open file cannot be renamed
            os.close(self._lock.pop())
        return self.temporary

    def commit(self) -> None:
        """Flush the hidden file to the disk and give it the target's name.

        Raises:
            Interrupted: a signal asks the process to end; what was written may be incomplete.
            OutputError: the file cannot be flushed or renamed, or the target exists.
        """
        interruption.check()
        with output_errors(self.path):
            with self.temporary.open("r+b") as file:
                os.fsync(file.fileno())
            interruption.check()
            self._rename()

    def _rename(self) -> None:
        if self.overwrite:
            os.replace(self.temporary, self.path)
            return
        try:
            os.link(self.temporary, self.path)  # unlike a rename, never replaces a file
        except FileExistsError:
            check_free(self.path)
            raise
        except OSError:  # a file system without hard links
            check_free(self.path)
            os.replace(self.temporary, self.path)

    def __enter__(self) -> Path:
        return self.create()

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        try:
            with output_errors(self.path):
                if isinstance(error, OSError):
                    raise error
            if error is None:
                self.commit()
        finally:
            self.discard()


def write_atomically(path: str | Path, content: bytes | str, *, overwrite: bool = True) -> None:
    """Write a whole file; text as UTF-8.

    Raises:
        OutputError: the target exists, or cannot be written.
    """
    data = content.encode(errors="replace") if isinstance(content, str) else content
    with AtomicFile(path, overwrite=overwrite) as temporary:
        temporary.write_bytes(data)


def check_free(path: Path) -> None:
    """Refuse a target that exists.

    Raises:
        OutputError: there is a file of that name, or a broken link.
    """
    if os.path.lexists(path):
        raise OutputError(f"{path} exists: choose another name, or allow overwriting it.")


def check_target(path: Path, *, overwrite: bool) -> None:
    """Refuse a target that cannot be written, before any work is done for it.

    Raises:
        OutputError: the target is a folder or exists, or its folder is read-only or cannot be made.
    """
    if path.is_dir():
        raise OutputError(f"{path} is a folder: name a file in it.")
    folder = next(each for each in path.absolute().parents if os.path.lexists(each))
    if not folder.is_dir():
        raise OutputError(f"{path} cannot be written: {folder} is not a folder; choose another.")
    if not os.access(folder, os.W_OK | os.X_OK):
        raise OutputError(
            f"{path} cannot be written: the folder {folder} is read-only; choose another."
        )
    remove_abandoned(path.parent)
    if not overwrite:
        check_free(path)


@contextmanager
def output_errors(path: Path) -> Iterator[None]:
    """Turn an OSError into an `OutputError` about the target."""
    try:
        yield
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            reason = "the disk is full; make room, or choose another folder"
        else:
            reason = f"{(error.strerror or str(error)).rstrip('.')}; choose another folder"
        raise OutputError(f"{path} cannot be written: {reason}.") from error


def _discard(path: Path, lock: list[int], owner: int) -> None:
    if os.getpid() == owner:  # a process forked meanwhile ends without touching the file
        with suppress(OSError):
            path.unlink(missing_ok=True)
    while lock:
        os.close(lock.pop())

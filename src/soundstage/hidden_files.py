"""Hidden files beside a target that hold an unfinished result, locked while a run writes them.

A run that is killed leaves its hidden file. The next run in that folder removes it: the system
drops a lock (`flock`) with the process that holds it, so what can be locked is abandoned.

The names hold marks of the machine. On a file system that machines share, whose locks may not reach
from one to the other, files of other machines are left alone; without locks, all are.
"""

import os
import platform
import re
import secrets
import tempfile
import time
import zlib
from contextlib import suppress
from functools import cache
from pathlib import Path
from typing import IO

try:
    import fcntl
except ImportError:  # Windows
    fcntl = None  # type: ignore[assignment]

_LONGEST_NAME = 200  # bytes of the target's name kept in the hidden one; 255 is the usual limit
_NAME = re.compile(r"\..*\.([0-9a-f]{4})([0-9a-f]{4})[0-9a-f]{8}\.part", re.DOTALL)
_SHARE = 0.01  # of the time, at most, for listing a folder


def hidden_name(target: Path) -> Path:
    """A new name beside the target, which libraries can take: it is UTF-8."""
    name = os.fsencode(target.name).decode(errors="replace")
    kept = name.encode()[:_LONGEST_NAME].decode(errors="ignore")
    return target.with_name(f".{kept}.{''.join(_machine())}{secrets.token_hex(4)}.part")


def create_locked(path: Path) -> int:
    """Create an empty file with the permissions of a new one; the descriptor holds its lock.

    Args:
        path: from `hidden_name`.

    Raises:
        OSError: the file cannot be created.
    """
    while True:
        descriptor = os.open(path, os.O_CREAT | os.O_EXCL | os.O_RDWR, 0o666)
        # A run that cleans up may have locked and removed the file before it was locked here
        if not _lock(descriptor) or _is_at(descriptor, path):
            return descriptor
        os.close(descriptor)


def open_unnamed(target: Path) -> IO[bytes]:
    """A temporary file in the target's folder, without a name.

    Raises:
        OSError: it cannot be created.
    """
    if fcntl is None:
        return tempfile.TemporaryFile(dir=target.parent)
    path = hidden_name(target)
    descriptor = create_locked(path)
    with suppress(FileNotFoundError):
        os.unlink(path)
    return os.fdopen(descriptor, "w+b")


def remove_abandoned(folder: Path) -> None:
    """Remove what killed runs on this machine have left in a folder."""
    for path in _hidden_files(folder):
        with suppress(OSError):
            descriptor = os.open(path, os.O_RDWR | getattr(os, "O_NOFOLLOW", 0))
            try:
                if _lock(descriptor) and _is_at(descriptor, path):
                    os.unlink(path)
            finally:
                os.close(descriptor)


def _lock(descriptor: int) -> bool:
    if fcntl is None:
        return False
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:  # locked by another run; or there are no locks
        return False
    return True


def _is_at(descriptor: int, path: str | Path) -> bool:
    with suppress(FileNotFoundError):
        return os.path.samestat(os.fstat(descriptor), os.lstat(path))
    return False


@cache
def _machine() -> tuple[str, str]:
    """Marks of the machine's name, and of its last start, which its containers share."""
    start = ""
    with suppress(OSError):
        start = Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii")
    return _mark(platform.node()), _mark(start or platform.node())


def _mark(text: str) -> str:
    return f"{zlib.crc32(text.encode(errors='replace')) & 0xFFFF:04x}"


_next_listings: dict[str, float] = {}


def _hidden_files(folder: Path) -> list[str]:
    """Hidden files of this machine; a large folder is not listed anew for every target in it."""
    name = os.path.abspath(folder)
    began = time.monotonic()
    if began < _next_listings.get(name, 0.0):
        return []
    found = []
    with suppress(OSError), os.scandir(folder) as entries:
        for entry in entries:
            match = _NAME.fullmatch(entry.name) if entry.name.endswith(".part") else None
            if match and (match[1] == _machine()[0] or match[2] == _machine()[1]):
                found.append(entry.path)
    ended = time.monotonic()
    _next_listings[name] = ended + (ended - began) / _SHARE
    return found

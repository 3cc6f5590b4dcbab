"""The number of files that the system lets a process open at once; takes need several each.

A system may allow 256 at first, and more on request. The library asks for nothing, and says early
what it needs; the command line asks.
"""

import os
from contextlib import suppress

from soundstage.errors import OptionError

TAKE = 4  # files of a take: its target, the lock of that, its side, and its reading back
FURTHER = 24  # of an input and its tags, of worker processes, and of libraries
ENOUGH = 4096


def check_open_files(takes: int) -> None:
    """Refuse more takes at once than the system has open files for.

    Raises:
        OptionError: there are too many.
    """
    try:
        import resource
    except ImportError:  # Windows, which allows thousands
        return
    limit = resource.getrlimit(resource.RLIMIT_NOFILE)[0]
    needed = _open_files() + FURTHER + TAKE * takes
    if takes > 1 and resource.RLIM_INFINITY != limit < needed:
        raise OptionError(
            f"{takes} takes at once need {needed} open files, and this system allows {limit}: make "
            f"fewer `takes`, or allow more files (ulimit -n {needed})."
        )


def allow_open_files() -> None:
    """Ask the system for `ENOUGH` open files, or as many as it allows this user."""
    with suppress(ImportError, OSError, ValueError):
        import resource

        soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
        wanted = ENOUGH if hard == resource.RLIM_INFINITY else min(ENOUGH, hard)
        if soft != resource.RLIM_INFINITY and soft < wanted:
            resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))


def _open_files() -> int:
    for listing in ("/proc/self/fd", "/dev/fd"):
        with suppress(OSError):
            return len(os.listdir(listing))
    return 0

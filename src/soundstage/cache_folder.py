"""The user's cache of this package: files that can be made again, shared by all programs.

A module of its own, since separators, libraries of sound and trainings keep files there.
"""

import os
import sys
from pathlib import Path


def cache_folder() -> Path:
    """`soundstage` in XDG_CACHE_HOME, or in the place that the system has for caches.

    The folder may not exist yet; `write_atomically` makes it.
    """
    base = os.environ.get("XDG_CACHE_HOME")
    if not base and sys.platform == "win32":
        base = os.environ.get("LOCALAPPDATA")
    return Path(base or Path.home() / ".cache") / "soundstage"

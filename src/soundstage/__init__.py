"""Soundstage: mono to stereo that folds down to the original, and mono to binaural.

    import soundstage
    stereo = soundstage.upmix("old.flac")
    stereo.write("old-stereo.flac")

Every name is imported at its first use, so that `import soundstage` takes no time.
"""

from typing import Any

from lazy_loader import attach_stub

_load, __dir__, __all__ = attach_stub(__name__, __file__)


def __getattr__(name: str) -> Any:
    if name == "__version__":
        from importlib.metadata import version

        return version("soundstage")
    return _load(name)

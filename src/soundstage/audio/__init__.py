"""Sound in files and in memory: reading, writing, resampling, quantization and level.

`Audio` is a whole sound in memory, and `as_audio` makes one of anything that a caller may pass.
`open_sound` and `SoundWriter` stream sounds of any length.
"""

from lazy_loader import attach_stub

__getattr__, __dir__, __all__ = attach_stub(__name__, __file__)

"""What a file holds beside its sound: tags, pictures, chapters, markers, broadcast data.

`read_metadata` reads it, `SoundWriter` carries it into another file, and a `Receipt` says what
arrived and what did not.
"""

from lazy_loader import attach_stub

__getattr__, __dir__, __all__ = attach_stub(__name__, __file__)

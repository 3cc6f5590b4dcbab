"""Text to spatial sound: a description of a scene from words, dry sounds for it, and their render.

- `prompts`: a grammar from a sentence, or the paper's template, to a `SceneDescription`
- `sources`: dry sounds by words: a library, our generators, models of diffusers
- `layout`: where and when each sound plays; `api`: from the sentence to the sound
"""

from lazy_loader import attach_stub

__getattr__, __dir__, __all__ = attach_stub(__name__, __file__)

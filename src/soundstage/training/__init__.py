"""Training: recipes in, weights and their card out; one small file a family of models."""

from lazy_loader import attach_stub

__getattr__, __dir__, __all__ = attach_stub(__name__, __file__)

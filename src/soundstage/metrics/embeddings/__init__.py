"""Embeddings for the Fréchet audio distance; `load_embedding` selects one by name."""

from soundstage.metrics.embeddings.embedding import Embedding, load_embedding

__all__ = ["Embedding", "load_embedding"]

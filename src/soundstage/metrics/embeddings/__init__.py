"""Embeddings: sound as points, for the Fréchet audio distance; `load_embedding` names them all."""

from soundstage.metrics.embeddings.embedding import Embedding, load_embedding

__all__ = ["Embedding", "load_embedding"]

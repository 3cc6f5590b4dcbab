"""Similarity of short texts by static word embeddings: the files of pip wordllama (MIT).

WordLlama (D. L. Miller, 2024) is a table of 32,000 token embeddings of 256 values; a text is the
mean over its tokens, and two texts are compared by the cosine. Only the two files of the package
are read, with `safetensors` and `tokenizers`: its own loader looks for one of them in a folder that
does not exist, and then on the network.
"""

from functools import cache, lru_cache
from importlib.util import find_spec
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Float

from soundstage.errors import WeightsError, reason

PACKAGE = "wordllama"
TABLE = Path("weights") / "l2_supercat_256.safetensors"
TENSOR = "embedding.weight"
TOKENIZER = Path("tokenizers") / "l2_supercat_tokenizer_config.json"
CACHED_LISTS = 16


class WordTable(NamedTuple):
    """Tokenizer and embeddings of its tokens."""

    tokenizer: Any
    embeddings: Float[np.ndarray, "tokens dim"]
    """In half precision."""

    def embed(self, texts: tuple[str, ...]) -> Float[np.ndarray, "texts dim"]:
        """Mean of the token embeddings of each text, of unit norm; zero for an empty text."""
        means = np.zeros((len(texts), self.embeddings.shape[1]), np.float32)
        for mean, text in zip(means, texts, strict=True):
            tokens = self.tokenizer.encode(text.lower(), add_special_tokens=False).ids
            if tokens:
                mean[:] = self.embeddings[tokens].astype(np.float32).mean(axis=0)
        norms = np.linalg.norm(means, axis=1, keepdims=True)
        return means / np.maximum(norms, np.finfo(np.float32).tiny)


def has_word_embeddings() -> bool:
    """Whether wordllama is installed."""
    return word_table() is not None


def phrase_similarities(text: str, phrases: tuple[str, ...]) -> Float[np.ndarray, " phrases"]:
    """Cosine of a text with each phrase; empty if wordllama is not installed."""
    table = word_table()
    if table is None or not phrases:
        return np.zeros(0, np.float32)
    similarities: Float[np.ndarray, " phrases"] = _embedded(phrases) @ table.embed((text,))[0]
    return similarities


@cache
def word_table() -> WordTable | None:
    """The embeddings of the installed wordllama; None if it is not installed.

    Raises:
        WeightsError: its files are missing or damaged.
    """
    package = find_spec(PACKAGE)
    if package is None or not package.submodule_search_locations or not find_spec("tokenizers"):
        return None
    folder = Path(package.submodule_search_locations[0])
    from safetensors.numpy import load_file
    from tokenizers import Tokenizer

    try:
        tokenizer = Tokenizer.from_file(str(folder / TOKENIZER))
        return WordTable(tokenizer, load_file(folder / TABLE)[TENSOR])
    except Exception as error:  # both libraries raise errors of their own
        raise WeightsError(
            f"The files of {PACKAGE} in {folder} cannot be read ({reason(error)}): install "
            f"{PACKAGE} again, or remove it."
        ) from error


@lru_cache(CACHED_LISTS)
def _embedded(phrases: tuple[str, ...]) -> Float[np.ndarray, "phrases dim"]:
    table = word_table()
    assert table is not None
    return table.embed(phrases)

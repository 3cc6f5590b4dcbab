"""The embeddings, made once for all tests of them."""

import pytest

from making_embeddings import make_places
from soundstage.metrics.embeddings.embedding import Embedding, load_embedding


@pytest.fixture(scope="session")
def places(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """Sources for `load_embedding` of all networks, with tiny random weights."""
    return make_places(tmp_path_factory.mktemp("weights"))


@pytest.fixture(scope="session")
def embeddings(places: dict[str, str]) -> dict[str, Embedding]:
    return {name: load_embedding(source) for name, source in places.items()}

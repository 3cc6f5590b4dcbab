"""CLAP against the whole model of transformers."""

import sys
from pathlib import Path

import numpy as np
import pytest
import torch

from making_embeddings import WINDOW, save_clap
from sounds import noise
from soundstage.metrics.embeddings.clap import ClapEmbedding
from soundstage.metrics.embeddings.embedding import load_embedding


@pytest.mark.parametrize("fused", [False, True])
def test_clap_has_the_audio_features_of_the_whole_model(fused: bool, tmp_path: Path) -> None:
    transformers = pytest.importorskip("transformers")
    save_clap(tmp_path, fused=fused)
    model = transformers.ClapModel.from_pretrained(tmp_path).eval()
    extractor = transformers.ClapFeatureExtractor.from_pretrained(tmp_path)
    sound = noise(WINDOW["clap"])
    features = extractor(sound.numpy(), sampling_rate=48_000, return_tensors="pt")
    features["is_longer"] = torch.zeros(1, 1, dtype=torch.bool)
    with torch.inference_mode():
        wanted = model.get_audio_features(**features)
    wanted = getattr(wanted, "pooler_output", wanted)  # a bare tensor before transformers 5
    found = ClapEmbedding.load(str(tmp_path)).embed(sound[None])[0]
    torch.testing.assert_close(found, wanted, atol=1e-5, rtol=1e-4)
    assert found.norm().item() == pytest.approx(1)


def test_fused_clap_is_deterministic(tmp_path: Path) -> None:
    save_clap(tmp_path, fused=True)
    embedding = ClapEmbedding.load(str(tmp_path))
    sound = torch.stack([noise(WINDOW["clap"], seed=seed) for seed in range(3)])
    np.random.seed(0)  # noqa: NPY002 - the generator of transformers
    first = embedding.embed(sound)
    state = np.random.get_state()[2]  # noqa: NPY002
    assert torch.equal(first, embedding.embed(sound))
    assert np.random.get_state()[2] != state  # noqa: NPY002 - it was used, without effect


def test_clap_needs_no_other_audio_library(places, monkeypatch: pytest.MonkeyPatch) -> None:
    for library in ("torchaudio", "librosa", "torchvision"):
        monkeypatch.setitem(sys.modules, library, None)
    load_embedding(places["clap"])

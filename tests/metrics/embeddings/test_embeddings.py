"""What all embeddings have in common."""

import subprocess
import sys

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from making_embeddings import NAMES, SIZE, WINDOW, sounds_of
from sounds import noise
from soundstage.metrics.embeddings.windowing import embed_windows, windows


@pytest.mark.parametrize("name", NAMES)
def test_embeddings_have_their_name_and_size(name: str, embeddings) -> None:
    assert embeddings[name].name == name
    assert embeddings[name].size == SIZE[name]


@pytest.mark.parametrize("name", NAMES)
def test_windows_overlap_by_half_and_only_whole_ones_count(name: str, embeddings) -> None:
    embedding = embeddings[name]
    for length, count in ((1.49, 1), (2, 3)):
        points = embedding.embed(sounds_of(name, length))
        assert points.shape == (2, count, embedding.size)
        assert points.dtype == torch.float32


@pytest.mark.parametrize("name", NAMES)
def test_an_embedding_depends_only_on_its_window(name: str, embeddings) -> None:
    sound, window = sounds_of(name), WINDOW[name]
    points = embeddings[name].embed(sound)
    second = embeddings[name].embed(sound[:, window // 2 : window // 2 + window])
    torch.testing.assert_close(points[:, 1:2], second, atol=1e-5, rtol=1e-4)


@pytest.mark.parametrize("name", NAMES)
def test_embeddings_are_deterministic_and_independent_of_the_batch(name: str, embeddings) -> None:
    sound = sounds_of(name)
    together = embeddings[name].embed(sound)
    assert torch.equal(together, embeddings[name].embed(sound.clone()))
    alone = torch.cat([embeddings[name].embed(one[None]) for one in sound])
    torch.testing.assert_close(together, alone, atol=1e-5, rtol=1e-4)
    assert not torch.allclose(together[0], together[1], atol=1e-4)


@pytest.mark.parametrize("name", NAMES)
def test_short_sound_is_padded_with_silence(name: str, embeddings) -> None:
    short = sounds_of(name, 0.3)
    padded = torch.nn.functional.pad(short, (0, WINDOW[name] - short.shape[1]))
    points = embeddings[name].embed(short)
    assert torch.equal(points, embeddings[name].embed(padded))


@pytest.mark.parametrize("name", NAMES)
def test_silence_and_empty_sound_have_one_finite_embedding(name: str, embeddings) -> None:
    silent = embeddings[name].embed(torch.zeros(1, 2 * WINDOW[name]))
    assert bool(silent.isfinite().all())
    torch.testing.assert_close(silent, silent[:, :1].expand_as(silent), atol=1e-6, rtol=1e-5)
    nothing = embeddings[name].embed(torch.zeros(1, 0))
    torch.testing.assert_close(nothing, silent[:, :1], atol=1e-6, rtol=1e-5)


@given(st.integers(0, 60), st.integers(1, 20), st.integers(1, 20))
def test_windows_are_the_pieces_that_fit(frames: int, length: int, step: int) -> None:
    sound = torch.arange(1.0, frames + 1)
    padded = [*sound.tolist(), *[0.0] * (length - frames)]
    starts = range(0, len(padded) - length + 1, step)
    assert windows(sound, length, step).tolist() == [padded[k : k + length] for k in starts]


@pytest.mark.parametrize("at_once", [1, 3, 100])
def test_windows_embedded_in_parts_keep_their_order(at_once: int) -> None:
    cut = noise(2 * 7 * 5).reshape(2, 7, 5)
    sizes = []

    def network(batch: Tensor) -> Tensor:
        sizes.append(len(batch))
        return torch.stack([batch.sum(-1), batch[:, 0], batch[:, -1]], dim=-1)

    found = embed_windows(network, cut, at_once)
    assert torch.equal(found, torch.stack([cut.sum(-1), cut[..., 0], cut[..., -1]], dim=-1))
    assert max(sizes) <= max(at_once, 2)  # at least one window of both sounds


@pytest.mark.slow
def test_optional_packages_are_loaded_only_on_use() -> None:
    program = (
        "import sys, soundstage.metrics.embeddings as e; e.load_embedding('bands');"
        "sys.exit(bool({'transformers', 'huggingface_hub'} & sys.modules.keys()))"
    )
    assert subprocess.run([sys.executable, "-c", program], check=False).returncode == 0

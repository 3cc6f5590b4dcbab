"""The embeddings of the bundled tagger and of band energies."""

import pytest
import torch

from making_embeddings import WINDOW as WINDOWS
from sounds import drums, noise, song, tone
from soundstage.metrics.embeddings.built_in import (
    TAGGER_SIZE,
    BandEmbedding,
    TaggerEmbedding,
)
from soundstage.metrics.embeddings.built_in import (
    TAGGER_WINDOW as WINDOW,
)

STEP = WINDOW // 2


def test_bands_are_mean_and_deviation_of_the_level_in_db() -> None:
    sound = noise(2 * WINDOWS["bands"], level=0.2)
    quieter = BandEmbedding().embed(sound[None] / 10)
    points = BandEmbedding().embed(sound[None])
    louder = points[..., :34] - quieter[..., :34]
    torch.testing.assert_close(louder, torch.full((1, 3, 34), 20.0), atol=0.1, rtol=0)  # the floor
    torch.testing.assert_close(points[..., 34:], quieter[..., 34:], atol=0.1, rtol=0)


def test_bands_put_a_steady_tone_into_its_band_and_silence_on_the_floor() -> None:
    point = BandEmbedding().embed(tone(WINDOWS["bands"], hz=1000, level=1.0)[None])[0, 0]
    assert 60 < point[:34].max().item() < 62
    assert point[34:].max().item() < 0.5
    silent = BandEmbedding().embed(torch.zeros(1, 1))[0, 0]
    torch.testing.assert_close(silent[:34], torch.full((34,), -20.0))
    assert silent[34:].tolist() == [0] * 34


def test_bands_of_a_long_sound_are_those_of_its_windows() -> None:
    length, step = WINDOWS["bands"], WINDOWS["bands"] // 2
    fading = noise(16 * length) * torch.linspace(1, 0.01, 16 * length)
    points = BandEmbedding().embed(fading[None])[0]
    assert points.shape == (31, 68)
    pieces = torch.stack([fading[k * step : k * step + length] for k in range(31)])
    torch.testing.assert_close(points, BandEmbedding().embed(pieces)[:, 0], atol=1e-3, rtol=1e-4)


def test_logits_of_whole_sounds_are_those_of_the_network(embedding) -> None:
    sound = torch.stack([noise(16_000), drums(16_000)])
    points, logits = embedding.outputs(sound)
    network = embedding._network
    mels = network.mel(sound)
    torch.testing.assert_close(points, network.embed(mels))
    torch.testing.assert_close(logits, network(mels))


@pytest.fixture(scope="module")
def embedding():
    return TaggerEmbedding()


@pytest.mark.parametrize(
    ("frames", "count"),
    [(1, 1), (WINDOW, 1), (WINDOW + STEP - 1, 1), (WINDOW + STEP, 2)],
)
def test_tagger_windows_overlap_by_half(embedding, frames, count):
    assert embedding.embed(noise(2 * frames).view(2, frames)).shape == (2, count, TAGGER_SIZE)


def test_the_tagger_pads_short_sound_with_silence(embedding):
    sound = noise(10_000)[None]
    padded = torch.nn.functional.pad(sound, (0, WINDOW - 10_000))
    assert torch.equal(embedding.embed(sound), embedding.embed(padded))


def test_a_tagger_embedding_depends_only_on_its_window(embedding):
    sound = song(8 * STEP, rate=16_000)[None]
    whole = embedding.embed(sound)
    later = embedding.embed(sound[:, 3 * STEP :])
    assert torch.allclose(whole[:, 3:], later, atol=1e-4)


def test_a_tagger_embedding_is_independent_of_the_batch(embedding):
    one, other = song(5 * STEP, rate=16_000), noise(5 * STEP)
    both = embedding.embed(torch.stack([one, other]))
    assert torch.allclose(both[:1], embedding.embed(one[None]), atol=1e-4)
    assert torch.allclose(both[1:], embedding.embed(other[None]), atol=1e-4)


def test_the_tagger_has_a_finite_embedding_of_silence(embedding):
    points = embedding.embed(torch.zeros(1, 3 * WINDOW))
    assert bool(points.isfinite().all())
    assert torch.allclose(points[0, 0], points[0, -1], atol=1e-4)


def test_similar_sounds_have_closer_tagger_embeddings(embedding):
    kinds = [noise, drums]
    points = torch.stack(
        [embedding.embed(kind(WINDOW, seed=s)[None])[0, 0] for kind in kinds for s in (1, 2)]
    )
    apart = torch.cdist(points, points)
    assert float(apart[0, 1]) < 0.5 * float(apart[0, 2])
    assert float(apart[2, 3]) < 0.5 * float(apart[2, 0])

"""One embedding and one distribution over classes for every clip, of one or two channels."""

import pytest
import torch

from making_embeddings import MOBILE_WIDTH
from sounds import chord, noise
from soundstage.errors import OptionError
from soundstage.metrics.embeddings.clip_tagging import load_clip_tagger
from soundstage.weights import model_card

RATE = 16_000


@pytest.fixture(params=["tagger", "efficientat"], scope="module")
def tagger(request, places):
    return load_clip_tagger(places.get(request.param, request.param))


def stereo(seed: int) -> torch.Tensor:
    return torch.stack([noise(RATE, seed=seed), chord(RATE)])


def test_a_clip_has_one_point_and_probabilities_that_sum_to_one(tagger):
    tags = tagger(torch.stack([stereo(0), stereo(1)]), RATE)
    size, classes = (128, 50) if tagger.name == "tagger" else (MOBILE_WIDTH, 527)
    assert tags.embeddings.shape == (2, size)
    assert tags.probabilities.shape == (2, classes)
    torch.testing.assert_close(tags.probabilities.sum(dim=1), torch.ones(2))


def test_the_two_ears_are_averaged(tagger):
    sound = stereo(0)
    peak = sound.abs().max()
    ears = [tagger(ear[None, None] / ear.abs().max() * peak, RATE) for ear in sound]
    both = tagger(torch.stack([ear / ear.abs().max() for ear in sound])[None], RATE)
    mean = torch.stack([tags.probabilities for tags in ears]).mean(dim=0)
    torch.testing.assert_close(both.probabilities, mean, atol=1e-5, rtol=1e-3)


def test_a_clip_does_not_depend_on_its_level_or_its_batch(tagger):
    sound = torch.stack([stereo(seed) for seed in range(12)])
    tags = tagger(sound, RATE)
    quiet = tagger(0.01 * sound[7:8], RATE)
    torch.testing.assert_close(quiet.embeddings[0], tags.embeddings[7], atol=1e-4, rtol=1e-3)


def test_silence_and_short_clips_have_finite_results(tagger):
    for sound in (torch.zeros(1, 2, RATE), noise(100)[None, None]):
        tags = tagger(sound, RATE)
        assert bool(tags.embeddings.isfinite().all())
        assert bool(tags.probabilities.isfinite().all())


def test_the_bundled_tagger_names_its_classes():
    assert load_clip_tagger().classes == tuple(model_card("tagger")["classes"])
    assert "dog" in load_clip_tagger().classes


def test_an_embedding_without_classes_is_refused():
    with pytest.raises(OptionError, match="'bands' has no classes"):
        load_clip_tagger("bands")

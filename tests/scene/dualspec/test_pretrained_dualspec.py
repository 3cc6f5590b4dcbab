"""The bundled models do what their cards say."""

import pytest
import torch

from soundstage.corpora.spatial_events import AZIMUTHS, RATE
from soundstage.metrics import load_localizer
from soundstage.metrics.embeddings.clip_tagging import load_clip_tagger
from soundstage.networks.models.latent_unet import LATENTS
from soundstage.scene.dualspec.model import load_dualspec
from soundstage.weights import list_models, model_card


def test_every_variant_is_bundled_with_a_card():
    for name in LATENTS:
        assert name in list_models()
        card = model_card(name)
        assert card["recipe"]["variant"] == name
        assert card["bytes"] < 3.1e6
        assert card["license_reading"]
        assert card["recordings"] > 900
        assert len(card["credits"]) > 700  # several clips are from one recording
        assert set(card["licenses"]) == {"CC0", "CC-BY"}


def test_every_variant_has_its_vaes():
    for name in LATENTS:
        model = load_dualspec(name)  # refuses a VAE that is not the one of the training
        assert len(model.classes) == 50


def test_the_ear_of_the_side_is_louder():
    model = load_dualspec("dualspec")
    left, right = model.generate(["dog"] * 2, [90, 270], seeds=[0, 0]).square().mean(dim=2)
    assert left[0] > 2 * left[1]
    assert right[1] > 2 * right[0]


@pytest.mark.slow
def test_events_and_azimuths_are_those_of_the_prompt():
    model, localizer, tagger = load_dualspec("dualspec"), load_localizer(), load_clip_tagger()
    labels = list(model.classes[::2]) + list(model.classes[:11])
    azimuths = [AZIMUTHS[index % 12] for index in range(36)]
    sound = model.generate(labels, azimuths, seeds=list(range(36)))
    found = localizer.azimuths(sound)
    assert (found == torch.tensor(azimuths)).float().mean() > 0.8
    tags = tagger(sound, RATE)
    named = [tagger.classes[int(index)] for index in tags.probabilities.argmax(dim=1)]
    right = sum(name == label for name, label in zip(named, labels, strict=True))
    assert right > 18


@pytest.mark.slow
def test_mono_events_are_those_of_the_prompt():
    model, tagger = load_dualspec("mono-mel"), load_clip_tagger()
    labels = list(model.classes[::2])
    tags = tagger(model.generate(labels, seeds=list(range(25))), RATE)
    named = [tagger.classes[int(index)] for index in tags.probabilities.argmax(dim=1)]
    right = sum(name == label for name, label in zip(named, labels, strict=True))
    assert right > 12

"""Figures of generated binaural clips, with taggers and a localizer of the test's own."""

import math

import pytest
import torch

from sounds import noise
from soundstage.corpora.spatial_events import AZIMUTHS, horizontal_hrirs, spatialize
from soundstage.evaluation.spatial_generation import (
    ClipFeatures,
    ClipMeter,
    LinearProbe,
    event_names,
    figures,
    spatial_prompts,
)
from soundstage.metrics.embeddings.clip_tagging import ClipTagger, Tags
from soundstage.scene.dualspec.prompts import LOCATIONS
from soundstage.scene.prompts.template import location_words

CLASSES = ("cat", "dog", "rain")
RATE = 16_000


class Loudness:
    """A tagger whose embedding is the level, and which calls everything a dog."""

    name, rate, classes = "loudness", RATE, CLASSES

    def outputs(self, sound):
        level = sound.square().mean(dim=1, keepdim=True)
        return torch.cat([level, 2 * level], dim=1), torch.tensor([[0.0, 9.0, 0.0]] * len(sound))


class LevelLocalizer:
    """Names 90° where the left ear is louder, else 270°."""

    def azimuths(self, sound):
        left, right = sound.square().mean(dim=2).unbind(dim=1)
        return torch.where(left > right, 90.0, 270.0)

    def embed(self, sound):
        return sound.square().mean(dim=2).log()


@pytest.fixture(scope="module")
def responses():
    return horizontal_hrirs("kemar")


@pytest.fixture(scope="module")
def meter(responses):
    return ClipMeter([ClipTagger(Loudness())], LevelLocalizer(), responses)


def clips(responses, azimuths):
    sounds = torch.stack([noise(RATE // 2, seed=index) for index in range(len(azimuths))])
    return spatialize(sounds, responses[[AZIMUTHS.index(azimuth) for azimuth in azimuths]])


def features(count, seed=0):
    generator = torch.Generator().manual_seed(seed)
    tags = Tags(
        torch.randn(count, 4, generator=generator),
        torch.randn(count, 3, generator=generator).softmax(dim=1),
    )
    errors = torch.rand(2, count, generator=generator)
    azimuths = torch.tensor([0.0, 30.0] * (count // 2))
    return ClipFeatures({"a": tags, "b": tags}, azimuths, tags.embeddings, *errors)


def test_prompts_are_all_classes_at_all_azimuths_with_equal_kinds_of_location():
    prompts = spatial_prompts(CLASSES)
    places = {(prompt.label, prompt.azimuth) for prompt in prompts}
    assert len(places) == len(prompts) == len(CLASSES) * len(AZIMUTHS)
    assert [prompt.seed for prompt in prompts] == list(range(len(prompts)))
    for location in LOCATIONS:
        azimuths = [prompt.azimuth for prompt in prompts if prompt.location == location]
        assert sorted(azimuths) == list(AZIMUTHS)
    assert prompts[3].text == f"EVENT: cat & LOCATION: {location_words(90, 'doa')}"


def test_half_of_the_prompts_has_all_azimuths_and_kinds_as_well():
    whole, half = spatial_prompts(CLASSES[:2]), spatial_prompts(CLASSES[:2], half=True)
    assert set(half) < set(whole)  # with the same seeds
    assert sorted(prompt.azimuth for prompt in half) == list(AZIMUTHS)
    for label in CLASSES[:2]:
        kinds = [prompt.location for prompt in half if prompt.label == label]
        assert {kinds.count(kind) for kind in LOCATIONS} == {2}


def test_true_clips_have_small_errors_at_their_azimuth_and_large_ones_elsewhere(meter, responses):
    right_place = meter(clips(responses, [90, 270]), [90, 270])
    assert right_place.azimuths.tolist() == [90, 270]
    assert float(right_place.itd_errors.max()) < 60
    assert float(right_place.ild_errors.max()) < 1
    swapped = meter(clips(responses, [90, 270]), [270, 90])
    assert float(swapped.itd_errors.min()) > 800
    assert float(swapped.ild_errors.min()) > 5
    assert right_place.tags["loudness"].probabilities.shape == (2, 3)


def test_features_are_stored_joined_and_selected_by_clip():
    whole = features(6)
    again = ClipFeatures.from_tensors(whole.tensors())
    assert again.tags.keys() == {"a", "b"}
    torch.testing.assert_close(again.tags["b"].probabilities, whole.tags["b"].probabilities)
    mask = torch.tensor([True, False] * 3)
    parts = [whole.select(mask), whole.select(~mask)]
    joined = ClipFeatures.joined(parts)
    torch.testing.assert_close(joined.azimuths, torch.tensor([0.0] * 3 + [30.0] * 3))
    torch.testing.assert_close(joined.ild_errors[:3], whole.ild_errors[::2])
    torch.testing.assert_close(joined.tags["a"].embeddings[3:], whole.tags["a"].embeddings[1::2])


def test_figures_count_names_directions_and_distances():
    prompts = spatial_prompts(["cat"])[:4]  # at 0, 30, 60 and 90 degrees
    made, true = features(4), features(4, seed=1)
    row = figures(made, true, prompts, {"a": ["cat", "dog", "cat", "cat"]})
    assert row["a named"] == 0.75
    assert row["acc"] == 0.5
    assert row["mae"] == 30
    assert row["a fd"] > 0.1
    assert figures(made, made, prompts, {})["a fd"] == pytest.approx(0, abs=1e-6)
    assert figures(made, made, prompts, {})["spatial fd"] == pytest.approx(0, abs=1e-6)
    assert row["b kl"] > 0
    assert row["clips"] == 4


def test_clips_without_a_time_difference_do_not_count_in_its_mean():
    made = features(4)
    errors = torch.tensor([10.0, math.nan, 30.0, math.nan])
    row = figures(made._replace(itd_errors=errors), made, spatial_prompts(["cat"])[:4], {})
    assert row["itd"] == 20


def test_a_wrong_number_of_clips_is_refused():
    with pytest.raises(ValueError, match="3 prompts do not fit 4 clips"):
        figures(features(4), features(4), spatial_prompts(["cat"])[:3], {})


def test_a_linear_probe_names_separate_clouds():
    generator = torch.Generator().manual_seed(0)
    centers = 3 * torch.randn(3, 8, generator=generator)
    labels = [CLASSES[index % 3] for index in range(60)]
    points = centers.repeat(20, 1) + torch.randn(60, 8, generator=generator)
    probe = LinearProbe(points, labels, CLASSES)
    fresh = centers.repeat(20, 1) + torch.randn(60, 8, generator=generator)
    hits = [name == label for name, label in zip(probe(fresh), labels, strict=True)]
    assert sum(hits) > 55


def test_a_tagger_names_its_most_likely_class():
    tags = Tags(torch.zeros(2, 1), torch.tensor([[0.1, 0.2, 0.7], [0.5, 0.4, 0.1]]))
    assert event_names(tags, CLASSES) == ["rain", "cat"]

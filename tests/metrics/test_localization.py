import math

import pytest
import torch

from network_checks import noise
from soundstage.corpora.spatial_events import AZIMUTHS, RATE, horizontal_hrirs, spatialize
from soundstage.errors import WeightsError
from soundstage.metrics.frechet import frechet_distance
from soundstage.metrics.localization import (
    AzimuthLocalizer,
    angular_errors,
    load_localizer,
    localization_scores,
    spatial_errors,
)
from soundstage.networks.models.localizer import LocalizerConfig


@pytest.fixture(scope="module")
def kemar():
    return horizontal_hrirs("kemar")


@pytest.fixture(scope="module")
def localizer():
    return load_localizer()


def bursts(seed=0):
    """0.8 s of noise with pauses, falling with frequency like most sounds."""
    sound = noise(round(0.8 * RATE), seed=seed).cumsum(dim=0)
    sound = sound - torch.nn.functional.avg_pool1d(sound[None], 65, 1, 32)[0]
    return 0.02 * sound * (torch.arange(len(sound)) // 1600 % 3 > 0)


def test_angular_errors_wrap_around():
    true = torch.tensor([0.0, 350.0, 180.0, -90.0, 30.0])
    found = torch.tensor([330.0, 10.0, 0.0, 270.0, 30.0])
    assert angular_errors(found, true).tolist() == [30, 20, 180, 0, 0]


def test_scores_count_classes_confusions_and_sides():
    true = torch.tensor([0.0, 30.0, 60.0, 300.0, 90.0, 180.0])
    found = torch.tensor([180.0, 150.0, 90.0, 60.0, 90.0, 180.0])
    scores = localization_scores(found, true)
    assert scores.accuracy == pytest.approx(2 / 6)
    assert scores.mean_error == pytest.approx((180 + 120 + 30 + 120) / 6)
    assert scores.front_back == pytest.approx(2 / 6)
    assert scores.left_right == pytest.approx(1 / 6)
    assert scores.clips == 6


def test_sources_at_the_side_cannot_be_confused_front_to_back():
    true = torch.tensor([90.0, 90.0, 270.0])
    assert localization_scores(torch.tensor([60.0, 120.0, 90.0]), true).front_back == 0


def test_the_pretrained_localizer_finds_a_bundled_head(localizer, kemar):
    ears = torch.cat([spatialize(bursts(seed), kemar) for seed in range(3)])
    found = localizer.azimuths(ears)
    scores = localization_scores(found, torch.tensor(AZIMUTHS).float().repeat(3))
    assert scores.left_right == 0
    assert scores.accuracy > 0.9


def test_the_ears_decide_the_side(localizer, kemar):
    ears = spatialize(bursts(), kemar)
    mirrored = localizer.azimuths(ears.flip(1))
    expected = -torch.tensor(AZIMUTHS).float() % 360
    assert (angular_errors(mirrored, expected) < 15).float().mean() > 0.8


def test_level_and_silence_around_the_sound_do_not_move_it(localizer, kemar):
    beside = [k for k in range(12) if k % 6]  # ahead and behind differ in their spectra only
    ears = spatialize(bursts(), kemar[beside])
    padded = torch.nn.functional.pad(ears, (RATE, 2 * RATE))
    probabilities = localizer.probabilities(ears)
    assert torch.equal(localizer.azimuths(1e-3 * ears), localizer.azimuths(ears))
    assert torch.equal(localizer.azimuths(padded), localizer.azimuths(ears))
    assert torch.allclose(probabilities.sum(dim=1), torch.ones(10))


def test_probabilities_do_not_depend_on_the_batch(localizer, kemar):
    ears = spatialize(bursts(), kemar).repeat(4, 1, 1)
    together = localizer.probabilities(ears)
    alone = torch.cat([localizer.probabilities(each[None]) for each in ears[:12]])
    torch.testing.assert_close(together[-12:], alone, atol=1e-4, rtol=0)


def test_a_sound_rendered_by_the_head_has_no_spatial_error(localizer, kemar):
    azimuths = [30, 60, 150, 270]
    sounds = [spatialize(bursts(k), kemar[azimuth // 30]) for k, azimuth in enumerate(azimuths)]
    right = spatial_errors(sounds, azimuths, localizer, kemar)
    wrong = spatial_errors(sounds, [150, 300, 30, 90], localizer, kemar)
    assert right.scores.accuracy == 1
    assert right.itd_error < 20
    assert right.ild_error < 1.5
    assert wrong.scores.accuracy == 0
    assert wrong.itd_error > 100
    assert wrong.ild_error > 2 * right.ild_error


def test_the_distance_of_embeddings_grows_when_the_image_collapses(localizer, kemar):
    azimuths = list(AZIMUTHS)
    ears = [spatialize(bursts(seed), kemar) for seed in range(2)]
    one, other = (spatial_errors(each, azimuths, localizer, kemar).pool for each in ears)
    collapsed = ears[1].mean(dim=1, keepdim=True).expand(-1, 2, -1)
    mono = spatial_errors(collapsed, azimuths, localizer, kemar).pool
    assert frechet_distance(one, mono) > 5 * frechet_distance(one, other)


def test_silence_has_no_time_and_level_difference(localizer, kemar):
    errors = spatial_errors([torch.zeros(2, RATE)], [0], localizer, kemar)
    assert math.isnan(errors.itd_error)
    assert math.isnan(errors.ild_error)


def test_azimuths_off_the_grid_and_other_numbers_of_sounds_are_refused(localizer, kemar):
    sound = torch.zeros(2, RATE)
    with pytest.raises(ValueError, match="45"):
        spatial_errors([sound], [45], localizer, kemar)
    with pytest.raises(ValueError, match=r"shorter|longer"):
        spatial_errors([sound], [0, 30], localizer, kemar)
    with pytest.raises(ValueError, match="2 estimates"):
        localization_scores(torch.zeros(2), torch.zeros(3))


def test_double_precision_as_default_changes_nothing(localizer, kemar):
    ears = spatialize(bursts(), kemar)
    before = localizer.probabilities(ears)
    torch.set_default_dtype(torch.float64)
    try:
        after = localizer.probabilities(ears)
    finally:
        torch.set_default_dtype(torch.float32)
    torch.testing.assert_close(after, before)


def test_weights_of_another_family_are_refused():
    with pytest.raises(WeightsError, match="'tagger'"):
        load_localizer("tagger")


def test_a_network_with_other_azimuths_names_them():
    torch.manual_seed(0)
    network = LocalizerConfig(n_azimuths=4).build().eval()
    found = AzimuthLocalizer(network).azimuths(noise(5, 2, RATE))
    assert set(found.tolist()) <= {0.0, 90.0, 180.0, 270.0}

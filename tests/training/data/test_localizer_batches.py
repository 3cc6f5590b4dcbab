from dataclasses import replace

import numpy as np
import pytest
import torch

from network_checks import noise
from soundstage.corpora.spatial_events import AZIMUTHS, RATE
from soundstage.errors import InputError
from soundstage.training.data.localizer_batches import (
    AS_MEASURED,
    HEADS,
    LocalizerBatches,
    head_source,
    open_heads,
)
from soundstage.training.scene_recipes import LocalizerAugmentation
from spheres import write_ssr

PLAIN = LocalizerAugmentation(
    segment_seconds=(0.5, 1.0),
    turn_degrees=0,
    size_ratio=0,
    eq_db=0,
    ear_eq_db=0,
    noise_prob=0,
    bin_noise_prob=0,
)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("data")
    (folder / HEADS).mkdir()
    write_ssr(folder / HEADS / "sphere.wav")
    return folder


def batches(folder, heads=("kemar",), batch_size=24, **changes):
    augmentation = PLAIN.model_copy(update=changes)
    sounds = [noise(length, seed=length) for length in (9_000, 20_000, 40_000)] * 8
    opened = open_heads(heads, folder, augmentation)
    return LocalizerBatches(sounds, opened, batch_size, augmentation, seed=3)


def itd_sign(spectra):
    """Sign of the mean phase below 700 Hz: 1 if the left ear leads."""
    return torch.atan2(spectra[:, 1, 4:20].mean(dim=(1, 2)), spectra[:, 0, 4:20].mean(dim=(1, 2)))


def test_labels_are_azimuths_counterclockwise_also_of_mirrored_heads(folder):
    spectra, labels = batches(folder).draw(0)
    assert spectra.shape[:3] == (24, 4, 256)
    left = (labels > 0) & (labels < 6)
    right = labels > 6
    difference = spectra[:, 3].mean(dim=(1, 2))
    assert (difference[left] > 0.05).all()
    assert (difference[right] < -0.05).all()
    assert (itd_sign(spectra)[left] > 0.1).all()
    assert (itd_sign(spectra)[right] < -0.1).all()
    middle = labels % 6 == 0
    assert (difference[middle].abs() < 0.02).all()


def test_a_batch_depends_on_its_step_only(folder):
    made = batches(folder, noise_prob=0.5, bin_noise_prob=0.5, eq_db=4.0)
    first = made.draw(5)
    made.draw(6)
    again = made.draw(5)
    assert all(torch.equal(*pair) for pair in zip(first, again, strict=True))
    assert not torch.equal(first[1], made.draw(6)[1])


def test_all_azimuths_are_drawn(folder):
    made = batches(folder)
    labels = torch.cat([made.draw(step)[1] for step in range(6)])
    assert set(labels.tolist()) == set(range(len(AZIMUTHS)))


def test_the_first_head_and_the_median_plane_can_be_drawn_more_often(folder):
    plain = batches(folder, ("kemar", "sphere.wav"), batch_size=24)
    labels = torch.cat([replace(plain, median_prob=1.0).draw(step)[1] for step in range(4)])
    assert set(labels.tolist()) == {0, 6}
    marked = plain.heads.clone()
    marked[0, AS_MEASURED], marked[1:] = 0, 1
    marked[0, :AS_MEASURED], marked[0, AS_MEASURED + 1 :] = 1, 1
    spectra, _ = replace(plain, heads=marked, first_head_prob=1.0).draw(0)
    assert not spectra[:, :2].any()  # silent, so that only this variant is drawn


@pytest.mark.parametrize(
    ("changes", "channels"),
    [
        ({"eq_db": 6.0}, [2]),
        ({"ear_eq_db": 3.0}, [3]),
        ({"bin_noise_prob": 1.0}, [0, 1, 2, 3]),
        ({"noise_prob": 1.0}, [0, 1, 2, 3]),
    ],
)
def test_each_augmentation_changes_its_channels(folder, changes, channels):
    plain, changed = batches(folder).draw(1)[0], batches(folder, **changes).draw(1)[0]
    moved = [k for k in range(4) if not torch.allclose(plain[:, k], changed[:, k], atol=1e-5)]
    assert moved == channels


def test_noise_has_the_given_ratio(folder):
    sound = [torch.ones(RATE // 2)] * 4
    augmentation = PLAIN.model_copy(update={"noise_prob": 1.0, "noise_db": (20.0, 20.0)})
    made = LocalizerBatches(sound, open_heads(["kemar"], folder, PLAIN), 4, augmentation, 0)
    ears = noise(4, 2, RATE)
    noisy = made._with_noise(ears.clone(), np.random.default_rng(0))
    ratio = (noisy - ears).square().mean(dim=(1, 2)) / ears.square().mean(dim=(1, 2))
    np.testing.assert_allclose(10 * torch.log10(ratio), -20, atol=0.2)


def test_heads_are_turned_and_scaled(folder):
    one = open_heads(["kemar"], folder, PLAIN)
    augmentation = PLAIN.model_copy(update={"turn_degrees": 8.0, "size_ratio": 0.1})
    many = open_heads(["kemar", "sphere.wav"], folder, augmentation)
    assert many.shape == (2, 15, 12, 2, 256)
    torch.testing.assert_close(many[0, AS_MEASURED], one[0, AS_MEASURED], atol=0.01, rtol=0)
    onsets = many[0].abs().argmax(dim=-1)
    delays = (onsets[..., 1] - onsets[..., 0]).float()
    small, same, large = delays.reshape(3, 5, 12)[:, 2, 2:5].mean(dim=-1)
    assert small < same < large
    ahead = many[0, 5:10, 0].square().sum(dim=-1)
    assert (10 * torch.log10(ahead[:, 0] / ahead[:, 1])).diff().gt(0.2).all()


def test_a_short_clip_is_padded_and_a_long_one_is_cut_where_it_is_loud(folder):
    made, random = batches(folder), np.random.default_rng(0)
    short = made._segment(torch.ones(100), 400, random)
    assert short.shape == (400,)
    assert short.sum() == 100
    sound = torch.zeros(3000)
    sound[1000:2000] = 1
    loud = [float(made._segment(sound, 500, random).sum()) for _ in range(30)]
    assert np.mean(loud) > 250  # a third of the sound is loud


def test_a_missing_head_is_named_with_its_place(tmp_path):
    with pytest.raises(InputError, match=r"heads/gone.sofa: HRTF set not found"):
        head_source("gone.sofa", tmp_path)
    assert head_source("kemar", tmp_path) == "kemar"

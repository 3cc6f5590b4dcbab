import numpy as np
import pytest
import torch

from feature_files import random_iid_columns, write_cache
from soundstage.corpora.feature_cache import load_features
from soundstage.errors import InputError
from soundstage.stereo import BANDS
from soundstage.stereo.features import MIN_LEVEL_DB
from soundstage.training.data.feature_batches import (
    FeatureBatches,
    apply_gain,
    consecutive_segments,
    open_features,
)


def write(path, lengths, seed):
    write_cache(path, lengths, seed, make=random_iid_columns)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("features")
    write(folder / "train.safetensors", [900, 700, 12], seed=1)
    write(folder / "valid.safetensors", [300], seed=50)
    write(folder / "test.safetensors", [300], seed=90)
    return folder


def batches(folder, **changes):
    settings = {"frames": 16, "batch_size": 8, "gain_db": 0, "seed": 3}
    return FeatureBatches(open_features(folder).train, **{**settings, **changes})


def test_a_folder_is_divided_into_training_and_validation_and_the_test_part_stays_closed(
    folder, monkeypatch
):
    opened = []
    monkeypatch.setattr(
        "soundstage.training.data.feature_batches.load_features",
        lambda path: opened.append(path.name) or load_features(path),
    )
    dataset = open_features(folder)
    assert sorted(opened) == ["train.safetensors", "valid.safetensors"]
    assert dataset.description == "1,612 frames of 3 tracks"
    assert dataset.n_valid == 1


def test_the_digest_depends_on_the_features(folder, tmp_path):
    write(tmp_path / "train.safetensors", [900, 700, 12], seed=1)
    one = open_features(tmp_path).digest()
    write(tmp_path / "valid.safetensors", [300], seed=50)
    assert open_features(tmp_path).digest() == open_features(folder).digest() != one


def test_a_track_at_several_speeds_counts_once_in_the_card(tmp_path):
    for name in ("train", "train-0.9"):
        write(tmp_path / f"{name}.safetensors", [300, 200], seed=1)
    facts = open_features(tmp_path).facts()
    assert facts["data"] == "2 stereo tracks by 1 artists; see licenses and credits"
    assert facts["recordings"] == 2
    assert facts["licenses"] == {"CC0": 1}


def test_a_folder_without_features_is_refused(tmp_path):
    (tmp_path / "a.wav").write_text("a sound")
    with pytest.raises(InputError, match="contains no features"):
        open_features(tmp_path)
    with pytest.raises(InputError, match="no such folder"):
        open_features(tmp_path / "none")


def test_tracks_that_are_all_shorter_than_an_example_are_refused(tmp_path):
    write(tmp_path / "train.safetensors", [15, 12], seed=1)
    with pytest.raises(InputError, match="16 frames"):
        batches(tmp_path)


def test_a_batch_depends_on_its_step_alone(folder):
    one, other = batches(folder, gain_db=6), batches(folder, gain_db=6)
    one.draw(7)
    assert all(map(torch.equal, one.draw(4), other.draw(4)))
    assert not torch.equal(one.draw(5)[0], other.draw(4)[0])


def test_examples_are_segments_of_one_track_swapped_in_half_of_the_draws(folder):
    cache = load_features(folder / "train.safetensors")
    iid, coherence = cache.iid.float(), cache.coherence.float()
    swapped = []
    for step in range(40):
        for levels, targets in zip(*batches(folder).draw(step), strict=True):
            (start,) = (cache.levels.float() == levels[0]).all(dim=1).nonzero()[:, 0].tolist()
            track = int(torch.searchsorted(cache.ends, start, right=True))
            assert start + 16 <= int(cache.ends[track])
            assert torch.equal(targets[:, BANDS:], coherence[start : start + 16])
            true = 0.15 * iid[start : start + 16]
            sign = float(torch.sign(targets[0, 0] * true[0, 0]))
            assert torch.equal(targets[:, :BANDS], sign * true)
            swapped.append(sign < 0)
    assert 0.4 < np.mean(swapped) < 0.6


def test_a_track_of_the_length_of_an_example_is_used_from_its_start(tmp_path):
    write(tmp_path / "train.safetensors", [16, 16, 16], seed=1)
    cache = load_features(tmp_path / "train.safetensors")
    tracks = [levels.float() for levels in cache.levels.split(16)]
    drawn = torch.cat([batches(tmp_path).draw(step)[0] for step in range(4)])
    found = [[torch.equal(levels, track) for track in tracks].index(True) for levels in drawn]
    assert set(found) == {0, 1, 2}


def test_a_gain_shifts_levels_and_leaves_silence():
    levels = torch.tensor([[MIN_LEVEL_DB, -99.0, -30.0]])
    assert torch.equal(apply_gain(levels, 6.0), torch.tensor([[MIN_LEVEL_DB, -93.0, -24.0]]))
    softer = torch.tensor([[MIN_LEVEL_DB, MIN_LEVEL_DB, -36.0]])
    assert torch.equal(apply_gain(levels, -6.0), softer)


def test_consecutive_segments_cover_each_frame_once(folder):
    valid = open_features(folder).valid
    parts = list(consecutive_segments(valid, 16))
    assert [levels.shape[1] for levels, _ in parts] == [16] * 18 + [12]
    targets = torch.cat([targets[0] for _, targets in parts])
    assert torch.equal(targets[:, BANDS:], valid[0].coherence.float())

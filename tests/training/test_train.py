import hashlib
import json
from pathlib import Path

import numpy as np
import pytest
import soundfile
import torch
from safetensors.torch import load_file

from soundstage.errors import InputError, OutputError
from soundstage.metrics.frechet import GaussianPool, merged
from soundstage.stereo import BANDS, dequantize
from soundstage.training import DecorrelateRecipe, NearestRecipe, load_recipe, train
from soundstage.training.recipes import ParameterPoolRecipe
from soundstage.training.tasks.tables import track_pool

RATE = 44_100
NEAREST = NearestRecipe(family="nearest", pairs=30)


def panned_noise(level_difference, seconds=2.0, seed=0):
    generator = np.random.default_rng(seed)
    noise = 0.1 * generator.standard_normal(round(seconds * RATE))
    return np.stack([noise * 10 ** (level_difference / 20), noise], axis=1)


@pytest.fixture
def tracks(tmp_path):
    folder = tmp_path / "tracks"
    (folder / "deeper").mkdir(parents=True)
    for index, level in enumerate([6.0, -10.0, 2.0]):
        place = folder / "deeper" if index else folder
        soundfile.write(place / f"{index}.wav", panned_noise(level, seed=index), RATE)
    return folder


def test_pairs_have_the_parameters_of_their_track(tracks, tmp_path):
    target = tmp_path / "own.safetensors"
    result = train(NEAREST, tracks, target)
    assert (result.recordings, result.skipped) == (3, [])
    tensors = load_file(target)
    assert tensors["keys"].shape == tensors["tokens"].shape == (30, BANDS)
    iid, coherence = dequantize(tensors["tokens"])
    by_track = iid.reshape(3, 10, BANDS)
    assert torch.equal(by_track[0], torch.full((10, BANDS), 6.0))
    assert torch.equal(by_track[1], torch.full((10, BANDS), -10.0))
    assert bool((coherence == 1).all())


@pytest.mark.slow
def test_the_file_is_the_same_for_any_number_of_jobs(tracks, tmp_path):
    files = []
    for jobs in (1, 2):
        target = tmp_path / f"{jobs}.safetensors"
        train(NEAREST, tracks, target, jobs=jobs)
        files.append(target.read_bytes())
    assert files[0] == files[1]


def test_tracks_that_cannot_be_used_are_skipped(tracks, tmp_path):
    mono = panned_noise(0.0)
    soundfile.write(tracks / "dual.wav", mono, RATE)
    soundfile.write(tracks / "mono.wav", mono[:, 0], RATE)
    soundfile.write(tracks / "short.wav", panned_noise(6.0, seconds=0.1), RATE)
    (tracks / "broken.wav").write_text("not audio")
    fractions = []
    target = tmp_path / "own.safetensors"
    result = train(NEAREST, tracks, target, progress=fractions.append)
    assert result.recordings == 3
    names = ("dual", "mono", "short", "broken")
    assert len(result.skipped) == 4
    assert all(name in str(result.skipped) for name in names)
    assert fractions == sorted(fractions)
    assert fractions[-1] == 1


def test_the_mean_coherence_is_measured(tmp_path):
    generator = np.random.default_rng(0)
    common, left, right = 0.1 * generator.standard_normal((3, 20 * RATE))
    (tmp_path / "tracks").mkdir()
    mixed = np.stack([common + left, common + right], axis=1)
    soundfile.write(tmp_path / "tracks" / "a.wav", mixed, RATE)
    target = tmp_path / "own.safetensors"
    train(DecorrelateRecipe(family="decorrelate"), tmp_path / "tracks", target)
    coherence = load_file(target)["coherence"]
    # The estimate from the 3 bins of a narrow band is a little low; that of a wide band hardly
    assert torch.allclose(coherence[10:], torch.tensor(0.5), atol=0.03)
    assert torch.allclose(coherence[:10], torch.tensor(0.5), atol=0.12)


def test_the_parameter_pool_is_that_of_all_frames(tracks, tmp_path):
    target = tmp_path / "own.safetensors"
    train(ParameterPoolRecipe(family="parameter-pool"), tracks / "deeper", target)
    pool = GaussianPool.from_tensors(load_file(target))
    expected = merged(track_pool(path) for path in sorted((tracks / "deeper").glob("*.wav")))
    np.testing.assert_allclose(pool.mean(), expected.mean())
    np.testing.assert_allclose(pool.covariance(), expected.covariance())


def test_the_card_has_recipe_digest_and_credits(tracks, tmp_path):
    lines = "file,title,artist,license\n0.wav,First,Somebody,CC0-1.0\nother.wav,X,Y,Z\n"
    (tracks / "manifest.csv").write_text(lines)
    target = tmp_path / "own.safetensors"
    recipe = load_recipe(Path(__file__).parents[2] / "recipes" / "nearest.yaml", pairs=30)
    card = json.loads(train(recipe, tracks, target).card.read_text())
    assert card["sha256"] == hashlib.sha256(target.read_bytes()).hexdigest()
    assert card["recipe"] == {"family": "nearest", "pairs": 30, "seed": 0}
    assert card["credits"] == [{"title": "First", "artist": "Somebody", "license": "CC0-1.0"}]
    assert card["data"] == "3 stereo tracks by 1 artists; see licenses and credits"
    assert card["paper"].startswith("PS-NN")


@pytest.mark.parametrize("name", ["own.safetensors", "own.json"])
def test_an_existing_file_is_not_overwritten(tracks, tmp_path, name):
    (tmp_path / name).write_bytes(b"mine")
    with pytest.raises(OutputError, match="exists"):
        train(NEAREST, tracks, tmp_path / "own.safetensors")
    assert (tmp_path / name).read_bytes() == b"mine"


def test_a_folder_without_stereo_is_refused(tmp_path):
    (tmp_path / "empty").mkdir()
    soundfile.write(tmp_path / "empty" / "mono.wav", np.zeros(10), RATE)
    with pytest.raises(InputError, match="no stereo file"):
        train(NEAREST, tmp_path / "empty", tmp_path / "x.safetensors")

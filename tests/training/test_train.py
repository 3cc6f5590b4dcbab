import json

import numpy as np
import pytest
import soundfile
import torch

from soundstage.errors import InputError, OutputError
from soundstage.stereo import BANDS, dequantize
from soundstage.training import DecorrelateRecipe, NearestRecipe, train
from soundstage.upmixing import load_method, make_side
from soundstage.upmixing.methods.nearest import NearestPredictor

RATE = 44_100


def panned_noise(level_difference, seconds=2.0, seed=0):
    generator = np.random.default_rng(seed)
    noise = 0.1 * generator.standard_normal(round(seconds * RATE))
    return np.stack([noise * 10 ** (level_difference / 20), noise], axis=1)


@pytest.fixture
def records(tmp_path):
    folder = tmp_path / "records"
    (folder / "deeper").mkdir(parents=True)
    for index, level in enumerate([6.0, -10.0, 2.0]):
        place = folder / "deeper" if index else folder
        soundfile.write(place / f"{index}.wav", panned_noise(level, seed=index), RATE)
    return folder


def test_pairs_hold_the_parameters_of_their_record(records, tmp_path):
    target = tmp_path / "own.safetensors"
    result = train(NearestRecipe(family="nearest", pairs=30), records, target)
    assert (result.records, result.left_out) == (3, [])
    predictor = NearestPredictor.load(str(target))
    assert predictor.pairs == 30
    iid, coherence = dequantize(predictor._tokens)
    by_record = iid.reshape(3, 10, BANDS)
    assert torch.equal(by_record[0], torch.full((10, BANDS), 6.0))
    assert torch.equal(by_record[1], torch.full((10, BANDS), -10.0))
    assert bool((coherence == 1).all())


def test_the_same_records_give_the_same_file_for_any_number_of_workers(records, tmp_path):
    recipe = NearestRecipe(family="nearest", pairs=30)
    files = []
    for workers in (1, 2):
        target = tmp_path / f"{workers}.safetensors"
        train(recipe, records, target, workers=workers)
        files.append(target.read_bytes())
    assert files[0] == files[1]


def test_records_that_cannot_be_used_are_named_and_the_rest_goes_on(records, tmp_path):
    mono = panned_noise(0.0)
    soundfile.write(records / "dual.wav", mono, RATE)
    soundfile.write(records / "mono.wav", mono[:, 0], RATE)
    soundfile.write(records / "short.wav", panned_noise(6.0, seconds=0.1), RATE)
    (records / "broken.wav").write_text("not audio")
    recipe = NearestRecipe(family="nearest", pairs=30)
    result = train(recipe, records, tmp_path / "own.safetensors")
    assert result.records == 3
    named = {name for name in ("dual", "mono", "short", "broken") if name in str(result.left_out)}
    assert named == {"dual", "mono", "short", "broken"}
    assert len(result.left_out) == 4


def test_the_mean_coherence_is_measured(tmp_path):
    generator = np.random.default_rng(0)
    common, left, right = 0.1 * generator.standard_normal((3, 20 * RATE))
    mixed = np.stack([common + left, common + right], axis=1)  # coherence 1/2 everywhere
    (tmp_path / "records").mkdir()
    soundfile.write(tmp_path / "records" / "a.wav", mixed, RATE)
    target = tmp_path / "own.safetensors"
    train(DecorrelateRecipe(family="decorrelate"), tmp_path / "records", target)
    from safetensors.torch import load_file

    coherence = load_file(target)["coherence"]
    # a band of 3 bins in a frame scatters, and its mean is a little low; wide bands hardly
    assert torch.allclose(coherence[10:], torch.tensor(0.5), atol=0.03)
    assert torch.allclose(coherence[:10], torch.tensor(0.5), atol=0.12)


def test_weights_of_ones_own_are_used(records, tmp_path):
    target = tmp_path / "own.safetensors"
    left = tmp_path / "left"
    left.mkdir()
    soundfile.write(left / "a.wav", panned_noise(10.0), RATE)
    train(NearestRecipe(family="nearest", pairs=10), left, target)
    mid = torch.from_numpy(panned_noise(0.0, seed=5)[:, 0]).float()
    side = make_side(load_method("nearest", weights=str(target)), mid)[0]
    c = 10 ** (10 / 20)
    wanted = (c - 1) / (c + 1)  # a source 10 dB to the left: S = (c−1)/(c+1)·M
    gain = (side @ mid) / (mid @ mid)
    assert gain.item() == pytest.approx(wanted, abs=0.02)


def test_the_card_carries_recipe_digest_and_credits(records, tmp_path):
    lines = "file,title,artist,license\n0.wav,First,Somebody,CC0-1.0\nother.wav,X,Y,Z\n"
    (records / "manifest.csv").write_text(lines)
    target = tmp_path / "own.safetensors"
    result = train(NearestRecipe(family="nearest", pairs=30, seed=4), records, target)
    card = json.loads(result.card.read_text())
    import hashlib

    assert card["sha256"] == hashlib.sha256(target.read_bytes()).hexdigest()
    assert card["recipe"] == {"family": "nearest", "pairs": 30, "seed": 4}
    assert card["credits"] == [{"title": "First", "artist": "Somebody", "license": "CC0-1.0"}]


def test_an_existing_file_is_kept_unless_asked(records, tmp_path):
    target = tmp_path / "own.safetensors"
    target.write_bytes(b"mine")
    with pytest.raises(OutputError, match="exists"):
        train(NearestRecipe(family="nearest", pairs=3), records, target)
    assert target.read_bytes() == b"mine"


def test_a_stranger_s_json_is_not_taken_for_the_card(records, tmp_path):
    (tmp_path / "own.json").write_text("mine")
    with pytest.raises(OutputError, match="exists"):
        train(NearestRecipe(family="nearest", pairs=3), records, tmp_path / "own.safetensors")
    assert (tmp_path / "own.json").read_text() == "mine"


def test_the_card_describes_the_records_it_was_given(records, tmp_path):
    from pathlib import Path

    from soundstage.training import load_recipe

    recipe = load_recipe(Path(__file__).parents[2] / "recipes" / "nearest.yaml", pairs=3)
    card = json.loads(train(recipe, records, tmp_path / "own.safetensors").card.read_text())
    assert card["data"].startswith("3 stereo records, without a manifest")
    assert card["paper"].startswith("PS-NN")


def test_a_folder_without_stereo_is_refused(tmp_path):
    (tmp_path / "empty").mkdir()
    soundfile.write(tmp_path / "empty" / "mono.wav", np.zeros(10), RATE)
    with pytest.raises(InputError, match="no stereo file"):
        train(
            NearestRecipe(family="nearest", pairs=3), tmp_path / "empty", tmp_path / "x.safetensors"
        )

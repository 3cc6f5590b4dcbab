import json
from pathlib import Path

import numpy as np
import pytest
import torch
import yaml

from killing import kill_training
from soundstage.corpora.feature_cache import RecordColumns, load_features, save_features
from soundstage.errors import InputError, OptionError, OutputError
from soundstage.networks.backbones.transformer import TransformerConfig
from soundstage.networks.models.stereo_regression import StereoRegression
from soundstage.stereo import BANDS
from soundstage.stereo.features import FEATURES, LEVELS, MIN_LEVEL_DB
from soundstage.training.checkpoints import checkpoint_path
from soundstage.training.data.feature_batches import (
    FeatureBatches,
    held_out_patches,
    louder,
    open_caches,
)
from soundstage.training.recipes import RegressionRecipe, load_recipe
from soundstage.training.run import train
from soundstage.training.tasks.regression import RegressionTask
from soundstage.upmixing.methods.regression import RegressionPredictor

RECIPES = Path(__file__).parents[2] / "recipes"
CONTENT = {
    "family": "regression",
    "size": {"blocks": 1, "width": 16, "heads": 2, "expansion": 2},
    "patch": 16,
    "gain": 6,
    "loop": {
        "epochs": 12,
        "batch": 8,
        "learning_rate": 0.01,
        "warmup": 4,
        "ema": 0.5,
        "validate_every": 1,
        "checkpoint_seconds": 0,
    },
}


def recipe(**changes):
    return RegressionRecipe.model_validate({**CONTENT, **changes})


def columns(frames, seed):
    """Coherence follows the slope of the spectrum; level differences follow nothing."""
    random = np.random.default_rng(seed)
    slope = np.repeat(random.uniform(-1, 1, (frames // 8 + 1, 1)), 8, axis=0)[:frames]
    levels = -58 + 20 * slope * np.linspace(-1, 1, LEVELS) + random.normal(0, 1, (frames, LEVELS))
    coherence = np.broadcast_to(0.5 + 0.4 * slope, (frames, BANDS))
    iid = random.choice([-6.0, 6.0], (frames, BANDS))
    return RecordColumns(
        np.zeros((frames, BANDS), np.uint8),
        *(each.astype(np.float16) for each in (iid, coherence, levels)),
    )


def write_cache(path, lengths, seed):
    save_features(
        path,
        [columns(frames, seed + index) for index, frames in enumerate(lengths)],
        names=[f"{index}.wav" for index in range(len(lengths))],
        credits=[{"title": "One", "artist": "Ann", "license": "CC0"}],
        fingerprint=bytes([seed] * 32),
    )


@pytest.fixture(scope="module")
def features(tmp_path_factory):
    folder = tmp_path_factory.mktemp("features")
    write_cache(folder / "train.safetensors", [900, 700, 12], seed=1)
    write_cache(folder / "valid.safetensors", [300], seed=50)
    write_cache(folder / "test.safetensors", [300], seed=90)
    return folder


@pytest.fixture(scope="module")
def trained(features, tmp_path_factory):
    output = tmp_path_factory.mktemp("trained") / "mine.safetensors"
    lines = []
    result = train(recipe(), features, output, device="cpu", say=lines.append)
    return result, lines


def test_what_can_be_told_is_learned_and_what_has_no_side_goes_to_the_middle(trained, features):
    held = load_features(features / "valid.safetensors")
    predictor = RegressionPredictor.load(str(trained[0].weights))
    told = predictor._network(held.levels.float()[None])[0].detach()
    iid, coherence = told.split(BANDS, dim=1)
    error = (coherence - held.coherence.float()).square().mean()
    assert float(error) < 0.15 * float(held.coherence.float().var())
    assert float(iid.abs().mean()) < 0.1  # the truth is 0.15 times 6 dB, left or right


def test_the_card_says_what_was_learned_from_and_how_far(trained):
    card = json.loads(trained[0].card.read_text())
    assert card["data"] == "3 stereo records by 1 artists; see licenses and credits"
    assert card["records"] == trained[0].records == 3
    assert card["validation"]["records"] == 1
    assert 0.4 < card["validation"]["mse"] < 0.5  # half of (0.15 · 6)², and little more
    assert card["recipe"]["size"]["width"] == 16
    assert card["licenses"] == {"CC0": 1}
    assert card["trained"]["steps"] == 12 * 12


def test_the_plan_is_told_and_the_log_has_a_line_for_every_epoch(trained):
    assert "1,612 frames of 3 records, 12 epochs of 12 steps of 8 × 16 frames" in trained[1][0]
    log = trained[0].weights.with_suffix(".csv").read_text().splitlines()
    assert len(log) == 13
    assert not checkpoint_path(trained[0].weights).exists()


def test_a_killed_run_ends_with_the_same_file(trained, features, tmp_path):
    output = kill_training(CONTENT, features, tmp_path)
    train(recipe(), features, output, device="cpu")
    assert output.read_bytes() == trained[0].weights.read_bytes()


def test_other_features_do_not_go_on_from_the_checkpoint(features, tmp_path):
    class Stopped(Exception):
        pass

    def stop(done, total):
        raise Stopped

    output = tmp_path / "mine.safetensors"
    with pytest.raises(Stopped):
        train(recipe(), features, output, device="cpu", progress=stop)
    other = tmp_path / "other"
    other.mkdir()
    write_cache(other / "train.safetensors", [900, 700, 12], seed=2)
    for data, changed in ((other, recipe()), (features, recipe(gain=3))):
        with pytest.raises(OptionError, match="another recipe"):
            train(changed, data, output, device="cpu")


def test_nothing_needs_to_be_held_out(tmp_path):
    write_cache(tmp_path / "mine.safetensors", [200], seed=1)
    loop = {**CONTENT["loop"], "epochs": 1}
    result = train(recipe(loop=loop), tmp_path, tmp_path / "out.safetensors", device="cpu")
    assert "validation" not in json.loads(result.card.read_text())


def test_a_folder_of_sound_is_refused_with_what_to_do(tmp_path):
    (tmp_path / "a.wav").write_text("a sound")
    with pytest.raises(InputError, match="soundstage prepare"):
        train(recipe(), tmp_path, tmp_path / "out.safetensors")
    with pytest.raises(InputError, match="no such folder"):
        train(recipe(), tmp_path / "none", tmp_path / "out.safetensors")


def test_records_shorter_than_an_example_are_refused_when_there_are_no_others(tmp_path):
    write_cache(tmp_path / "train.safetensors", [15, 12], seed=1)
    with pytest.raises(InputError, match="16 frames"):
        train(recipe(), tmp_path, tmp_path / "out.safetensors")


def test_a_log_of_somebody_else_is_not_overwritten(features, tmp_path):
    (tmp_path / "mine.csv").write_text("mine")
    with pytest.raises(OutputError, match="exists"):
        train(recipe(), features, tmp_path / "mine.safetensors")


def batches(features, **changes):
    learned, _ = open_caches(features)
    return FeatureBatches(learned, **{"patch": 16, "size": 8, "gain": 6, "seed": 3, **changes})


def test_a_batch_depends_on_its_step_alone(features):
    one, other = batches(features), batches(features)
    one.draw(7)
    assert all(map(torch.equal, one.draw(4), other.draw(4)))
    assert not torch.equal(one.draw(5)[0], other.draw(4)[0])


def test_examples_are_stretches_of_one_record(features):
    cache = load_features(features / "train.safetensors")
    whole = cache.coherence.float()
    for step in range(20):
        levels, targets = batches(features, gain=0).draw(step)
        for level, target in zip(levels, targets, strict=True):
            rows = (cache.levels.float() == level[0]).all(dim=1).nonzero()[:, 0].tolist()
            (start,) = rows
            assert torch.equal(target[:, BANDS:], whole[start : start + 16])
            record = int(torch.searchsorted(cache.ends, start, right=True))
            assert start + 16 <= int(cache.ends[record])


def test_a_record_as_long_as_an_example_is_shown_from_its_start(tmp_path):
    write_cache(tmp_path / "train.safetensors", [16, 16, 16], seed=1)
    cache = load_features(tmp_path / "train.safetensors")
    wanted = [levels.float() for levels in cache.levels.split(16)]
    drawn = torch.cat([batches(tmp_path, gain=0).draw(step)[0] for step in range(4)])
    shown = [[torch.equal(levels, whole) for whole in wanted].index(True) for levels in drawn]
    assert set(shown) == {0, 1, 2}


def test_left_and_right_are_switched_in_half_of_the_examples(features):
    cache = load_features(features / "train.safetensors")
    switched = []
    for step in range(40):
        levels, targets = batches(features, gain=0).draw(step)
        for level, target in zip(levels, targets, strict=True):
            start = int((cache.levels.float() == level[0]).all(dim=1).nonzero()[0, 0])
            true = 0.15 * cache.iid[start : start + 16].float()
            sign = float(torch.sign(target[0, 0] * true[0, 0]))
            assert torch.equal(target[:, :BANDS], sign * true)
            switched.append(sign < 0)
    assert 0.4 < np.mean(switched) < 0.6


def test_a_gain_moves_every_level_and_no_silence():
    levels = torch.tensor([[MIN_LEVEL_DB, -99.0, -30.0]])
    assert torch.equal(louder(levels, 6.0), torch.tensor([[MIN_LEVEL_DB, -93.0, -24.0]]))
    assert torch.equal(louder(levels, -6.0), torch.tensor([[MIN_LEVEL_DB, MIN_LEVEL_DB, -36.0]]))


def test_each_frame_that_is_held_out_is_shown_once(features):
    _, held_out = open_caches(features)
    parts = list(held_out_patches(held_out, 16))
    assert [levels.shape[1] for levels, _ in parts] == [16] * 18 + [12]
    shown = torch.cat([targets[0] for _, targets in parts])
    assert torch.equal(shown[:, BANDS:], held_out[0].coherence.float())


def test_the_test_split_is_never_opened(features, monkeypatch):
    opened = []
    monkeypatch.setattr(
        "soundstage.training.data.feature_batches.load_features",
        lambda path: opened.append(path.name) or load_features(path),
    )
    open_caches(features)
    assert sorted(opened) == ["train.safetensors", "valid.safetensors"]


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"sise": {}}, "sise: Extra"),
        ({"size": {"depth": 3}}, r"depth: Extra"),
        ({"size": {"width": 10, "heads": 4}}, "cannot share"),
        ({"patch": 2}, "patch"),
        ({"dropout": 1.0}, "dropout"),
    ],
)
def test_what_does_not_fit_a_regression_is_refused(tmp_path, changes, says):
    path = tmp_path / "recipe.yaml"
    path.write_text(yaml.safe_dump({**CONTENT, **changes}))
    with pytest.raises(OptionError, match=says) as caught:
        load_recipe(path)
    assert "\n" not in str(caught.value)


def test_the_recipe_of_the_paper_has_its_numbers_and_runs_a_few_steps(features):
    paper = load_recipe(RECIPES / "regression-paper.yaml")
    assert paper.size.model_dump() == {"blocks": 7, "width": 512, "heads": 16, "expansion": 3}
    assert (paper.loop.epochs, paper.loop.batch, paper.loop.learning_rate) == (700, 128, 1e-4)
    model = StereoRegression(LEVELS, FEATURES, TransformerConfig(**paper.size.model_dump()))
    count = sum(each.numel() for each in model.parameters())
    assert 19e6 < count < 20e6
    drawn = batches(features, size=4)
    task = RegressionTask(model, drawn, [], paper.patch)
    optimizer = torch.optim.Adam(model.parameters(), lr=paper.loop.learning_rate)
    losses = []
    for _ in range(4):
        loss = task.loss(*task.batch(0))
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(float(loss.detach()))
    assert losses[-1] < losses[0]


def test_the_shipped_recipe_is_small_enough_to_ship():
    shipped = load_recipe(RECIPES / "regression.yaml")
    size = TransformerConfig(**shipped.size.model_dump())
    count = sum(each.numel() for each in StereoRegression(LEVELS, FEATURES, size).parameters())
    assert 2 * count < 15e6

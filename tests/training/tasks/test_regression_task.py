import hashlib
import json
from pathlib import Path

import pytest
import torch

from feature_files import random_iid_columns, write_cache
from killing import kill_training
from soundstage.corpora.feature_cache import load_features
from soundstage.errors import InputError, OptionError, OutputError
from soundstage.networks.models.stereo_regression import StereoRegressionConfig
from soundstage.stereo import BANDS
from soundstage.training import load_recipe, train
from soundstage.training.checkpoints import checkpoint_path
from soundstage.training.tasks.regression import RegressionTask
from soundstage.weights.model import load_model
from trainings import check_resuming, interrupt, log_of, recipe_with

RECIPES = Path(__file__).parents[3] / "recipes"
CONTENT = {
    "family": "regression",
    "size": {"depth": 1, "dim": 16, "heads": 2, "mlp_ratio": 2},
    "context_frames": 16,
    "gain_db": 6,
    "loop": {
        "epochs": 12,
        "batch_size": 8,
        "learning_rate": 0.01,
        "warmup_steps": 4,
        "ema_decay": 0.5,
        "validate_every": 1,
    },
}
SHORT = {"loop": {"epochs": 1}, "steps_per_epoch": 3}


def recipe(**changes):
    return recipe_with(CONTENT, **changes)


@pytest.fixture(scope="module")
def features(tmp_path_factory):
    folder = tmp_path_factory.mktemp("features")
    for name, lengths, seed in (("train", [900, 700, 12], 1), ("valid", [300], 50)):
        write_cache(folder / f"{name}.safetensors", lengths, seed, make=random_iid_columns)
    return folder


@pytest.fixture(scope="module")
def trained(features, tmp_path_factory):
    output = tmp_path_factory.mktemp("trained") / "mine.safetensors"
    lines = []
    return train(recipe(), features, output, device="cpu", log=lines.append), lines


def test_coherence_is_learned_and_level_differences_that_follow_nothing_become_zero(
    trained, features
):
    valid = load_features(features / "valid.safetensors")
    network = load_model(trained[0].weights, StereoRegressionConfig).network
    prediction = network(valid.levels.float()[None])[0]
    iid, coherence = prediction.split(BANDS, dim=1)
    error = (coherence - valid.coherence.float()).square().mean()
    assert float(error) < 0.15 * float(valid.coherence.float().var())
    assert float(iid.abs().mean()) < 0.1  # the target is 0.15 times ±6 dB


def test_the_card_has_recipe_digest_data_and_score(trained):
    result = trained[0]
    card = json.loads(result.card.read_text())
    assert card["data"] == "3 stereo tracks by 1 artists; see licenses and credits"
    assert card["recordings"] == result.recordings == 3
    assert card["validation"]["recordings"] == 1
    assert 0.4 < card["validation"]["mse"] < 0.5  # half of (0.15 · 6)², and little more
    assert card["recipe"]["size"]["dim"] == 16
    assert card["sha256"] == hashlib.sha256(result.weights.read_bytes()).hexdigest()
    assert card["bytes"] == result.weights.stat().st_size
    assert card["licenses"] == {"CC0": 1}
    assert card["trained"]["steps"] == 12 * 12


def test_plan_and_epochs_are_logged_and_the_checkpoint_is_removed(trained):
    result, lines = trained
    assert "1,612 frames of 3 tracks, 12 epochs of 12 steps of 8 × 16 frames, on cpu" in lines[0]
    assert len(log_of(result)) == 12
    assert not checkpoint_path(result.weights).exists()


def test_a_resumed_training_writes_the_same_file(features, tmp_path):
    check_resuming(recipe(steps_per_epoch=3, loop={"epochs": 2}), features, tmp_path, step=4)


@pytest.mark.slow
def test_a_killed_training_ends_with_the_same_file(trained, features, tmp_path):
    content = {**CONTENT, "loop": {**CONTENT["loop"], "checkpoint_seconds": 0}}
    output = kill_training(content, features, tmp_path)
    train(recipe_with(content), features, output, device="cpu")
    assert output.read_bytes() == trained[0].weights.read_bytes()


def test_a_checkpoint_of_other_features_or_another_recipe_is_refused(features, tmp_path):
    output = tmp_path / "mine.safetensors"
    short = recipe(**SHORT)
    with_checkpoints = short.model_copy(
        update={"loop": short.loop.model_copy(update={"checkpoint_seconds": 0})}
    )
    interrupt(with_checkpoints, features, output, step=2)
    other = tmp_path / "other"
    write_cache(other / "train.safetensors", [900, 700, 12], seed=2)
    louder = with_checkpoints.model_copy(update={"gain_db": 3.0})
    for data, changed in ((other, with_checkpoints), (features, louder)):
        with pytest.raises(OptionError, match="another recipe"):
            train(changed, data, output, device="cpu")


def test_validation_data_is_optional(tmp_path):
    write_cache(tmp_path / "mine.safetensors", [200], seed=1)
    result = train(recipe(**SHORT), tmp_path, tmp_path / "out.safetensors", device="cpu")
    assert "validation" not in json.loads(result.card.read_text())


def test_initial_weights_are_named_in_the_card_even_if_they_are_overwritten(features, tmp_path):
    output = tmp_path / "mine.safetensors"
    train(recipe(**SHORT), features, output, device="cpu")
    first = hashlib.sha256(output.read_bytes()).hexdigest()
    again = recipe(loop={"epochs": 1, "init_from": str(output)}, steps_per_epoch=3)
    card = train(again, features, output, device="cpu", overwrite=True).card
    assert hashlib.sha256(output.read_bytes()).hexdigest() != first
    initial = json.loads(card.read_text())["trained"]["init_from"]
    assert initial == {"weights": str(output), "sha256": first}


def test_a_folder_without_features_is_refused(tmp_path):
    with pytest.raises(InputError, match="no features"):
        train(recipe(), tmp_path, tmp_path / "out.safetensors")


def test_a_log_of_another_training_is_not_overwritten(features, tmp_path):
    (tmp_path / "mine.csv").write_text("mine")
    with pytest.raises(OutputError, match="exists"):
        train(recipe(), features, tmp_path / "mine.safetensors")


@pytest.mark.parametrize(
    ("name", "parameters"), [("regression", (2e6, 4e6)), ("regression-paper", (19e6, 20e6))]
)
def test_the_network_of_a_recipe_has_its_size_and_its_loss_decreases(features, name, parameters):
    paper = load_recipe(RECIPES / f"{name}.yaml")
    small = paper.model_copy(update={"loop": paper.loop.model_copy(update={"batch_size": 2})})
    task = RegressionTask.open(small.model_copy(update={"context_frames": 32}), features)
    count = sum(each.numel() for each in task.model.parameters())
    assert parameters[0] < count < parameters[1]
    optimizer = torch.optim.Adam(task.model.parameters(), lr=1e-4)
    losses = []
    for _ in range(3):
        loss = task.loss(*task.batch(0))
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(float(loss.detach()))
    assert losses[-1] < losses[0]

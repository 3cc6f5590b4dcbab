import json
import sys

import numpy as np
import pytest
import soundfile
import torch
import yaml

from soundstage.cli.main import main
from soundstage.errors import InputError, OptionError
from soundstage.metrics.embeddings.built_in import TaggerEmbedding
from soundstage.training import train
from soundstage.training.checkpoints import checkpoint_path
from soundstage.training.data.event_dataset import trim_silence
from trainings import check_resuming, interrupt, log_of, recipe_with

RATE = 16_000
CONTENT = {
    "family": "tagger",
    "train_folds": [1, 2],
    "valid_folds": [3],
    "test_folds": [4],
    "licenses": ["CC0"],
    "channels": [8, 16],
    "augmentation": {"segment_seconds": [0.6, 1.9], "mixup_prob": 0.2},
    "loop": {
        "epochs": 20,
        "batch_size": 6,
        "learning_rate": 0.01,
        "warmup_steps": 4,
        "ema_decay": 0.5,
    },
}
SHORT = {"loop": {"epochs": 1}, "steps_per_epoch": 2}


def recipe(**changes):
    return recipe_with(CONTENT, **changes)


def event(label, seed):
    """0.7 s of a low tone, a high tone or noise, each a little different."""
    random = np.random.default_rng(seed)
    time = np.arange(round(0.7 * RATE)) / RATE
    if label == "noise":
        return 0.1 * random.standard_normal(len(time))
    hz = {"low": 250, "high": 3000}[label] * random.uniform(0.9, 1.1)
    return 0.2 * np.sin(2 * np.pi * hz * time) + 0.001 * random.standard_normal(len(time))


@pytest.fixture(scope="module")
def events(tmp_path_factory):
    """Three classes in four folds; a third of the clips is not free for commercial use."""
    folder = tmp_path_factory.mktemp("events")
    lines = ["file,fold,class,clip_licence,clip_author,clip_title,clip_url"]
    for fold in (1, 2, 3, 4):
        for index, label in enumerate(["low", "high", "noise"] * 6):
            name = f"{fold}-{index}.wav"
            soundfile.write(folder / name, event(label, 100 * fold + index), RATE)
            license = "CC-BY-NC" if index >= 12 else "CC0"
            lines.append(f"{name},{fold},{label},{license},Ann,Take {index // 2},http://x/{fold}")
    (folder / "manifest.csv").write_text("\n".join(lines) + "\n")
    return folder


@pytest.fixture(scope="module")
def trained(events, tmp_path_factory):
    output = tmp_path_factory.mktemp("trained") / "mine.safetensors"
    lines = []
    return train(recipe(), events, output, device="cpu", log=lines.append), lines


def test_three_distinct_classes_are_learned(trained):
    card = json.loads(trained[0].card.read_text())
    assert card["classes"] == ["high", "low", "noise"]
    assert card["validation"]["accuracy"] >= 0.9
    assert card["test"]["accuracy"] >= 0.9
    assert card["test"]["clips"] == 18  # of any license: the test is not training


def test_only_clips_under_the_given_licenses_are_used_and_each_recording_is_credited_once(trained):
    card = json.loads(trained[0].card.read_text())
    assert card["licenses"] == {"CC0": 24}
    assert trained[0].recordings == card["recordings"] == 24
    assert card["data"].startswith("24 clips cut from 12 recordings, folds 1, 2: 24 under CC0")
    titles = [(credit["title"], credit["source"]) for credit in card["credits"]]
    assert len(titles) == len(set(titles)) == 12
    assert {credit["license"] for credit in card["credits"]} == {"CC0"}


def test_plan_and_epochs_are_logged(trained):
    result, lines = trained
    assert "24 clips of 3 classes, 20 epochs of 4 steps of 6 × 0.6 to 1.9 s, on cpu" in lines[0]
    assert [int(row["step"]) for row in log_of(result)] == [4 * k for k in range(1, 21)]
    assert not checkpoint_path(result.weights).exists()


def test_the_embedding_of_trained_weights_separates_classes(trained):
    embedding = TaggerEmbedding(str(trained[0].weights))
    sounds = [event(label, seed) for label in ("low", "noise") for seed in (900, 901)]
    points = embedding.embed(torch.from_numpy(np.stack(sounds)).float())[:, 0]
    distance = torch.cdist(points, points)
    assert float(distance[0, 1]) < float(distance[0, 2])
    assert float(distance[2, 3]) < float(distance[2, 0])


def test_a_resumed_training_writes_the_same_file(events, tmp_path):
    check_resuming(recipe(loop={"epochs": 2}, steps_per_epoch=3), events, tmp_path, step=4)


def test_a_checkpoint_of_another_recipe_is_refused_but_test_folds_may_change(events, tmp_path):
    output = tmp_path / "mine.safetensors"
    made = recipe(loop={"epochs": 1, "checkpoint_seconds": 0}, steps_per_epoch=2)
    interrupt(made, events, output, step=1)
    with pytest.raises(OptionError, match="another recipe"):
        train(made.model_copy(update={"label_smoothing": 0.2}), events, output, device="cpu")
    train(made.model_copy(update={"test_folds": ()}), events, output, device="cpu")


def test_a_file_that_cannot_be_read_is_skipped(tmp_path):
    lines = ["file,fold,class,clip_licence"]
    for index, label in enumerate(["low", "high"] * 2):
        soundfile.write(tmp_path / f"{index}.wav", event(label, index), RATE)
        lines.append(f"{index}.wav,1,{label},CC0")
    lines.append("gone.wav,1,low,CC0")
    (tmp_path / "manifest.csv").write_text("\n".join(lines))
    small = recipe(train_folds=[1], valid_folds=[], test_folds=[], **SHORT)
    result = train(small, tmp_path, tmp_path / "mine.safetensors", device="cpu")
    assert result.recordings == 4
    assert len(result.skipped) == 1
    assert "gone.wav" in result.skipped[0]


def test_licenses_that_no_clip_has_are_refused_with_the_existing_ones(events, tmp_path):
    with pytest.raises(InputError, match="CC-BY-NC, CC0"):
        train(recipe(licenses=["CC-BY"]), events, tmp_path / "mine.safetensors")


def test_the_command_trains_and_prints_the_plan(events, tmp_path, monkeypatch, capsys):
    (tmp_path / "recipe.yaml").write_text(yaml.safe_dump({**CONTENT, "steps_per_epoch": 1}))
    output = tmp_path / "mine.safetensors"
    words = ["soundstage", "train", str(tmp_path / "recipe.yaml"), "--data", str(events)]
    monkeypatch.setattr(sys, "argv", [*words, "-o", str(output), "--device", "cpu"])
    with pytest.raises(SystemExit) as stop:
        main()
    assert not stop.value.code
    printed = capsys.readouterr()
    assert "24 clips of 3 classes" in printed.err
    assert str(output) in printed.out
    assert output.exists()


def test_only_silence_at_start_and_end_is_trimmed():
    sound = torch.zeros(1000)
    sound[200], sound[700] = 0.5, -0.5
    assert len(trim_silence(sound)) == 501
    assert len(trim_silence(torch.zeros(100))) == 100

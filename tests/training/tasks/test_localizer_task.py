import json

import numpy as np
import pytest
import soundfile
import torch

from soundstage.corpora.spatial_events import (
    AZIMUTHS,
    RATE,
    five_seconds,
    horizontal_hrirs,
    spatialize,
)
from soundstage.errors import InputError, OptionError
from soundstage.metrics.localization import load_localizer, localization_scores
from soundstage.training import train
from soundstage.training.checkpoints import checkpoint_path
from soundstage.training.recipes import load_recipe
from spheres import write_ssr
from trainings import check_resuming, interrupt, log_of, recipe_with

CONTENT = {
    "family": "localizer",
    "train_folds": [1, 2],
    "valid_clips": 2,
    "test_folds": [3],
    "licenses": ["CC0"],
    "heads": ["kemar"],
    "test_heads": ["sphere.wav"],
    "branch_channels": [8, 12, 16],
    "joint_channels": [24, 24],
    "frame_dim": 32,
    "embedding_dim": 16,
    "dropout": 0,
    "augmentation": {
        "segment_seconds": [0.3, 0.5],
        "eq_db": 1,
        "noise_prob": 0,
        "bin_noise_prob": 0,
    },
    "loop": {
        "epochs": 3,
        "batch_size": 16,
        "learning_rate": 0.01,
        "warmup_steps": 4,
        "ema_decay": 0.5,
        "validate_every": 3,
    },
}
SHORT = {"loop": {"epochs": 1, "batch_size": 4}, "steps_per_epoch": 2}


def recipe(**changes):
    return recipe_with(CONTENT, **changes)


@pytest.fixture(scope="module")
def events(tmp_path_factory):
    """Noise of several spectra in three folds, and a head of a rigid sphere."""
    folder = tmp_path_factory.mktemp("events")
    lines = ["file,fold,class,clip_licence,clip_author,clip_title,clip_url"]
    for fold in (1, 2, 3):
        for index in range(12 if fold < 3 else 3):
            random = np.random.default_rng([fold, index])
            sound = random.standard_normal(RATE)
            sound = np.convolve(sound, random.standard_normal(3) * [1, 0.4, 0.2], mode="same")
            name = f"{fold}-{index}.wav"
            soundfile.write(folder / name, 0.1 * sound, RATE)
            lines.append(f"{name},{fold},noise,CC0,Ann,Take {fold}{index},http://x/{fold}{index}")
    (folder / "manifest.csv").write_text("\n".join(lines) + "\n")
    (folder / "heads").mkdir()
    write_ssr(folder / "heads" / "sphere.wav")
    return folder


def test_a_short_training_writes_weights_with_scores_by_head(events, tmp_path):
    output = tmp_path / "mine.safetensors"
    lines = []
    result = train(recipe(valid_heads=["sphere.wav"], **SHORT), events, output, log=lines.append)
    card = json.loads(result.card.read_text())
    assert "22 clips of 1 classes" in lines[0]
    assert card["azimuths"] == list(range(0, 360, 30))
    assert card["validation"]["recordings"] == 2
    assert 0 <= card["validation"]["accuracy"] <= 1
    assert card["test"]["clips"] == 3
    test = card["test"]
    for scores in (test["first_head"], test["trained_heads"], test["unseen_heads"]["sphere.wav"]):
        assert scores["clips"] == 6
        assert 0 <= scores["accuracy"] <= 1
        assert 0 <= scores["mean_error"] <= 180
    assert {credit["artist"] for credit in card["credits"]} == {"Ann"}
    found = load_localizer(output).azimuths(torch.zeros(1, 2, RATE))
    assert found.shape == (1,)


@pytest.mark.slow
def test_azimuths_of_a_head_are_learned(events, tmp_path):
    made = recipe(loop={"epochs": 3}, steps_per_epoch=80)
    result = train(made, events, tmp_path / "mine.safetensors", device="cpu")
    found = json.loads(result.card.read_text())["test"]["trained_heads"]["accuracy"]
    assert found > 0.4  # 0.08 by chance; one of the six clips is 0.17, and rounding decides some
    assert [int(row["step"]) for row in log_of(result)] == [80, 160, 240]
    assert not checkpoint_path(result.weights).exists()
    sound = five_seconds(torch.from_numpy(np.random.default_rng(9).standard_normal(RATE)).float())
    ears = spatialize(sound, horizontal_hrirs("kemar"))
    found = load_localizer(result.weights).azimuths(ears)
    scores = localization_scores(found, torch.tensor(AZIMUTHS).float())
    assert scores.left_right == 0
    assert scores.mean_error < 65  # 90 by chance; a short training leaves some front-back errors


@pytest.mark.slow
def test_a_resumed_localizer_training_writes_the_same_file(events, tmp_path):
    small = recipe(test_folds=[], loop={"epochs": 2, "batch_size": 4}, steps_per_epoch=3)
    check_resuming(small, events, tmp_path, step=4)


@pytest.mark.slow
def test_the_recipe_of_paper_size_trains_a_few_steps(events, tmp_path):
    whole = load_recipe("localizer-paper")
    small = {"train_folds": (1, 2), "test_folds": (), "heads": ("kemar",), "steps_per_epoch": 2}
    loop = whole.loop.model_copy(update={"epochs": 1, "batch_size": 2})
    result = train(
        whole.model_copy(update={**small, "loop": loop}), events, tmp_path / "p.safetensors"
    )
    assert json.loads(result.card.read_text())["parameters"] > 4e6


def test_a_checkpoint_with_other_heads_is_refused(events, tmp_path):
    output = tmp_path / "mine.safetensors"
    made = recipe(**{**SHORT, "loop": {**SHORT["loop"], "checkpoint_seconds": 0}})
    interrupt(made, events, output, step=1)
    with pytest.raises(OptionError, match="another recipe"):
        train(made.model_copy(update={"heads": ("sphere.wav",)}), events, output, device="cpu")


def test_a_head_that_is_not_there_is_refused(events, tmp_path):
    with pytest.raises(InputError, match=r"heads/gone.sofa: HRTF set not found"):
        train(recipe(heads=["gone.sofa"]), events, tmp_path / "mine.safetensors")


def test_a_head_is_either_for_training_or_unseen():
    with pytest.raises(OptionError, match="validation or test head"):
        recipe(test_heads=["kemar"])
    with pytest.raises(OptionError, match="2 to 1 is not a range"):
        recipe(augmentation={"segment_seconds": [2, 1]})

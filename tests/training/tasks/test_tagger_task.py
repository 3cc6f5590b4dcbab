import hashlib
import json
import signal
import sys
from pathlib import Path

import numpy as np
import pytest
import soundfile
import torch
import yaml

from killing import kill_training
from soundstage.cli.main import main
from soundstage.errors import InputError, OptionError, OutputError
from soundstage.metrics.embeddings.built_in import TaggerEmbedding
from soundstage.networks.models.tagger import LogMel
from soundstage.training.checkpoints import checkpoint_path
from soundstage.training.data.event_batches import EventBatches
from soundstage.training.recipes import TaggerAugmentation, TaggerRecipe, load_recipe
from soundstage.training.run import train
from soundstage.training.tasks.tagger import sounding_part

RATE = 16_000
CONTENT = {
    "family": "tagger",
    "folds": [1, 2],
    "held_out_folds": [3],
    "test_folds": [4],
    "licenses": ["CC0"],
    "channels": [8, 16],
    "augmentation": {"seconds": [0.6, 1.9], "mixing": 0.2},
    "loop": {
        "epochs": 20,
        "batch": 6,
        "learning_rate": 0.01,
        "warmup": 4,
        "ema": 0.5,
        "checkpoint_seconds": 0,
    },
}


def recipe(**changes):
    return TaggerRecipe.model_validate({**CONTENT, **changes})


def event(label, seed):
    """0.7 s of a low tone, a high one or noise, each a little different."""
    random = np.random.default_rng(seed)
    time = np.arange(round(0.7 * RATE)) / RATE
    if label == "noise":
        return 0.1 * random.standard_normal(len(time))
    hz = {"low": 250, "high": 3000}[label] * random.uniform(0.9, 1.1)
    return 0.2 * np.sin(2 * np.pi * hz * time) + 0.001 * random.standard_normal(len(time))


@pytest.fixture(scope="module")
def events(tmp_path_factory):
    """Three classes in four folds; a third of the clips may not be sold."""
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
    result = train(recipe(), events, output, device="cpu", say=lines.append)
    return result, lines


def test_three_plain_classes_are_learned_in_seconds(trained):
    card = json.loads(trained[0].card.read_text())
    assert card["classes"] == ["high", "low", "noise"]
    assert card["validation"] >= 0.9
    assert card["test"]["accuracy"] >= 0.9
    assert card["test"]["clips"] == 18  # the whole fold: measuring is not learning


def test_only_clips_under_the_named_licenses_are_learned_from(trained):
    card = json.loads(trained[0].card.read_text())
    assert card["licenses"] == {"CC0": 24}
    assert (trained[0].records, card["trained"]["clips"]) == (24, 24)
    assert card["data"].startswith("24 clips cut from")


def test_the_card_has_digest_recipe_and_each_recording_once(trained):
    result = trained[0]
    card = json.loads(result.card.read_text())
    assert card["sha256"] == hashlib.sha256(result.weights.read_bytes()).hexdigest()
    assert card["bytes"] == result.weights.stat().st_size
    assert card["recipe"]["folds"] == [1, 2]
    titles = [(credit["title"], credit["source"]) for credit in card["credits"]]
    assert len(titles) == len(set(titles)) == 12
    assert not [credit for credit in card["credits"] if credit["license"] != "CC0"]


def test_the_plan_is_told_before_the_work(trained):
    assert trained[1][0].startswith("tagger: ")
    assert "24 clips of 3 classes, 20 epochs of 4 steps of 6, on cpu" in trained[1][0]


def test_the_log_has_a_line_for_every_epoch_and_the_checkpoint_is_gone(trained):
    output = trained[0].weights
    lines = output.with_suffix(".csv").read_text().splitlines()
    assert lines[0] == "step,epoch,loss,learning_rate,validation,seconds"
    assert [line.split(",")[0] for line in lines[1:]] == [str(4 * k) for k in range(1, 21)]
    assert not checkpoint_path(output).exists()


def test_weights_of_ones_own_can_be_listened_with(trained):
    embedding = TaggerEmbedding(str(trained[0].weights))
    sounds = [event(label, seed) for label in ("low", "noise") for seed in (900, 901)]
    points = embedding.embed(torch.from_numpy(np.stack(sounds)).float())[:, 0]
    apart = torch.cdist(points, points)
    assert float(apart[0, 1]) < float(apart[0, 2])
    assert float(apart[2, 3]) < float(apart[2, 0])


def test_a_killed_run_ends_with_the_same_file(trained, events, tmp_path):
    output = kill_training(CONTENT, events, tmp_path)
    train(recipe(), events, output, device="cpu")
    assert output.read_bytes() == trained[0].weights.read_bytes()
    lines = output.with_suffix(".csv").read_text().splitlines()
    assert [line.split(",")[1] for line in lines[1:]] == [str(k) for k in range(1, 21)]


def test_another_recipe_does_not_go_on_from_the_checkpoint(events, tmp_path):
    output = tmp_path / "mine.safetensors"

    class Stopped(Exception):
        pass

    def stop(done, total):
        raise Stopped

    with pytest.raises(Stopped):
        train(recipe(), events, output, device="cpu", progress=stop)
    with pytest.raises(OptionError, match="another recipe"):
        train(recipe(smoothing=0.2), events, output, device="cpu")


def test_a_log_of_somebody_else_is_not_overwritten(events, tmp_path):
    (tmp_path / "mine.csv").write_text("mine")
    with pytest.raises(OutputError, match="exists"):
        train(recipe(), events, tmp_path / "mine.safetensors")
    assert (tmp_path / "mine.csv").read_text() == "mine"


def test_a_file_that_cannot_be_read_is_named_and_the_rest_goes_on(tmp_path):
    lines = ["file,fold,class,clip_licence"]
    for index, label in enumerate(["low", "high"] * 2):
        soundfile.write(tmp_path / f"{index}.wav", event(label, index), RATE)
        lines.append(f"{index}.wav,1,{label},CC0")
    lines.append("gone.wav,1,low,CC0")
    (tmp_path / "manifest.csv").write_text("\n".join(lines))
    loop = {**CONTENT["loop"], "epochs": 1}
    small = recipe(folds=[1], held_out_folds=[], test_folds=[], loop=loop)
    result = train(small, tmp_path, tmp_path / "mine.safetensors", device="cpu")
    assert result.records == 4
    assert len(result.left_out) == 1
    assert "gone.wav" in result.left_out[0]


def test_licenses_that_no_clip_has_are_refused_with_those_there_are(events, tmp_path):
    with pytest.raises(InputError, match="CC-BY-NC, CC0"):
        train(recipe(licenses=["CC-BY"]), events, tmp_path / "mine.safetensors")


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"fold": [1]}, "fold: Extra"),
        ({"loop": {**CONTENT["loop"], "epoch": 3}}, r"loop\.epoch: Extra"),
        ({"augmentation": {"speeed": 0.1}}, "speeed"),
        ({"augmentation": {"seconds": [2.0, 1.0]}}, "shortest"),
        ({"test_folds": [2]}, "can measure nothing"),
        ({"licenses": []}, "licenses"),
    ],
)
def test_what_does_not_fit_a_recipe_is_refused_in_one_sentence(tmp_path, changes, says):
    path = tmp_path / "recipe.yaml"
    path.write_text(yaml.safe_dump({**CONTENT, **changes}))
    with pytest.raises(OptionError, match=says) as caught:
        load_recipe(path)
    assert "\n" not in str(caught.value)


def test_the_shipped_recipe_keeps_the_test_fold_and_closed_licenses_out():
    shipped = load_recipe(Path(__file__).parents[2] / "recipes" / "tagger.yaml")
    assert (shipped.folds, shipped.test_folds) == ([1, 2, 3], [4])
    assert set(shipped.licenses) == {"CC0", "CC-BY"}
    assert "CC BY-NC" in shipped.card.licence_reading


def test_the_command_trains_and_says_what_it_does(events, tmp_path, monkeypatch, capsys):
    loop = {**CONTENT["loop"], "epochs": 1}
    (tmp_path / "recipe.yaml").write_text(yaml.safe_dump({**CONTENT, "loop": loop}))
    output = tmp_path / "mine.safetensors"
    words = ["soundstage", "train", str(tmp_path / "recipe.yaml"), "--data", str(events)]
    monkeypatch.setattr(sys, "argv", [*words, "-o", str(output), "--device", "cpu"])
    kept = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    with pytest.raises(SystemExit) as stop:
        main()
    for number, handler in kept.items():
        signal.signal(number, handler)
    assert not stop.value.code
    told = capsys.readouterr()
    assert "24 clips of 3 classes" in told.err
    assert str(output) in told.out
    assert output.exists()


def draw(step, **changes):
    sounds = [torch.from_numpy(event("noise", seed)).float() for seed in range(5)]
    augmentation = TaggerAugmentation(**{"seconds": (0.5, 0.9), **changes})
    batches = EventBatches(sounds, [0, 1, 2, 0, 1], 3, 2, augmentation, 0.1, 7, LogMel())
    return batches.draw(step)


def test_a_batch_depends_on_its_step_alone():
    draw(3)
    first, again, other = draw(4), draw(4), draw(5)
    assert torch.equal(first[0], again[0])
    assert torch.equal(first[1], again[1])
    assert not torch.equal(first[1], other[1]) or first[0].shape != other[0].shape


@pytest.mark.parametrize("mixing", [0.0, 1.0])
def test_targets_are_shares_that_sum_to_one(mixing):
    for step in range(6):
        mels, targets = draw(step, mixing=mixing)
        assert torch.allclose(targets.sum(dim=1), torch.ones(2))
        assert bool((targets > 0).all())
        assert bool(mels.isfinite().all())
        assert float(targets.amax(dim=1).max()) <= 0.9 + 0.1 / 3 + 1e-6


def test_an_epoch_shows_every_clip_at_most_once():
    sounds = [torch.full((RATE,), 0.1) for _ in range(6)]
    plain = TaggerAugmentation(mixing=0)
    batches = EventBatches(sounds, list(range(6)), 6, 2, plain, 0.0, 0, LogMel())
    seen = [int(label) for step in range(3) for label in batches.draw(step)[1].argmax(dim=1)]
    assert sorted(seen) == list(range(6))
    later = [int(label) for step in range(3, 6) for label in batches.draw(step)[1].argmax(dim=1)]
    assert sorted(later) == list(range(6))
    assert later != seen


def test_only_the_silence_around_a_sound_is_cut_off():
    sound = torch.zeros(1000)
    sound[200], sound[700] = 0.5, -0.5
    assert len(sounding_part(sound)) == 501
    assert len(sounding_part(torch.zeros(100))) == 100

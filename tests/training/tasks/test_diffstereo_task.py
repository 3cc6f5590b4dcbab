import json
from pathlib import Path

import numpy as np
import pytest
import soundfile
import torch

from soundstage.diffusion import Noised
from soundstage.errors import InputError, OptionError
from soundstage.networks.models.stereo_diffusion import StereoDiffusionConfig
from soundstage.stereo.compressed_stft import COMPRESSED_TRANSFORM, to_compressed
from soundstage.training import load_recipe, train
from soundstage.training.recipes import DiffStereoRecipe
from soundstage.training.tasks.diffstereo import DiffStereoTask, clip_spectra, config_of
from soundstage.weights.model import load_model
from trainings import check_resuming, recipe_with, scores_of

RECIPES = Path(__file__).parents[3] / "recipes"
CONTENT = {
    "family": "diffstereo",
    "size": {"depth": 1, "dim": 64, "heads": 2, "mlp_ratio": 1},
    "patch_size": [2, 8],
    "context_frames": 8,
    "attention": "axial",
    "diffusion_steps": 100,
    "steps_per_epoch": 10,
    "loop": {
        "epochs": 3,
        "batch_size": 4,
        "learning_rate": 0.01,
        "warmup_steps": 4,
        "ema_decay": 0.5,
        "validate_every": 1,
    },
}


def recipe(**changes) -> DiffStereoRecipe:
    return recipe_with(CONTENT, **changes)


def write_track(path, rate, seed):
    """A chord in the center, independent noise on each side."""
    path.parent.mkdir(parents=True, exist_ok=True)
    random, time = np.random.default_rng(seed), np.arange(2 * rate) / rate
    chord = sum(np.sin(2 * np.pi * hz * time + seed) for hz in (220, 331, 1303))
    sound = 0.1 * chord[:, None] + 0.05 * random.standard_normal((2 * rate, 2))
    soundfile.write(path, sound, rate)


@pytest.fixture(scope="module")
def tracks(tmp_path_factory):
    folder = tmp_path_factory.mktemp("tracks")
    files = [("train/a.wav", 44_100), ("train/b.flac", 24_000), ("train/c.wav", 48_000)]
    for seed, (name, rate) in enumerate(files):
        write_track(folder / name, rate, seed)
    write_track(folder / "valid/d.wav", 44_100, 9)
    soundfile.write(folder / "train/short.wav", np.zeros((99, 2)), 24_000)
    soundfile.write(folder / "train/mono.wav", np.zeros(99), 24_000)
    (folder / "train/manifest.csv").write_text(
        "file,artist,license\na.wav,Ann,CC0\nb.flac,Ben,CC0\nc.wav,Ann,CC-BY\n"
    )
    return folder


@pytest.fixture(scope="module")
def trained(tracks, tmp_path_factory):
    output = tmp_path_factory.mktemp("trained") / "mine.safetensors"
    lines = []
    return train(recipe(), tracks, output, device="cpu", log=lines.append), lines


def test_the_noise_is_predicted_better_than_by_zero(trained):
    scores = scores_of(trained[0])
    assert scores[-1] > scores[0]
    assert scores[-1] > -0.8  # an error of 1 is that of predicting zero
    card = json.loads(trained[0].card.read_text())
    assert card["validation"]["recordings"] == 1
    assert card["validation"]["noise_mse"] == pytest.approx(-max(scores), abs=1e-4)


def test_plan_and_card_describe_the_tracks_that_are_long_enough(trained):
    result, lines = trained
    assert "of 3 tracks, 3 epochs of 10 steps of 4 × 8 frames" in lines[0]
    card = json.loads(result.card.read_text())
    assert (card["recordings"], card["family"]) == (3, "diffstereo")
    assert card["data"] == "3 stereo tracks by 2 artists; see licenses and credits"
    assert card["licenses"] == {"CC0": 2, "CC-BY": 1}
    assert card["trained"]["steps"] == 30
    assert len(result.skipped) == 1
    assert "mono.wav" in result.skipped[0]


def test_the_file_has_the_configuration(trained):
    assert load_model(trained[0].weights, StereoDiffusionConfig).config == config_of(recipe())


def test_a_resumed_training_writes_the_same_file(tracks, tmp_path):
    check_resuming(recipe(loop={"epochs": 2}, steps_per_epoch=2), tracks, tmp_path, step=3)


def test_a_batch_is_the_spectra_of_clips_with_noise(tracks):
    task = DiffStereoTask.open(recipe(), tracks)
    mid, *noised = task.batch(7)
    noisy = Noised(*noised)
    level = config_of(recipe()).schedule().level(noisy.times)
    alpha, sigma = (each.float()[:, None, None, None] for each in level)
    clips = task.dataset.train.clips.draw(7)
    stereo = torch.stack(
        [to_compressed(COMPRESSED_TRANSFORM.analyze(clip))[..., 2:-2] for clip in clips]
    )
    torch.testing.assert_close(noisy.state, alpha * stereo + sigma * noisy.target)
    expected = [
        to_compressed(COMPRESSED_TRANSFORM.analyze(clip[None]))[..., 2:-2]
        for clip in clips.mean(dim=1)
    ]
    torch.testing.assert_close(mid, torch.stack(expected), rtol=0, atol=1e-6)
    assert mid.shape == (4, 2, 513, 8)
    assert float(noisy.target.std()) == pytest.approx(1, abs=0.02)
    assert all(map(torch.equal, task.batch(7), (mid, *noised)))
    assert not torch.equal(task.batch(8)[2], noised[1])


def test_the_frames_of_a_clip_are_those_of_the_whole_track():
    track = torch.randn(1, 2, 300 * 40, generator=torch.Generator().manual_seed(0))
    whole = to_compressed(COMPRESSED_TRANSFORM.analyze(track))
    first, frames = 10, 8
    clip = track[..., 300 * (first - 2) : 300 * (first + frames - 1 + 2)]
    _, stereo = clip_spectra(clip)
    torch.testing.assert_close(stereo, whole[..., first : first + frames], rtol=0, atol=1e-6)


@pytest.mark.slow
@pytest.mark.parametrize(("name", "frames"), [("diffstereo", 20), ("diffstereo-paper", 9)])
def test_steps_of_a_recipe_decrease_the_loss(tracks, name, frames):
    made = load_recipe(RECIPES / f"{name}.yaml")
    loop = made.loop.model_copy(update={"batch_size": 1})
    made = made.model_copy(update={"context_frames": frames, "loop": loop})
    task = DiffStereoTask.open(made, tracks)
    optimizer = torch.optim.AdamW(task.model.parameters(), lr=loop.learning_rate)
    batch, losses = task.batch(0), []
    for _ in range(4):
        loss = task.loss(*batch)
        losses.append(loss.item())
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    assert losses[-1] < losses[0]


def test_the_recipe_of_the_paper_has_its_values():
    paper = load_recipe(RECIPES / "diffstereo-paper.yaml")
    assert paper.loop.epochs * paper.steps_per_epoch == 500_000
    level = config_of(paper).schedule().level(torch.tensor([1.0, 1000.0]))
    torch.testing.assert_close(level.alpha[0].item(), (1 - 1e-4) ** 0.5)
    assert 0.006 < float(level.alpha[1]) < 0.007
    bare = DiffStereoRecipe.model_validate({"family": "diffstereo", "loop": CONTENT["loop"]})
    assert config_of(bare) == config_of(paper)


def test_without_a_validation_folder_there_is_no_score(tracks):
    task = DiffStereoTask.open(recipe(), tracks / "train")
    assert task.validate(task.model) is None


def test_tracks_that_are_all_shorter_than_an_example_are_refused(tracks):
    with pytest.raises(InputError, match=r"4\.0 s of an example"):
        DiffStereoTask.open(recipe(context_frames=321), tracks)


def test_a_patch_with_more_values_than_the_width_is_refused(tracks):
    with pytest.raises(OptionError, match="unsupported configuration"):
        DiffStereoTask.open(recipe(patch_size=[9, 9]), tracks)

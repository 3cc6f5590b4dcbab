import json
from pathlib import Path

import numpy as np
import pytest
import soundfile
import torch

from killing import kill_training
from soundstage.diffusion import Noised, Objective, Parametrization
from soundstage.errors import InputError, OptionError
from soundstage.stereo.compressed_stft import COMPRESSED_TRANSFORM, to_compressed
from soundstage.training.recipes import DiffStereoRecipe, load_recipe
from soundstage.training.run import train
from soundstage.training.tasks.diffstereo import (
    DiffStereoTask,
    StereoPictures,
    clip_pictures,
    shape_of,
)
from soundstage.upmixing import load_method, make_side
from soundstage.upmixing.diffstereo_weights import load_stereo_diffusion

RECIPES = Path(__file__).parents[2] / "recipes"
CONTENT = {
    "family": "diffstereo",
    "size": {"blocks": 1, "width": 64, "heads": 2, "expansion": 1},
    "patch": [2, 8],
    "frames": 8,
    "attention": "axial",
    "steps": 100,
    "epoch_steps": 10,
    "loop": {
        "epochs": 3,
        "batch": 4,
        "learning_rate": 0.01,
        "warmup": 4,
        "ema": 0.5,
        "validate_every": 1,
    },
}


def recipe(**changes) -> DiffStereoRecipe:
    return DiffStereoRecipe.model_validate({**CONTENT, **changes})


def write_record(path, rate, seed):
    """A chord in the middle, noise of its own on each side."""
    path.parent.mkdir(parents=True, exist_ok=True)
    random, time = np.random.default_rng(seed), np.arange(2 * rate) / rate
    chord = sum(np.sin(2 * np.pi * hz * time + seed) for hz in (220, 331, 1303))
    sound = 0.1 * chord[:, None] + 0.05 * random.standard_normal((2 * rate, 2))
    soundfile.write(path, sound, rate)
    return path


@pytest.fixture(scope="module")
def records(tmp_path_factory):
    folder = tmp_path_factory.mktemp("records")
    for seed, (name, rate) in enumerate(
        [("train/a.wav", 44_100), ("train/b.flac", 24_000), ("train/c.wav", 48_000)]
    ):
        write_record(folder / name, rate, seed)
    write_record(folder / "valid/d.wav", 44_100, 9)
    soundfile.write(folder / "train/short.wav", np.zeros((99, 2)), 24_000)
    soundfile.write(folder / "train/mono.wav", np.zeros(99), 24_000)
    (folder / "train/manifest.csv").write_text(
        "file,artist,license\na.wav,Ann,CC0\nb.flac,Ben,CC0\nc.wav,Ann,CC-BY\n"
    )
    return folder


@pytest.fixture(scope="module")
def trained(records, tmp_path_factory):
    output = tmp_path_factory.mktemp("trained") / "mine.safetensors"
    lines = []
    return train(recipe(), records, output, device="cpu", say=lines.append), lines


def objective(made):
    return Objective(shape_of(made).schedule(), Parametrization.NOISE)


def test_the_noise_is_learned(trained):
    log = trained[0].weights.with_suffix(".csv").read_text().splitlines()
    scores = [float(line.split(",")[log[0].split(",").index("validation")]) for line in log[1:]]
    assert scores[-1] > scores[0]
    assert scores[-1] > -0.8  # nothing learned, or more told than there is, would be −1 and less
    card = json.loads(trained[0].card.read_text())
    assert card["validation"]["records"] == 1
    assert card["validation"]["noise_mse"] == pytest.approx(-max(scores), abs=1e-4)


def test_the_plan_and_the_card_say_what_is_learned_from(trained):
    made, lines = trained
    assert "6 records" not in lines[0]
    assert "of 3 records, 3 epochs of 10 steps of 4 × 8 frames" in lines[0]
    card = json.loads(made.card.read_text())
    assert (card["records"], card["family"]) == (3, "diffstereo")
    assert card["data"] == "3 stereo records by 2 artists; see licenses and credits"
    assert card["licenses"] == {"CC0": 2, "CC-BY": 1}
    assert card["trained"]["steps"] == 30
    assert len(made.left_out) == 1
    assert "mono.wav" in made.left_out[0]


def test_trained_weights_upmix(trained):
    shape, network = load_stereo_diffusion(str(trained[0].weights))
    assert shape == shape_of(recipe())
    assert not network.training
    upmixer = load_method("diffstereo", weights=str(trained[0].weights))
    made = make_side(upmixer, 0.1 * torch.randn(5000))
    assert made.shape == (2, 5000)
    assert bool(made.isfinite().all())


def test_a_killed_run_ends_with_the_same_file(records, tmp_path):
    content = {**CONTENT, "epoch_steps": 5}
    content["loop"] = {**CONTENT["loop"], "checkpoint_seconds": 0}
    whole = train(recipe(**content), records, tmp_path / "whole.safetensors", device="cpu")
    output = kill_training(content, records, tmp_path)
    train(recipe(**content), records, output, device="cpu")
    assert output.read_bytes() == whole.weights.read_bytes()


def pictures(records, made, size=4, seed=0):
    found = sorted((records / "train").glob("[abc].*"))
    return StereoPictures(found, objective(made), frames=made.frames, size=size, seed=seed)


def test_a_batch_is_the_pictures_of_clips_with_noise(records):
    made = recipe()
    heard = pictures(records, made)
    mono, *noised = heard.draw(7)
    noisy = Noised(*noised)
    level = shape_of(made).schedule().level(noisy.times)
    alpha, sigma = (each.float()[:, None, None, None] for each in level)
    sound = heard.clips.draw(7)
    stereo = torch.stack(
        [to_compressed(COMPRESSED_TRANSFORM.analyze(clip))[..., 2:-2] for clip in sound]
    )
    torch.testing.assert_close(noisy.state, alpha * stereo + sigma * noisy.target)
    middle = sound.mean(dim=1)
    between = [
        to_compressed(COMPRESSED_TRANSFORM.analyze(clip[None]))[..., 2:-2] for clip in middle
    ]
    torch.testing.assert_close(mono, torch.stack(between), rtol=0, atol=1e-6)
    assert mono.shape == (4, 2, 513, 8)
    assert float(noisy.target.std()) == pytest.approx(1, abs=0.02)
    assert sorted(noisy.times.long().tolist()) == noisy.times.sort().values.tolist()
    again = pictures(records, made).draw(7)
    assert all(map(torch.equal, again, heard.draw(7)))
    assert not torch.equal(heard.draw(8)[2], heard.draw(7)[2])


def test_the_frames_of_a_clip_see_no_edge():
    """They are those of the whole record, wherever the clip begins."""
    record = torch.randn(1, 2, 300 * 40, generator=torch.Generator().manual_seed(0))
    whole = to_compressed(COMPRESSED_TRANSFORM.analyze(record))
    first, frames = 10, 8
    clip = record[..., 300 * (first - 2) : 300 * (first + frames - 1 + 2)]
    _, stereo = clip_pictures(clip)
    torch.testing.assert_close(stereo, whole[..., first : first + frames], rtol=0, atol=1e-6)


def step_down(path, records, steps, **changes):
    """Losses of one batch before and after steps of a recipe, at a fraction of its length."""
    made = load_recipe(path).model_copy(update=changes)
    torch.manual_seed(0)
    model = shape_of(made).network()
    task = DiffStereoTask(model, objective(made), pictures(records, made, size=1), None, 1)
    optimizer = torch.optim.AdamW(
        model.parameters(), lr=made.loop.learning_rate, weight_decay=made.loop.weight_decay
    )
    batch, losses = task.batch(0), []
    for _ in range(steps + 1):
        loss = task.loss(*batch)
        losses.append(loss.item())
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    return losses


def test_the_paper_s_network_learns_in_a_step(records):
    before, after = step_down(RECIPES / "diffstereo-paper.yaml", records, 1, frames=9)
    assert after < before


def test_the_small_network_learns_in_a_few_steps(records):
    losses = step_down(RECIPES / "diffstereo.yaml", records, 6, frames=20)
    assert losses[-1] < min(losses[:3])


def test_the_recipe_of_the_paper_has_its_numbers():
    paper = load_recipe(RECIPES / "diffstereo-paper.yaml")
    assert paper.size.model_dump() == {"blocks": 12, "width": 384, "heads": 6, "expansion": 4}
    assert (paper.patch, paper.frames, paper.attention, paper.steps) == ((9, 9), 729, "full", 1000)
    assert (paper.loop.batch, paper.loop.learning_rate) == (16, 1e-4)
    assert (paper.loop.weight_decay, paper.loop.epochs * paper.epoch_steps) == (1e-3, 500_000)
    level = shape_of(paper).schedule().level(torch.tensor([1.0, 1000.0]))
    torch.testing.assert_close(level.alpha[0].item(), (1 - 1e-4) ** 0.5)
    assert 0.006 < float(level.alpha[1]) < 0.007
    bare = DiffStereoRecipe.model_validate({"family": "diffstereo", "loop": CONTENT["loop"]})
    assert shape_of(bare) == shape_of(paper)


def test_nothing_needs_to_be_held_out(records, tmp_path):
    quick = recipe(epoch_steps=2, loop={**CONTENT["loop"], "epochs": 1})
    result = train(quick, records / "train", tmp_path / "out.safetensors", device="cpu")
    assert "validation" not in json.loads(result.card.read_text())


def test_records_shorter_than_an_example_are_refused_when_there_are_no_others(records, tmp_path):
    with pytest.raises(InputError, match=r"4\.0 s of an example"):
        train(recipe(frames=321), records, tmp_path / "out.safetensors", device="cpu")


def test_a_patch_that_does_not_fit_through_the_width_is_refused(records, tmp_path):
    with pytest.raises(OptionError, match="The recipe makes no network: a patch of 9 × 9"):
        train(recipe(patch=[9, 9]), records, tmp_path / "out.safetensors", device="cpu")

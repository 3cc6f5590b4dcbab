import json
import math
from pathlib import Path

import pytest
import torch
from torch import Tensor

from making_stems import write_collection
from network_checks import noise
from soundstage.errors import InputError, OptionError
from soundstage.networks.models.ambisonic_vae import AmbisonicVAEConfig, Completed
from soundstage.training import load_recipe, train
from soundstage.training.field_recipes import AmbisonicRecipe
from soundstage.training.tasks.ambisonic import (
    MAX_ROOM_GAIN,
    AmbisonicTask,
    config_of,
    fitted_room_gain,
    kl_divergence,
    negative_elbo,
    spectral_loss,
)
from soundstage.upmixing.methods.ambisonic import load
from soundstage.weights.model import load_model
from trainings import check_resuming, recipe_with, scores_of

RECIPES = Path(__file__).parents[3] / "recipes"
CONTENT = {
    "family": "ambisonic",
    "patch": 64,
    "taps": 4,
    "channels": [16, 16],
    "ratios": [2],
    "dilations": [1],
    "recurrent_layers": 0,
    "depth": 0,
    "latent_dim": 4,
    "posterior_channels": 8,
    "samples": 8192,
    "kl_weight": 0.001,
    "windows": [512],
    "stereo_prob": 0.5,
    "softer_db": 20,
    "steps_per_epoch": 4,
    "mixing": {"turns": 2, "dry_prob": 0.5},
    "loop": {
        "epochs": 2,
        "batch_size": 4,
        "learning_rate": 0.003,
        "warmup_steps": 2,
        "validate_every": 1,
        "ema_decay": 0.9,
    },
}
TONES = [("bass", "bass", 110), ("pad", "object", 900), ("lead", "lead", 3000)]


@pytest.fixture(scope="module")
def stems(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("stems")
    for split in ("train", "valid"):
        songs = [(song, *tone) for song in "ab" for tone in TONES]
        write_collection(folder / split, songs, split=split)
    return folder


def test_a_training_writes_a_method_and_a_complete_card(stems: Path, tmp_path: Path) -> None:
    result = train(recipe_with(CONTENT), stems, tmp_path / "own.safetensors", device="cpu")
    assert len(scores_of(result)) == 2
    card = json.loads(result.card.read_text("utf-8"))
    assert card["recordings"] == 6
    assert card["licenses"] == {"CC0": 6}
    assert card["credits"] == [{"license": "CC0", "source": "made by code", "stems": 6}]
    assert card["validation"]["recordings"] == 2
    assert load(str(result.weights)).n_outputs == 1


def test_the_prior_of_a_training_is_that_of_its_posteriors(stems: Path, tmp_path: Path) -> None:
    task = AmbisonicTask.open(recipe_with(CONTENT), stems)
    path = tmp_path / "own.safetensors"
    task.save(path, task.model.state_dict())
    saved = load_model(str(path), AmbisonicVAEConfig, "cpu").network
    parts = zip(*(saved.encode(*task.batch(step)) for step in range(32)), strict=True)
    means, log_variances = (torch.cat(part)[..., 0] for part in parts)
    spread = (means.var(dim=0) + log_variances.exp().mean(dim=0)).sqrt()
    latents = saved.draw(noise(4000, 4, 1))[..., 0]
    torch.testing.assert_close(latents.mean(dim=0), means.mean(dim=0), atol=0.1, rtol=0)
    torch.testing.assert_close(latents.std(dim=0), spread, atol=0, rtol=0.1)


@pytest.mark.parametrize(("gain", "found"), [(2, 2), (0.5, 1), (9, MAX_ROOM_GAIN)])
def test_the_room_is_as_loud_as_that_of_the_mixes(gain: float, found: float) -> None:
    model, mid = config_of(AmbisonicRecipe.model_validate(CONTENT)).build().eval(), noise(4, 6400)
    latents = torch.randn(4, 4, 1, generator=torch.Generator().manual_seed(0))  # those of the fit
    with torch.no_grad():
        room = model.get_parameter("ends.room").clone()
        model.get_parameter("ends.room").mul_(gain)
        fields = model.decode(mid, latents)
        model.get_parameter("ends.room").copy_(room)
    assert fitted_room_gain(model, [(mid, fields)]) == pytest.approx(found, rel=0.01)
    assert torch.equal(model.get_parameter("ends.room"), room)


@pytest.mark.slow
def test_an_interrupted_training_ends_with_the_same_weights(stems: Path, tmp_path: Path) -> None:
    check_resuming(recipe_with(CONTENT), stems, tmp_path, step=3)


def test_the_loss_falls(stems: Path) -> None:
    task = AmbisonicTask.open(recipe_with(CONTENT, softer_db=0, stereo_prob=0), stems)
    optimizer = torch.optim.Adam(task.model.parameters(), lr=0.003)
    batch, losses = task.batch(0), []
    for _ in range(30):
        optimizer.zero_grad()
        loss = task.loss(*batch)
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    assert sum(losses[-3:]) < 0.9 * sum(losses[:3])


def elbo(output: Tensor, target: Tensor, **changes: float) -> float:
    completed = Completed(output, torch.zeros(1, 4, 1), torch.zeros(1, 4, 1))
    recipe = recipe_with(CONTENT, **changes)
    assert isinstance(recipe, AmbisonicRecipe)
    return float(negative_elbo(recipe, completed, target))


def test_the_loss_has_the_published_weights() -> None:
    target = noise(1, 2, 4096)
    assert elbo(target, target) == pytest.approx(0, abs=1e-6)
    error = 0.01 * noise(1, 2, 4096, seed=1)
    squared = elbo(target + error, target) - elbo(target + error, target, mse_weight=0)
    assert squared == pytest.approx(10 * float(error.square().mean()), rel=0.01)


def test_the_divergence_is_that_of_two_gaussians() -> None:
    mean, log_variance = noise(2, 3, 5), noise(2, 3, 5, seed=1)
    normal = torch.distributions.Normal(mean, (0.5 * log_variance).exp())
    expected = torch.distributions.kl_divergence(normal, torch.distributions.Normal(0, 1))
    found = kl_divergence(mean, log_variance)
    torch.testing.assert_close(found, expected.sum(dim=1).mean(dim=1))


def test_the_spectral_loss_is_convergence_plus_the_error_of_logarithms() -> None:
    sound = noise(1, 2, 4096)
    assert float(spectral_loss(2 * sound, sound, 512)) == pytest.approx(1 + math.log(2), rel=0.01)
    assert float(spectral_loss(-sound, sound, 512)) == pytest.approx(0, abs=1e-5)


def test_folders_and_sizes_that_do_not_work_are_refused(stems: Path, tmp_path: Path) -> None:
    recipe = recipe_with(CONTENT)
    with pytest.raises(InputError, match="no such folder"):
        AmbisonicTask.open(recipe, tmp_path / "none")
    with pytest.raises(InputError, match="no stems for training"):
        AmbisonicTask.open(recipe, stems / "valid")
    with pytest.raises(OptionError, match="even"):
        AmbisonicTask.open(recipe_with(CONTENT, patch=63), stems)


def test_the_recipe_of_the_paper_has_the_published_defaults() -> None:
    paper = load_recipe(RECIPES / "ambisonic-paper.yaml")
    assert isinstance(paper, AmbisonicRecipe)
    bare = AmbisonicRecipe.model_validate({"family": "ambisonic", "loop": CONTENT["loop"]})
    same = ("patch", "channels", "ratios", "recurrent_layers", "depth", "heads", "latent_dim")
    assert all(getattr(paper, name) == getattr(bare, name) for name in same)
    assert (paper.samples, paper.kl_weight, paper.mse_weight) == (480_000, 1, 10)


@pytest.mark.slow
def test_the_recipe_of_the_paper_trains(stems: Path) -> None:
    recipe = load_recipe(RECIPES / "ambisonic-paper.yaml")
    assert isinstance(recipe, AmbisonicRecipe)
    short = recipe.model_copy(
        update={"samples": 16_000, "loop": recipe.loop.model_copy(update={"batch_size": 1})}
    )
    task = AmbisonicTask.open(short, stems)
    assert sum(each.numel() for each in task.model.parameters()) > 10e6
    optimizer = torch.optim.AdamW(task.model.parameters(), lr=1e-4)
    losses = []
    for step in range(3):
        optimizer.zero_grad()
        loss = task.loss(*task.batch(0 * step))
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    assert losses[-1] < losses[0]


def test_the_small_recipe_fits_its_file() -> None:
    recipe = load_recipe(RECIPES / "ambisonic.yaml")
    assert isinstance(recipe, AmbisonicRecipe)
    network = config_of(recipe).build()
    assert 2 * sum(each.numel() for each in network.parameters()) < 2.8e6

import json

import pytest
import torch

from feature_files import write_cache
from soundstage.corpora.feature_cache import load_features
from soundstage.diffusion import FlowSchedule, Objective, Parametrization, logit_normal
from soundstage.networks.models.side_diffusion import SideDiffusionConfig
from soundstage.stereo.side_parameters import to_side_parameters
from soundstage.training import train
from soundstage.training.data.stereo_examples import NO_AUGMENTATION, examples_of
from soundstage.training.tasks.diffusion import SideBatches, config_of, velocity_errors
from soundstage.weights.model import load_model
from trainings import check_resuming, recipe_with, scores_of

CONTENT = {
    "family": "diffusion",
    "size": {"depth": 2, "dim": 16, "heads": 2, "mlp_ratio": 2},
    "context_frames": 16,
    "cond_channels": 8,
    "augmentation": {"style_prob": 0.5, "eq_db": 2},
    "steps_per_epoch": 20,
    "loop": {
        "epochs": 4,
        "batch_size": 8,
        "learning_rate": 0.02,
        "warmup_steps": 4,
        "ema_decay": 0.8,
        "validate_every": 1,
    },
}
SHORT = {"loop": {"epochs": 1}, "steps_per_epoch": 2}


def recipe(**changes):
    return recipe_with(CONTENT, **changes)


@pytest.fixture(scope="module")
def features(tmp_path_factory):
    folder = tmp_path_factory.mktemp("features")
    write_cache(folder / "train.safetensors", [900, 700, 12], seed=1)
    write_cache(folder / "valid.safetensors", [300], seed=50)
    return folder


@pytest.fixture(scope="module")
def trained(features, tmp_path_factory):
    output = tmp_path_factory.mktemp("trained") / "mine.safetensors"
    return train(recipe(), features, output, device="cpu")


def batches(features, **changes):
    caches = [load_features(features / "valid.safetensors")]
    objective = Objective(FlowSchedule(), Parametrization.FLOW, logit_normal())
    settings = {"batch_size": 32, "cond_dropout": 0.0, "objective": objective, "seed": 9}
    examples = examples_of(recipe(), caches, NO_AUGMENTATION)
    return SideBatches(examples, **{**settings, **changes})


def test_the_side_is_predicted_from_the_levels(trained, features):
    scores = scores_of(trained)
    assert scores[-1] > scores[0]
    card = json.loads(trained.card.read_text())
    assert card["validation"]["flow_mse"] == pytest.approx(-max(scores), abs=1e-4)
    network = load_model(trained.weights, SideDiffusionConfig).network
    levels, styles, uncond, *noised = batches(features).draw(0)
    conditional = velocity_errors(network, levels, styles, uncond, *noised).mean()
    unconditional = velocity_errors(network, levels, styles, ~uncond, *noised).mean()
    other = velocity_errors(network, levels.flip(2), styles, uncond, *noised).mean()
    assert conditional < unconditional - 0.01
    assert conditional < other - 0.03


def test_the_file_has_the_configuration_and_the_style_prior(trained):
    loaded = load_model(trained.weights, SideDiffusionConfig)
    assert loaded.config == config_of(recipe())
    assert "style_mean" in loaded.weights.tensors


def test_a_batch_is_noised_side_parameters_and_depends_on_step_and_seed_alone(features):
    one, other = (batches(features, cond_dropout=0.3) for _ in range(2))
    one.draw(7)
    for first, second in zip(one.draw(4), other.draw(4), strict=True):
        torch.testing.assert_close(first, second, rtol=0, atol=0, equal_nan=True)
    assert not torch.equal(one.draw(5)[0], other.draw(4)[0])
    assert not torch.equal(batches(features, seed=4).draw(4)[0], other.draw(4)[0])
    _, _, uncond, state, times, target, *_ = one.draw(4)
    assert 0 < uncond.float().mean() < 0.7
    clean = state - times[:, None, None, None] * target  # of a flow, x_0 = x_t − t·(ε − x_0)
    cache = load_features(features / "valid.safetensors")
    level = to_side_parameters((cache.iid.float().T, cache.coherence.float().T))[0]
    known = level.flatten().unique()
    assert (clean[:, 0].flatten()[:, None] - known).abs().min(dim=1).values.max() < 1e-3


def test_the_times_are_logit_normal(features):
    times = torch.cat([batches(features).draw(step)[4] for step in range(8)])
    assert times.min() > 0
    assert times.max() < 1
    assert ((times > 0.25) & (times < 0.75)).float().mean() > 0.6  # expected: 0.73


def test_a_resumed_training_writes_the_same_file(features, tmp_path):
    check_resuming(recipe(loop={"epochs": 2}, steps_per_epoch=3), features, tmp_path, step=4)


def test_a_network_without_style_input_has_no_prior(features, tmp_path):
    plain = recipe(augmentation={}, **SHORT)
    result = train(plain, features, tmp_path / "plain.safetensors", device="cpu")
    loaded = load_model(result.weights, SideDiffusionConfig)
    assert loaded.config.style_dim == 0
    assert "style_mean" not in loaded.weights.tensors

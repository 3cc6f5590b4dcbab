import json
import math
from pathlib import Path

import pytest
import torch

from feature_files import write_cache
from sounds import song
from soundstage import Audio, upmix
from soundstage.corpora.feature_cache import load_features
from soundstage.errors import InputError, OptionError
from soundstage.stereo import BANDS, TOKENS
from soundstage.training import load_recipe, train
from soundstage.training.data.token_batches import TokenBatch, TokenBatches
from soundstage.training.tasks.stereo_tokens import (
    StereoTokensTask,
    config_of,
    token_log_frequencies,
    token_losses,
)
from soundstage.upmixing import load_method
from soundstage.weights.model import load_model
from trainings import check_resuming, recipe_with, scores_of

RECIPES = Path(__file__).parents[3] / "recipes"
CONTENT = {
    "size": {"depth": 1, "dim": 16, "heads": 2, "mlp_ratio": 2},
    "context_frames": 16,
    "codebook_sizes": [31, 8],
    "cond_dropout": 0.1,
    "steps_per_epoch": 12,
    "loop": {
        "epochs": 3,
        "batch_size": 4,
        "learning_rate": 0.03,
        "warmup_steps": 4,
        "ema_decay": 0.5,
        "validate_every": 1,
    },
}
OURS = {"stride": 2, "memory": True, "augmentation": {"style_prob": 0.5, "eq_db": 2}}
FORMS = {
    "masked": {**CONTENT, **OURS, "family": "masked", "rank": 8, "structured_masks": True},
    "fast": {**CONTENT, **OURS, "family": "autoregressive", "form": "fast", "head_dim": 16},
    "paper": {
        **CONTENT,
        "family": "autoregressive",
        "form": "paper",
        "codebook_sizes": [248],
        "steps_per_epoch": 16,
    },
}
SHORT = {"loop": {"epochs": 1}, "steps_per_epoch": 2}


def recipe(form, **changes):
    return recipe_with(FORMS[form], **changes)


@pytest.fixture(scope="module")
def features(tmp_path_factory):
    folder = tmp_path_factory.mktemp("features")
    write_cache(folder / "train.safetensors", [900, 700, 12], seed=1)
    write_cache(folder / "valid.safetensors", [300], seed=50)
    return folder


def task(features, form, **changes):
    return StereoTokensTask.open(recipe(form, **changes), features)


def valid_batch(features, form):
    batches = task(features, form).valid_batches
    assert isinstance(batches, TokenBatches)
    return batches.draw(0)


@pytest.mark.parametrize("form", FORMS)
def test_tokens_are_predicted_from_the_levels(features, form, tmp_path):
    lines = []
    made = recipe(form)
    output = tmp_path / "mine.safetensors"
    result = train(made, features, output, device="cpu", log=lines.append)
    scores = scores_of(result)
    assert scores[-1] > scores[0]
    card = json.loads(result.card.read_text())
    assert card["validation"]["nats_per_token"] == pytest.approx(-max(scores), abs=1e-4)
    assert card["validation"]["nats_per_token"] < 0.5 * math.log(TOKENS)
    assert f"1,612 frames of 3 tracks, 3 epochs of {made.steps_per_epoch} steps" in lines[0]
    assert any("tokens) per second" in line for line in lines)
    network = load_model(result.weights, type(config_of(made))).network
    batch = valid_batch(features, form)
    conditioned = token_losses(network, batch).mean()
    other = token_losses(network, batch._replace(levels=batch.levels.flip(2))).mean()
    assert float(conditioned) < float(other)


@pytest.mark.parametrize("form", FORMS)
def test_the_file_has_the_configuration_and_the_prior_of_its_style_input(features, form, tmp_path):
    made = recipe(form, **SHORT)
    result = train(made, features, tmp_path / "mine.safetensors", device="cpu")
    config = config_of(made)
    loaded = load_model(result.weights, type(config))
    assert loaded.config == config
    assert ("style_mean" in loaded.weights.tensors) == (form != "paper")


def test_a_resumed_training_writes_the_same_file(features, tmp_path):
    made = recipe("masked", loop={"epochs": 2}, steps_per_epoch=3)
    check_resuming(made, features, tmp_path, step=4)


def test_trained_weights_upmix(features, tmp_path):
    output = tmp_path / "own.safetensors"
    train(recipe("masked", **SHORT), features, output, device="cpu")
    mono = Audio(song(60_000), 44_100)
    stereo = upmix(mono, method=load_method("masked", weights=str(output)))
    assert stereo.samples.shape == (2, 60_000)


def test_masked_tokens_do_not_influence_their_own_prediction(features):
    network = task(features, "masked").model.eval().requires_grad_(False)
    batch = TokenBatch(*(each[:1] for each in valid_batch(features, "masked")))
    # Whatever the tokens under the mask, the distribution is the same: it sums to one over them
    losses = torch.stack(
        [
            token_losses(network, batch._replace(tokens=torch.where(batch.mask, k, batch.tokens)))
            for k in range(TOKENS)
        ]
    )
    assert losses.shape == (TOKENS, int(batch.mask.sum()))
    total = (-losses).exp().sum(dim=0)
    torch.testing.assert_close(total, torch.ones_like(total))


def test_the_loss_is_the_weighted_mean_over_masked_tokens_also_in_shards(features):
    made = task(features, "masked", steps_per_epoch=5)
    network = made.model.eval().requires_grad_(False)
    batch = valid_batch(features, "masked")._replace(weights=torch.arange(8.0))
    losses = torch.zeros(batch.mask.shape)
    losses[batch.mask] = token_losses(network, batch)
    expected = (losses.sum(dim=(1, 2)) * batch.weights).sum() / batch.mask.sum()
    torch.testing.assert_close(made.loss(*batch), expected)
    assert (made.steps_per_epoch, made.tokens_per_example) == (5, 16 * BANDS)
    shards = [[each[:3] for each in batch], [each[3:] for each in batch]]
    joined = sum(made.n_terms(*shard) * float(made.loss(*shard)) for shard in shards)
    assert joined / made.n_terms(*batch) == pytest.approx(float(expected), rel=1e-4)


def test_a_stride_that_does_not_divide_the_segments_of_the_memory_is_refused(features):
    with pytest.raises(OptionError, match="unsupported configuration"):
        task(features, "masked", stride=3)


def test_tracks_that_are_all_shorter_than_an_example_are_refused(tmp_path):
    write_cache(tmp_path / "train.safetensors", [31, 12], seed=1)
    with pytest.raises(InputError, match="32 frames"):
        task(tmp_path, "masked")


def test_without_validation_data_there_is_no_score(tmp_path):
    write_cache(tmp_path / "mine.safetensors", [200], seed=1)
    made = task(tmp_path, "fast")
    assert made.validate(made.model) is None


def test_the_output_bias_starts_at_the_log_frequencies_of_the_tokens(features):
    cache = load_features(features / "train.safetensors")
    frequencies = token_log_frequencies([cache]).exp()
    assert torch.allclose(frequencies.sum(dim=1), torch.ones(BANDS), atol=1e-5)
    swapped = frequencies.unflatten(1, (31, 8)).flip(1).flatten(1)
    assert torch.allclose(frequencies, swapped)
    most = int(cache.tokens[:, 3].bincount().argmax())
    assert int(frequencies[3].argmax()) in (most, int(swapped[3].argmax()))
    made = task(features, "masked", init_output_bias=True)
    assert any(
        value.shape == frequencies.shape and torch.allclose(value, frequencies.log())
        for value in made.model.state_dict().values()
    )
    with pytest.raises(OptionError, match="init_output_bias"):
        task(features, "paper", init_output_bias=True)


@pytest.mark.slow
@pytest.mark.parametrize("name", ["masked", "masked-paper", "autoregressive-paper"])
def test_a_step_of_a_recipe_decreases_the_loss(name, tmp_path):
    write_cache(tmp_path / "train.safetensors", [900], seed=1)
    made = load_recipe(RECIPES / f"{name}.yaml")
    loop = made.loop.model_copy(update={"batch_size": 1})
    task = StereoTokensTask.open(made.model_copy(update={"loop": loop}), tmp_path)
    optimizer = torch.optim.Adam(task.model.parameters(), lr=1e-4)
    before = task.loss(*task.batch(0))
    before.backward()
    optimizer.step()
    with torch.no_grad():
        assert float(task.loss(*task.batch(0))) < float(before)


@pytest.mark.parametrize(
    ("name", "parameters"),
    [("masked", 5.2e6), ("autoregressive", 4.6e6), ("masked-paper", 32.5e6)],
)
def test_the_network_of_a_recipe_has_its_size(name, parameters):
    network = config_of(load_recipe(RECIPES / f"{name}.yaml")).build()
    count = sum(each.numel() for each in network.parameters())
    assert count == pytest.approx(parameters, rel=0.02)

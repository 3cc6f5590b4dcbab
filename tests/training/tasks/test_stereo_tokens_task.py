import json
import math
from pathlib import Path

import pytest
import torch

from feature_files import write_cache
from killing import kill_training
from sounds import song
from soundstage.corpora.feature_cache import load_features
from soundstage.errors import InputError, OptionError
from soundstage.networks.models.stereo_autoregression import StereoAutoregression
from soundstage.networks.models.stereo_tokens import StereoTokens
from soundstage.stereo import BANDS, TOKENS
from soundstage.training.data.masking import last_frame_mask, uniform_mask
from soundstage.training.data.stereo_examples import examples_of
from soundstage.training.data.token_batches import TokenBatch, TokenBatches
from soundstage.training.recipes import (
    AutoregressiveRecipe,
    MaskedRecipe,
    StereoAugmentation,
    load_recipe,
)
from soundstage.training.run import train
from soundstage.training.tasks import generative
from soundstage.training.tasks.generative import GenerativeTask, shape_of, token_losses
from soundstage.upmixing import make_side
from soundstage.upmixing.generative_weights import load_network
from soundstage.upmixing.methods.masked import load_masked
from soundstage.upmixing.parametric import ParametricUpmixer

RECIPES = Path(__file__).parents[2] / "recipes"
GENERATIVE = ("masked", "autoregressive")
PAPERS = [
    path for path in sorted(RECIPES.glob("*-paper.yaml")) if load_recipe(path).family in GENERATIVE
]
SHARED = {
    "size": {"blocks": 1, "width": 16, "heads": 2, "expansion": 2},
    "patch": 16,
    "groups": [31, 8],
    "deaf": 0.1,
    "epoch_steps": 12,
    "loop": {
        "epochs": 3,
        "batch": 4,
        "learning_rate": 0.03,
        "warmup": 4,
        "ema": 0.5,
        "validate_every": 1,
    },
}
OURS = {"stride": 2, "memory": True, "augmentation": {"styled": 0.5, "equalizer": 2}}
FORMS = {
    "masked": {**SHARED, **OURS, "family": "masked", "rank": 8, "patterned": True},
    "fast": {**SHARED, **OURS, "family": "autoregressive", "form": "fast", "head": 16},
    "paper": {**SHARED, "family": "autoregressive", "form": "paper", "groups": [248]},
}


def recipe(form, **changes):
    content = {**FORMS[form], **changes}
    kind = MaskedRecipe if content["family"] == "masked" else AutoregressiveRecipe
    return kind.model_validate(content)


@pytest.fixture(scope="module")
def features(tmp_path_factory):
    folder = tmp_path_factory.mktemp("features")
    write_cache(folder / "train.safetensors", [900, 700, 12], seed=1)
    write_cache(folder / "train-1.1.safetensors", [820, 640, 10], seed=2)
    write_cache(folder / "valid.safetensors", [300], seed=50)
    return folder


@pytest.fixture(scope="module", params=list(FORMS))
def form(request):
    return request.param


@pytest.fixture(scope="module")
def trained(features, form, tmp_path_factory):
    output = tmp_path_factory.mktemp("trained") / "mine.safetensors"
    lines = []
    return train(recipe(form), features, output, device="cpu", say=lines.append), lines


def told_of(features, form, **changes):
    made = recipe(form, **changes)
    held_out = [load_features(features / "valid.safetensors")]
    return TokenBatches(
        examples_of(made, held_out, StereoAugmentation(gain=0)),
        size=8,
        deaf=0,
        mask=last_frame_mask if form == "paper" else uniform_mask,
        seed=9,
    ).draw(0)


def test_what_the_sound_says_is_learned(trained, features, form):
    card = json.loads(trained[0].card.read_text())
    assert card["validation"]["nats_per_token"] < 0.5 * math.log(TOKENS)
    log = trained[0].weights.with_suffix(".csv").read_text().splitlines()
    scores = [float(line.split(",")[log[0].split(",").index("validation")]) for line in log[1:]]
    assert scores[-1] > scores[0]
    told = told_of(features, form)
    _, network, _ = load_network(str(trained[0].weights), recipe(form).family)
    heard = token_losses(network, told).mean()
    deaf = token_losses(network, told._replace(deaf=torch.ones(8, dtype=torch.bool))).mean()
    other = token_losses(network, told._replace(levels=told.levels.flip(2))).mean()
    assert float(heard) < float(other)
    assert math.isfinite(float(deaf))


def test_the_weights_say_how_they_are_to_be_run(trained, form):
    shape, network, _ = load_network(str(trained[0].weights), recipe(form).family)
    assert shape == shape_of(recipe(form))
    assert isinstance(network, StereoAutoregression if form == "fast" else StereoTokens)
    assert (shape.styled, shape.remembers) == ((0, 0) if form == "paper" else (1, 1))
    assert shape.fast == (form == "fast")


def test_a_record_that_is_heard_at_several_speeds_counts_once(trained):
    card = json.loads(trained[0].card.read_text())
    assert card["records"] == trained[0].records == 3
    assert card["data"].startswith("3 stereo records by 1 artists")
    assert card["credits"] == [{"title": "One", "artist": "Ann", "license": "CC0"}]
    assert card["licenses"] == {"CC0": 1}
    assert card["validation"]["records"] == 1


def test_the_plan_is_told_before_the_first_step(trained, form):
    count = sum(each.numel() for each in shape_of(recipe(form)).network().parameters())
    assert trained[1][0].startswith(f"{recipe(form).family}: {count:,} parameters, 3,082 frames")
    assert any("tokens) a second" in line for line in trained[1])


def test_a_killed_run_ends_with_the_same_file(features, tmp_path):
    content = {**FORMS["masked"], "epoch_steps": 4}
    content["loop"] = {**SHARED["loop"], "epochs": 4, "checkpoint_seconds": 0}
    whole = train(recipe("masked", **content), features, tmp_path / "whole.safetensors")
    output = kill_training(content, features, tmp_path)
    train(recipe("masked", **content), features, output, device="cpu")
    assert output.read_bytes() == whole.weights.read_bytes()


def test_trained_weights_upmix(features, tmp_path):
    output = tmp_path / "own.safetensors"
    quick = {**SHARED["loop"], "epochs": 1}
    train(recipe("masked", loop=quick, epoch_steps=2), features, output, device="cpu")
    side = make_side(ParametricUpmixer(load_masked(str(output))), song(60_000))
    assert side.shape == (1, 60_000)
    assert float(side.norm()) > 0


def test_hidden_tokens_are_told_without_being_heard(features):
    network = shape_of(recipe("masked")).network().eval().requires_grad_(False)
    told = TokenBatch(*(each[:1] for each in told_of(features, "masked")))
    likely = (-token_losses(network, told)).exp()
    assert likely.shape == (int(told.mask.sum()),)
    # Whatever lies under the mask, the network says the same: its likelihoods add up to one
    each = torch.stack(
        [
            token_losses(network, told._replace(tokens=torch.where(told.mask, k, told.tokens)))
            for k in range(TOKENS)
        ]
    )
    torch.testing.assert_close((-each).exp().sum(dim=0), torch.ones_like(likely))


def test_the_loss_is_a_mean_over_hidden_tokens_heavier_for_wide_examples(features):
    told = told_of(features, "masked")
    network = shape_of(recipe("masked")).network().eval().requires_grad_(False)
    learned = [load_features(features / "valid.safetensors")]
    made = recipe("masked")
    task = GenerativeTask(
        network, generative._batches(made, learned, made.augmentation, 8, 0.1), None, 5
    )
    told = told._replace(weights=torch.arange(8.0))
    losses = torch.zeros(told.mask.shape)
    losses[told.mask] = token_losses(network, told)
    wanted = (losses.sum(dim=(1, 2)) * told.weights).sum() / told.mask.sum()
    torch.testing.assert_close(task.loss(*told), wanted)
    assert (task.steps_per_epoch, task.tokens_per_example) == (5, 16 * BANDS)
    assert task.validate(network) is None
    # Processes share a batch; together they find the same mean
    parts = [[each[:3] for each in told], [each[3:] for each in told]]
    joined = sum(task.terms(*part) * float(task.loss(*part)) for part in parts)
    assert joined / task.terms(*told) == pytest.approx(float(wanted), rel=1e-4)


def test_only_a_memory_that_joins_whole_positions_is_learned(features, tmp_path):
    with pytest.raises(OptionError, match="stride of 3"):
        train(recipe("masked", stride=3), features, tmp_path / "x.safetensors", device="cpu")


def test_records_shorter_than_an_example_are_refused_when_there_are_no_others(tmp_path):
    write_cache(tmp_path / "train.safetensors", [31, 12], seed=1)
    with pytest.raises(InputError, match="32 frames"):
        train(recipe("masked"), tmp_path, tmp_path / "out.safetensors")


def test_nothing_needs_to_be_held_out(tmp_path):
    write_cache(tmp_path / "mine.safetensors", [200], seed=1)
    quick = recipe("fast", loop={**SHARED["loop"], "epochs": 1})
    result = train(quick, tmp_path, tmp_path / "out.safetensors", device="cpu")
    assert "validation" not in json.loads(result.card.read_text())


def test_a_network_may_begin_from_how_often_tokens_occur(features, tmp_path):
    cache = load_features(features / "train.safetensors")
    told = generative.token_frequencies([cache]).exp()
    assert torch.allclose(told.sum(dim=1), torch.ones(BANDS), atol=1e-5)
    mirrored = told.unflatten(1, (31, 8)).flip(1).flatten(1)
    assert torch.allclose(told, mirrored)
    most = int(cache.tokens[:, 3].bincount().argmax())
    assert int(told[3].argmax()) in (most, int(mirrored[3].argmax()))
    begun = train(recipe("masked", frequencies=True), features, tmp_path / "a.safetensors")
    assert begun.weights.exists()
    with pytest.raises(OptionError, match="frequencies"):
        train(recipe("paper", frequencies=True), features, tmp_path / "b.safetensors")


def test_the_masked_recipe_of_the_paper_has_its_numbers():
    paper = load_recipe(RECIPES / "masked-paper.yaml")
    assert paper.size.model_dump() == {"blocks": 7, "width": 512, "heads": 16, "expansion": 3}
    assert (paper.rank, paper.patch, paper.stride, paper.groups) == (0, 258, 1, (248,))
    assert (paper.loop.epochs, paper.loop.batch, paper.loop.learning_rate) == (700, 128, 1e-4)
    assert (paper.deaf, paper.memory, paper.patterned, paper.dropout) == (0.1, False, False, 0)
    assert paper.augmentation == StereoAugmentation(gain=10)
    count = sum(each.numel() for each in shape_of(paper).network().parameters())
    assert 32e6 < count < 33e6


@pytest.mark.parametrize("path", PAPERS, ids=lambda path: path.stem)
def test_recipes_of_the_paper_run_a_step(path, features):
    paper = load_recipe(path)
    torch.manual_seed(0)
    model = shape_of(paper).network(dropout=paper.dropout)
    learned = [load_features(features / "train.safetensors")]
    task = GenerativeTask(
        model, generative._batches(paper, learned, paper.augmentation, 1, 0.0), None, 1
    )
    optimizer = torch.optim.Adam(model.parameters(), lr=paper.loop.learning_rate)
    before = task.loss(*task.batch(0))
    before.backward()
    optimizer.step()
    with torch.no_grad():
        assert float(task.loss(*task.batch(0))) < float(before)


@pytest.mark.parametrize("family", GENERATIVE)
def test_the_shipped_recipes_are_small_enough_to_ship(family):
    path = RECIPES / f"{family}.yaml"
    if not path.exists():
        pytest.skip("there is no such recipe yet")
    count = sum(each.numel() for each in shape_of(load_recipe(path)).network().parameters())
    assert 2 * count < 15e6

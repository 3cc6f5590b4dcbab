import hashlib
import json

import pytest
import torch

from feature_files import write_cache
from killing import kill_training
from sounds import song
from soundstage.corpora.feature_cache import load_features
from soundstage.diffusion import FlowSchedule, Objective, Parametrization, logit_normal
from soundstage.errors import InputError, OptionError
from soundstage.stereo.side_parameters import to_side_parameters
from soundstage.training.data.stereo_examples import examples_of
from soundstage.training.recipes import DiffusionRecipe, StereoAugmentation, load_recipe
from soundstage.training.run import train
from soundstage.training.tasks.diffusion import PictureBatches, flow_errors
from soundstage.upmixing import make_side
from soundstage.upmixing.diffusion_weights import load_diffusion_network
from soundstage.upmixing.methods.diffusion import load_diffusion
from soundstage.upmixing.parametric import ParametricUpmixer

CONTENT = {
    "family": "diffusion",
    "size": {"blocks": 2, "width": 16, "heads": 2, "expansion": 2},
    "patch": 16,
    "hearing": 8,
    "augmentation": {"styled": 0.5, "equalizer": 2},
    "epoch_steps": 20,
    "loop": {
        "epochs": 4,
        "batch": 8,
        "learning_rate": 0.02,
        "warmup": 4,
        "ema": 0.8,
        "validate_every": 1,
    },
}


def recipe(**changes):
    return DiffusionRecipe.model_validate({**CONTENT, **changes})


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
    held_out = [load_features(features / "valid.safetensors")]
    objective = Objective(FlowSchedule(), Parametrization.FLOW, logit_normal())
    values = {"size": 32, "deaf": 0.0, "objective": objective, "seed": 9}
    examples = examples_of(recipe(), held_out, StereoAugmentation(gain=0))
    return PictureBatches(examples, **{**values, **changes})


def test_what_the_sound_says_is_learned(trained, features):
    card = json.loads(trained.card.read_text())
    log = trained.weights.with_suffix(".csv").read_text().splitlines()
    scores = [float(line.split(",")[log[0].split(",").index("validation")]) for line in log[1:]]
    assert scores[-1] > scores[0]
    assert card["validation"]["flow_mse"] == pytest.approx(-max(scores), abs=1e-4)
    network = load_diffusion_network(str(trained.weights)).network
    levels, styles, deaf, *noised = batches(features).draw(0)
    heard = flow_errors(network, levels, styles, deaf, *noised).mean()
    without = flow_errors(network, levels, styles, ~deaf, *noised).mean()
    other = flow_errors(network, levels.flip(2), styles, deaf, *noised).mean()
    assert heard < without - 0.01
    assert heard < other - 0.03


def test_the_weights_make_a_side(trained):
    side = make_side(ParametricUpmixer(load_diffusion(str(trained.weights))), song(60_000))
    assert side.shape == (1, 60_000)
    assert side.norm() > 0


def test_a_batch_is_noised_pictures_and_depends_on_its_step_and_seed_alone(features):
    one, other = (batches(features, deaf=0.3) for _ in range(2))
    one.draw(7)
    for first, second in zip(one.draw(4), other.draw(4), strict=True):
        torch.testing.assert_close(first, second, rtol=0, atol=0, equal_nan=True)
    assert not torch.equal(one.draw(5)[0], other.draw(4)[0])
    assert not torch.equal(batches(features, seed=4).draw(4)[0], other.draw(4)[0])
    _, _, deaf, state, times, target, _ = one.draw(4)
    assert 0 < deaf.float().mean() < 0.7
    clean = state - times[:, None, None, None] * target  # of a flow, x_0 = x_t − t·(ε − x_0)
    cache = load_features(features / "valid.safetensors")
    level = to_side_parameters((cache.iid.float().T, cache.coherence.float().T))[0]
    known = level.flatten().unique()
    assert (clean[:, 0].flatten()[:, None] - known).abs().min(dim=1).values.max() < 1e-3


def test_times_are_those_of_the_objective(features):
    times = torch.cat([batches(features).draw(step)[4] for step in range(8)])
    assert times.min() > 0
    assert times.max() < 1
    assert ((times > 0.25) & (times < 0.75)).float().mean() > 0.6  # logit-normal: 0.73


def test_training_goes_on_where_it_was_killed(features, tmp_path):
    loop = {**CONTENT["loop"], "epochs": 4, "checkpoint_seconds": 0}
    content = {**CONTENT, "epoch_steps": 4, "loop": loop}
    whole = train(recipe(**content), features, tmp_path / "whole.safetensors", device="cpu")
    output = kill_training(content, features, tmp_path)
    train(recipe(**content), features, output, device="cpu")
    assert output.read_bytes() == whole.weights.read_bytes()


def test_a_network_without_styles_can_be_trained(features, tmp_path):
    loop = {**CONTENT["loop"], "epochs": 1}
    plain = recipe(augmentation={}, loop=loop, epoch_steps=2)
    made = train(plain, features, tmp_path / "plain.safetensors", device="cpu")
    shape, _, prior = load_diffusion_network(str(made.weights))
    assert shape.styled == 0
    assert prior is None


def test_weights_that_are_learned_on_from_are_named_though_they_are_overwritten(features, tmp_path):
    loop = {**CONTENT["loop"], "epochs": 1}
    output = tmp_path / "mine.safetensors"
    train(recipe(loop=loop, epoch_steps=2), features, output, device="cpu")
    first = hashlib.sha256(output.read_bytes()).hexdigest()
    again = recipe(loop={**loop, "begin": str(output)}, epoch_steps=2)
    made = train(again, features, output, device="cpu", overwrite=True)
    assert hashlib.sha256(output.read_bytes()).hexdigest() != first
    card = json.loads(made.card.read_text())
    assert card["trained"]["began_at"] == {"weights": str(output), "sha256": first}


@pytest.mark.parametrize(
    ("line", "says"),
    [
        ("vector: [0, 2]", "vector"),
        ("vector: [4, 35]", "vector"),
        ("hearing: 0", "hearing"),
        ("times: [0, 0]", "times"),
        ("size: {width: 20, heads: 2}", "by fours"),
        ("rank: 8", "rank"),
    ],
)
def test_what_does_not_fit_is_refused(tmp_path, line, says):
    path = tmp_path / "own.yaml"
    path.write_text(
        f"family: diffusion\n{line}\nloop: {{epochs: 1, batch: 2, learning_rate: 0.001}}\n"
    )
    with pytest.raises(OptionError, match=says) as caught:
        load_recipe(path)
    assert "\n" not in str(caught.value)


def test_without_features_there_is_nothing_to_learn(tmp_path):
    with pytest.raises(InputError, match="no features"):
        train(recipe(), tmp_path, tmp_path / "out.safetensors")

import json
from dataclasses import replace

import pytest
import torch

from making_recordings import write_direct_speech
from soundstage.binaural.render.binauralgrad import PAPER_STEPS
from soundstage.errors import OptionError, WeightsError
from soundstage.networks.backbones.neural_warp import warp
from soundstage.networks.models.binaural_grad import BinauralGrad, BinauralGradConfig, Stage
from soundstage.training import train
from soundstage.training.data import binaural_batches
from soundstage.training.data.binaural_batches import (
    MARGIN,
    BinauralBatches,
    ValidationSegments,
    open_speech,
)
from soundstage.training.recipes import BinauralGradRecipe
from soundstage.training.tasks import binauralgrad
from soundstage.training.tasks.binaural_losses import BinauralLoss
from soundstage.training.tasks.binauralgrad import BinauralGradTask, config_of, unpack
from soundstage.weights.model import load_model, save_model
from trainings import check_resuming, interrupt, log_of, recipe_with, scores_of

LOOP = {
    "epochs": 3,
    "batch_size": 4,
    "learning_rate": 0.01,
    "warmup_steps": 2,
    "ema_decay": 0.5,
    "validate_every": 1,
}
SIZE = {"blocks": 1, "layers": 2, "channels": 4, "kernel_size": 3}
CONTENT = {
    "family": "binauralgrad",
    "size": SIZE,
    "frames": {"hop": 16, "taps": 5, "rank": 2},
    "cond_channels": 4,
    "time_features": 8,
    "noise": "flow",
    "pure_noise_prob": 0.5,
    "pose_encoding": "directions",
    "segment_samples": 1600,
    "steps_per_epoch": 6,
    "loop": LOOP,
}
# Noise is learned more slowly, and sampling takes six steps
DDPM = {
    "noise": "ddpm",
    "pure_noise_prob": 0.0,
    "size": {**SIZE, "channels": 12},
    "segment_samples": 800,
    "steps_per_epoch": 15,
    "loop": {**LOOP, "validate_every": 3},
}
KINDS = {
    "common": {"stage": "common", "gain_db": 6, "preemphasis_weight": 1},
    "specific": {"stage": "specific", "phase_weight": 0.01},
    "single": {"stage": "single", "pose_encoding": "published"},
    "ddpm-frames": {"stage": "single", "phase_weight": 0.01, **DDPM},
    "paper": {"stage": "common", "frames": None, "pose_encoding": "published", **DDPM},
    "paper-specific": {"stage": "specific", "frames": None, **DDPM},
}


def recipe(kind, **changes) -> BinauralGradRecipe:
    return recipe_with({**CONTENT, **KINDS[kind]}, **changes)


@pytest.fixture(scope="module", autouse=True)
def few_segments():
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(binaural_batches, "VALID_SEGMENTS", 1)
        yield


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("recordings")
    return write_direct_speech(folder, loudness=0.4, shadow=0.5)


@pytest.fixture(scope="module")
def speech(folder):
    return open_speech(folder, recipe("common"))


def first_stage(speech, seed=1, *, scale=None, noise="flow"):
    """A loaded first stage with random weights, or untrained for the seed 0."""
    made = recipe("common", noise=noise, pure_noise_prob=0)
    config = config_of(made, speech.calibration)
    if scale:
        config = replace(config, calibration=replace(speech.calibration, scale=scale))
    torch.manual_seed(seed)
    network = config.build()
    if seed:
        for parameter in network.parameters():
            parameter.data.add_(0.1 * torch.randn_like(parameter))
    network = network.eval().requires_grad_(False)
    return binauralgrad.LoadedModel(config, network, weights=None)


def task(speech, kind, common=None, *, valid=False, batch_size=3, **changes) -> BinauralGradTask:
    """A task with a network that is not silent before training."""
    made = recipe(kind, **changes)
    batches = BinauralBatches(speech.train, speech.calibration, made, batch_size=batch_size)
    torch.manual_seed(0)
    network = config_of(made, speech.calibration).build()
    for parameter in network.parameters():
        parameter.data.add_(0.05 * torch.randn_like(parameter))
    found = BinauralGradTask(made, speech, network, batches, common)
    if valid:
        found.valid_segments = ValidationSegments(speech, made)
    return found


def check_training(folder, kind, output):
    made = recipe(kind)
    result = train(made, folder, output, device="cpu")
    log = log_of(result)
    assert float(log[-1]["loss"]) < 0.95 * float(log[0]["loss"])
    scores = scores_of(result)
    if made.noise == "flow":  # six steps of an almost untrained network do not render sound yet
        assert scores[-1] > scores[0]
    card = json.loads(result.card.read_text())
    assert (card["family"], card["recordings"]) == ("binauralgrad", 2)
    assert card["validation"]["wave_l2_thousandths"] == pytest.approx(-max(scores), abs=1e-3)

    loaded = load_model(result.weights, BinauralGradConfig)
    calibration = open_speech(folder, made).calibration
    assert loaded.config == config_of(made, calibration)
    assert isinstance(loaded.network, BinauralGrad) == (made.frames is None)
    stage = Stage(made.stage)
    inputs = torch.randn(1, stage.signals, 900), torch.zeros(1, loaded.config.pose_dim, 3)
    state = torch.randn(1, stage.channels, 900)
    output = loaded.network(state, torch.ones(1), *inputs)
    assert output.shape == state.shape
    assert bool(output.any())


def test_the_first_stage_is_learned_and_its_file_is_a_network(folder, tmp_path):
    check_training(folder, "common", tmp_path / "common.safetensors")


@pytest.mark.slow
@pytest.mark.parametrize("kind", [kind for kind in KINDS if kind != "common"])
def test_every_kind_of_stage_is_learned_and_its_file_is_a_network(folder, tmp_path, kind):
    check_training(folder, kind, tmp_path / f"{kind}.safetensors")


@pytest.fixture(scope="module")
def common(folder, speech, tmp_path_factory):
    """The file of a first stage."""
    path = tmp_path_factory.mktemp("common") / "common.safetensors"
    model = first_stage(speech)
    save_model(path, model.config, model.network.state_dict())
    return path


SHORT = {"loop": {"epochs": 1}, "steps_per_epoch": 2}


def test_a_resumed_training_with_a_first_stage_writes_the_same_file(folder, common, tmp_path):
    made = recipe("specific", common_weights=str(common), teacher_forcing=0.5, **SHORT)
    check_resuming(made, folder, tmp_path, step=1)


@pytest.mark.parametrize("kind", KINDS)
def test_a_batch_is_the_clean_signal_with_noise_and_depends_on_its_step_alone(speech, kind):
    made = task(speech, kind)
    batch = made.batch(4)
    assert all(map(torch.equal, batch, task(speech, kind).batch(4)))
    examples, noised, common_noise, _ = unpack(batch)
    clean = examples.ears
    if recipe(kind).stage == "common":
        clean = clean.mean(dim=1, keepdim=True)
    config = config_of(recipe(kind), speech.calibration)
    level = config.schedule().level(noised.times)
    alpha, sigma = (each.float()[:, None, None] for each in level)
    if config.noise == "flow":
        torch.testing.assert_close(noised.target, clean)
        noise = (noised.state - alpha * clean) / sigma
    else:
        noise = noised.target
        torch.testing.assert_close(noised.state, alpha * clean + sigma * noise)
    assert float(noise.std()) == pytest.approx(1, abs=0.03)
    assert {len(each) for each in batch} == {3}
    _, other, other_noise, _ = unpack(made.batch(5))
    assert not torch.equal(noised.times, other.times)
    assert not torch.equal(common_noise, other_noise)


@pytest.mark.parametrize("probability", [0.0, 0.25, 1.0])
def test_a_share_of_the_examples_is_pure_noise(speech, probability):
    made = task(speech, "common", batch_size=20, pure_noise_prob=probability, segment_samples=800)
    noised = unpack(made.batch(0)).noised
    assert int((noised.times == 1).sum()) == pytest.approx(20 * probability, abs=1)
    others = noised.times[noised.times < 1]
    assert len(others) < 2 or float(others.min()) < 0.25
    assert bool((noised.times >= 0).all())


def test_a_share_of_the_pure_noise_is_zero(speech):
    settings = {"batch_size": 20, "pure_noise_prob": 0.5, "segment_samples": 800}
    made, plain = (task(speech, "common", zero_noise_prob=p, **settings) for p in (0.4, 0.0))
    shares = []
    for step in range(20):
        noised, other = (unpack(each.batch(step)).noised for each in (made, plain))
        pure = noised.times == 1
        zero = ~noised.state.flatten(1).any(dim=1)
        assert bool((pure | ~zero).all())
        shares.append(float(zero.sum() / pure.sum()))
        assert torch.equal(noised.state[~zero], other.state[~zero])
        assert torch.equal(noised.target, other.target)
    assert sum(shares) / len(shares) == pytest.approx(0.4, abs=0.1)


@pytest.mark.parametrize("kind", KINDS)
def test_the_loss_is_the_weighted_error_of_the_prediction(speech, kind):
    made = task(speech, kind, preemphasis_weight=2.0, phase_weight=0.1)
    batch = made.batch(2)
    examples, noised, _, _ = unpack(batch)
    config = config_of(recipe(kind), speech.calibration)
    times = torch.arange(examples.mono.shape[-1], dtype=torch.float64)
    cubic = config.frames is not None
    ears = warp(examples.mono, times - examples.sample_delays, cubic=cubic)
    stage = Stage(recipe(kind).stage)
    mean = examples.ears.mean(dim=1)
    signals = stage.conditioning(ears, examples.mono, mean if stage is Stage.SPECIFIC else None)
    scale = 200 if config.noise == "flow" else 1
    with torch.no_grad():
        output = made.model(noised.state, scale * noised.times, signals, examples.poses)
    weights = BinauralLoss(1.0, 2.0, 0.1)
    error = weights.error_terms((output - noised.target)[..., MARGIN:])
    alpha, sigma = (each.float()[:, None, None] for each in config.schedule().level(noised.times))
    clean = output if config.noise == "flow" else (noised.state - sigma * output) / alpha
    target = mean[:, None] if stage is Stage.COMMON else examples.ears
    phase = weights.phase_term(clean[..., MARGIN:], target[..., MARGIN:])
    expected = (error + phase).mean()
    torch.testing.assert_close(made.loss(*batch).detach(), expected, rtol=1e-4, atol=0)


@pytest.mark.parametrize("noise", ["flow", "ddpm"])
def test_a_second_stage_is_conditioned_on_the_output_of_the_first(speech, noise):
    predicted, forced = [], []
    for seed in (1, 2, 1):
        first = first_stage(speech, seed, noise=noise)
        made = task(speech, "specific", first)
        predicted.append(made.loss(*made.batch(0)).item())
        made = task(speech, "specific", first, teacher_forcing=1)
        forced.append(made.loss(*made.batch(0)).item())
    assert predicted[0] == predicted[2] != predicted[1]
    assert forced[0] == forced[1]
    plain = task(speech, "specific")
    plain_loss = plain.loss(*plain.batch(0)).item()
    assert plain_loss == pytest.approx(forced[0], rel=1e-5)
    assert plain_loss != pytest.approx(predicted[0], rel=1e-5)


def test_teacher_forcing_has_its_probability(speech):
    settings = {"batch_size": 20, "teacher_forcing": 0.3, "segment_samples": 800}
    made = task(speech, "specific", first_stage(speech), **settings)
    shares = [unpack(made.batch(step)).teacher_forcing.float().mean() for step in range(20)]
    assert float(sum(shares)) / 20 == pytest.approx(0.3, abs=0.08)
    examples, _, noise, forced = unpack(made.batch(0))
    assert 0 < int(forced.sum()) < 20
    common = made._inputs(examples, noise, forced)["signals"][:, 3]
    is_true = [torch.equal(*each) for each in zip(common, examples.ears.mean(dim=1), strict=True)]
    assert is_true == forced.tolist()


def test_the_level_of_the_first_stage_does_not_matter(speech):
    """An untrained first stage returns the mean of the warped ears."""
    commons = []
    for scale in (None, 0.01, 300.0):
        made = task(speech, "specific", first_stage(speech, 0, scale=scale))
        examples, _, noise, forced = unpack(made.batch(0))
        signals = made._inputs(examples, noise, forced)["signals"]
        torch.testing.assert_close(signals[:, 3], signals[:, :2].mean(dim=1))
        commons.append(signals[:, 3])
    torch.testing.assert_close(commons[1], commons[0])
    torch.testing.assert_close(commons[2], commons[0])


def test_the_first_stage_is_not_trained_with_the_second(speech):
    first = first_stage(speech)
    made = task(speech, "specific", first)
    made.loss(*made.batch(0)).backward()
    assert all(parameter.grad is None for parameter in first.network.parameters())
    assert all(parameter.grad is not None for parameter in made.model.parameters())


@pytest.mark.parametrize("noise", ["flow", "ddpm"])
def test_each_noise_draw_of_the_first_stage_is_used_once(speech, noise, monkeypatch):
    used = []

    def spy(network, config, signals, pose, noise, step_noise, sampling):
        steps = range(sampling.steps_of(config) - 1)
        used.extend([noise, *(step_noise(step) for step in steps)])
        return torch.zeros_like(noise)

    made = task(speech, "specific", first_stage(speech, noise=noise))
    examples, _, common_noise, forced = unpack(made.batch(0))
    with monkeypatch.context() as patch:
        patch.setattr(binauralgrad, "sample_stage", spy)
        made._inputs(examples, common_noise, forced)
    assert len(used) == (1 if noise == "flow" else PAPER_STEPS)
    assert {each.shape for each in used} == {(3, 1, examples.mono.shape[-1])}
    similarity = torch.corrcoef(torch.stack([each.flatten() for each in used]))
    similarity = similarity.reshape(len(used), -1)
    assert float((similarity - torch.eye(len(used))).abs().max()) < 0.05


@pytest.mark.parametrize("kind", ["common", "specific", "paper"])
def test_the_validation_score_does_not_depend_on_the_global_random_state(speech, kind):
    made = task(speech, kind, valid=True)
    with torch.no_grad():
        first = made.validate(made.model)
        torch.rand(5)
        assert made.validate(made.model) == first
    assert first is not None
    assert first < 0
    assert task(speech, kind).validate(made.model) is None


def test_a_second_stage_is_validated_with_its_first_stage(speech):
    scores = []
    for first in (None, first_stage(speech, 1), first_stage(speech, 2)):
        made = task(speech, "specific", first, valid=True, teacher_forcing=0.5)
        with torch.no_grad():
            scores.append(made.validate(made.model))
    assert len(set(scores)) == 3


def test_the_fingerprint_depends_on_the_weights_of_the_first_stage(folder, common, tmp_path):
    copy, output = tmp_path / "common.safetensors", tmp_path / "mine.safetensors"
    copy.write_bytes(common.read_bytes())
    made = recipe(
        "specific",
        common_weights=str(copy),
        steps_per_epoch=2,
        loop={"epochs": 1, "checkpoint_seconds": 0},
    )
    interrupt(made, folder, output, step=1)
    model = load_model(copy, BinauralGradConfig)
    state = {name: -value for name, value in model.network.state_dict().items()}
    save_model(copy, model.config, state)
    with pytest.raises(OptionError, match=r"mine\.checkpoint"):
        train(made, folder, output, device="cpu")


def test_weights_that_are_not_a_first_stage_with_the_same_pose_encoding_are_refused(
    folder, common, tmp_path
):
    model = load_model(common, BinauralGradConfig)
    with pytest.raises(OptionError, match="not a first stage with the pose encoding 'published'"):
        BinauralGradTask.open(
            recipe("specific", pose_encoding="published", common_weights=str(common)), folder
        )
    second = replace(model.config, stage="specific")
    path = tmp_path / "second.safetensors"
    save_model(path, second, second.build().state_dict())
    with pytest.raises(OptionError, match=r"second\.safetensors: is not a first stage"):
        BinauralGradTask.open(recipe("specific", common_weights=str(path)), folder)
    missing = recipe("specific", common_weights=str(tmp_path / "none.safetensors"))
    with pytest.raises(WeightsError, match="no weights"):
        BinauralGradTask.open(missing, folder)


def test_a_recipe_with_defaults_is_the_network_of_the_paper(speech):
    loop = {"epochs": 1, "batch_size": 1, "learning_rate": 1}
    bare = BinauralGradRecipe(family="binauralgrad", stage="specific", loop=loop)
    config = config_of(bare, speech.calibration)
    paper = BinauralGradConfig(
        stage="specific",
        pose_encoding="published",
        pose_dim=7,
        stack=config.stack,
        calibration=speech.calibration,
    )
    assert config == paper
    assert (config.stack.blocks, config.stack.layers, config.stack.channels) == (3, 10, 128)
    level = config.schedule().level(torch.tensor([1.0, 200.0]))
    torch.testing.assert_close(level.alpha[0].item(), (1 - 1e-4) ** 0.5)


def test_the_loss_of_shards_averages_to_that_of_the_batch(speech):
    made = task(speech, "specific", first_stage(speech), batch_size=4)
    batch = made.batch(0)
    halves = [tuple(each[part] for each in batch) for part in (slice(0, 2), slice(2, 4))]
    losses = [made.loss(*half).item() for half in halves]
    assert sum(losses) / 2 == pytest.approx(made.loss(*batch).item(), rel=1e-4)

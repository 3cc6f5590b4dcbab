import json

import pytest
import torch

from making_recordings import write_direct_speech
from soundstage.networks.models.binaural_wavenet import BinauralWaveNetConfig, WarpNetConfig
from soundstage.training import train
from soundstage.training.data import binaural_batches
from soundstage.training.data.binaural_batches import MARGIN, BinauralExamples
from soundstage.training.tasks.binaural_losses import BinauralLoss
from soundstage.training.tasks.binaural_regression import BinauralRegressionTask, config_of
from soundstage.weights.model import load_model
from trainings import check_resuming, log_of, recipe_with, scores_of

LOOP = {
    "epochs": 3,
    "batch_size": 4,
    "learning_rate": 0.02,
    "warmup_steps": 4,
    "ema_decay": 0.5,
    "validate_every": 1,
}
SHARED = {"segment_samples": 2000, "steps_per_epoch": 12, "loop": LOOP}
CONTENT = {
    # The receptive field has to cover the delays
    "wavenet": {
        **SHARED,
        "family": "wavenet",
        "size": {"blocks": 1, "layers": 7, "channels": 6},
        "pose_encoding": "published",
    },
    "warpnet": {
        **SHARED,
        "family": "warpnet",
        "size": {"blocks": 1, "layers": 2, "channels": 4},
        "rank": 2,
        "warp_layers": 1,
        "warp_channels": 4,
        "pose_encoding": "directions",
        "gain_db": 6,
        "preemphasis_weight": 1,
        "phase_weight": 0.01,
    },
}
KINDS = {"wavenet": BinauralWaveNetConfig, "warpnet": WarpNetConfig}
FAMILIES = sorted(CONTENT)


def recipe(family, **changes):
    return recipe_with(CONTENT[family], **changes)


@pytest.fixture(scope="module", autouse=True)
def few_segments():
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(binaural_batches, "VALID_SEGMENTS", 2)
        yield


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("recordings")
    return write_direct_speech(folder, distances=(0.3, 0.5), loudness=0.5, shadow=0.5)


def task(folder, family, **changes):
    """A task with a network that is not silent before training."""
    made = BinauralRegressionTask.open(recipe(family, loop={"batch_size": 2}, **changes), folder)
    torch.manual_seed(0)
    with torch.no_grad():
        for parameter in made.model.parameters():
            parameter.add_(0.05 * torch.randn_like(parameter))
    return made


@pytest.mark.parametrize("family", FAMILIES)
def test_both_ears_are_learned_and_the_file_renders_them(folder, family, tmp_path):
    lines = []
    output = tmp_path / f"{family}.safetensors"
    result = train(recipe(family), folder, output, device="cpu", log=lines.append)
    losses = [float(row["loss"]) for row in log_of(result)]
    scores = scores_of(result)
    assert losses[-1] < 0.9 * losses[0]
    assert scores[-1] > scores[0]
    assert "minutes of 2 recordings, 3 epochs of 12 steps of 4 × 2000 samples" in lines[0]

    card = json.loads(result.card.read_text())
    assert (card["recordings"], card["data"]) == (2, "2 binaural recordings")
    assert card["validation"]["recordings"] == 1
    assert card["validation"]["wave_l2_thousandths"] == pytest.approx(-max(scores), abs=1e-3)

    loaded = load_model(result.weights, KINDS[family])
    calibration = BinauralRegressionTask.open(recipe(family), folder).dataset.calibration
    assert loaded.config == config_of(recipe(family), calibration)
    poses = torch.zeros(1, loaded.config.pose_dim, 3)
    delays = [torch.full((1, 2, 900), 30.0)] if family == "warpnet" else []
    ears = loaded.network(torch.randn(1, 900), poses, *delays)
    assert ears.shape == (1, 2, 900)
    assert bool(ears.any())


def test_a_resumed_training_writes_the_same_file(folder, tmp_path):
    made = recipe("warpnet", loop={"epochs": 2}, steps_per_epoch=3)
    check_resuming(made, folder, tmp_path, step=4)


@pytest.mark.parametrize("family", FAMILIES)
def test_the_margin_is_excluded_from_the_loss(folder, family):
    made = task(folder, family)
    batch = BinauralExamples(*made.batch(0))
    loss = made.loss(*batch)
    within, after = batch.ears.clone(), batch.ears.clone()
    within[..., :MARGIN] += 1
    after[..., MARGIN] += 1
    torch.testing.assert_close(made.loss(*batch._replace(ears=within)), loss)
    assert abs(made.loss(*batch._replace(ears=after)).item() - loss.item()) > 1e-5


@pytest.mark.parametrize("family", FAMILIES)
def test_the_loss_is_the_weighted_sum_of_its_terms(folder, family):
    weights = BinauralLoss(1.0, 2.0, 0.1)
    made = task(folder, family, preemphasis_weight=2.0, phase_weight=0.1)
    batch = BinauralExamples(*made.batch(3))
    assert all(map(torch.equal, batch, made.batch(3)))
    inputs = [batch.mono, batch.poses]
    if family == "warpnet":
        position = torch.arange(batch.mono.shape[-1]) / 400
        before = position.long()
        after = (before + 1).clamp(max=batch.delays.shape[-1] - 1)
        share = position - before
        inputs.append((1 - share) * batch.delays[..., before] + share * batch.delays[..., after])
    with torch.no_grad():
        output = made.model(*inputs)[..., MARGIN:]
    target = batch.ears[..., MARGIN:]
    expected = weights.error_terms(output - target) + weights.phase_term(output, target)
    torch.testing.assert_close(made.loss(*batch).detach(), expected.mean(), rtol=1e-3, atol=0)


def test_only_warpnet_uses_the_delays(folder):
    changed = {}
    for family in FAMILIES:
        made = task(folder, family)
        batch = BinauralExamples(*made.batch(0))
        other = batch._replace(delays=batch.delays + 7)
        changed[family] = not torch.equal(made.loss(*batch), made.loss(*other))
    assert changed == {"warpnet": True, "wavenet": False}


def test_an_epoch_covers_the_recordings_once_unless_the_recipe_has_its_steps(folder):
    assert task(folder, "wavenet", steps_per_epoch=0).steps_per_epoch == 48
    assert task(folder, "wavenet", steps_per_epoch=5).steps_per_epoch == 5

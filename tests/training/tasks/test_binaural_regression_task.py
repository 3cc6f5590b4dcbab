import csv
import hashlib
import json
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pytest
import torch
from pydantic import TypeAdapter
from soundstage.binaural.render.neural_weights import (
    BinauralWaveNetConfig,
    Calibration,
    WarpNetShape,
    load_network,
)
from soundstage.training.tasks.binaural_speech import open_speech

from making_recordings import write_direct_speech
from soundstage.binaural.render.pose_encoding import PoseEncoding
from soundstage.errors import OptionError
from soundstage.networks.models.binaural_wavenet import WarpNet, WarpNetConfig
from soundstage.training.checkpoints import checkpoint_path
from soundstage.training.data.binaural_batches import MARGIN, BinauralBatches, Heard, calibrate
from soundstage.training.recipes import WarpNetRecipe, WaveNetRecipe
from soundstage.training.run import TrainingResult, train
from soundstage.training.tasks import binaural_speech as binaural_speech_training
from soundstage.training.tasks.binaural_losses import BinauralLoss
from soundstage.training.tasks.binaural_regression import RegressionTask, shape_of

LOOP = {
    "epochs": 3,
    "batch": 4,
    "learning_rate": 0.02,
    "warmup": 4,
    "ema": 0.5,
    "validate_every": 1,
}
CONTENT: dict[str, dict[str, Any]] = {
    # A delay can only be learned by a network that reaches as far
    "wavenet": {"size": {"blocks": 1, "layers": 7, "channels": 6}, "view": "published"},
    "warpnet": {
        "size": {"blocks": 1, "layers": 2, "channels": 4},
        "rank": 2,
        "warp_layers": 1,
        "warp_channels": 4,
        "view": "directions",
        "gain": 6,
        "emphasis": 1,
        "phase": 0.01,
    },
}
KINDS = {"wavenet": BinauralWaveNetConfig, "warpnet": WarpNetShape}
FAMILIES = sorted(CONTENT)


def recipe(family: str, **changes: Any) -> WaveNetRecipe | WarpNetRecipe:
    content = {"family": family, "samples": 2000, "epoch_steps": 12, "loop": LOOP}
    kind: TypeAdapter[WaveNetRecipe | WarpNetRecipe] = TypeAdapter(WaveNetRecipe | WarpNetRecipe)
    return kind.validate_python({**content, **CONTENT[family], **changes})


@pytest.fixture(scope="module", autouse=True)
def few_stretches() -> object:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(binaural_speech_training, "HELD_OUT_STRETCHES", 2)
        yield


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("recordings")
    return write_direct_speech(folder, distances=(0.3, 0.5), loudness=0.5, shadow=0.5)


@pytest.fixture(scope="module")
def trained(folder: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, TrainingResult]:
    output = tmp_path_factory.mktemp("trained")
    return {
        family: train(recipe(family), folder, output / f"{family}.safetensors", device="cpu")
        for family in FAMILIES
    }


def log_of(result: TrainingResult) -> list[dict[str, str]]:
    with result.weights.with_suffix(".csv").open() as lines:
        return list(csv.DictReader(lines))


def task(
    folder: Path, family: str, loss: BinauralLoss | None = None, **changes: Any
) -> RegressionTask:
    made = recipe(family, **changes)
    speech = open_speech(folder, made)
    batches = BinauralBatches(
        speech.learned,
        speech.calibration,
        view=made.view,
        samples=made.samples,
        size=2,
        gain=0,
        seed=0,
    )
    torch.manual_seed(0)
    model = shape_of(made).network()
    torch.nn.init.normal_(model.last.weight, std=0.1)  # silent before training
    return RegressionTask(
        model,
        batches,
        None,
        loss or BinauralLoss(),
        warps=family == "warpnet",
        epoch_steps=0,
    )


@pytest.mark.parametrize("family", FAMILIES)
def test_what_is_heard_is_learned(trained: dict[str, TrainingResult], family: str) -> None:
    log = log_of(trained[family])
    losses, scores = ([float(line[name]) for line in log] for name in ("loss", "validation"))
    assert losses[-1] < 0.9 * losses[0]
    assert scores[-1] > scores[0]


@pytest.mark.parametrize("family", FAMILIES)
def test_the_file_is_a_network_with_all_that_says_how_to_run_it(
    trained: dict[str, TrainingResult], folder: Path, family: str
) -> None:
    made = recipe(family)
    found = load_network(str(trained[family].weights), KINDS[family])
    assert found.shape == shape_of(made)
    learned = open_speech(folder, made).learned
    assert found.calibration == calibrate(learned, made.view)
    assert found.shape.view_name == made.view
    sound = torch.randn(1, 900)
    view = torch.zeros(1, found.shape.numbers, 3)
    delays = [torch.full((1, 2, 900), 30.0)] if family == "warpnet" else []
    ears = found.network(sound, view, *delays)
    assert ears.shape == (1, 2, 900)
    assert bool(ears.any())


@pytest.mark.parametrize("family", FAMILIES)
def test_the_card_says_what_was_learned_and_how_well(
    trained: dict[str, TrainingResult], family: str
) -> None:
    card = json.loads(trained[family].card.read_text())
    assert (card["name"], card["family"]) == (family, family)
    assert (card["records"], card["data"]) == (2, "2 binaural recordings")
    assert card["trained"]["steps"] == 36
    assert card["trained"]["device"] == "cpu"
    assert card["recipe"]["size"]["layers"] == CONTENT[family]["size"]["layers"]
    content = trained[family].weights.read_bytes()
    assert card["sha256"] == hashlib.sha256(content).hexdigest()
    best = max(float(line["validation"]) for line in log_of(trained[family]))
    assert card["validation"]["recordings"] == 1
    assert card["validation"]["wave_l2_thousandths"] == pytest.approx(-best, abs=1e-3)


def test_an_interrupted_training_ends_with_the_same_file(folder: Path, tmp_path: Path) -> None:
    class Interrupted(Exception):
        pass

    def interrupt(step: int, steps: int) -> None:
        if step == 5:
            raise Interrupted

    quick = recipe("warpnet", epoch_steps=4, loop={**LOOP, "epochs": 2, "checkpoint_seconds": 0})
    whole = train(quick, folder, tmp_path / "whole.safetensors", device="cpu")
    output = tmp_path / "mine.safetensors"
    with pytest.raises(Interrupted):
        train(quick, folder, output, device="cpu", progress=interrupt)
    assert checkpoint_path(output).exists()
    other = quick.model_copy(update={"gain": 3.0})
    with pytest.raises(OptionError, match=r"mine\.checkpoint"):
        train(other, folder, output, device="cpu")
    train(quick, folder, output, device="cpu")
    assert output.read_bytes() == whole.weights.read_bytes()
    assert not checkpoint_path(output).exists()


@pytest.mark.parametrize("family", FAMILIES)
def test_sound_counts_after_its_margin_alone(folder: Path, family: str) -> None:
    made = task(folder, family)
    batch = Heard(*made.batch(0))
    loss = made.loss(*batch)
    within, after = batch.ears.clone(), batch.ears.clone()
    within[..., :MARGIN] += 1
    after[..., MARGIN] += 1
    torch.testing.assert_close(made.loss(*batch._replace(ears=within)), loss)
    assert abs(made.loss(*batch._replace(ears=after)).item() - loss.item()) > 1e-5


@pytest.mark.parametrize("family", FAMILIES)
def test_the_loss_is_that_of_what_the_network_says(folder: Path, family: str) -> None:
    asked = BinauralLoss(1.0, 2.0, 0.1)
    made = task(folder, family, asked)
    batch = Heard(*made.batch(3))
    assert all(map(torch.equal, batch, made.batch(3)))
    told = [batch.mono, batch.view]
    if family == "warpnet":
        rows = torch.arange(batch.mono.shape[-1]) / 400
        before = rows.long()
        after = (before + 1).clamp(max=batch.delays.shape[-1] - 1)
        share = rows - before
        told.append((1 - share) * batch.delays[..., before] + share * batch.delays[..., after])
    with torch.no_grad():
        said = made.model(*told)[..., MARGIN:]
    true = batch.ears[..., MARGIN:]
    wanted = (asked.of_error(said - true) + asked.of_sound(said, true)).mean()
    torch.testing.assert_close(made.loss(*batch).detach(), wanted, rtol=1e-3, atol=0)


def test_delays_are_told_to_warpnet_and_not_to_wavenet(folder: Path) -> None:
    changed = {}
    for family in FAMILIES:
        made = task(folder, family)
        batch = Heard(*made.batch(0))
        other = batch._replace(delays=batch.delays + 7)
        changed[family] = not torch.equal(made.loss(*batch), made.loss(*other))
    assert changed == {"warpnet": True, "wavenet": False}


def test_without_held_out_recordings_there_is_no_score(folder: Path) -> None:
    made = task(folder, "wavenet")
    assert made.validate(made.model) is None
    assert made.steps_per_epoch == 2 * 240 * 400 // (2000 * 2)


@pytest.mark.parametrize("view", ["published", "directions"])
def test_shapes_are_those_of_recipes(view: PoseEncoding) -> None:
    made = recipe("warpnet", view=view)
    shape = shape_of(made)
    assert shape == WarpNetShape(int(view == "directions"), 1, 2, 4, 2, 2, 1, 4)
    assert asdict(shape_of(recipe("wavenet"))) == {
        "view": 0,
        "blocks": 1,
        "layers": 7,
        "channels": 6,
        "kernel": 2,
    }


def test_a_bare_recipe_is_the_paper_s_network() -> None:
    bare = WarpNetRecipe.model_validate(
        {"family": "warpnet", "loop": {"epochs": 1, "batch": 1, "learning_rate": 1}}
    )
    with torch.device("meta"):
        found, paper = shape_of(bare).network(), WarpNet(WarpNetConfig())
    shapes = [
        {name: value.shape for name, value in each.state_dict().items()} for each in (found, paper)
    ]
    assert shapes[0] == shapes[1]


def test_a_loud_and_a_quiet_calibration_give_the_same_error(folder: Path) -> None:
    """Errors are told in the scale of the recordings, whatever a network hears."""
    made = recipe("wavenet")
    speech = open_speech(folder, made)
    silent = torch.nn.Module()
    silent.register_parameter("nothing", torch.nn.Parameter(torch.zeros(1)))
    silent.forward = lambda mono, view: torch.zeros(1, 2, mono.shape[-1])
    scores = []
    for scale in (1.0, 50.0):
        calibration = Calibration(scale, 1.0, *speech.calibration.distances)
        told = speech._replace(calibration=calibration)
        held_out = binaural_speech_training.HeldOut(told, made)
        batches = BinauralBatches(
            speech.learned, calibration, view=made.view, samples=2000, size=1, gain=0, seed=0
        )
        check = RegressionTask(
            silent, batches, held_out, BinauralLoss(), warps=False, epoch_steps=1
        )
        scores.append(check.validate(silent))
    assert scores[0] is not None
    assert scores[0] < 0
    assert scores[1] == pytest.approx(scores[0])

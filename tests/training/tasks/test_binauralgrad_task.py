import csv
import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from soundstage.binaural.render.neural_weights import (
    Calibration,
    GradShape,
    LoadedNetwork,
    load_network,
    network_tensors,
)
from soundstage.training.tasks.binaural_speech import HeldOut, Speech, open_speech
from torch import Tensor

from making_recordings import write_direct_speech
from soundstage.binaural.render.binauralgrad import PAPER_STEPS
from soundstage.errors import OptionError, WeightsError
from soundstage.networks.backbones.neural_warp import warped
from soundstage.networks.backbones.pose_upsampling import upsampled
from soundstage.networks.models.binaural_grad import BinauralGrad, BinauralGradConfig, Stage
from soundstage.training import binaural_speech_training, binauralgrad
from soundstage.training.checkpoints import checkpoint_path
from soundstage.training.data.binaural_batches import MARGIN, BinauralBatches, Heard, calibrate
from soundstage.training.recipes import BinauralGradRecipe
from soundstage.training.run import TrainingResult, train
from soundstage.training.tasks.binaural_losses import BinauralLoss
from soundstage.training.tasks.binauralgrad import GradTask, NoisyExamples, shape_of
from soundstage.weights.model import save_weights

LOOP = {
    "epochs": 3,
    "batch": 4,
    "learning_rate": 0.01,
    "warmup": 2,
    "ema": 0.5,
    "validate_every": 1,
}
SIZE = {"blocks": 1, "layers": 2, "channels": 4, "kernel": 3}
FRAMES = {"frame": 16, "taps": 5, "rank": 2}
# Noise is learned more slowly, and sound is drawn in six steps
PAPER_NOISE: dict[str, Any] = {
    "noise": "paper",
    "pure": 0.0,
    "size": {**SIZE, "channels": 12},
    "samples": 800,
    "epoch_steps": 15,
    "loop": {**LOOP, "validate_every": 3},
}
KINDS: dict[str, dict[str, Any]] = {
    "common": {"stage": "common", "gain": 6, "emphasis": 1},
    "specific": {"stage": "specific", "phase": 0.01},
    "single": {"stage": "single", "view": "published"},
    "noise-of-frames": {"stage": "single", "phase": 0.01, **PAPER_NOISE},
    "paper": {"stage": "common", "frames": None, "view": "published", **PAPER_NOISE},
    "paper-specific": {"stage": "specific", "frames": None, **PAPER_NOISE},
    "flow-of-samples": {"stage": "single", "frames": None},
}


def recipe(kind: str, **changes: Any) -> BinauralGradRecipe:
    content = {
        "family": "binauralgrad",
        "size": SIZE,
        "frames": FRAMES,
        "condition": 4,
        "step": 8,
        "noise": "flow",
        "pure": 0.5,
        "view": "directions",
        "samples": 1600,
        "epoch_steps": 6,
        "loop": LOOP,
    }
    return BinauralGradRecipe.model_validate({**content, **KINDS[kind], **changes})


@pytest.fixture(scope="module", autouse=True)
def few_stretches() -> object:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(binaural_speech_training, "HELD_OUT_STRETCHES", 1)
        yield


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("recordings")
    return write_direct_speech(folder, loudness=0.4, shadow=0.5)


@pytest.fixture(scope="module")
def speech(folder: Path) -> Speech:
    return open_speech(folder, recipe("common"))


@pytest.fixture(scope="module")
def trained(folder: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, TrainingResult]:
    output = tmp_path_factory.mktemp("trained")
    return {
        kind: train(recipe(kind), folder, output / f"{kind}.safetensors", device="cpu")
        for kind in KINDS
    }


def log_of(result: TrainingResult) -> list[dict[str, str]]:
    with result.weights.with_suffix(".csv").open() as lines:
        return list(csv.DictReader(lines))


@pytest.mark.parametrize("kind", KINDS)
def test_what_is_asked_is_learned(trained: dict[str, TrainingResult], kind: str) -> None:
    log = log_of(trained[kind])
    losses = [float(line["loss"]) for line in log]
    assert losses[-1] < 0.95 * losses[0]
    if recipe(kind).noise == "flow":  # noise is not told well enough to draw sound by so few steps
        assert float(log[-1]["validation"]) > float(log[0]["validation"])


@pytest.mark.parametrize("kind", KINDS)
def test_the_file_is_a_network_with_all_that_says_how_to_run_it(
    trained: dict[str, TrainingResult], speech: Speech, kind: str
) -> None:
    made = recipe(kind)
    found = load_network(str(trained[kind].weights), GradShape)
    assert found.shape == shape_of(made)
    assert found.calibration == calibrate(speech.learned, made.view)
    assert isinstance(found.network, BinauralGrad) == (made.frames is None)
    stage = found.shape.of_stage
    assert stage.value == made.stage
    told = torch.randn(1, stage.signals, 900), torch.zeros(1, found.shape.numbers, 3)
    said = found.network(torch.randn(1, stage.channels, 900), torch.ones(1), *told)
    assert said.shape == (1, stage.channels, 900)
    assert bool(said.any())


@pytest.mark.parametrize("kind", KINDS)
def test_the_card_says_what_was_learned_and_how_well(
    trained: dict[str, TrainingResult], kind: str
) -> None:
    card = json.loads(trained[kind].card.read_text())
    assert (card["family"], card["records"]) == ("binauralgrad", 2)
    assert card["trained"]["steps"] == 3 * recipe(kind).epoch_steps
    assert card["recipe"]["stage"] == recipe(kind).stage
    best = max(float(line["validation"]) for line in log_of(trained[kind]) if line["validation"])
    assert card["validation"]["wave_l2_thousandths"] == pytest.approx(-best, abs=1e-3)


def test_an_interrupted_training_ends_with_the_same_file(
    folder: Path, trained: dict[str, TrainingResult], tmp_path: Path
) -> None:
    class Interrupted(Exception):
        pass

    def interrupt(step: int, steps: int) -> None:
        if step == 3:
            raise Interrupted

    quick = recipe(
        "specific",
        common=str(trained["common"].weights),
        golden=0.5,
        epoch_steps=2,
        loop={**LOOP, "epochs": 2, "checkpoint_seconds": 0, "validate_every": 2},
    )
    whole = train(quick, folder, tmp_path / "whole.safetensors", device="cpu")
    output = tmp_path / "mine.safetensors"
    with pytest.raises(Interrupted):
        train(quick, folder, output, device="cpu", progress=interrupt)
    assert checkpoint_path(output).exists()
    train(quick, folder, output, device="cpu")
    assert output.read_bytes() == whole.weights.read_bytes()


def first_stage(seed: int = 0, scale: float | None = None, **changes: Any) -> Any:
    """A first stage as it would be loaded, of random weights, or for no seed untrained."""

    def made(speech: Speech) -> LoadedNetwork[GradShape]:
        shape = replace(shape_of(recipe("common")), **changes)
        torch.manual_seed(seed)
        network = shape.network()
        if seed:
            for parameter in network.parameters():
                parameter.data.add_(0.1 * torch.randn_like(parameter))
        calibration = speech.calibration
        if scale:
            calibration = replace(calibration, scale=scale)
        return LoadedNetwork(shape, calibration, network.eval().requires_grad_(False))

    return made


def task(
    speech: Speech,
    kind: str,
    common: LoadedNetwork[GradShape] | None = None,
    held_out: HeldOut | None = None,
    *,
    size: int = 3,
    **changes: Any,
) -> GradTask:
    """Before the loop, with a network that makes some sound before training, too."""
    made = recipe(kind, **changes)
    batches = BinauralBatches(
        speech.learned,
        speech.calibration,
        view=made.view,
        samples=made.samples,
        size=size,
        gain=made.gain,
        seed=0,
    )
    torch.manual_seed(0)
    shape = shape_of(made)
    network = shape.network()
    for parameter in network.parameters():
        parameter.data.add_(0.05 * torch.randn_like(parameter))
    return GradTask(network, shape, made, batches, held_out, common)


def examples(batch: tuple[Tensor, ...]) -> NoisyExamples:
    return binauralgrad._unpacked(batch)


@pytest.mark.parametrize("kind", KINDS)
def test_a_batch_is_clean_sound_with_noise_and_depends_on_its_step_alone(
    speech: Speech, kind: str
) -> None:
    made = task(speech, kind)
    batch = made.batch(4)
    assert all(map(torch.equal, batch, task(speech, kind).batch(4)))
    heard, noised, first, _ = examples(batch)
    clean = heard.ears
    if recipe(kind).stage == "common":
        clean = clean.mean(dim=1, keepdim=True)
    shape = shape_of(recipe(kind))
    level = shape.schedule().level(noised.times)
    alpha, sigma = (each.float()[:, None, None] for each in level)
    if shape.flow:
        torch.testing.assert_close(noised.target, clean)
        noise = (noised.state - alpha * clean) / sigma
    else:
        noise = noised.target
        torch.testing.assert_close(noised.state, alpha * clean + sigma * noise)
    assert float(noise.std()) == pytest.approx(1, abs=0.03)
    assert {len(each) for each in batch} == {3}
    _, other, other_first, _ = examples(made.batch(5))
    assert not torch.equal(noised.times, other.times)
    assert not torch.equal(first, other_first)


@pytest.mark.parametrize("pure", [0.0, 0.25, 0.75, 1.0])
def test_a_share_of_a_flow_is_nothing_but_noise(speech: Speech, pure: float) -> None:
    made = task(speech, "common", size=20, pure=pure, samples=800)
    noised = examples(made.batch(0)).noised
    assert int((noised.times == 1).sum()) == pytest.approx(20 * pure, abs=1)
    others = noised.times[noised.times < 1]
    assert len(others) < 2 or float(others.min()) < 0.25
    assert bool((noised.times >= 0).all())


def test_a_share_of_what_is_nothing_but_noise_is_silent(speech: Speech) -> None:
    settings: dict[str, Any] = {"size": 20, "pure": 0.5, "samples": 800}
    made = task(speech, "common", silent=0.4, **settings)
    shares = []
    for step in range(20):
        noised = examples(made.batch(step)).noised
        pure = noised.times == 1
        silent = ~noised.state.flatten(1).any(dim=1)
        assert bool((pure | ~silent).all())
        shares.append(float(silent.sum() / pure.sum()))
        plain = examples(task(speech, "common", **settings).batch(step)).noised
        assert torch.equal(noised.state[~silent], plain.state[~silent])
        assert torch.equal(noised.target, plain.target)
    assert sum(shares) / len(shares) == pytest.approx(0.4, abs=0.1)


@pytest.mark.parametrize("kind", KINDS)
def test_the_loss_is_that_of_the_target_of_what_is_told(speech: Speech, kind: str) -> None:
    made = task(speech, kind, emphasis=2.0, phase=0.1)
    batch = made.batch(2)
    heard, noised, _, _ = examples(batch)
    shape = shape_of(recipe(kind))
    delays = upsampled(heard.delays.double(), 400, heard.mono.shape[-1])
    times = torch.arange(heard.mono.shape[-1], dtype=torch.float64)
    ears = warped(heard.mono, times - delays, cubic=recipe(kind).frames is not None)
    stage = shape.of_stage
    common = heard.ears.mean(dim=1) if stage is Stage.SPECIFIC else None
    told = stage.heard(ears, heard.mono, common), heard.view
    scale = 200 if shape.flow else 1
    with torch.no_grad():
        said = made.model(noised.state, scale * noised.times, *told)
    asked = BinauralLoss(1.0, 2.0, 0.1)
    error = asked.of_error((said - noised.target)[..., MARGIN:])
    alpha, sigma = (each.float()[:, None, None] for each in shape.schedule().level(noised.times))
    clean = said if shape.flow else (noised.state - sigma * said) / alpha
    true = heard.ears.mean(dim=1, keepdim=True) if stage is Stage.COMMON else heard.ears
    phases = asked.of_sound(clean[..., MARGIN:], true[..., MARGIN:])
    wanted = (error + phases).mean()
    torch.testing.assert_close(made.loss(*batch).detach(), wanted, rtol=1e-4, atol=0)


@pytest.mark.parametrize("flow", [1, 0])
def test_a_second_stage_learns_from_what_the_first_one_makes(speech: Speech, flow: int) -> None:
    losses, golden = [], []
    for seed in (1, 2, 1):
        first = first_stage(seed, flow=flow)(speech)
        made = task(speech, "specific", first)
        losses.append(made.loss(*made.batch(0)).item())
        told = task(speech, "specific", first, golden=1)
        golden.append(told.loss(*told.batch(0)).item())
    assert losses[0] == losses[2]
    assert losses[0] != losses[1]
    assert golden[0] == golden[1]
    plain = task(speech, "specific")
    plain_loss = plain.loss(*plain.batch(0)).item()
    assert plain_loss == pytest.approx(golden[0], rel=1e-5)
    assert plain_loss != pytest.approx(losses[0], rel=1e-5)


def test_some_examples_are_told_the_truth(speech: Speech) -> None:
    made = task(speech, "specific", first_stage(1)(speech), size=20, golden=0.3, samples=800)
    shares = [examples(made.batch(step)).golden.float().mean().item() for step in range(20)]
    assert sum(shares) / len(shares) == pytest.approx(0.3, abs=0.08)
    heard, _, noise, golden = examples(made.batch(0))
    assert 0 < int(golden.sum()) < 20
    common = made._told(heard, noise, golden)["signals"][:, 3]
    true = heard.ears.mean(dim=1)
    told = [torch.equal(*each) for each in zip(common, true, strict=True)]
    assert told == golden.tolist()


def test_an_untrained_first_stage_makes_the_mean_of_warped_sound_whatever_its_scale(
    speech: Speech,
) -> None:
    """It passes on what is nearest; what it hears is brought to its own level, and back."""
    commons = []
    for scale in (None, 0.01, 300.0):
        made = task(speech, "specific", first_stage(0, scale)(speech))
        heard, _, noise, golden = examples(made.batch(0))
        signals = made._told(heard, noise, golden)["signals"]
        torch.testing.assert_close(signals[:, 3], signals[:, :2].mean(dim=1))
        commons.append(signals[:, 3])
    torch.testing.assert_close(commons[1], commons[0])
    torch.testing.assert_close(commons[2], commons[0])


def test_a_first_stage_is_not_trained_with_the_second(speech: Speech) -> None:
    first = first_stage(1)(speech)
    made = task(speech, "specific", first)
    made.loss(*made.batch(0)).backward()
    assert all(parameter.grad is None for parameter in first.network.parameters())
    assert all(parameter.grad is not None for parameter in made.model.parameters())
    assert not {*map(id, first.network.parameters())} & {*map(id, made.model.parameters())}


@pytest.mark.parametrize("flow", [1, 0])
def test_no_noise_of_the_first_stage_is_used_twice(
    speech: Speech, flow: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    used: list[Tensor] = []

    def spy(
        network: Any, shape: Any, signals: Any, view: Any, noise: Any, step_noise: Any, how: Any
    ) -> Tensor:
        used.extend([noise, *(step_noise(step) for step in range(how.steps_of(shape) - 1))])
        return torch.zeros_like(noise)

    made = task(speech, "specific", first_stage(1, flow=flow)(speech))
    heard, _, noise, golden = examples(made.batch(0))
    with monkeypatch.context() as patch:
        patch.setattr(binauralgrad, "sample_stage", spy)
        made._told(heard, noise, golden)
    assert len(used) == (1 if flow else PAPER_STEPS)
    assert {each.shape for each in used} == {(3, 1, heard.mono.shape[-1])}
    alike = torch.corrcoef(torch.stack([each.flatten() for each in used])).reshape(len(used), -1)
    assert float((alike - torch.eye(len(used))).abs().max()) < 0.05


@pytest.mark.parametrize("kind", ["common", "specific", "paper"])
def test_a_score_is_the_same_whenever_it_is_asked_for(speech: Speech, kind: str) -> None:
    held_out = HeldOut(speech, recipe(kind))
    made = task(speech, kind, held_out=held_out)
    with torch.no_grad():
        first = made.validate(made.model)
        torch.rand(5)
        assert made.validate(made.model) == first
    assert first is not None
    assert first < 0


def test_a_second_stage_is_scored_by_what_it_is_told_in_training(speech: Speech) -> None:
    held_out = HeldOut(speech, recipe("specific"))
    scores = []
    for common in (None, first_stage(1)(speech), first_stage(2)(speech)):
        made = task(speech, "specific", common, held_out, golden=0.5)
        with torch.no_grad():
            scores.append(made.validate(made.model))
    assert len(set(scores)) == 3


def test_without_held_out_recordings_there_is_no_score(speech: Speech) -> None:
    made = task(speech, "common")
    assert made.validate(made.model) is None


def test_a_second_stage_is_trained_after_a_first_one(
    folder: Path, trained: dict[str, TrainingResult], tmp_path: Path
) -> None:
    common = trained["common"].weights
    quick = recipe("specific", common=str(common), epoch_steps=2, loop={**LOOP, "epochs": 1})
    made = train(quick, folder, tmp_path / "one.safetensors", device="cpu")
    card = json.loads(made.card.read_text())
    assert card["recipe"]["common"] == str(common)

    found = load_network(str(common), GradShape)
    state = {name: -value for name, value in found.network.state_dict().items()}
    other = tmp_path / "common.safetensors"
    save_weights(other, "binauralgrad", network_tensors(found.shape, found.calibration, state))
    after = quick.model_copy(update={"common": str(other)})
    again = train(after, folder, tmp_path / "two.safetensors", device="cpu")
    assert made.weights.read_bytes() != again.weights.read_bytes()


def test_a_checkpoint_after_another_first_stage_is_refused(
    folder: Path, trained: dict[str, TrainingResult], tmp_path: Path
) -> None:
    class Interrupted(Exception):
        pass

    def interrupt(step: int, steps: int) -> None:
        raise Interrupted

    common, output = tmp_path / "common.safetensors", tmp_path / "mine.safetensors"
    common.write_bytes(trained["common"].weights.read_bytes())
    loop = {**LOOP, "epochs": 1, "checkpoint_seconds": 0}
    quick = recipe("specific", common=str(common), epoch_steps=2, loop=loop)
    with pytest.raises(Interrupted):
        train(quick, folder, output, device="cpu", progress=interrupt)
    found = load_network(str(common), GradShape)
    calibration = Calibration(1.0, 1.0, 1.0, 2.0)
    tensors = network_tensors(found.shape, calibration, found.network.state_dict())
    save_weights(common, "binauralgrad", tensors)
    with pytest.raises(OptionError, match=r"mine\.checkpoint"):
        train(quick, folder, output, device="cpu")


@pytest.mark.parametrize("first", ["specific", "single", "paper"])
def test_a_first_stage_that_is_none_or_has_another_view_is_refused(
    folder: Path, trained: dict[str, TrainingResult], tmp_path: Path, first: str
) -> None:
    made = recipe("specific", common=str(trained[first].weights))
    with pytest.raises(OptionError, match=rf"{first}\.safetensors: is no first stage") as caught:
        train(made, folder, tmp_path / "mine.safetensors", device="cpu")
    assert "\n" not in str(caught.value)
    assert str(caught.value).endswith(".")


def test_a_first_stage_that_is_missing_is_refused(folder: Path, tmp_path: Path) -> None:
    made = recipe("specific", common=str(tmp_path / "none.safetensors"))
    with pytest.raises(WeightsError, match="no weights"):
        train(made, folder, tmp_path / "mine.safetensors", device="cpu")


def test_shapes_are_those_of_recipes() -> None:
    assert shape_of(recipe("specific")) == GradShape(
        view=1, blocks=1, layers=2, channels=4, kernel=3, stage=1, frame=16, separable=1,
        condition=4, taps=5, rank=2, step=8, flow=1,
    )  # fmt: skip
    assert shape_of(recipe("paper")) == GradShape(
        view=0, blocks=1, layers=2, channels=12, kernel=3, stage=0, frame=0, separable=0,
        condition=4, taps=0, rank=0, step=8, flow=0,
    )  # fmt: skip


def test_a_bare_recipe_is_the_paper_s_network() -> None:
    bare = BinauralGradRecipe.model_validate(
        {
            "family": "binauralgrad",
            "stage": "specific",
            "loop": {"epochs": 1, "batch": 1, "learning_rate": 1},
        }
    )
    shape = shape_of(bare)
    with torch.device("meta"):
        found, paper = shape.network(), BinauralGrad(Stage.SPECIFIC, BinauralGradConfig())
    shapes = [
        {name: value.shape for name, value in each.state_dict().items()} for each in (found, paper)
    ]
    assert shapes[0] == shapes[1]
    assert (shape.flow, shape.view_name, bare.samples) == (0, "published", 32_000)
    level = shape.schedule().level(torch.tensor([1.0, 200.0]))
    torch.testing.assert_close(level.alpha[0].item(), (1 - 1e-4) ** 0.5)


def test_half_of_a_batch_is_told_as_in_the_whole(speech: Speech) -> None:
    """Processes share the examples of a batch."""
    made = task(speech, "specific", first_stage(1)(speech), size=4)
    batch = made.batch(0)
    halves = [tuple(each[part] for each in batch) for part in (slice(0, 2), slice(2, 4))]
    losses = [made.loss(*half).item() for half in halves]
    assert sum(losses) / 2 == pytest.approx(made.loss(*batch).item(), rel=1e-4)
    assert isinstance(examples(batch).heard, Heard)

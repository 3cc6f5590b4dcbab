import csv
import re
import sys

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from safetensors.torch import load_file
from torch import nn

from soundstage.errors import OptionError, OutputError, WeightsError
from soundstage.training.checkpoints import checkpoint_path, init_from
from soundstage.training.logs import tensorboard_logs
from soundstage.training.loop import Task, learning_rate_factor, run_loop
from soundstage.training.recipe_base import LoopRecipe
from soundstage.weights import weights_digest
from soundstage.weights.model import save_weights

KEY = bytes(range(32))
CPU = torch.device("cpu")


class Interrupted(Exception):
    """The run is interrupted."""


class Line(Task):
    """Fits y = 3x − 1 with a layer that has dropout."""

    steps_per_epoch = 5

    def __init__(self, *, stop_at=None, scores=None):
        torch.manual_seed(1)
        self.model = nn.Sequential(nn.Linear(1, 16), nn.Dropout(0.5), nn.Linear(16, 1))
        self._stop_at, self._scores = stop_at, iter(scores or [])

    def batch(self, step):
        if step == self._stop_at:
            raise Interrupted
        x = torch.randn(32, 1, generator=torch.Generator().manual_seed(step))
        return x, 3 * x - 1

    def loss(self, x, y):
        return (self.model(x) - y).square().mean()

    def validate(self, model):
        assert not model.training
        return next(self._scores, None)


def recipe(**changes):
    values = {"epochs": 6, "batch_size": 32, "learning_rate": 0.05, "warmup_steps": 3}
    fast = {"ema_decay": 0.5, "checkpoint_seconds": 0, "validate_every": 1}
    return LoopRecipe(**{**values, **fast, **changes})


def train(folder, task=None, *, fingerprint=KEY, log=None, **changes):
    folder.mkdir(exist_ok=True)
    output = folder / "line.safetensors"
    return run_loop(
        task or Line(),
        recipe(**changes),
        output,
        family="line",
        fingerprint=fingerprint,
        device=CPU,
        log=log,
    )


def interrupt(folder, stop_at=3, **changes):
    with pytest.raises(Interrupted):
        train(folder, Line(stop_at=stop_at), **changes)


def rows(folder):
    with (folder / "line.csv").open() as lines:
        return list(csv.DictReader(lines))


def same(one, other):
    return one.keys() == other.keys() and all(torch.equal(one[name], other[name]) for name in one)


def test_a_line_is_fitted(tmp_path):
    state = train(tmp_path, epochs=40, checkpoint_seconds=60)
    model = Line().model.eval()
    model.load_state_dict(state.best)
    x = torch.linspace(-1, 1, 9)[:, None]
    assert torch.allclose(model(x), 3 * x - 1, atol=0.5)


@pytest.mark.parametrize("stop_at", [1, 7, 10, 29])
def test_a_resumed_run_ends_with_the_same_weights_and_log(tmp_path, stop_at):
    whole = train(tmp_path / "whole")
    interrupt(tmp_path / "resumed", stop_at)
    resumed = train(tmp_path / "resumed")
    assert same(resumed.best, whole.best)
    assert same(resumed.model.state_dict(), whole.model.state_dict())
    logs = [rows(tmp_path / name) for name in ("resumed", "whole")]
    for log in logs:
        for row in log:
            del row["seconds"]
    assert logs[0] == logs[1]


def test_log_entries_after_the_checkpoint_are_written_again(tmp_path):
    interrupt(tmp_path, stop_at=12)
    with (tmp_path / "line.csv").open("a") as log:
        log.write("15,3,0.1,0.1,,9\n")
    train(tmp_path)
    assert [row["epoch"] for row in rows(tmp_path)] == ["1", "2", "3", "4", "5", "6"]
    seconds = [float(row["seconds"]) for row in rows(tmp_path)]
    assert seconds == sorted(seconds)  # over both sessions


def test_the_weights_with_the_best_score_are_kept_across_an_interruption(tmp_path):
    scores = [0.1, 0.9, 0.2, 0.3, 0.4, 0.5]
    best = train(tmp_path / "whole", Line(scores=scores)).best
    with pytest.raises(Interrupted):
        train(tmp_path / "resumed", Line(scores=scores[:2], stop_at=13))
    resumed = train(tmp_path / "resumed", Line(scores=scores[2:]))
    assert resumed.score == 0.9
    assert same(resumed.best, best)
    assert not same(best, resumed.averaged.module.state_dict())


def test_without_validation_the_last_average_is_kept(tmp_path):
    state = train(tmp_path)
    assert same(state.best, state.averaged.module.state_dict())


@pytest.mark.parametrize("ema_decay", [0.0, 0.7])
def test_the_average_is_exponential_and_shorter_at_first(tmp_path, ema_decay):
    history = []
    task = Line()
    task.validate = lambda model: history.append(
        (model[0].weight.clone(), task.model[0].weight.detach().clone())
    )
    task.steps_per_epoch = 1
    train(tmp_path, task, epochs=30, ema_decay=ema_decay)
    for step in range(1, 30):
        decay = min(ema_decay, (1 + step) / (10 + step))
        expected = decay * history[step - 1][0] + (1 - decay) * history[step][1]
        torch.testing.assert_close(history[step][0], expected)


def test_the_global_random_state_neither_matters_nor_changes(tmp_path):
    one, other = Line(), Line()
    torch.manual_seed(5)
    first = train(tmp_path / "one", one).best
    torch.manual_seed(99)
    expected = torch.rand(3)
    torch.manual_seed(99)
    assert same(train(tmp_path / "other", other).best, first)
    assert torch.equal(torch.rand(3), expected)


def test_a_checkpoint_of_another_run_is_refused(tmp_path):
    interrupt(tmp_path)
    with pytest.raises(OptionError, match="another recipe"):
        train(tmp_path, fingerprint=bytes(32))


@pytest.mark.parametrize(
    ("name", "value", "message"),
    [
        ("model.0.weight", torch.zeros(9, 9), r"model\.0\.weight"),
        ("model.0.weight", torch.full((16, 1), torch.nan), "model"),
        ("averaged.0.bias", None, r"averaged\.0\.bias"),
        ("optimizer.0.weight.exp_avg", torch.zeros(3), "exp_avg"),
        ("optimizer.0.weight.exp_avg_sq", None, "exp_avg_sq"),
        ("counters", torch.zeros(2), "counters"),
        ("counters", torch.tensor([-1, 0, 0], dtype=torch.float64), "step -1"),
        ("counters", torch.tensor([31, 0, 0], dtype=torch.float64), "step 31"),
        ("score", torch.tensor(1.0, dtype=torch.float64), r"best\."),
        ("fingerprint", None, "fingerprint"),
    ],
)
def test_a_damaged_checkpoint_is_refused_in_one_sentence(tmp_path, name, value, message):
    interrupt(tmp_path)
    path = checkpoint_path(tmp_path / "line.safetensors")
    tensors = {**load_file(path), name: value}
    save_weights(path, "checkpoint", {k: v for k, v in tensors.items() if v is not None})
    with pytest.raises((WeightsError, OptionError), match=message) as caught:
        train(tmp_path)
    assert "\n" not in str(caught.value)


def test_a_file_that_is_not_a_checkpoint_is_refused(tmp_path):
    checkpoint_path(tmp_path / "line.safetensors").write_bytes(b"\x80\x04evil")
    with pytest.raises(WeightsError):
        train(tmp_path)


def test_a_loss_that_is_not_finite_stops_the_run(tmp_path):
    task = Line()
    task.loss = lambda x, y: Line.loss(task, x, y) * torch.nan
    with pytest.raises(OptionError, match="not finite"):
        train(tmp_path, task)


@given(steps=st.integers(1, 500), warmup=st.integers(0, 600), step=st.integers(0, 499))
def test_the_learning_rate_stays_between_zero_and_its_peak(steps, warmup, step):
    assert 0 <= learning_rate_factor(min(step, steps - 1), steps, warmup) <= 1


def test_the_learning_rate_rises_linearly_and_falls_like_a_cosine(tmp_path):
    factors = [learning_rate_factor(step, 30, 3) for step in range(30)]
    assert factors[:3] == pytest.approx([1 / 3, 2 / 3, 1])
    assert factors[3:] == sorted(factors[3:], reverse=True)
    assert factors[-1] < 0.01
    train(tmp_path)
    logged = [float(row["learning_rate"]) for row in rows(tmp_path)]
    assert logged == pytest.approx([0.05 * factors[step] for step in range(4, 30, 5)], rel=1e-3)


def test_bfloat16_is_used_in_the_forward_pass_only(tmp_path):
    dtypes = []
    task = Line()

    def loss(x, y):
        dtypes.append(task.model(x).dtype)
        return Line.loss(task, x, y)

    task.loss = loss
    state = train(tmp_path, task, precision="bfloat16", epochs=1)
    assert set(dtypes) == {torch.bfloat16}
    assert {value.dtype for value in state.best.values()} == {torch.float32}


def test_the_remaining_time_is_estimated_once_and_each_epoch_is_logged(tmp_path):
    lines, task = [], Line()
    task.tokens_per_example = 1000
    train(tmp_path, task, log=lines.append)
    (estimate,) = [line.replace(",", "") for line in lines if "hours left" in line]
    pattern = r"([\d.]+) examples \((\d+) tokens\) per second about [\d.]+ hours left"
    examples, tokens = map(float, re.fullmatch(pattern, estimate).groups())
    assert tokens == pytest.approx(1000 * examples, rel=0.01)
    assert sum(line.startswith("epoch") for line in lines) == 6


def scalars(folder):
    """What TensorBoard shows: value by step, by name."""
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    shown = EventAccumulator(str(folder)).Reload()
    return {
        name: {event.step: event.value for event in shown.Scalars(name)}
        for name in shown.Tags()["scalars"]
    }


def test_tensorboard_shows_each_epoch_once_after_interruptions(tmp_path):
    scores = [0.1, 0.9, 0.2, 0.3, 0.4, 0.5]
    with tensorboard_logs(tmp_path / "logs"):
        with pytest.raises(Interrupted):  # between two checkpoints: epoch 2 is lost
            train(tmp_path, Line(scores=scores, stop_at=7))
        early = checkpoint_path(tmp_path / "line.safetensors").read_bytes()
        with pytest.raises(Interrupted):
            train(tmp_path, Line(scores=[7.0, 7.0], stop_at=16))
        checkpoint_path(tmp_path / "line.safetensors").write_bytes(early)
        train(tmp_path, Line(scores=scores[1:]))
    shown = scalars(tmp_path / "logs" / "line")
    assert list(shown) == ["loss", "learning rate", "validation", "seconds per epoch"]
    steps = [5, 10, 15, 20, 25, 30]
    assert shown["validation"] == pytest.approx(dict(zip(steps, scores, strict=True)))
    for name, column in (("loss", "loss"), ("learning rate", "learning_rate")):
        values = [float(row[column]) for row in rows(tmp_path)]
        assert shown[name] == pytest.approx(dict(zip(steps, values, strict=True)), abs=1e-4)


def test_without_tensorboard_only_log_and_checkpoint_are_written(tmp_path):
    with tensorboard_logs(None):
        train(tmp_path)
    names = {path.name for path in tmp_path.iterdir()}
    assert names == {"line.csv", "line.checkpoint.safetensors"}


def test_missing_tensorboard_is_reported_before_the_training(monkeypatch, tmp_path):
    monkeypatch.setitem(sys.modules, "torch.utils.tensorboard", None)
    with pytest.raises(OptionError, match="extra train"), tensorboard_logs(tmp_path):
        pytest.fail("the context was entered")


def test_a_log_folder_that_cannot_be_written_is_refused(tmp_path):
    (tmp_path / "logs").write_text("mine")
    with pytest.raises(OutputError, match="logs"), tensorboard_logs(tmp_path / "logs"):
        train(tmp_path)


class Net(nn.Module):
    """A layer, and an integer buffer that files of weights leave out."""

    def __init__(self, width=4):
        super().__init__()
        self.layer = nn.Linear(3, width)
        self.norm = nn.BatchNorm1d(width)


def half(state):
    return {name: value.half() for name, value in state.items() if value.is_floating_point()}


def save(path, state, family="line"):
    save_weights(path, family, half(state))
    return str(path)


def test_initial_weights_keep_the_types_of_the_model(tmp_path):
    torch.manual_seed(3)
    written, model = Net(), Net()
    init_from(save(tmp_path / "net.safetensors", written.state_dict()), model, "line")
    torch.testing.assert_close(model.layer.weight, written.layer.weight, atol=1e-3, rtol=0)
    assert model.layer.weight.dtype == torch.float32
    assert model.layer.weight.requires_grad
    assert model.norm.num_batches_tracked == 0


def test_initial_weights_of_another_size_or_family_are_refused(tmp_path):
    source = save(tmp_path / "net.safetensors", Net().state_dict())
    with pytest.raises(WeightsError, match="layer"):
        init_from(source, Net(5), "line")
    with pytest.raises(WeightsError):
        init_from(source, Net(), "other")
    part = save(tmp_path / "part.safetensors", {"layer.weight": torch.zeros(4, 3)})
    with pytest.raises(WeightsError, match=r"layer\.bias"):
        init_from(part, Net(), "line")


def test_a_run_starts_from_its_initial_weights_and_refuses_a_checkpoint_of_others(tmp_path):
    state = Line().model.state_dict()
    one = save(tmp_path / "one.safetensors", {k: v + 1 for k, v in state.items()})
    other = save(tmp_path / "other.safetensors", {k: v + 2 for k, v in state.items()})
    assert weights_digest(one) != weights_digest(other)
    best = train(tmp_path / "run", learning_rate=1e-9, init_from=one).best
    torch.testing.assert_close(best["0.weight"], state["0.weight"] + 1, atol=1e-2, rtol=0)
    with pytest.raises(OptionError, match="another recipe"):
        train(tmp_path / "run", learning_rate=1e-9, init_from=other)

import csv
import re
import sys

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nn

from soundstage.errors import OptionError, OutputError, WeightsError
from soundstage.training.checkpoints import checkpoint_path
from soundstage.training.logs import tensorboard_logs
from soundstage.training.loop import choose_device, learning_rate, run_loop
from soundstage.training.recipes import LoopRecipe
from soundstage.weights import save_weights

KEY = bytes(range(32))
CPU = torch.device("cpu")


class Stopped(Exception):
    """The run was killed."""


class Line:
    """Learns y = 3x − 1 through a layer that drops half of its numbers."""

    steps_per_epoch = 5

    def __init__(self, *, stop_at=None, scores=None):
        torch.manual_seed(1)
        self.model = nn.Sequential(nn.Linear(1, 16), nn.Dropout(0.5), nn.Linear(16, 1))
        self._stop_at, self._scores = stop_at, iter(scores or [])

    def batch(self, step):
        if step == self._stop_at:
            raise Stopped
        x = torch.randn(32, 1, generator=torch.Generator().manual_seed(step))
        return x, 3 * x - 1

    def loss(self, x, y):
        return (self.model(x) - y).square().mean()

    def validate(self, model):
        assert not model.training
        return next(self._scores, None)


def recipe(**changes):
    values = {"epochs": 6, "batch": 32, "learning_rate": 0.05, "warmup": 3, "ema": 0.5}
    return LoopRecipe(**{**values, "checkpoint_seconds": 0, "validate_every": 1, **changes})


def train(folder, task=None, **changes):
    task = task or Line()
    output = folder / "line.safetensors"
    return run_loop(task, recipe(**changes), output, family="line", fingerprint=KEY, device=CPU)


def rows(folder):
    with (folder / "line.csv").open() as lines:
        return list(csv.DictReader(lines))


def same(one, other):
    return one.keys() == other.keys() and all(torch.equal(one[name], other[name]) for name in one)


def test_it_learns(tmp_path):
    state = train(tmp_path, epochs=40)
    model = Line().model.eval()
    model.load_state_dict(state.best)
    x = torch.linspace(-1, 1, 9)[:, None]
    assert torch.allclose(model(x), 3 * x - 1, atol=0.5)


@pytest.mark.parametrize("stop_at", [1, 7, 10, 29])
def test_a_run_that_was_stopped_ends_as_one_that_was_not(tmp_path, stop_at):
    (tmp_path / "whole").mkdir()
    whole = train(tmp_path / "whole")
    with pytest.raises(Stopped):
        train(tmp_path, Line(stop_at=stop_at))
    resumed = train(tmp_path)
    assert same(resumed.best, whole.best)
    assert same(resumed.model.state_dict(), whole.model.state_dict())
    kept = ("step", "epoch", "loss", "learning_rate", "validation")
    assert [[row[name] for name in kept] for row in rows(tmp_path)] == [
        [row[name] for name in kept] for row in rows(tmp_path / "whole")
    ]


def test_lines_of_the_log_beyond_the_checkpoint_are_written_again(tmp_path):
    with pytest.raises(Stopped):
        train(tmp_path, Line(stop_at=12))
    with (tmp_path / "line.csv").open("a") as log:
        log.write("15,3,0.1,0.1,,9\n")
    train(tmp_path)
    assert [row["epoch"] for row in rows(tmp_path)] == ["1", "2", "3", "4", "5", "6"]


def test_seconds_are_counted_over_all_parts(tmp_path):
    with pytest.raises(Stopped):
        train(tmp_path, Line(stop_at=20))
    train(tmp_path)
    seconds = [float(row["seconds"]) for row in rows(tmp_path)]
    assert seconds == sorted(seconds)


def test_the_weights_with_the_best_score_are_kept_across_a_stop(tmp_path):
    scores = [0.1, 0.9, 0.2, 0.3, 0.4, 0.5]
    best = train(tmp_path, Line(scores=scores)).best
    (tmp_path / "short").mkdir()
    # the running average after two epochs of six, whatever comes later
    with pytest.raises(Stopped):
        train(tmp_path / "short", Line(scores=scores[:2], stop_at=13))
    resumed = train(tmp_path / "short", Line(scores=scores[2:]))
    assert resumed.score == 0.9
    assert same(resumed.best, best)
    assert not same(best, resumed.averaged.state_dict())


def test_with_nothing_held_out_the_last_average_is_taken(tmp_path):
    state = train(tmp_path)
    assert same(state.best, state.averaged.state_dict())


def test_random_numbers_of_the_caller_neither_matter_nor_change(tmp_path):
    (tmp_path / "other").mkdir()
    one, other = Line(), Line()
    torch.manual_seed(5)
    first = train(tmp_path, one).best
    torch.manual_seed(99)
    expected = torch.rand(3)
    torch.manual_seed(99)
    assert same(train(tmp_path / "other", other).best, first)
    assert torch.equal(torch.rand(3), expected)


def test_a_checkpoint_of_another_run_is_refused(tmp_path):
    with pytest.raises(Stopped):
        train(tmp_path, Line(stop_at=3))
    output = tmp_path / "line.safetensors"
    with pytest.raises(OptionError, match="another recipe") as caught:
        run_loop(Line(), recipe(), output, family="line", fingerprint=bytes(32), device=CPU)
    assert "\n" not in str(caught.value)


def spoil(folder, **changes):
    """A checkpoint with some tensors replaced, or taken out where there is None."""
    from safetensors.torch import load_file

    with pytest.raises(Stopped):
        train(folder, Line(stop_at=3))
    path = checkpoint_path(folder / "line.safetensors")
    tensors = {**load_file(path), **{name.replace("/", "."): new for name, new in changes.items()}}
    save_weights(path, "checkpoint", {k: v for k, v in tensors.items() if v is not None})


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"model/0/weight": torch.zeros(9, 9)}, r"model\.0\.weight"),
        ({"model/0/weight": torch.full((16, 1), torch.nan)}, "no number"),
        ({"averaged/0/bias": None}, r"averaged\.0\.bias"),
        ({"optimizer/0/weight/exp_avg": torch.zeros(3)}, "exp_avg"),
        ({"optimizer/0/weight/exp_avg_sq": None}, "exp_avg_sq"),
        ({"counters": torch.zeros(2)}, "counters"),
        ({"counters": None}, "counters"),
        ({"counters": torch.full((3,), torch.nan, dtype=torch.float64)}, "no number"),
        ({"counters": torch.tensor([-1, 0, 0], dtype=torch.float64)}, "step -1"),
        ({"counters": torch.tensor([31, 0, 0], dtype=torch.float64)}, "step 31"),
        ({"score": torch.tensor(1.0, dtype=torch.float64)}, r"best\."),
        ({"fingerprint": None}, "fingerprint"),
    ],
)
def test_a_hostile_checkpoint_is_refused_in_one_sentence(tmp_path, changes, says):
    spoil(tmp_path, **changes)
    with pytest.raises((WeightsError, OptionError), match=says) as caught:
        train(tmp_path)
    assert "\n" not in str(caught.value)


def test_a_file_that_is_no_checkpoint_is_refused(tmp_path):
    checkpoint_path(tmp_path / "line.safetensors").write_bytes(b"\x80\x04evil")
    with pytest.raises(WeightsError):
        train(tmp_path)


def test_a_loss_that_is_no_number_stops_the_run(tmp_path):
    task = Line()
    task.loss = lambda x, y: Line.loss(task, x, y) * torch.nan
    with pytest.raises(OptionError, match="no number"):
        train(tmp_path, task)


@given(
    steps=st.integers(1, 500),
    warmup=st.integers(0, 600),
    step=st.integers(0, 499),
)
def test_the_learning_rate_stays_between_nothing_and_its_peak(steps, warmup, step):
    chosen = recipe(warmup=warmup, learning_rate=0.1)
    rate = learning_rate(min(step, steps - 1), steps, chosen)
    assert 0 <= rate <= 0.1 + 1e-12


def test_the_learning_rate_climbs_then_falls():
    rates = [learning_rate(step, 100, recipe(warmup=10, learning_rate=1.0)) for step in range(100)]
    assert rates[:10] == pytest.approx([0.1 * (k + 1) for k in range(10)])
    assert rates[10:] == sorted(rates[10:], reverse=True)
    assert rates[55] == pytest.approx(0.5)
    assert rates[-1] < 1e-3


def test_bfloat16_is_used_where_asked_and_weights_stay_whole(tmp_path):
    seen = []
    task = Line()

    def loss(x, y):
        seen.append(task.model(x).dtype)
        return Line.loss(task, x, y)

    task.loss = loss
    state = train(tmp_path, task, precision="bfloat16", epochs=1)
    assert set(seen) == {torch.bfloat16}
    assert {value.dtype for value in state.best.values()} == {torch.float32}


def test_the_plan_says_how_long_it_will_take(tmp_path):
    lines = []
    output = tmp_path / "line.safetensors"
    run_loop(Line(), recipe(), output, family="line", fingerprint=KEY, device=CPU, say=lines.append)
    (forecast,) = [line for line in lines if "hours to go" in line]
    assert re.fullmatch(r"[\d,.]+ examples a second, about [\d.]+ hours to go", forecast)
    assert sum(line.startswith("epoch") for line in lines) == 6


def test_the_speed_of_sequences_is_told_in_tokens_too(tmp_path):
    lines, task = [], Line()
    task.tokens_per_example = 1000
    output = tmp_path / "line.safetensors"
    run_loop(task, recipe(), output, family="line", fingerprint=KEY, device=CPU, say=lines.append)
    (forecast,) = [line.replace(",", "") for line in lines if "hours to go" in line]
    examples, tokens = map(
        float, re.match(r"([\d.]+) examples \((\d+) tokens\)", forecast).groups()
    )
    assert tokens == pytest.approx(1000 * examples, rel=0.01)


def scalars(folder):
    """What TensorBoard shows: value by step, by name."""
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    shown = EventAccumulator(str(folder)).Reload()
    return {
        name: {event.step: event.value for event in shown.Scalars(name)}
        for name in shown.Tags()["scalars"]
    }


def test_tensorboard_shows_each_epoch_once_whatever_happened_between(tmp_path):
    scores = [0.1, 0.9, 0.2, 0.3, 0.4, 0.5]
    with tensorboard_logs(tmp_path / "logs"):
        with pytest.raises(Stopped):  # a stop between a checkpoint and the next loses epoch 2
            train(tmp_path, Line(scores=scores, stop_at=7))
        early = checkpoint_path(tmp_path / "line.safetensors").read_bytes()
        with pytest.raises(Stopped):
            train(tmp_path, Line(scores=[7.0, 7.0], stop_at=16))
        checkpoint_path(tmp_path / "line.safetensors").write_bytes(early)
        train(tmp_path, Line(scores=scores[1:]))
    shown = scalars(tmp_path / "logs" / "line")
    assert list(shown) == ["loss", "learning rate", "validation", "seconds an epoch"]
    steps = [5, 10, 15, 20, 25, 30]
    assert shown["validation"] == pytest.approx(dict(zip(steps, scores, strict=True)))
    for name, column in (("loss", "loss"), ("learning rate", "learning_rate")):
        values = [float(row[column]) for row in rows(tmp_path)]
        assert shown[name] == pytest.approx(dict(zip(steps, values, strict=True)), abs=1e-4)
    spent = float(rows(tmp_path)[-1]["seconds"])
    assert sum(shown["seconds an epoch"].values()) == pytest.approx(spent, abs=0.4)


def test_without_being_asked_nothing_is_written_for_tensorboard(tmp_path):
    with tensorboard_logs(None):
        train(tmp_path)
    names = {path.name for path in tmp_path.iterdir()}
    assert names == {"line.csv", "line.checkpoint.safetensors"}


def test_tensorboard_that_is_not_installed_is_asked_for_before_the_training(monkeypatch, tmp_path):
    monkeypatch.setitem(sys.modules, "torch.utils.tensorboard", None)
    with pytest.raises(OptionError, match=r"soundstage\[train\]"), tensorboard_logs(tmp_path):
        raise AssertionError("it went on")


def test_logs_that_cannot_be_written_are_refused(tmp_path):
    (tmp_path / "logs").write_text("mine")
    with pytest.raises(OutputError, match="logs"), tensorboard_logs(tmp_path / "logs"):
        train(tmp_path)


def test_devices_are_named():
    assert choose_device("cpu") == CPU
    assert choose_device("auto").type in ("cpu", "cuda")
    with pytest.raises(OptionError, match="no device 'tpu'"):
        choose_device("tpu")
    if not torch.cuda.is_available():
        with pytest.raises(OptionError, match="no GPU"):
            choose_device("cuda")

import csv
import json
import os
import random
import signal
import socket
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from functools import partial

import numpy as np
import psutil
import pytest
import torch
import yaml
from torch import distributed, nn

from feature_files import random_iid_columns, write_cache
from soundstage.cli.main import main
from soundstage.errors import OptionError
from soundstage.training import NearestRecipe, load_recipe, train
from soundstage.training.checkpoints import checkpoint_path
from soundstage.training.distributed import average_gradients, get_rank, run_distributed
from soundstage.training.loop import Task, run_loop
from soundstage.training.recipe_base import LoopRecipe
from soundstage.weights.model import load_weights

pytestmark = pytest.mark.slow
KEY = bytes(range(32))
RECIPE = {
    "family": "regression",
    "size": {"depth": 1, "dim": 16, "heads": 2, "mlp_ratio": 2},
    "dropout": 0.1,
    "context_frames": 16,
    "gain_db": 6,
    "loop": {
        "epochs": 6,
        "batch_size": 9,
        "learning_rate": 0.01,
        "warmup_steps": 4,
        "ema_decay": 0.5,
        "validate_every": 1,
        "checkpoint_seconds": 0,
    },
}


class Interrupted(Exception):
    """The run is interrupted."""


class Line(Task):
    """Fits y = 3x − 1 to five examples a step, which two processes cannot halve."""

    steps_per_epoch = 5

    def __init__(self, *, examples=5, stop_at=None, masked=False):
        torch.manual_seed(1)
        self.model = nn.Sequential(nn.Linear(1, 16), nn.Tanh(), nn.Linear(16, 1))
        self.model.offset = nn.Parameter(torch.ones(2, 2))  # only for examples above 1
        self.model.idle = nn.Parameter(torch.ones(2, 2))  # for none
        self._examples, self._stop_at = examples, stop_at
        self.drawn = []
        if masked:
            self.n_terms = self._masked
            self.loss = self._masked_loss

    def batch(self, step):
        if step == self._stop_at:
            raise Interrupted
        x = torch.randn(self._examples, 1, generator=torch.Generator().manual_seed(step))
        return x, 3 * x - 1

    def loss(self, x, y):
        self.drawn.append(float(torch.rand(())))
        prediction = self.model(x)
        if bool((x > 1).any()):
            prediction = prediction + torch.where(x > 1, self.model.offset.sum(), 0.0)
        return (prediction - y).square().mean()

    def _masked(self, x, y):
        return int((x > 0).sum())

    def _masked_loss(self, x, y):
        """Over positive inputs only, of which a shard has few or none."""
        return (self.model(x) - y)[x > 0].square().mean()

    def validate(self, model):
        assert get_rank() == 0
        return -float(model[0].weight.abs().sum())


def fit(folder, **changes):
    """Weights after 30 steps, and the random number drawn in each step."""
    folder.mkdir(exist_ok=True)
    task = Line(**changes)
    values = {
        "epochs": 6,
        "batch_size": 5,
        "learning_rate": 0.05,
        "warmup_steps": 3,
        "ema_decay": 0.5,
    }
    recipe = LoopRecipe(**values, checkpoint_seconds=0, validate_every=1, grad_clip=1.0)
    output = folder / "line.safetensors"
    cpu = torch.device("cpu")
    try:
        state = run_loop(task, recipe, output, family="line", fingerprint=KEY, device=cpu)
    except Interrupted:
        return None
    return {name: value.tolist() for name, value in state.model.state_dict().items()}, task.drawn


def refusal(work):
    try:
        work()
    except OptionError as error:
        return str(error)


@pytest.fixture(scope="module")
def workspace(tmp_path_factory):
    """A folder with `recipe.yaml` and features in `data`."""
    folder = tmp_path_factory.mktemp("workspace")
    write_cache(folder / "data" / "train.safetensors", [900, 700], 1, make=random_iid_columns)
    write_cache(folder / "data" / "valid.safetensors", [300], 50, make=random_iid_columns)
    (folder / "recipe.yaml").write_text(yaml.safe_dump(RECIPE))
    return folder


def gathered(mine):
    all_of_them = [None, None]
    distributed.all_gather_object(all_of_them, mine)
    return all_of_them


def several_trainings(workspace, *, progress, log):
    """The work of two processes; started once for many tests, since it takes seconds."""
    whole, drawn = fit(workspace / "two")
    results = {
        "weights": gathered(whole),
        "drawn": gathered(drawn),
        "one then two": fit(workspace / "one then two")[0],
        "started": fit(workspace / "two then one", stop_at=13),
        "few": fit(workspace / "few", examples=1)[0],
        "masked": fit(workspace / "masked", examples=9, masked=True)[0],
        "apart": refusal(
            lambda: fit(workspace / ("unknown" if get_rank() else "two then one")),
        ),
        "log": [],
    }
    train_here(workspace, "2", log=results["log"].append)
    results["log"] = gathered(results["log"])
    if log:
        (workspace / "results.json").write_text(json.dumps(results))
        log("received")
    if get_rank() == 1:
        raise OptionError("The second process has a reason.")
    average_gradients(nn.Linear(1, 1), torch.zeros(()), 0.5)  # which never comes about


def train_here(workspace, name, **options):
    recipe, output = load_recipe(workspace / "recipe.yaml"), workspace / f"{name}.safetensors"
    return train(recipe, workspace / "data", output, device="cpu", **options)


@pytest.fixture(scope="module")
def one(workspace):
    return fit(workspace / "one")[0]


@pytest.fixture(scope="module")
def two(workspace):
    fit(workspace / "one then two", stop_at=7)
    lines = []
    work = partial(several_trainings, workspace)
    with pytest.raises(OptionError) as caught:
        run_distributed(2, work, device="cpu", progress=None, log=lines.append)
    results = json.loads((workspace / "results.json").read_text())
    return {**results, "lines": lines, "reason": str(caught.value)}


def near(weights, expected):
    assert weights.keys() == expected.keys()
    return all(np.allclose(weights[name], expected[name], atol=1e-4) for name in expected)


def rows(folder):
    with (folder / "line.csv").open() as lines:
        return list(csv.DictReader(lines))


def test_two_processes_end_with_the_weights_of_one(one, two):
    assert near(two["weights"][0], one)
    assert not np.allclose(one["offset"], 1)
    assert two["weights"][0]["idle"] == [[1, 1], [1, 1]]  # not even decayed


def test_all_processes_hold_the_same_weights(two):
    first, second = two["weights"]
    assert first == second


def test_the_logged_loss_is_that_of_the_whole_batch(one, two, workspace):
    alone, together = rows(workspace / "one"), rows(workspace / "two")
    assert [row["epoch"] for row in together] == [row["epoch"] for row in alone]
    for name in ("loss", "validation"):
        expected = [float(row[name]) for row in alone]
        assert [float(row[name]) for row in together] == pytest.approx(expected, abs=1e-3)


def test_processes_draw_different_random_numbers(two):
    first, second = two["drawn"]
    assert not set(first) & set(second)


def test_two_processes_resume_from_the_checkpoint_of_one(one, two):
    assert near(two["one then two"], one)


def test_one_process_resumes_from_the_checkpoint_of_two(one, two, workspace):
    ended, drawn = fit(workspace / "two then one")
    assert near(ended, one)
    assert len(drawn) == 30 - 13


def test_a_process_without_an_example_follows_the_other(two, workspace):
    assert near(two["few"], fit(workspace / "few, alone", examples=1)[0])


def test_shards_are_weighted_by_the_terms_of_their_loss(two, workspace):
    assert near(two["masked"], fit(workspace / "masked, alone", examples=9, masked=True)[0])


def test_processes_with_different_checkpoints_are_refused(two):
    assert "same folders" in two["apart"]


def trainers(process):
    """Its children that train; Python's own tracker of resources stays."""
    children = process.children(recursive=True)
    return [each for each in children if "spawn_main" in " ".join(each.cmdline())]


@contextmanager
def handlers_kept():
    """The command answers to signals in a way of its own."""
    before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    yield
    for number, handler in before.items():
        signal.signal(number, handler)


def command(workspace, output):
    words = ["train", workspace / "recipe.yaml", "--data", workspace / "data", "-o", output]
    return [*map(str, words), "--device", "cpu", "--quiet"]


def start(workspace, output, **environment):
    """The command as a program."""
    program = "from soundstage.cli.main import main; main()"
    threads = {"OMP_NUM_THREADS": str(torch.get_num_threads())}
    return subprocess.Popen(
        [sys.executable, "-c", program, *command(workspace, output)],
        env={**os.environ, **threads, **environment},
    )


def start_as_torchrun_does(workspace, output):
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = str(probe.getsockname()[1])
    places = {"WORLD_SIZE": "2", "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": port}
    return [start(workspace, output, **places, RANK=rank, LOCAL_RANK=rank) for rank in "01"]


def wait_for_step(output, step):
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        if checkpoint_path(output).exists():
            counters = load_weights(checkpoint_path(output), "checkpoint").tensors["counters"]
            if int(counters[0]) >= step:
                return
        time.sleep(0.01)
    raise AssertionError("the training did not come that far")


def test_log_and_errors_of_a_process_reach_the_caller(two):
    assert two["lines"] == ["received"]
    assert two["reason"] == "The second process has a reason."


def validation(workspace, name):
    return json.loads((workspace / f"{name}.json").read_text())["validation"]["mse"]


def test_two_processes_reach_the_validation_score_of_one(workspace, two):
    train_here(workspace, "1")
    assert validation(workspace, "2") == pytest.approx(validation(workspace, "1"), rel=0.03)


def test_only_rank_0_logs(workspace, two):
    first, second = two["log"]
    assert [line.split(" of ")[0] for line in first[2:]] == [f"epoch {k}" for k in range(1, 7)]
    assert second == []
    assert json.loads((workspace / "2.json").read_text())["trained"]["processes"] == 2


def test_killed_at_any_step_two_processes_end_with_the_same_file(
    workspace, two, monkeypatch, capfd
):
    one_dies, all_die = sorted(random.Random(4).sample(range(1, 60), 2))
    output = workspace / "mine.safetensors"

    def kill_one():
        wait_for_step(output, one_dies)
        trainers(psutil.Process())[one_dies % 2].kill()

    monkeypatch.setattr(
        sys, "argv", ["soundstage", *command(workspace, output), "--processes", "2"]
    )
    with ThreadPoolExecutor(1) as thread, handlers_kept():
        killing = thread.submit(kill_one)
        with pytest.raises(SystemExit) as end:
            main()
        killing.result()
    assert end.value.code == 2
    message = capfd.readouterr().err.strip()
    assert message.startswith("soundstage: A training process was killed (SIGKILL)")
    assert "\n" not in message
    assert not trainers(psutil.Process())

    runs = start_as_torchrun_does(workspace, output)
    wait_for_step(output, all_die)
    for run in runs:
        run.kill()
        run.communicate()
    assert not output.exists()

    result = train_here(workspace, "mine", processes=2)
    assert result.recordings == 2
    assert output.read_bytes() == (workspace / "2.safetensors").read_bytes()


def test_processes_other_than_those_of_torchrun_are_refused(monkeypatch):
    for name, value in (("RANK", "0"), ("WORLD_SIZE", "3"), ("MASTER_ADDR", "127.0.0.1")):
        monkeypatch.setenv(name, value)
    with pytest.raises(OptionError, match="torchrun started 3 processes"):
        run_distributed(2, several_trainings, device="cpu", progress=None, log=None)


def test_several_processes_for_a_model_without_a_network_are_refused(tmp_path):
    recipe = NearestRecipe(family="nearest", pairs=3)
    with pytest.raises(OptionError, match="nearest has no network"):
        train(recipe, tmp_path, tmp_path / "mine.safetensors", processes=2)

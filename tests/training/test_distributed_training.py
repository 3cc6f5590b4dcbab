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

from soundstage.cli.main import main
from soundstage.corpora.feature_cache import RecordColumns, save_features
from soundstage.errors import OptionError
from soundstage.stereo import BANDS
from soundstage.stereo.levels import LEVELS
from soundstage.training import NearestRecipe, load_recipe, train
from soundstage.training.checkpoints import checkpoint_path
from soundstage.training.collectives import average_over_group, group_rank
from soundstage.training.distributed import in_processes
from soundstage.training.loop import run_loop
from soundstage.training.recipes import LoopRecipe
from soundstage.weights import load_weights

KEY = bytes(range(32))
RECIPE = {
    "family": "regression",
    "size": {"blocks": 1, "width": 16, "heads": 2, "expansion": 2},
    "dropout": 0.1,
    "patch": 16,
    "gain": 6,
    "loop": {
        "epochs": 6,
        "batch": 9,
        "learning_rate": 0.01,
        "warmup": 4,
        "ema": 0.5,
        "validate_every": 1,
        "checkpoint_seconds": 0,
    },
}


class Stopped(Exception):
    """The run was killed."""


class Line:
    """Learns y = 3x − 1 from five examples a step, which two processes cannot halve."""

    steps_per_epoch = 5

    def __init__(self, *, examples=5, stop_at=None, hidden=False):
        torch.manual_seed(1)
        self.model = nn.Sequential(nn.Linear(1, 16), nn.Tanh(), nn.Linear(16, 1))
        self.model.offset = nn.Parameter(torch.ones(2, 2))  # only for examples above 1
        self.model.idle = nn.Parameter(torch.ones(2, 2))  # for none
        self._examples, self._stop_at = examples, stop_at
        self.drawn = []
        if hidden:
            self.terms = self._hidden
            self.loss = self._hidden_loss

    def batch(self, step):
        if step == self._stop_at:
            raise Stopped
        x = torch.randn(self._examples, 1, generator=torch.Generator().manual_seed(step))
        return x, 3 * x - 1

    def loss(self, x, y):
        self.drawn.append(float(torch.rand(())))
        told = self.model(x)
        if bool((x > 1).any()):
            told = told + torch.where(x > 1, self.model.offset.sum(), 0.0)
        return (told - y).square().mean()

    def _hidden(self, x, y):
        return int((x > 0).sum())

    def _hidden_loss(self, x, y):
        """Over positive numbers alone, of which a share has few or none."""
        return (self.model(x) - y)[x > 0].square().mean()

    def validate(self, model):
        assert group_rank() == 0
        return -float(model[0].weight.abs().sum())


def learn(folder, **changes):
    """Weights after 30 steps, and the random number that each step drew."""
    folder.mkdir(exist_ok=True)
    task = Line(**changes)
    values = {"epochs": 6, "batch": 5, "learning_rate": 0.05, "warmup": 3, "ema": 0.5}
    recipe = LoopRecipe(**values, checkpoint_seconds=0, validate_every=1, clip=1.0)
    output = folder / "line.safetensors"
    cpu = torch.device("cpu")
    try:
        state = run_loop(task, recipe, output, family="line", fingerprint=KEY, device=cpu)
    except Stopped:
        return None
    return {name: value.tolist() for name, value in state.model.state_dict().items()}, task.drawn


def refusal(work):
    try:
        work()
    except OptionError as error:
        return str(error)


def columns(frames, seed):
    """Coherence follows the slope of the spectrum; level differences follow nothing."""
    noise = np.random.default_rng(seed)
    slope = np.repeat(noise.uniform(-1, 1, (frames // 8 + 1, 1)), 8, axis=0)[:frames]
    levels = -58 + 20 * slope * np.linspace(-1, 1, LEVELS) + noise.normal(0, 1, (frames, LEVELS))
    coherence = np.broadcast_to(0.5 + 0.4 * slope, (frames, BANDS))
    iid = noise.choice([-6.0, 6.0], (frames, BANDS))
    halves = (each.astype(np.float16) for each in (iid, coherence, levels))
    return RecordColumns(np.zeros((frames, BANDS), np.uint8), *halves)


@pytest.fixture(scope="module")
def desk(tmp_path_factory):
    """A folder with `recipe.yaml` and features in `data`."""
    place = tmp_path_factory.mktemp("desk")
    (place / "data").mkdir()
    for name, lengths, seed in (("train", [900, 700], 1), ("valid", [300], 50)):
        save_features(
            place / "data" / f"{name}.safetensors",
            [columns(frames, seed + index) for index, frames in enumerate(lengths)],
            names=[f"{index}.wav" for index in range(len(lengths))],
            credits=[],
            fingerprint=bytes([seed] * 32),
        )
    (place / "recipe.yaml").write_text(yaml.safe_dump(RECIPE))
    return place


def gathered(mine):
    everybodys = [None, None]
    distributed.all_gather_object(everybodys, mine)
    return everybodys


def several_trainings(desk, *, progress, say):
    """What two processes do; one start of them serves many tests, for it takes seconds."""
    whole, drawn = learn(desk / "two")
    results = {
        "weights": gathered(whole),
        "drawn": gathered(drawn),
        "one then two": learn(desk / "one then two")[0],
        "begun": learn(desk / "two then one", stop_at=13),
        "few": learn(desk / "few", examples=1)[0],
        "hidden": learn(desk / "hidden", examples=9, hidden=True)[0],
        "apart": refusal(
            lambda: learn(desk / ("unknown" if group_rank() else "two then one")),
        ),
        "said": [],
    }
    train_here(desk, "2", say=results["said"].append)
    results["said"] = gathered(results["said"])
    if say:
        (desk / "results.json").write_text(json.dumps(results))
        say("heard")
    if group_rank() == 1:
        raise OptionError("The second process has a reason.")
    average_over_group(nn.Linear(1, 1), torch.zeros(()), 0.5)  # which never comes about


def train_here(desk, name, **options):
    recipe, output = load_recipe(desk / "recipe.yaml"), desk / f"{name}.safetensors"
    return train(recipe, desk / "data", output, device="cpu", **options)


@pytest.fixture(scope="module")
def one(desk):
    return learn(desk / "one")[0]


@pytest.fixture(scope="module")
def two(desk):
    learn(desk / "one then two", stop_at=7)
    heard = []
    work = partial(several_trainings, desk)
    with pytest.raises(OptionError) as caught:
        in_processes(2, work, device="cpu", progress=None, say=heard.append)
    results = json.loads((desk / "results.json").read_text())
    return {**results, "heard": heard, "reason": str(caught.value)}


def near(weights, wanted):
    assert weights.keys() == wanted.keys()
    return all(np.allclose(weights[name], wanted[name], atol=1e-4) for name in wanted)


def rows(folder):
    with (folder / "line.csv").open() as lines:
        return list(csv.DictReader(lines))


def test_two_processes_learn_what_one_learns(one, two):
    assert near(two["weights"][0], one)
    assert not np.allclose(one["offset"], 1)
    assert two["weights"][0]["idle"] == [[1, 1], [1, 1]]  # not even decayed


def test_all_processes_hold_the_same_weights(two):
    first, second = two["weights"]
    assert first == second


def test_the_loss_that_is_logged_is_that_of_the_whole_batch(one, two, desk):
    alone, together = rows(desk / "one"), rows(desk / "two")
    assert [row["epoch"] for row in together] == [row["epoch"] for row in alone]
    for name in ("loss", "validation"):
        wanted = [float(row[name]) for row in alone]
        assert [float(row[name]) for row in together] == pytest.approx(wanted, abs=1e-3)


def test_processes_draw_different_random_numbers(two):
    first, second = two["drawn"]
    assert not set(first) & set(second)


def test_what_one_process_began_two_can_end(one, two):
    assert near(two["one then two"], one)


def test_what_two_processes_began_one_can_end(one, two, desk):
    ended, drawn = learn(desk / "two then one")
    assert near(ended, one)
    assert len(drawn) == 30 - 13


def test_a_process_without_an_example_only_follows(two, desk):
    assert near(two["few"], learn(desk / "few, alone", examples=1)[0])


def test_a_share_counts_by_what_its_loss_is_a_mean_of(two, desk):
    assert near(two["hidden"], learn(desk / "hidden, alone", examples=9, hidden=True)[0])


def test_processes_that_start_from_different_places_are_refused(two):
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


def command(desk, output):
    words = ["train", desk / "recipe.yaml", "--data", desk / "data", "-o", output]
    return [*map(str, words), "--device", "cpu", "--quiet"]


def start(desk, output, **environment):
    """The command as a program."""
    program = "from soundstage.cli.main import main; main()"
    threads = {"OMP_NUM_THREADS": str(torch.get_num_threads())}
    return subprocess.Popen(
        [sys.executable, "-c", program, *command(desk, output)],
        env={**os.environ, **threads, **environment},
    )


def start_as_torchrun_does(desk, output):
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = str(probe.getsockname()[1])
    places = {"WORLD_SIZE": "2", "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": port}
    return [start(desk, output, **places, RANK=rank, LOCAL_RANK=rank) for rank in "01"]


def wait_for_step(output, step):
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        if checkpoint_path(output).exists():
            counters = load_weights(checkpoint_path(output), "checkpoint").tensors["counters"]
            if int(counters[0]) >= step:
                return
        time.sleep(0.01)
    raise AssertionError("the training did not come that far")


def test_what_a_process_says_reaches_the_caller(two):
    assert two["heard"] == ["heard"]
    assert two["reason"] == "The second process has a reason."


def validation(desk, name):
    return json.loads((desk / f"{name}.json").read_text())["validation"]["mse"]


def test_two_processes_come_to_the_validation_of_one(desk, two):
    train_here(desk, "1")
    assert validation(desk, "2") == pytest.approx(validation(desk, "1"), rel=0.03)


def test_the_first_process_alone_tells_how_it_goes(desk, two):
    first, second = two["said"]
    assert [line.split(" of ")[0] for line in first[2:]] == [f"epoch {k}" for k in range(1, 7)]
    assert second == []
    assert json.loads((desk / "2.json").read_text())["trained"]["processes"] == 2


def test_killed_at_any_step_two_processes_end_with_the_same_file(desk, two, monkeypatch, capfd):
    one_dies, all_die = sorted(random.Random(4).sample(range(1, 60), 2))
    output = desk / "mine.safetensors"

    def kill_one():
        wait_for_step(output, one_dies)
        trainers(psutil.Process())[one_dies % 2].kill()

    monkeypatch.setattr(sys, "argv", ["soundstage", *command(desk, output), "--processes", "2"])
    with ThreadPoolExecutor(1) as thread, handlers_kept():
        killing = thread.submit(kill_one)
        with pytest.raises(SystemExit) as end:
            main()
        killing.result()
    assert end.value.code == 2
    said = capfd.readouterr().err.strip()
    assert said.startswith("soundstage: A training process was killed (SIGKILL)")
    assert "\n" not in said
    assert not trainers(psutil.Process())

    runs = start_as_torchrun_does(desk, output)
    wait_for_step(output, all_die)
    for run in runs:
        run.kill()
        run.communicate()
    assert not output.exists()

    result = train_here(desk, "mine", processes=2)
    assert result.records == 2
    assert output.read_bytes() == (desk / "2.safetensors").read_bytes()


def test_torchrun_and_the_option_may_not_disagree(monkeypatch):
    for name, value in (("RANK", "0"), ("WORLD_SIZE", "3"), ("MASTER_ADDR", "127.0.0.1")):
        monkeypatch.setenv(name, value)
    with pytest.raises(OptionError, match="torchrun began 3 processes"):
        in_processes(2, several_trainings, device="cpu", progress=None, say=None)


def test_what_is_not_learned_in_steps_has_nothing_to_share(tmp_path):
    recipe = NearestRecipe(family="nearest", pairs=3)
    with pytest.raises(OptionError, match="nearest is not learned in steps"):
        train(recipe, tmp_path, tmp_path / "mine.safetensors", processes=2)

"""Threads, worker processes and devices."""

import os
import re
import signal
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import NamedTuple

import psutil
import pytest
import torch

from soundstage.errors import InputError, OptionError, SoundstageError
from soundstage.parallel import (
    available_cores,
    parallel_map,
    prefetch,
    resolve_device,
    run_jobs,
    single_thread,
)


@pytest.fixture
def two_threads():
    before = torch.get_num_threads()
    torch.set_num_threads(2)
    yield
    torch.set_num_threads(before)


def busy_threads(work) -> float:
    """Processor time of the process over that of the calling thread; 1 for a single thread."""
    work()
    mine, total = time.thread_time(), time.process_time()
    for _ in range(3):
        work()
    return (time.process_time() - total) / (time.thread_time() - mine)


def products() -> list[torch.Tensor]:
    matrix = torch.linspace(-1, 1, 700 * 700).reshape(700, 700)
    kernel = torch.linspace(-1, 1, 32 * 32 * 9).reshape(32, 32, 9)
    signal = matrix[:32].repeat(4, 1, 10)[:, None].reshape(4, 32, -1)
    return [matrix @ matrix, torch.fft.rfft(matrix.repeat(1, 20)), torch.conv1d(signal, kernel)]


def test_single_thread_limits_only_the_calling_thread(two_threads) -> None:
    inside, leave = threading.Event(), threading.Event()

    def limited() -> int:
        with single_thread():
            inside.set()
            leave.wait()
            return torch.get_num_threads()

    with ThreadPoolExecutor() as pool:
        limit = pool.submit(limited)
        inside.wait()
        started_meanwhile = pool.submit(torch.get_num_threads).result()
        here = torch.get_num_threads()
        leave.set()
    assert (limit.result(), started_meanwhile, here) == (1, 2, 2)


def test_single_thread_keeps_one_core_busy_and_restores_the_threads(two_threads) -> None:
    with torch.inference_mode():
        with single_thread():
            with single_thread():
                pass
            assert busy_threads(products) < 1.2
        assert torch.get_num_threads() == 2
        if available_cores() > 1:
            assert busy_threads(products) > 1.2


def test_concurrent_calls_return_the_bits_of_a_single_one(two_threads) -> None:
    def limited(_: int) -> list[torch.Tensor]:
        with single_thread():
            return products()

    expected = limited(0)
    with ThreadPoolExecutor(2) as pool:
        for results in pool.map(limited, range(4)):
            assert all(map(torch.equal, results, expected))


FORK = """
import os, signal
import torch
import soundstage.parallel
torch.set_num_threads(2)
def work():
    return torch.ones(1 << 22).sqrt().sum().item()  # exact with any number of threads
expected = work()
child = os.fork()
if child == 0:
    signal.alarm(20)
    os._exit(work() != expected and 3)
raise SystemExit(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
"""


def test_a_forked_process_does_not_wait_for_threads_that_it_does_not_have() -> None:
    environment = {**os.environ, "OMP_NUM_THREADS": "2"}
    run = subprocess.run([sys.executable, "-c", FORK], env=environment)
    assert run.returncode == 0


def test_prefetch_keeps_the_items_and_works_ahead() -> None:
    produced: list[int] = []

    def count():
        for number in range(20):
            produced.append(number)
            yield number

    ahead = prefetch(count(), size=3)
    assert next(ahead) == 0
    deadline = time.monotonic() + 10
    while len(produced) < 4 and time.monotonic() < deadline:
        time.sleep(0.001)
    assert 4 <= len(produced) <= 5  # three in the queue, one waiting for a place
    assert list(ahead) == list(range(1, 20))
    assert list(prefetch([])) == []


def test_prefetch_raises_the_error_after_the_items_before_it() -> None:
    def fail():
        yield 1
        raise InputError("damaged")

    ahead = prefetch(fail())
    assert next(ahead) == 1
    with pytest.raises(InputError, match="damaged"):
        next(ahead)


def test_prefetch_that_is_left_early_closes_its_iterators_and_threads() -> None:
    closed: list[str] = []

    def endless(name: str, source=None):
        try:
            while True:
                yield next(source) if source else 1
        finally:
            closed.append(name)

    before = threading.active_count()
    decoded = prefetch(endless("decode"))
    ahead = prefetch(endless("process", decoded))
    assert next(ahead) == 1
    ahead.close()
    decoded.close()
    assert sorted(closed) == ["decode", "process"]
    assert threading.active_count() == before


def threads(_: int) -> tuple[int, str | None]:
    return torch.get_num_threads(), os.environ.get("OPENBLAS_NUM_THREADS")


def process_id(_: int) -> int:
    return os.getpid()


@pytest.mark.slow
def test_workers_use_one_thread_and_the_parent_keeps_its_environment(monkeypatch) -> None:
    monkeypatch.setenv("OPENBLAS_NUM_THREADS", "7")
    with parallel_map(2) as each:
        assert list(each(threads, range(2))) == [(1, "1")] * 2
    assert os.environ["OPENBLAS_NUM_THREADS"] == "7"


def test_a_single_job_runs_in_this_process_on_one_thread(two_threads) -> None:
    with parallel_map(1) as each:
        assert [count for count, _ in each(threads, range(2))] == [1, 1]
        assert list(each(process_id, range(2))) == [os.getpid()] * 2
    assert torch.get_num_threads() == 2


def leave_a_file(folder: str, number: int) -> None:
    path = Path(folder) / f"unfinished-{number}"
    try:
        path.write_text("half")
        time.sleep(60)
    finally:
        path.unlink(missing_ok=True)


def workers() -> list[psutil.Process]:
    children = psutil.Process().children()
    return [child for child in children if any("spawn_main" in part for part in child.cmdline())]


def fail_while_workers_write(folder: Path) -> None:
    with parallel_map(2) as each:
        each(partial(leave_a_file, str(folder)), range(4))
        while len(list(folder.iterdir())) < 2:
            time.sleep(0.01)
        raise ValueError("enough")


@pytest.mark.slow
def test_an_error_stops_the_workers_which_remove_their_files(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="enough"):
        fail_while_workers_write(tmp_path)
    assert list(tmp_path.iterdir()) == []
    assert workers() == []


def kill_this_process(_: int) -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def test_a_killed_worker_gives_one_sentence() -> None:
    with pytest.raises(SoundstageError, match="memory ran out"), parallel_map(2) as each:
        list(each(kill_this_process, [1]))


PARENT = """
import time
from soundstage.parallel import parallel_map
if __name__ == "__main__":
    with parallel_map(2) as each:
        list(each(abs, [1, 2]))
        print("ready", flush=True)
        list(each(time.sleep, [120, 120]))
"""


def test_workers_end_with_a_killed_parent(tmp_path: Path) -> None:
    program = tmp_path / "parent.py"
    program.write_text(PARENT)
    parent = subprocess.Popen([sys.executable, str(program)], stdout=subprocess.PIPE, text=True)
    assert parent.stdout is not None
    assert parent.stdout.readline() == "ready\n"
    children = psutil.Process(parent.pid).children(recursive=True)
    assert children
    parent.send_signal(signal.SIGKILL)
    parent.wait()
    parent.stdout.close()
    _, alive = psutil.wait_procs(children, timeout=60)
    for process in alive:
        process.kill()
    assert not alive


def load_square(log: str):
    with open(log, "a") as file:
        file.write("loaded\n")

    def square(number: int, progress) -> int:
        if number < 0:
            raise InputError(f"{number} is negative.")
        progress(0.5)
        return number**2

    return square


@pytest.mark.parametrize("jobs", [1, 2])
def test_jobs_return_results_and_go_on_after_a_failure(jobs: int, tmp_path: Path) -> None:
    log = tmp_path / "log"
    seen: list[tuple[int, float]] = []
    load = partial(load_square, str(log))
    numbers = [3, -1, *range(8)]
    results = dict(
        run_jobs(load, numbers, jobs=jobs, progress=lambda some: seen.extend(some.items()))
    )
    assert str(results.pop(1)) == "-1 is negative."
    assert results == {row: number**2 for row, number in enumerate(numbers) if row != 1}
    assert len(log.read_text().splitlines()) <= jobs
    assert {row for row, _ in seen} <= {*range(len(numbers))}
    assert all(0 <= fraction <= 1 for _, fraction in seen)


def known_square(number: int) -> int | None:
    return 49 if number == 7 else None


def test_an_item_that_needs_no_work_loads_nothing(tmp_path: Path) -> None:
    log = tmp_path / "log"
    results = run_jobs(partial(load_square, str(log)), [7, 7], check=known_square)
    assert [*results] == [(0, 49), (1, 49)]
    assert not log.exists()


class Nap(NamedTuple):
    seconds: float

    def load(self):
        return self._work

    def _work(self, seconds: float, progress) -> float:
        time.sleep(seconds)
        return seconds


@pytest.mark.slow
def test_a_long_item_does_not_hold_back_the_results_of_others() -> None:
    rows = [row for row, _ in run_jobs(Nap(0.0).load, [1.5, *[0.0] * 6], jobs=2)]
    assert rows[-1] == 0
    assert sorted(rows) == [*range(7)]


def load_failing():
    def fail(number: int, progress) -> int:
        if number == 1:
            raise OSError(36, "File name too long", "b" * 300)
        if number == 2:
            b"\xff".decode()
        if number == 3:
            raise MemoryError
        if number == 4:
            raise KeyError("a fault")
        return number

    return fail


@pytest.mark.parametrize("jobs", [1, 2])
def test_no_error_of_one_item_stops_the_others(jobs: int) -> None:
    results = dict(run_jobs(load_failing, range(6), jobs=jobs))
    assert (results[0], results[5]) == (0, 5)
    for index, said in (
        (1, "1 cannot be processed: 'bbb"),
        (2, "not UTF-8"),
        (3, "memory ran out"),
        (4, r"KeyError in test_parallel.py, line \d+: 'a fault'"),
    ):
        assert isinstance(results[index], SoundstageError)
        assert re.search(said, str(results[index]))
    with pytest.raises(KeyError):  # a single item shows a fault as it is
        list(run_jobs(load_failing, [4]))


def load_nothing():
    raise OptionError("There is no such method.")


@pytest.mark.parametrize("jobs", [1, 2])
def test_a_failure_to_load_ends_all_jobs(jobs: int) -> None:
    with pytest.raises(OptionError, match="no such method"):
        list(run_jobs(load_nothing, [1, 2, 3], jobs=jobs))


def test_devices() -> None:
    assert resolve_device("cpu") == torch.device("cpu")
    assert resolve_device(torch.device("cpu")) == torch.device("cpu")
    assert resolve_device("auto").type == ("cuda" if torch.cuda.is_available() else "cpu")
    for name in ("gpu", "cuda:x", "cpu:1", ""):
        with pytest.raises(OptionError, match="`device` must be"):
            resolve_device(name)
    with pytest.raises(OptionError, match="not available"):
        resolve_device("cuda:99")

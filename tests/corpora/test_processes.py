"""Workers that end with their work, and with their parent."""

import os
import signal
import subprocess
import sys
import time

import psutil
import pytest
import torch

from soundstage.corpora import parallel_map
from soundstage.errors import SoundstageError


def threads(_: int) -> tuple[int, str | None]:
    return torch.get_num_threads(), os.environ.get("OPENBLAS_NUM_THREADS")


def test_every_worker_computes_on_one_thread_and_the_parent_keeps_its_own(monkeypatch) -> None:
    monkeypatch.setenv("OPENBLAS_NUM_THREADS", "7")
    with parallel_map(2) as each:
        assert list(each(threads, range(2))) == [(1, "1")] * 2
    assert os.environ["OPENBLAS_NUM_THREADS"] == "7"


def test_one_worker_is_this_process_on_one_thread() -> None:
    torch.set_num_threads(2)
    try:
        with parallel_map(1) as each:
            assert [count for count, _ in each(threads, range(2))] == [1, 1]
            assert list(each(os_getpid, range(2))) == [os.getpid()] * 2
        assert torch.get_num_threads() == 2
    finally:
        torch.set_num_threads(1)


def os_getpid(_: int) -> int:
    return os.getpid()


def leave_in_a_hurry() -> None:
    with parallel_map(2) as each:
        list(each(threads, range(2)))
        each(time.sleep, [60, 60])
        raise ValueError("enough")


def test_an_error_stops_the_workers_at_once() -> None:
    started = time.monotonic()
    with pytest.raises(ValueError, match="enough"):
        leave_in_a_hurry()
    assert time.monotonic() - started < 30
    deadline = time.monotonic() + 10
    while psutil.Process().children() and time.monotonic() < deadline:
        time.sleep(0.05)
    names = [child.cmdline() for child in psutil.Process().children() if child.is_running()]
    assert not [name for name in names if any("spawn_main" in part for part in name)]


def die(_: int) -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def test_a_worker_that_is_killed_is_one_sentence() -> None:
    with pytest.raises(SoundstageError, match="want of memory"):
        kill_a_worker()


def kill_a_worker() -> None:
    with parallel_map(2) as each:
        list(each(die, [1]))


PARENT = """
import time
from soundstage.corpora import parallel_map
if __name__ == "__main__":
    with parallel_map(2) as each:
        list(each(abs, [1, 2]))
        print("ready", flush=True)
        list(each(time.sleep, [120, 120]))
"""


def test_a_parent_that_is_killed_takes_its_workers_along(tmp_path) -> None:
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
    _, alive = psutil.wait_procs(children, timeout=20)
    for process in alive:
        process.kill()
    assert not alive

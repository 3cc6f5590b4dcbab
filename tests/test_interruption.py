"""Signals are noted, end the work at its next check, and are never lost."""

import signal
import subprocess
import sys
import time

import pytest

from soundstage import interruption
from soundstage.parallel import prefetch

WORK = """
import sys, time
from soundstage import interruption
interruption.install()
print("ready", flush=True)
{work}
print("not interrupted", flush=True)
"""
BLOCKS = """
for block in range(10_000):
    interruption.check()
    time.sleep(0.005)
"""
SWALLOWING = """
for block in range(50):
    try:
        time.sleep(0.02)
        interruption.check()
    except SystemExit:
        pass  # as a callback from C does
interruption.check()
"""


FROM_A_THREAD = """
import signal, threading
{without}
threading.Timer(0.1, interruption.send, [signal.SIGTERM]).start()
"""


def run(work, *numbers):
    """Exit code and output of a program that gets signals while it works."""
    process = subprocess.Popen(
        [sys.executable, "-c", WORK.format(work=work)],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "ready\n"
    for number in numbers:
        process.send_signal(number)
    out, _ = process.communicate(timeout=60)
    return process.returncode, out


@pytest.mark.parametrize("number", interruption.ENDING, ids=lambda number: number.name)
def test_every_signal_ends_the_work_at_its_next_check(number):
    assert run(BLOCKS, number) == (128 + number, "")


def test_the_first_of_several_signals_counts():
    assert run(BLOCKS, signal.SIGHUP, signal.SIGTERM) == (128 + signal.SIGHUP, "")


@pytest.mark.parametrize("wait", ["time.sleep(60)", "import queue; queue.Queue().get()"])
def test_work_that_never_checks_is_interrupted_where_it_is(wait):
    began = time.monotonic()
    assert run(wait, signal.SIGTERM) == (128 + signal.SIGTERM, "")
    assert time.monotonic() - began < 30


def test_an_exception_that_is_swallowed_comes_again_at_the_next_check():
    assert run(SWALLOWING, signal.SIGTERM) == (128 + signal.SIGTERM, "")


@pytest.mark.parametrize("without", ["", "del signal.pthread_kill"], ids=["POSIX", "Windows"])
def test_a_thread_can_end_the_work(without):
    work = FROM_A_THREAD.format(without=without) + BLOCKS
    assert run(work) == (128 + signal.SIGTERM, "")


def test_ignored_signals_stay_ignored():
    """As under `nohup`."""
    program = "import signal; signal.signal(signal.SIGHUP, signal.SIG_IGN);"
    program += WORK.format(work="time.sleep(0.3)")
    process = subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    assert process.stdout.readline() == "ready\n"
    process.send_signal(signal.SIGHUP)
    out, _ = process.communicate(timeout=60)
    assert (process.returncode, out) == (0, "not interrupted\n")


def test_the_library_installs_no_handlers():
    import soundstage.cli.main  # noqa: F401

    assert signal.getsignal(signal.SIGTERM) is signal.SIG_DFL
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


def test_a_chain_of_threads_ends_with_the_signal(monkeypatch):
    closed = []

    def endless(name, source=None):
        try:
            while True:
                yield next(source) if source else 1
        finally:
            closed.append(name)

    ahead = prefetch(endless("process", prefetch(endless("decode"))))
    assert next(ahead) == 1
    monkeypatch.setattr(interruption._state, "number", signal.SIGTERM)
    with pytest.raises(interruption.Interrupted):
        list(ahead)
    assert sorted(closed) == ["decode", "process"]

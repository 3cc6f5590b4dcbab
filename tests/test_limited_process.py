import os
import signal
import subprocess
import sys
import time

import numpy as np
import pytest

from soundstage.errors import InputError
from soundstage.limited_process import run_with_limit


def squares(count):
    os.write(1, b"a library prints")
    return {"squares": np.arange(count) ** 2, "process": os.getpid()}


def refuse(text):
    raise InputError(text)


class OddError(Exception):
    def __init__(self, one, two):
        super().__init__("odd")


def fail_oddly():
    raise OddError(1, 2)


def loop():
    while True:
        pass


def wait():
    time.sleep(60)


def fill():
    return np.ones(1 << 28).sum()


def crash():
    os.kill(os.getpid(), signal.SIGSEGV)


def test_the_value_comes_from_another_process():
    result = run_with_limit(squares, 1000)
    assert np.array_equal(result["squares"], np.arange(1000) ** 2)
    assert result["process"] != os.getpid()


def test_errors_of_the_function_are_raised():
    with pytest.raises(InputError, match=r"^a\.sofa is damaged\.$"):
        run_with_limit(refuse, "a.sofa is damaged.")
    with pytest.raises(RuntimeError, match="OddError: odd"):
        run_with_limit(fail_oddly)


@pytest.mark.parametrize(
    ("function", "error"), [(loop, TimeoutError), (fill, MemoryError), (crash, ChildProcessError)]
)
def test_a_loop_a_full_memory_and_a_crash_end_in_an_error(function, error):
    started = time.monotonic()
    with pytest.raises(error):
        run_with_limit(function, seconds=1, memory=1 << 28)
    assert time.monotonic() - started < 20


def test_an_exception_in_the_parent_ends_the_process(monkeypatch):
    started = []
    popen = subprocess.Popen

    def start(*arguments, **options):
        started.append(popen(*arguments, **options))
        return started[0]

    monkeypatch.setattr(subprocess, "Popen", start)
    before = signal.signal(signal.SIGALRM, signal.default_int_handler)
    signal.setitimer(signal.ITIMER_REAL, 0.3)
    with pytest.raises(KeyboardInterrupt):
        run_with_limit(wait)
    signal.signal(signal.SIGALRM, before)
    assert started[0].returncode == -signal.SIGKILL


def test_the_main_script_of_the_user_is_not_run_again(tmp_path):
    script = tmp_path / "script.py"
    script.write_text(
        "from soundstage.limited_process import run_with_limit\n"
        "from os.path import basename\n"
        "print(run_with_limit(basename, 'a/b.sofa'))\n"
    )
    run = subprocess.run([sys.executable, str(script)], check=True, capture_output=True, text=True)
    assert run.stdout == "b.sofa\n"


def test_a_lower_limit_of_the_system_stays():
    pytest.importorskip("resource")
    program = """
import resource
resource.setrlimit(resource.RLIMIT_CPU, (8, 8))
from os.path import basename
from soundstage.limited_process import run_with_limit
print(run_with_limit(basename, "a/b.sofa", seconds=10))
"""
    run = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert (run.stdout, run.stderr) == ("b.sofa\n", "")

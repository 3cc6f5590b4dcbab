"""A function run in a process of its own, with limits of time and memory.

For libraries that read foreign files and may loop, crash or fill the memory on a damaged one, where
no exception reaches them. The process is a fresh Python that imports only the module of the
function: `multiprocessing` would run the user's main script again.
"""

import importlib
import math
import os
import subprocess
import sys
from collections.abc import Callable
from contextlib import suppress
from multiprocessing.reduction import ForkingPickler
from pathlib import Path
from typing import Any, TypeVar

from soundstage import interruption

T = TypeVar("T")

POLL = 0.05  # seconds between two looks at the process
WAIT, START = 3, 20.0  # of wall-clock time: times the limit, and seconds, on a busy machine
ONE_THREAD = {name: "1" for name in ("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS", "MKL_NUM_THREADS")}


def run_with_limit(
    function: Callable[..., T], *arguments: Any, seconds: float = 10.0, memory: int = 2 << 30
) -> T:
    """The value of `function(*arguments)`, computed in another process.

    Args:
        function: of a module, by its own name; its value and its errors can be pickled.
        arguments: can be pickled.
        seconds: of processor time, rounded up.
        memory: in bytes, beyond what the process holds at its start. Only Linux keeps this limit.

    Raises:
        TimeoutError: the time is over.
        MemoryError: the memory is not enough.
        ChildProcessError: the process crashed.
        Exception: any that the function raises.
    """
    if not sys.executable or getattr(sys, "frozen", False):
        return function(*arguments)  # inside another program there is no Python to start
    start = f"import sys; sys.path[:] = {sys.path!r}; from {__name__} import _serve; _serve()"
    task = (function.__module__, function.__name__, arguments, seconds, memory)
    with subprocess.Popen(
        [sys.executable, "-c", start],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env={**os.environ, **ONE_THREAD},
        start_new_session=True,  # Ctrl-C at the terminal is the parent's
    ) as process:
        try:
            output, errors = _output(process, bytes(ForkingPickler.dumps(task)), seconds)
        finally:
            process.kill()
            process.wait()
    if process.returncode in _OUT_OF_TIME:
        raise TimeoutError(f"more than {seconds:g} s of processor time")
    if process.returncode != 0:
        lines = errors.decode(errors="replace").strip().splitlines()
        raise ChildProcessError(f"code {process.returncode}" + (f": {lines[-1]}" if lines else ""))
    value, error = ForkingPickler.loads(output)
    if error is not None:
        raise error
    return value


_OUT_OF_TIME = (-24, -30)  # SIGXCPU on Linux; on some other systems


def _output(process: "subprocess.Popen[bytes]", task: bytes, seconds: float) -> tuple[bytes, bytes]:
    for turn in range(math.ceil((WAIT * seconds + START) / POLL)):
        with suppress(subprocess.TimeoutExpired):
            return process.communicate(None if turn else task, timeout=POLL)
        interruption.check()
    raise TimeoutError(f"more than {WAIT * seconds + START:g} s")


# In the process


def _serve() -> None:
    task = sys.stdin.buffer.read()
    output = os.dup(1)
    os.dup2(2, 1)  # what libraries print must not mix with the result
    module, name, arguments, seconds, memory = ForkingPickler.loads(task)
    result: tuple[Any, BaseException | None]
    try:
        function = getattr(importlib.import_module(module), name)
        _limit(seconds, memory)
        result = function(*arguments), None
    except Exception as error:
        result = None, _portable(error)
    with os.fdopen(output, "wb") as file:
        file.write(ForkingPickler.dumps(result))
    os._exit(0)


def _portable(error: Exception) -> Exception:
    try:
        ForkingPickler.loads(ForkingPickler.dumps(error))
    except Exception:
        return RuntimeError(f"{type(error).__name__}: {error}")
    return error


def _limit(seconds: float, memory: int) -> None:
    try:
        import resource
    except ImportError:  # Windows
        return
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    usage = resource.getrusage(resource.RUSAGE_SELF)
    most = math.ceil(usage.ru_utime + usage.ru_stime + seconds)
    with suppress(ValueError):  # the system's own limit is lower
        resource.setrlimit(resource.RLIMIT_CPU, (most, most + 5))
    with suppress(OSError, ValueError):
        pages = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[0])
        space = pages * resource.getpagesize() + memory
        resource.setrlimit(resource.RLIMIT_AS, (space, space))

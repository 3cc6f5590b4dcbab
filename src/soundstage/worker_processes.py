"""Worker processes that end with their work and with their parent, and leave no unfinished file."""

import multiprocessing
import os
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from contextlib import ExitStack, contextmanager, suppress
from multiprocessing.connection import Connection
from multiprocessing.util import Finalize
from typing import Any, TypeVar

from soundstage import interruption
from soundstage.errors import SoundstageError

T = TypeVar("T")
R = TypeVar("R")

RESEND = 0.1  # seconds until a worker gets the signal again
OF_THE_TERMINAL = ("SIGINT", "SIGHUP", "SIGQUIT")  # sent to all at once: the parent stops workers
GRACE = 20.0  # seconds for a worker to remove its unfinished file; more than a block of any method

# Environment of a worker: one thread in every library. With glibc, freed memory is kept for the
# next spectrum; returning it and requesting it again costs a third of the time.
KEEP_MEMORY = str(1 << 32)
ENVIRONMENT = {
    "OPENBLAS_NUM_THREADS": "1",
    "OMP_NUM_THREADS": "1",
    "MKL_NUM_THREADS": "1",
    "MALLOC_MMAP_THRESHOLD_": KEEP_MEMORY,
    "MALLOC_TRIM_THRESHOLD_": KEEP_MEMORY,
}


@contextmanager
def worker_pool(
    jobs: int, initializer: Callable[..., None] | None = None, *arguments: Any
) -> Iterator[ProcessPoolExecutor]:
    """A pool of `jobs` processes; left by an exception, it stops them at once.

    Args:
        jobs: number of processes.
        initializer: called in every process, with `arguments`. Work has to be wrapped in `guarded`.
        arguments: can be pickled.

    Raises:
        SoundstageError: a process was killed, usually for lack of memory.
    """
    # "spawn": a process forked while torch holds its thread pool may deadlock
    context = multiprocessing.get_context("spawn")
    lifeline, end = context.Pipe(duplex=False)  # closing `end`, or the parent's death, stops all
    pool = ProcessPoolExecutor(
        jobs,
        mp_context=context,
        initializer=_start_worker,
        initargs=(lifeline, initializer, *arguments),
    )
    try:
        with _worker_environment():
            yield pool
        pool.shutdown()
    except BrokenProcessPool as error:
        interruption.check()  # a signal that went to all processes
        raise SoundstageError(
            "A worker process was killed, probably because memory ran out: use fewer jobs."
        ) from error
    finally:
        end.close()
        pool.shutdown(cancel_futures=True)
        lifeline.close()


_workers = ExitStack()
_pools = 0
_lock = threading.Lock()


@contextmanager
def _worker_environment() -> Iterator[None]:
    """`ENVIRONMENT`, for processes started meanwhile; restored when the last pool ends."""
    global _pools
    with _lock:
        if _pools == 0:
            for name, value in ENVIRONMENT.items():
                _workers.callback(_set_variable, name, os.environ.get(name))
                os.environ[name] = value
        _pools += 1
    try:
        yield
    finally:
        with _lock:
            _pools -= 1
            if _pools == 0:
                _workers.close()


def _set_variable(name: str, value: str | None) -> None:
    if value is None:
        os.environ.pop(name, None)
    else:
        os.environ[name] = value


# In a worker


def _start_worker(
    lifeline: Connection, initializer: Callable[..., None] | None, *arguments: Any
) -> None:
    for name in OF_THE_TERMINAL:
        if hasattr(signal, name):
            signal.signal(getattr(signal, name), signal.SIG_IGN)
    interruption.install(_leave_soon)
    threading.Thread(target=_watch, args=(lifeline,), daemon=True).start()
    Finalize(None, _quit, exitpriority=-1000)
    if initializer:
        initializer(*arguments)


def _quit() -> None:
    """End the process without taking torch apart, which takes a second."""
    for stream in (sys.stdout, sys.stderr):
        with suppress(OSError, ValueError):
            if stream:
                stream.flush()
    os._exit(0)


def _watch(lifeline: Connection) -> None:
    """Leave when the parent closes its end, or dies."""
    try:
        lifeline.recv_bytes()
    except (EOFError, OSError):
        # A signal that arrives just before the main thread blocks in a system call does not wake it
        while interruption.requested() is None:
            interruption.send(signal.SIGTERM)
            time.sleep(RESEND)


def _leave_soon() -> None:
    """The work ends at its next block and removes its unfinished file, or the process ends."""
    timer = threading.Timer(GRACE, os._exit, (1,))
    timer.daemon = True
    timer.start()


def guarded(work: Callable[[T], R], item: T) -> R:
    """Work on an item, and end the process if it was stopped meanwhile.

    The pool would take the exception for a result, and start the next item.
    """
    try:
        return work(item)
    finally:
        if interruption.requested() is not None:
            os._exit(1)

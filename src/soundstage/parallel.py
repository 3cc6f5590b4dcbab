"""The same work on many things, over processes that never outlive what started them."""

import multiprocessing
import os
import signal
import sys
import threading
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from types import FrameType
from typing import NoReturn, Protocol, TypeVar

import torch
from threadpoolctl import threadpool_limits

from soundstage.errors import SoundstageError

GRACE = 1.0  # seconds that a worker has to put its files away

# Read by a worker when it starts: one thread for every library, and (with glibc) memory that is
# kept for the next spectrum, where giving it back and fetching it again costs a third of the time
KEEP = str(1 << 32)
ENVIRONMENT = {
    "OPENBLAS_NUM_THREADS": "1",
    "OMP_NUM_THREADS": "1",
    "MKL_NUM_THREADS": "1",
    "MALLOC_MMAP_THRESHOLD_": KEEP,
    "MALLOC_TRIM_THRESHOLD_": KEEP,
}

T = TypeVar("T")
R = TypeVar("R")


class Mapper(Protocol):
    """As `map`: results in the order of the items, as soon as they are there."""

    def __call__(self, work: Callable[[T], R], items: Iterable[T], /) -> Iterator[R]:
        """Do `work` on every item."""


@contextmanager
def parallel_map(workers: int) -> Iterator[Mapper]:
    """A `map` over processes of one thread each; left in a hurry, it stops them at once.

    Args:
        workers: how many processes; with one, the work is done in this one.
    """
    if workers <= 1:
        threads = torch.get_num_threads()
        torch.set_num_threads(1)  # results depend on it, in their last digits, and on that of BLAS
        try:
            with threadpool_limits(1):
                yield map
        finally:
            torch.set_num_threads(threads)
        return
    with _started(workers) as pool:
        yield pool.map


@contextmanager
def _started(workers: int) -> Iterator[ProcessPoolExecutor]:
    # "spawn": a process forked while torch holds its thread pool may never wake
    context = multiprocessing.get_context("spawn")
    before = {name: os.environ.get(name) for name in ENVIRONMENT}
    os.environ.update(ENVIRONMENT)
    pool = ProcessPoolExecutor(workers, mp_context=context, initializer=_begin)
    try:
        yield pool
    except BrokenProcessPool as error:
        raise SoundstageError(
            "A worker process was killed, most likely for want of memory: use fewer workers."
        ) from error
    except BaseException:
        pool.shutdown(wait=False, cancel_futures=True)
        for process in multiprocessing.active_children():
            process.terminate()
        raise
    finally:
        for name, value in before.items():
            if value is None:
                os.environ.pop(name)
            else:
                os.environ[name] = value
    pool.shutdown()


def _begin() -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the parent answers for all
    signal.signal(signal.SIGTERM, _put_away)
    torch.set_num_threads(1)
    threading.Thread(target=_leave_with_parent, daemon=True).start()


def _put_away(number: int, frame: FrameType | None) -> NoReturn:
    """Leave by an exception, so that an unfinished file is removed, and then for good.

    The pool takes the exception for the result of one task and would go on with the next.
    """
    last = threading.Timer(GRACE, os._exit, (1,))
    last.daemon = True
    last.start()
    sys.exit(1)


def _leave_with_parent() -> None:
    """A parent that was killed tells nobody; its workers would wait for ever."""
    parent = multiprocessing.parent_process()
    if parent:
        parent.join()
        os._exit(1)

"""Threads, processes and devices.

- `single_thread` limits torch to one thread in the calling thread, so that a result does not depend
  on the number of cores: a long transform that is split between threads rounds differently.
- `prefetch` runs an iterator in a background thread: decode, process and encode in a pipeline.
- `parallel_map` and `run_jobs` spread work over worker processes, which end with their parent.
- `resolve_device` turns the option `device` into a torch device.

Importing this module does not import torch.
"""

import contextvars
import ctypes
import multiprocessing
import os
import queue
import sys
import threading
from collections import deque
from collections.abc import Callable, Generator, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, wait
from contextlib import contextmanager, suppress
from functools import cache, partial
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any, Generic, Protocol, TypeVar

from soundstage import interruption
from soundstage.errors import (
    SYSTEM_ERRORS,
    OptionError,
    SoundstageError,
    WeightsError,
    of_system,
    unexpected,
)
from soundstage.worker_processes import guarded, worker_pool

if TYPE_CHECKING:
    import torch

T = TypeVar("T")
R = TypeVar("R")
Item = TypeVar("Item", contravariant=True)
Result = TypeVar("Result", covariant=True)

Progress = Callable[[float], None]
"""A callback for progress: the finished fraction, from 0 to 1."""

POLL = 0.1  # seconds between two reports of progress
AHEAD = 2  # items that are sent to each process, so that none waits

# Threads


def _use_one_thread() -> None:
    """In a forked process, the threads of OpenMP are gone: torch would wait for them for ever."""
    torch = sys.modules.get("torch")
    if torch is not None:
        torch.set_num_threads(1)


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_use_one_thread)


@contextmanager
def single_thread() -> Iterator[None]:
    """Limit torch to one thread (OpenMP and MKL), in the calling thread only.

    `torch.set_num_threads` also changes the default of threads that start later, and so leaks out
    of concurrent calls. Here only the thread's own settings of the two libraries change, and they
    are restored at the end. Keep the block free of `yield`: a generator would leave the limit on
    its consumer. A torch built without OpenMP keeps its threads.
    """
    import torch

    torch.get_num_threads()  # torch initializes a thread at its first use; not after the limit
    openmp, set_mkl_threads = _thread_settings()
    before = [library.get_num_threads() for library in openmp]
    mkl_before = set_mkl_threads(1)
    try:
        for library in openmp:
            library.set_num_threads(1)
        yield
    finally:
        for library, count in zip(openmp, before, strict=True):
            library.set_num_threads(count)
        set_mkl_threads(mkl_before)


@cache
def _thread_settings() -> tuple[list[Any], Callable[[int], int]]:
    """The OpenMP libraries in use, and the function that sets the threads of MKL in this thread.

    The latter returns the previous value; 0 stands for the process-wide number.
    """
    import torch
    from threadpoolctl import ThreadpoolController

    openmp = ThreadpoolController().select(user_api="openmp").lib_controllers
    # MKL is linked into torch, where threadpoolctl does not find it
    for name in ("libtorch_cpu.so", "libtorch_cpu.dylib", "torch_cpu.dll"):
        path = Path(torch.__file__).parent / "lib" / name
        if path.exists():
            library = ctypes.CDLL(str(path))
            if hasattr(library, "MKL_Set_Num_Threads_Local"):
                return openmp, library.MKL_Set_Num_Threads_Local
    return openmp, lambda count: count


def prefetch(items: Iterable[T], size: int = 2) -> Generator[T, None, None]:
    """Iterate in a background thread, at most `size` items ahead.

    In a chain, every stage runs beside the others, and the items and their order stay the same:

        for block in prefetch(process(prefetch(decode(path)))):
            encode(block)

    An error of the iterator is raised here, after the items before it. When the consumer stops
    early, the background thread finishes its current item, closes the iterator and ends. Settings
    of a thread, such as `torch.inference_mode` and `single_thread`, have to be made inside the
    iterator.

    Args:
        items: iterated once, completely in the background thread.
        size: capacity of the queue, at least 1.
    """
    ready: queue.Queue[tuple[bool, Any]] = queue.Queue(size)
    stopped = threading.Event()
    context = contextvars.copy_context()
    thread = threading.Thread(
        target=context.run, args=(_produce, items, ready, stopped), name="prefetch", daemon=True
    )
    thread.start()
    try:
        while True:
            is_item, value = _received(ready)
            if is_item:
                yield value
            elif value is None:
                return
            else:
                raise value
    finally:
        stopped.set()
        while thread.is_alive():  # a full queue would block the thread
            try:
                ready.get(timeout=0.01)
            except queue.Empty:
                continue
        thread.join()


def in_thread(function: Callable[..., R], *arguments: Any) -> R:
    """The value of a call in a background thread, which no signal interrupts."""
    (value,) = prefetch(function(*arguments) for _ in range(1))
    return value


def _received(ready: "queue.Queue[tuple[bool, Any]]") -> tuple[bool, Any]:
    """The next entry; a signal ends the wait."""
    while True:
        interruption.check()
        with suppress(queue.Empty):
            entry = ready.get(timeout=POLL)
            interruption.check()
            return entry


def _produce(
    items: Iterable[T], ready: "queue.Queue[tuple[bool, Any]]", stopped: threading.Event
) -> None:
    """Put (True, item) for every item, then (False, error or None)."""
    error: BaseException | None = None
    iterator = iter(items)
    try:
        for item in iterator:
            ready.put((True, item))
            del item  # the consumer's now
            if stopped.is_set():
                break
            interruption.check()
    except BaseException as raised:
        error = raised
    try:
        if isinstance(iterator, Generator):
            iterator.close()
    except BaseException as raised:
        error = error or raised
    ready.put((False, error))


# Processes


class Mapper(Protocol):
    """Like `map`: results in the order of the items, each as soon as it is there."""

    def __call__(self, work: Callable[[T], R], items: Iterable[T], /) -> Iterator[R]:
        """Apply `work` to every item."""


@contextmanager
def parallel_map(jobs: int) -> Iterator[Mapper]:
    """A `map` over worker processes of one thread each.

    An error, an interruption or an early exit stops the workers at once; so does the end of the
    parent process.

    Args:
        jobs: number of processes; with 1, this process does the work, on one thread.

    Raises:
        SoundstageError: a worker was killed, usually for lack of memory.
    """
    if jobs <= 1:
        with single_thread(), _single_blas_thread():
            yield _map_here
        return
    with worker_pool(jobs) as pool:

        def each(work: Callable[[T], R], items: Iterable[T], /) -> Iterator[R]:
            return _results(deque(pool.submit(guarded, work, item) for item in items))

        yield each


def _map_here(work: Callable[[T], R], items: Iterable[T], /) -> Iterator[R]:
    for item in items:
        interruption.check()
        yield work(item)


def _results(futures: "deque[Future[R]]") -> Iterator[R]:
    while futures:
        future = futures.popleft()
        while not future.done():
            wait([future], timeout=POLL)
            interruption.check()
        yield future.result()


class Work(Protocol[Item, Result]):
    """Work on one item, with a callback for its progress."""

    def __call__(self, item: Item, progress: Progress, /) -> Result:
        """Work on the item."""


def run_jobs(
    load: Callable[[], Work[T, R]],
    items: Sequence[T],
    *,
    jobs: int = 1,
    check: Callable[[T], R | None] | None = None,
    progress: Callable[[Mapping[int, float]], None] | None = None,
) -> Iterator[tuple[int, R | SoundstageError]]:
    """Work on many items in worker processes; a failure leaves the other items alone.

    Args:
        load: returns the function that works on an item; called once a process, so it is the place
            to load a model. With several jobs, it and the items are pickled: use a function of a
            module, a `functools.partial` of one, or a method of a dataclass.
        items: what to work on.
        jobs: number of processes; with 1, this process does the work.
        check: called first; raises the errors of an item that can be found without a model, or
            returns the result of an item that needs no work.
        progress: called often with the finished fractions of the items in work, by index.

    Yields:
        The index of every item, with its result or the `SoundstageError` that it failed with, as
        soon as it ends.

    Raises:
        WeightsError: the weights of the method cannot be used, for any item.
        SoundstageError: `load` failed, or a worker was killed, usually for lack of memory.
    """
    jobs = min(jobs, len(items))
    if jobs <= 1:
        yield from _run_here(_Worker(load, check, several=len(items) > 1), items, progress)
        return
    fractions = multiprocessing.get_context("spawn").RawArray("d", len(items))
    with worker_pool(
        jobs, _set_worker, _Worker(load, check, several=len(items) > 1), fractions
    ) as pool:
        waiting = iter(enumerate(items))
        running: dict[Future[R | SoundstageError], int] = {}
        while True:
            for numbered in islice(waiting, AHEAD * jobs - len(running)):
                running[pool.submit(guarded, _work_on, numbered)] = numbered[0]
            if not running:
                return
            done, _ = wait(running, timeout=POLL, return_when=FIRST_COMPLETED)
            interruption.check()
            if progress:
                progress({index: fractions[index] for index in running.values()})
            for future in sorted(done, key=running.__getitem__):
                yield running.pop(future), future.result()


def _run_here(
    worker: "_Worker[T, R]",
    items: Sequence[T],
    progress: Callable[[Mapping[int, float]], None] | None,
) -> Iterator[tuple[int, R | SoundstageError]]:
    def report(index: int, fraction: float) -> None:
        interruption.check()
        if progress:
            progress({index: fraction})

    for index, item in enumerate(items):
        result = worker(item, partial(report, index))
        report(index, 1.0)
        yield index, result


class _Worker(Generic[T, R]):
    """Checks an item, loads the model if that has not happened yet, and works on the item.

    This is the place where errors of an item become results. Of `several` items, one that meets a
    fault of this program does not stop the others either.
    """

    def __init__(
        self,
        load: Callable[[], Work[T, R]],
        check: Callable[[T], R | None] | None,
        *,
        several: bool,
    ) -> None:
        self._load, self._check, self._several = load, check, several
        self._work: Work[T, R] | None = None

    def __call__(self, item: T, progress: Progress) -> R | SoundstageError:
        if self._check:
            checked = self._attempt(item, self._check, item)
            if checked is not None:
                return checked
        self._work = self._work or self._load()
        return self._attempt(item, self._work, item, progress)

    def _attempt(
        self, item: T, work: Callable[..., Result], *arguments: Any
    ) -> Result | SoundstageError:
        try:
            return work(*arguments)
        except WeightsError:  # the same for every item
            raise
        except SoundstageError as error:
            return error
        except SYSTEM_ERRORS as error:
            return of_system(error, getattr(item, "source", item))
        except Exception as error:
            if not self._several:
                raise
            return unexpected(error, getattr(item, "source", item))


def available_cores() -> int:
    """Number of cores that this process may use."""
    if sys.version_info >= (3, 13):
        return os.process_cpu_count() or 1
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def default_jobs(items: int, device: str = "cpu") -> int:
    """Number of processes for this many files: one for each core, or a single one on a GPU."""
    if items < 2 or (device != "cpu" and not (device == "auto" and _has_no_gpu())):
        return 1
    return min(items, available_cores())


def _has_no_gpu() -> bool:
    """Certainly no GPU; answers without torch where the system shows no driver."""
    drivers = ("/dev/nvidiactl", "/dev/kfd", "/dev/dxg")
    if sys.platform == "linux" and not any(map(os.path.exists, drivers)):
        return True
    return resolve_device().type == "cpu"


@contextmanager
def _single_blas_thread() -> Iterator[None]:
    """One thread for the BLAS of NumPy and SciPy, which only has a process-wide setting."""
    from threadpoolctl import threadpool_limits

    with threadpool_limits(1, user_api="blas"):
        yield


# In a worker

_state: dict[str, Any] = {}


def _set_worker(worker: _Worker[Any, Any], fractions: Any) -> None:
    _state.update(worker=worker, fractions=fractions)


def _work_on(numbered: tuple[int, Any]) -> Any:
    index, item = numbered
    fractions = _state["fractions"]

    def report(fraction: float) -> None:
        fractions[index] = fraction

    try:
        return _state["worker"](item, report)
    finally:
        fractions[index] = 1.0


# Devices


def resolve_device(device: "str | torch.device" = "auto") -> "torch.device":
    """The torch device of an option.

    Args:
        device: "cpu", "cuda", "cuda:1", "mps", or "auto": a CUDA GPU if there is one, else the CPU.

    Raises:
        OptionError: the device is unknown, or not available here.
    """
    import torch

    name = str(device)
    if name == "auto":
        name = "cuda" if torch.cuda.is_available() else "cpu"
    kind, _, index = name.partition(":")
    if kind == "cpu" and not index:
        return torch.device("cpu")
    if kind not in ("cuda", "mps") or not (index.isdecimal() or name == kind):
        raise OptionError(f"`device` must be auto, cpu, cuda, cuda:N or mps, not {name!r}.")
    count = torch.cuda.device_count() if kind == "cuda" else int(torch.backends.mps.is_available())
    if int(index or 0) >= count:
        raise OptionError(f"The device {name!r} is not available on this machine: use cpu or auto.")
    return torch.device(name)

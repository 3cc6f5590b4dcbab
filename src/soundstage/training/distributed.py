"""Starts the processes of one training, and sees to it that they end together.

The processes are started anew ("spawn") under one that only watches: it hears what the first of
them says, and when one ends before its work is done it stops the rest and says why. So nothing
hangs in a sum that never comes. A program under `torchrun` is one of several already, joins the
others as the environment tells it, and leaves the watching to torchrun.
"""

import multiprocessing
import os
import signal
import sys
import tempfile
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from multiprocessing.connection import Connection, wait
from multiprocessing.process import BaseProcess
from pathlib import Path
from types import FrameType
from typing import Any, NoReturn, Protocol, TypeVar

import torch
from torch import distributed

from soundstage.errors import OptionError, SoundstageError
from soundstage.training.collectives import PeerLostError
from soundstage.training.data.tracks import Progress
from soundstage.training.loop import Say, choose_device

GRACE = 3.0  # seconds that a process has to say why it fails, and to put its files away
PATIENCE = timedelta(days=1)  # the others wait while the first validates; a death ends it at once

T = TypeVar("T")
R = TypeVar("R", covariant=True)


class Work(Protocol[R]):
    """What every process does; it can be sent to another one."""

    def __call__(self, *, progress: Progress | None, say: Say | None) -> R:
        """Do it, and tell how it goes; only the first process has somebody to tell."""


def leads() -> bool:
    """Whether this process may write and print: it is alone, or the first of several."""
    if distributed.is_initialized():
        return distributed.get_rank() == 0
    return not _under_torchrun() or os.environ["RANK"] == "0"


def in_processes(
    count: int, work: Work[T], *, device: str, progress: Progress | None, say: Say | None
) -> T:
    """Do a work in one process, in several, or in those that torchrun or the caller began.

    Threads are shared out among the processes.

    Args:
        count: processes to start; with 1 the work is done in this one.
        work: done in each; sums over all of them by `torch.distributed`.
        device: auto, cpu or cuda; with GPUs each process has its own.
        progress: called by way of the first process.
        say: the same.

    Returns:
        What the first process has made of it, which must hold no tensors: their memory ends with
        the process. Where others began the processes, what this one has made.

    Raises:
        OptionError: there are too few GPUs, or torchrun began another number of processes.
        SoundstageError: a process raised it, or ended early.
    """
    if distributed.is_initialized():
        return work(progress=progress if leads() else None, say=say if leads() else None)
    if _under_torchrun():
        size = int(os.environ["WORLD_SIZE"])
        if count not in (1, size):
            raise OptionError(f"torchrun began {size} processes: leave out the number {count}.")
        place = _Place(int(os.environ["RANK"]), size, "env://", torch.get_num_threads(), device)
        with _joined(place, int(os.environ.get("LOCAL_RANK", "0"))):
            return in_processes(1, work, device=device, progress=progress, say=say)
    if count == 1:
        return work(progress=progress, say=say)
    _check_gpus(count, device)
    with tempfile.TemporaryDirectory(prefix="soundstage-") as folder:
        meeting = (Path(folder) / "meeting").as_uri()  # a file: no port that others could reach
        threads = max(torch.get_num_threads() // count, 1)
        places = [_Place(rank, count, meeting, threads, device) for rank in range(count)]
        return _watch(places, work, progress, say)


@dataclass(frozen=True)
class _Place:
    """Of a process among the others."""

    rank: int
    size: int
    meeting: str
    """A URL by which they find each other."""
    threads: int
    device: str


def _under_torchrun() -> bool:
    wanted = ("RANK", "WORLD_SIZE", "MASTER_ADDR")
    return all(name in os.environ for name in wanted) and os.environ["WORLD_SIZE"] != "1"


def _check_gpus(count: int, device: str) -> None:
    if choose_device(device).type == "cuda" and count > torch.cuda.device_count():
        raise OptionError(
            f"{count} processes need as many GPUs, and torch finds {torch.cuda.device_count()}: "
            "start fewer, or choose the device cpu."
        )


@contextmanager
def _joined(place: _Place, local_rank: int) -> Iterator[None]:
    on_gpu = choose_device(place.device).type == "cuda"
    if on_gpu:
        torch.cuda.set_device(local_rank)
    distributed.init_process_group(
        "nccl" if on_gpu else "gloo",
        init_method=place.meeting,
        rank=place.rank,
        world_size=place.size,
        timeout=PATIENCE,
    )
    try:
        yield
    finally:
        distributed.destroy_process_group()


def _watch(
    places: Sequence[_Place], work: Work[T], progress: Progress | None, say: Say | None
) -> T:
    context = multiprocessing.get_context("spawn")  # a fork of torch's threads may never wake
    members: dict[Connection, BaseProcess] = {}
    try:
        for place in places:
            ours, theirs = context.Pipe(duplex=False)
            process = context.Process(target=_take_part, args=(place, work, theirs))
            process.start()
            theirs.close()  # or the end of the process would not end the pipe
            members[ours] = process
        return _listen(members, progress, say)
    finally:
        _stop(list(members.values()))


def _listen(
    members: dict[Connection, BaseProcess], progress: Progress | None, say: Say | None
) -> Any:
    """The result, once all have ended well; after a failure the others have time to tell theirs."""
    running, ended, result = dict(members), set(), None
    failures: list[SoundstageError] = []
    deadline: float | None = None
    while running and (deadline is None or time.monotonic() < deadline):
        for pipe in wait(list(running), None if deadline is None else GRACE):
            assert isinstance(pipe, Connection)
            try:
                kind, content = pipe.recv()
            except (EOFError, OSError):  # it is gone, perhaps in the middle of a word
                process = running.pop(pipe)
                if pipe not in ended:
                    failures.append(_death(process))
                continue
            if kind == "progress" and progress:
                progress(*content)
            elif kind == "say" and say:
                say(content)
            elif kind == "failed":
                failures.append(content)
                ended.add(pipe)
            elif kind == "done":
                result = result if content is None else content
                ended.add(pipe)
        if failures and deadline is None:
            deadline = time.monotonic() + GRACE
    if failures:
        raise min(failures, key=lambda each: isinstance(each, PeerLostError))
    return result


def _death(process: BaseProcess) -> SoundstageError:
    process.join(GRACE)
    code = process.exitcode
    if code is not None and code < 0:
        return SoundstageError(
            f"A training process was killed ({signal.Signals(-code).name}), most likely for want "
            "of memory: start fewer processes, or go on with the same command."
        )
    return SoundstageError(
        f"A training process ended too early (code {code}); what it printed is the reason."
    )


def _stop(processes: Sequence[BaseProcess]) -> None:
    """Leave no process behind; one that waits in a sum does not hear a polite word."""
    for process in processes:
        process.terminate()
    deadline = time.monotonic() + GRACE
    for process in processes:
        process.join(max(deadline - time.monotonic(), 0.0))
        if process.exitcode is None:
            process.kill()
            process.join()


def _take_part(place: _Place, work: Work[object], pipe: Connection) -> None:
    """The life of a started process."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the watching process answers for all
    signal.signal(signal.SIGTERM, _leave)
    threading.Thread(target=_leave_with_parent, daemon=True).start()
    torch.set_num_threads(place.threads)
    if sys.platform == "linux":  # they are on one machine, whatever its name resolves to
        os.environ.setdefault("GLOO_SOCKET_IFNAME", "lo")
    try:
        with _joined(place, place.rank):
            result = in_processes(
                1,
                work,
                device=place.device,
                progress=lambda done, total: pipe.send(("progress", (done, total))),
                say=lambda line: pipe.send(("say", line)),
            )
        pipe.send(("done", None if place.rank else result))
    except SoundstageError as error:
        pipe.send(("failed", error))


def _leave(number: int, frame: FrameType | None) -> NoReturn:
    """By an exception, so that an unfinished file is removed."""
    sys.exit(1)


def _leave_with_parent() -> None:
    """A parent that was killed tells nobody; its processes would go on without it."""
    parent = multiprocessing.parent_process()
    if parent:
        parent.join()
        os._exit(1)

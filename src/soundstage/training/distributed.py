"""Training in several processes: they share each batch, and they end together.

Every process holds the same network, draws the same batch and computes the loss of its shard. One
all-reduce then gives each process the gradients of the whole batch, so that all of them take the
same step. The gradients are reduced in one piece after the backward pass, instead of by the hooks
of `DistributedDataParallel`, because

- a loss may call its network as often and by whatever method it likes: nothing is wrapped;
- a shard is weighted by its examples, or by the terms of its mean loss (masked tokens), so that
  shards of 3 and 2 average exactly to a batch of 5;
- a parameter that no process used keeps no gradient, as in a single process.

The cost is that communication does not overlap with the backward pass, which matters for larger
networks only. Statistics over a batch see the shard only.

The processes are spawned under one that watches them: it receives the messages of rank 0, and when
a process ends early it stops the others and reports why, so that no all-reduce waits forever. Under
`torchrun`, the process joins the others as the environment describes, and torchrun does the
watching.
"""

import multiprocessing
import os
import signal
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from multiprocessing.connection import Connection, wait
from multiprocessing.process import BaseProcess
from pathlib import Path
from types import FrameType
from typing import Any, NoReturn, Protocol, TypeVar

import torch
from jaxtyping import Float
from torch import Tensor, distributed, nn

from soundstage.errors import OptionError, SoundstageError
from soundstage.parallel import Progress, resolve_device
from soundstage.training.logs import Log
from soundstage.worker_processes import OF_THE_TERMINAL

GRACE = 3.0  # seconds for a process to report its error and remove its unfinished files
TIMEOUT = timedelta(days=1)  # the others wait while rank 0 validates; a death ends it at once

T = TypeVar("T")
R = TypeVar("R", covariant=True)


class PeerLostError(SoundstageError):
    """Another process of the training ended."""


class Work(Protocol[R]):
    """The work of every process; it can be pickled."""

    def __call__(self, *, progress: Progress | None, log: Log | None) -> R:
        """Do the work; the callbacks are None except on rank 0."""


# Collective operations. Without a process group they do nothing.


def world_size() -> int:
    """Number of processes of this training."""
    return distributed.get_world_size() if distributed.is_initialized() else 1


def get_rank() -> int:
    """Rank of this process, from 0; rank 0 validates, saves and logs."""
    return distributed.get_rank() if distributed.is_initialized() else 0


def is_rank_zero() -> bool:
    """Whether this process may write and print, also before the process group exists."""
    if distributed.is_initialized():
        return distributed.get_rank() == 0
    return not _under_torchrun() or os.environ["RANK"] == "0"


def shard(
    batch: tuple[Tensor, ...], n_terms: Callable[..., int]
) -> tuple[tuple[Tensor, ...], float]:
    """The shard of a batch for this process, and its weight in the loss of the whole batch.

    Args:
        batch: tensors whose first dimension is the example.
        n_terms: number of terms in the mean loss of a batch.

    Returns:
        The shard, and its share of the terms, from 0 to 1.
    """
    size, rank = world_size(), get_rank()
    if size == 1:
        return batch, 1.0
    examples = len(batch[0])
    start, end = rank * examples // size, (rank + 1) * examples // size
    part = tuple(each[start:end] for each in batch)
    return part, n_terms(*part) / max(n_terms(*batch), 1)


def average_gradients(model: nn.Module, loss: Float[Tensor, ""], weight: float) -> float:
    """Replace the gradients of a model by those of the whole batch; returns the loss of the batch.

    Args:
        model: with the gradients of this shard.
        loss: mean over the shard.
        weight: of the shard, from `shard`.

    Raises:
        PeerLostError: another process ended.
    """
    if world_size() == 1:
        return float(loss)
    parameters = [each for each in model.parameters() if each.requires_grad]
    used = torch.tensor([each.grad is not None for each in parameters])
    gradients = [torch.zeros_like(each) if each.grad is None else each.grad for each in parameters]
    first = [loss.detach().float()[None], used.to(loss.device).float()]
    sums = weight * torch.cat([*first, *(each.flatten() for each in gradients)])
    _communicate(distributed.all_reduce, sums)
    used_anywhere = sums[1 : 1 + len(parameters)].tolist()
    parts = sums[1 + len(parameters) :].split([each.numel() for each in parameters])
    for parameter, part, was_used in zip(parameters, parts, used_anywhere, strict=True):
        parameter.grad = part.view_as(parameter) if was_used else None
    return float(sums[0])


def check_agreement(step: int, fingerprint: bytes, device: torch.device) -> None:
    """Synchronize, and check that all processes are at the same step of the same run.

    Raises:
        OptionError: they read different data, recipes or checkpoints.
        PeerLostError: another process ended.
    """
    if world_size() == 1:
        return
    mine = torch.tensor([step, *fingerprint], dtype=torch.int64, device=device)
    gathered = [torch.empty_like(mine) for _ in range(world_size())]
    _communicate(distributed.all_gather, gathered, mine)
    if not all(torch.equal(each, mine) for each in gathered):
        raise OptionError(
            "The processes start from different data, recipes or checkpoints: give all of them "
            "the same folders."
        )


def _communicate(operation: Callable[..., object], *arguments: object) -> None:
    try:
        operation(*arguments)
    except RuntimeError as error:
        raise PeerLostError(
            "Another process of this training ended; its own message names the reason."
        ) from error


# Processes


@dataclass(frozen=True)
class _Place:
    """A process among the others."""

    rank: int
    size: int
    rendezvous: str
    """URL for `init_process_group`."""
    threads: int
    device: str


def run_distributed(
    processes: int, work: Work[T], *, device: str, progress: Progress | None, log: Log | None
) -> T:
    """Run a work in one process, in several, or in those that torchrun or the caller started.

    The threads are divided among the processes.

    Args:
        processes: number of processes to start; with 1 the work runs in this one.
        work: run in each, inside a process group.
        device: name for `resolve_device`; on GPUs each process has its own.
        progress: called from rank 0.
        log: called from rank 0.

    Returns:
        The result of rank 0, which must not hold tensors: their memory ends with the process. In
        processes started by others, the result of this process.

    Raises:
        OptionError: there are too few GPUs, or torchrun started another number of processes.
        SoundstageError: a process raised it, or ended early.
    """
    if distributed.is_initialized():
        is_main = is_rank_zero()
        return work(progress=progress if is_main else None, log=log if is_main else None)
    if _under_torchrun():
        size = int(os.environ["WORLD_SIZE"])
        if processes not in (1, size):
            raise OptionError(f"torchrun started {size} processes: do not set `processes` as well.")
        place = _Place(int(os.environ["RANK"]), size, "env://", torch.get_num_threads(), device)
        with _process_group(place, int(os.environ.get("LOCAL_RANK", "0"))):
            return run_distributed(1, work, device=device, progress=progress, log=log)
    if processes == 1:
        return work(progress=progress, log=log)
    _check_gpus(processes, device)
    with tempfile.TemporaryDirectory(prefix="soundstage-") as folder:
        rendezvous = (Path(folder) / "rendezvous").as_uri()  # a file: no open port
        threads = max(torch.get_num_threads() // processes, 1)
        places = [_Place(rank, processes, rendezvous, threads, device) for rank in range(processes)]
        return _watch(places, work, progress, log)


def _under_torchrun() -> bool:
    variables = ("RANK", "WORLD_SIZE", "MASTER_ADDR")
    return all(name in os.environ for name in variables) and os.environ["WORLD_SIZE"] != "1"


def _check_gpus(processes: int, device: str) -> None:
    if resolve_device(device).type == "cuda" and processes > torch.cuda.device_count():
        raise OptionError(
            f"{processes} processes need as many GPUs, and there are "
            f"{torch.cuda.device_count()}: use fewer `processes`, or the `device` cpu."
        )


@contextmanager
def _process_group(place: _Place, local_rank: int) -> Iterator[None]:
    on_gpu = resolve_device(place.device).type == "cuda"
    if on_gpu:
        torch.cuda.set_device(local_rank)
    distributed.init_process_group(
        "nccl" if on_gpu else "gloo",
        init_method=place.rendezvous,
        rank=place.rank,
        world_size=place.size,
        timeout=TIMEOUT,
    )
    try:
        yield
    finally:
        distributed.destroy_process_group()


def _watch(
    places: Sequence[_Place], work: Work[T], progress: Progress | None, log: Log | None
) -> T:
    context = multiprocessing.get_context("spawn")  # a fork of torch's threads may deadlock
    members: dict[Connection, BaseProcess] = {}
    try:
        for place in places:
            ours, theirs = context.Pipe(duplex=False)
            process = context.Process(target=_run_member, args=(place, work, theirs))
            process.start()
            theirs.close()  # otherwise the end of the process would not end the pipe
            members[ours] = process
        return _receive(members, progress, log)
    finally:
        _stop(list(members.values()))


def _receive(
    members: dict[Connection, BaseProcess], progress: Progress | None, log: Log | None
) -> Any:
    """The result when all have ended; after a failure the others may still report theirs."""
    running, ended, result = dict(members), set(), None
    failures: list[SoundstageError] = []
    deadline: float | None = None
    while running and (deadline is None or time.monotonic() < deadline):
        for pipe in wait(list(running), None if deadline is None else GRACE):
            assert isinstance(pipe, Connection)
            try:
                kind, content = pipe.recv()
            except (EOFError, OSError):  # the process ended, perhaps while it was sending
                process = running.pop(pipe)
                if pipe not in ended:
                    failures.append(_death(process))
                continue
            if kind == "progress" and progress:
                progress(content)
            elif kind == "log" and log:
                log(content)
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
            f"A training process was killed ({signal.Signals(-code).name}), probably because "
            "memory ran out: use fewer processes, or resume with the same command."
        )
    return SoundstageError(
        f"A training process ended too early (code {code}); its own output names the reason."
    )


def _stop(processes: Sequence[BaseProcess]) -> None:
    """End all processes; one that waits in an all-reduce does not react to SIGTERM."""
    for process in processes:
        process.terminate()
    deadline = time.monotonic() + GRACE
    for process in processes:
        process.join(max(deadline - time.monotonic(), 0.0))
        if process.exitcode is None:
            process.kill()
            process.join()


def _run_member(place: _Place, work: Work[object], pipe: Connection) -> None:
    """Main function of a spawned process."""
    for name in OF_THE_TERMINAL:  # the watching process stops the others
        if hasattr(signal, name):
            signal.signal(getattr(signal, name), signal.SIG_IGN)
    signal.signal(signal.SIGTERM, _leave)
    threading.Thread(target=_leave_with_parent, daemon=True).start()
    torch.set_num_threads(place.threads)
    if sys.platform == "linux":  # all on one machine, whatever its host name resolves to
        os.environ.setdefault("GLOO_SOCKET_IFNAME", "lo")
    try:
        with _process_group(place, place.rank):
            result = run_distributed(
                1,
                work,
                device=place.device,
                progress=lambda fraction: pipe.send(("progress", fraction)),
                log=lambda line: pipe.send(("log", line)),
            )
        pipe.send(("done", None if place.rank else result))
    except SoundstageError as error:
        pipe.send(("failed", error))


def _leave(number: int, frame: FrameType | None) -> NoReturn:
    """Raise an exception, so that an unfinished file is removed."""
    sys.exit(1)


def _leave_with_parent() -> None:
    """End this process when the watching one is killed."""
    parent = multiprocessing.parent_process()
    if parent:
        parent.join()
        os._exit(1)

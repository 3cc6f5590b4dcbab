"""What the processes of one training do together: share a batch, and average what they learned.

Every process holds the same network, draws the same batch and learns from a share of it; one sum
over all processes then gives each the gradients of the whole batch, so that every process takes
the same step. Gradients are put end to end and summed after the backward pass, rather than by the
hooks of `DistributedDataParallel`, because

- a loss may call its network as often and by whatever method it likes: nothing is wrapped;
- a share counts by its examples, or by what its loss is a mean of (hidden tokens), so that shares
  of 3 and 2 average exactly to a batch of 5;
- a weight that no process used keeps no gradient, as with one process, and one that some processes
  used needs no search for the others.

What is given up is sending the first gradients while the last are computed, which pays for networks
larger than ours. Norms over a batch see the share only. Without a process group all of this does
nothing.
"""

from collections.abc import Callable

import torch
from jaxtyping import Float
from torch import Tensor, distributed, nn

from soundstage.errors import OptionError, SoundstageError


class PeerLostError(SoundstageError):
    """Another process of the training is gone."""


def group_size() -> int:
    """Processes that train together."""
    return distributed.get_world_size() if distributed.is_initialized() else 1


def group_rank() -> int:
    """Which of them this is, from 0; the first one validates, writes and speaks."""
    return distributed.get_rank() if distributed.is_initialized() else 0


def share_of(
    batch: tuple[Tensor, ...], terms: Callable[..., int] | None = None
) -> tuple[list[Tensor], float]:
    """The examples of a batch that this process learns from, and what part of the whole they are.

    Args:
        batch: tensors whose first dimension is examples.
        terms: how many terms the mean loss of some examples has; one an example if not given.

    Returns:
        The share, and its part of the terms, 0 to 1.
    """
    size, rank = group_size(), group_rank()
    if size == 1:
        return list(batch), 1.0
    examples = len(batch[0])
    begin, end = rank * examples // size, (rank + 1) * examples // size
    share = [part[begin:end] for part in batch]
    count = terms or (lambda *tensors: len(tensors[0]))
    return share, count(*share) / max(count(*batch), 1)


def average_over_group(model: nn.Module, loss: Float[Tensor, ""], part: float) -> float:
    """The loss of the whole batch; the gradients of the model become those of the whole batch.

    Args:
        model: with the gradients of this process's share.
        loss: mean over the share.
        part: out of `share_of`.

    Raises:
        PeerLostError: another process ended.
    """
    if group_size() == 1:
        return float(loss)
    weights = [each for each in model.parameters() if each.requires_grad]
    used = torch.tensor([each.grad is not None for each in weights])
    parts = [torch.zeros_like(each) if each.grad is None else each.grad for each in weights]
    head = [loss.detach().float()[None], used.to(loss.device).float()]
    sums = part * torch.cat([*head, *(each.flatten() for each in parts)])
    _wait_for(distributed.all_reduce, sums)
    anywhere = sums[1 : 1 + len(weights)].tolist()
    gradients = sums[1 + len(weights) :].split([each.numel() for each in weights])
    for weight, gradient, wanted in zip(weights, gradients, anywhere, strict=True):
        weight.grad = gradient.view_as(weight) if wanted else None
    return float(sums[0])


def agree_on(step: int, fingerprint: bytes, device: torch.device) -> None:
    """Wait until every process stands here, and hold them to the same run at the same step.

    Raises:
        OptionError: they read different data, recipes or checkpoints.
        PeerLostError: another process ended.
    """
    if group_size() == 1:
        return
    mine = torch.tensor([step, *fingerprint], dtype=torch.int64, device=device)
    all_of_them = [torch.empty_like(mine) for _ in range(group_size())]
    _wait_for(distributed.all_gather, all_of_them, mine)
    if not all(torch.equal(each, mine) for each in all_of_them):
        raise OptionError(
            "The processes do not start from the same data, recipe and checkpoint: give all of "
            "them the same folders."
        )


def _wait_for(operation: Callable[..., object], *arguments: object) -> None:
    try:
        operation(*arguments)
    except RuntimeError as error:
        raise PeerLostError(
            "Another process of this training ended; what it said itself is the reason."
        ) from error

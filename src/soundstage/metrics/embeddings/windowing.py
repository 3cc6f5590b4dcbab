"""The windows shared by all embeddings.

Windows overlap by half, as in the code of Kilgour et al. (2019). Only whole windows count, so that
up to half a window is dropped at the end; a sound shorter than one window is padded with silence.
"""

from collections.abc import Callable

import torch
import torch.nn.functional as F  # noqa: N812
from jaxtyping import Float
from torch import Tensor


def windows(
    sound: Float[Tensor, "*batch frames"], length: int, step: int
) -> Float[Tensor, "*batch windows length"]:
    """Windows of `length` samples every `step` samples, as a view.

    >>> windows(torch.arange(5.0), 2, 2)
    tensor([[0., 1.],
            [2., 3.]])
    """
    return pad_to(sound, length).unfold(-1, length, step)


def pad_to(sound: Float[Tensor, "*batch frames"], length: int) -> Float[Tensor, "*batch padded"]:
    """The sound, padded with silence to at least `length` samples."""
    return F.pad(sound, (0, max(length - sound.shape[-1], 0)))


def embed_windows(
    network: Callable[[Tensor], Tensor],
    cut: Float[Tensor, "batch windows length"],
    at_once: int,
) -> Float[Tensor, "batch windows size"]:
    """Apply a network, (batch, length) to (batch, size), to all windows, without gradients.

    About `at_once` windows are computed at a time, to limit memory.
    """
    with torch.inference_mode():
        points = [
            network(part.flatten(0, 1)).unflatten(0, part.shape[:2])
            for part in cut.split(max(at_once // len(cut), 1), dim=1)
        ]
    return torch.cat(points, dim=1)

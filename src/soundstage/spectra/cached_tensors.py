"""Constant tensors that are computed once and serve training as well as inference."""

from collections.abc import Callable
from functools import cache, wraps
from typing import ParamSpec, cast

import torch
from torch import Tensor

__all__ = ["cached_tensor"]

P = ParamSpec("P")


def cached_tensor(compute: Callable[P, Tensor]) -> Callable[P, Tensor]:
    """Decorate a function of hashable arguments that returns a constant.

    A tensor that is created within `torch.inference_mode` can never take part in training, and
    `functools.cache` would keep it for all later callers. So the constant is computed outside of
    that mode, whoever asks for it first.
    """

    @cache
    def computed(*args: P.args, **kwargs: P.kwargs) -> Tensor:
        with torch.inference_mode(False):
            return compute(*args, **kwargs)

    return cast("Callable[P, Tensor]", wraps(compute)(computed))

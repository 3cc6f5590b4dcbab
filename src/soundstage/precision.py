"""Single precision, whatever default a program has set for torch.

Networks and filters are single precision. A program may set `torch.set_default_dtype(float64)`,
and every tensor that is made without a dtype would be double. The default belongs to the process,
so it is changed for the time of a call, counted over all threads, and then restored; a program that
never set it is left alone.
"""

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import wraps
from typing import Any, ParamSpec, TypeVar

P = ParamSpec("P")
R = TypeVar("R")

_lock = threading.Lock()
_calls = 0
_before: Any = None


@contextmanager
def single_precision() -> Iterator[None]:
    """Tensors made in the block have a default of single precision, in every thread.

    Keep the block free of `yield`: a generator would leave the default with its consumer.
    """
    global _calls, _before
    import torch

    with _lock:
        if not _calls:
            _before = torch.get_default_dtype()
            if _before != torch.float32:
                torch.set_default_dtype(torch.float32)
        _calls += 1
    try:
        yield
    finally:
        with _lock:
            _calls -= 1
            if not _calls and _before != torch.float32:
                torch.set_default_dtype(_before)


def in_single_precision(function: Callable[P, R]) -> Callable[P, R]:
    """The function, in a `single_precision` block."""

    @wraps(function)
    def call(*args: P.args, **kwargs: P.kwargs) -> R:
        with single_precision():
            return function(*args, **kwargs)

    return call

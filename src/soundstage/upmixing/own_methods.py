"""A class or function from outside the package as an upmix method.

It may be one of two things:

- an `UpmixMethod`: an object with `rate`, `n_outputs` and `stream(seeds)`, which makes the side
  block by block, in bounded memory;
- a function `(mono, rate, seed)`, or an object with such a `__call__`, which makes a whole sound at
  once. `mono` is a float32 array (frames,), `rate` is 44,100 Hz or the attribute `rate`, and `seed`
  may be left out. It returns left and right, (2, frames): they are used as they are. Where its
  attribute `returns` is "side", it returns the side (frames,), so that L = M + S and R = M − S fold
  down to the input exactly.

A class, or a function without arguments, is called once and returns one of the two: the place to
load weights. Whatever foreign code does wrong is one sentence, a `MethodError` with its name.
"""

import inspect
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from soundstage.errors import MethodError
from soundstage.stereo import RATE, to_mid_side
from soundstage.upmixing.engine import SideStream
from soundstage.upmixing.plugins import explained

OUTPUTS = {"stereo": 2, "side": 1}
"""Outputs of a method by what its function returns."""


def own_method(made: Any, name: str) -> "OwnMethod":
    """The method that a class, function or object of a user makes.

    Args:
        made: as above.
        name: for messages.

    Raises:
        MethodError: it is nothing of the kind, or its constructor failed.
    """
    if isinstance(made, type) or _is_factory(made):
        with explained(f"The method {name} cannot be made"):
            made = made()
    if hasattr(made, "stream"):
        return OwnMethod(made, name)
    if callable(made):
        return OwnMethod(_WholeSounds(made, name), name)
    raise MethodError(
        f"The method {name} is no method: it needs `stream(seeds)`, or a call with (mono, rate)."
    )


def _is_factory(made: Any) -> bool:
    return callable(made) and not hasattr(made, "stream") and not _parameters(made)


class OwnMethod:
    """A foreign method, with its errors as sentences and its outputs checked."""

    is_own = True

    def __init__(self, method: Any, name: str) -> None:
        rate, n_outputs = getattr(method, "rate", None), getattr(method, "n_outputs", None)
        if not isinstance(rate, int) or rate < 1:
            raise MethodError(f"The method {name} has no `rate` in Hz, a whole number.")
        if n_outputs not in (1, 2):
            raise MethodError(f"The method {name} has no `n_outputs` of 1 (side) or 2 (mid, side).")
        self.rate: int = rate
        self.n_outputs: int = n_outputs
        self.has_takes: bool = getattr(method, "has_takes", True)
        """Whether results depend on the seed."""
        self._method, self._name = method, name

    def stream(self, seeds: Sequence[int], /) -> SideStream:
        """Start a signal, as `UpmixMethod` says."""
        with explained(f"The method {self._name} failed"):
            stream = self._method.stream(list(seeds))
        return _CheckedStream(stream, (len(seeds), self.n_outputs), self._name)


class _CheckedStream:
    def __init__(self, stream: Any, shape: tuple[int, int], name: str) -> None:
        self._stream, self._shape, self._name = stream, shape, name
        self._pushed = self._returned = 0

    def push(self, mid: Float[Tensor, " length"], /) -> Float[Tensor, "takes n_outputs ready"]:
        self._pushed += mid.shape[-1]
        return self._checked(lambda: self._stream.push(mid))

    def finish(self) -> Float[Tensor, "takes n_outputs rest"]:
        rest = self._checked(self._stream.finish)
        if self._returned != self._pushed:
            raise MethodError(
                f"The method {self._name} returned {self._returned} samples for {self._pushed}."
            )
        return rest

    def _checked(self, work: Callable[[], Any]) -> Tensor:
        with explained(f"The method {self._name} failed"):
            made = _as_tensor(work())
        if made.ndim != 3 or tuple(made.shape[:2]) != self._shape:
            expected = f"({self._shape[0]}, {self._shape[1]}, frames)"
            raise MethodError(
                f"The method {self._name} returned the shape {tuple(made.shape)}, not {expected}."
            )
        if not made.isfinite().all():
            raise MethodError(f"The method {self._name} returned samples that are not finite.")
        self._returned += made.shape[-1]
        return made


class _WholeSounds:
    """A function of a whole sound as a method: it collects the blocks, and answers at the end."""

    def __init__(self, function: Callable[..., Any], name: str) -> None:
        parameters = _parameters(function)
        if len(parameters) < 2:
            raise MethodError(f"The method {name} has to be called with (mono, rate, seed).")
        returns = getattr(function, "returns", "stereo")
        if returns not in OUTPUTS:
            raise MethodError(f"`returns` of the method {name} is neither 'stereo' nor 'side'.")
        self.rate = getattr(function, "rate", RATE)
        self.n_outputs = OUTPUTS[returns]
        self.has_takes = "seed" in parameters
        self._function, self._name = function, name

    def stream(self, seeds: Sequence[int]) -> "_WholeSoundStream":
        return _WholeSoundStream(self, seeds)

    def takes(
        self, mono: Float[np.ndarray, " frames"], seeds: Sequence[int]
    ) -> Float[Tensor, "takes n_outputs frames"]:
        if not self.has_takes:
            only = self._outputs(self._function(mono.copy(), self.rate), mono.size)
            return only.expand(len(seeds), -1, -1)
        made = [self._function(mono.copy(), self.rate, seed=seed) for seed in seeds]
        return torch.stack([self._outputs(each, mono.size) for each in made])

    def _outputs(self, made: Any, frames: int) -> Float[Tensor, "n_outputs frames"]:
        made = _as_tensor(made)
        expected = (2, frames) if self.n_outputs == 2 else (frames,)
        if tuple(made.shape) != expected:
            raise MethodError(
                f"The method {self._name} returned the shape {tuple(made.shape)} for a sound of "
                f"{frames} samples, not {expected}."
            )
        if self.n_outputs == 1:
            return made[None]
        return torch.stack(to_mid_side(*made))


class _WholeSoundStream:
    def __init__(self, method: _WholeSounds, seeds: Sequence[int]) -> None:
        self._method, self._seeds = method, list(seeds)
        self._blocks: list[Tensor] = []

    def push(self, mid: Float[Tensor, " length"]) -> Float[Tensor, "takes n_outputs ready"]:
        self._blocks.append(mid)
        return mid.new_zeros(len(self._seeds), self._method.n_outputs, 0)

    def finish(self) -> Float[Tensor, "takes n_outputs rest"]:
        mono = torch.cat([torch.zeros(0), *self._blocks])
        return self._method.takes(mono.numpy(), self._seeds)


def _as_tensor(made: Any) -> Tensor:
    """Samples of a user, in any library and type."""
    if isinstance(made, Tensor):
        return made.detach().to("cpu", torch.float32)
    return torch.from_numpy(np.array(made, np.float32))


def _parameters(function: Callable[..., Any]) -> list[str]:
    """Names of the parameters; of a function that does not tell, those without a seed."""
    try:
        return list(inspect.signature(function).parameters)
    except (TypeError, ValueError):
        return ["mono", "rate"]

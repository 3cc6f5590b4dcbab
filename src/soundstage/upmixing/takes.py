"""Several takes of one signal at once.

What can make them together does so, as the generative predictors do, which hear the mid once for
all; of anything else a stream for each take runs beside the others, over the same blocks. A take is
the same samples either way, and the same as when it is made alone.
"""

from typing import Protocol, TypeVar, runtime_checkable

from torch import Tensor

Made = TypeVar("Made")
MadeOut = TypeVar("MadeOut", covariant=True)


class Stream(Protocol[MadeOut]):
    """One signal on its way: what goes in block by block comes out as something else."""

    def push(self, block: Tensor, /) -> MadeOut:
        """What the block completes."""
        ...

    def finish(self) -> MadeOut:
        """The rest."""
        ...


class OneByOne(Protocol[MadeOut]):
    """An upmixer or a predictor."""

    def stream(self, *, seed: int) -> Stream[MadeOut]:
        """Begin a signal in one take."""
        ...


@runtime_checkable
class Together(Protocol[Made]):
    """One that can make several takes with less work than one after the other."""

    def takes(self, seeds: list[int]) -> Stream[list[Made]]:
        """Begin a signal in several takes, which all come in pieces of the same length."""
        ...


def begin_takes(maker: OneByOne[Made], seeds: list[int]) -> Stream[list[Made]]:
    """Takes of one signal, in the order of their seeds, in the best way that the maker has."""
    if isinstance(maker, Together):
        return maker.takes(seeds)
    return SideBySide([maker.stream(seed=seed) for seed in seeds])


class SideBySide(Stream[list[Made]]):
    """Streams that hear the same signal."""

    def __init__(self, streams: list[Stream[Made]]) -> None:
        self._streams = streams

    def push(self, block: Tensor, /) -> list[Made]:
        """What the block completes in each."""
        return [stream.push(block) for stream in self._streams]

    def finish(self) -> list[Made]:
        """The rest of each."""
        return [stream.finish() for stream in self._streams]


class OnlyTake(Stream[Made]):
    """A stream of takes of which there is one, as a stream of that take."""

    def __init__(self, takes: Stream[list[Made]]) -> None:
        self._takes = takes

    def push(self, block: Tensor, /) -> Made:
        """What the block completes."""
        return self._takes.push(block)[0]

    def finish(self) -> Made:
        """The rest."""
        return self._takes.finish()[0]

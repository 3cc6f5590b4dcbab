"""The pass over a song before the upmix, for methods that place its sources.

A source keeps its place only if it is the same source from the start to the end, so such a method
surveys the whole song first:

    survey = method.survey();  survey.push(mid) …;  fitted = survey.finish();  fitted.stream(seeds)

A survey is as large after two hours as after a minute. It gets blocks of exactly `METHOD_BLOCK`
samples on one thread, so that a song has one plan whatever the size of the incoming blocks. A
method without `survey` is ready at once and passes through.
"""

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Protocol, TypeGuard

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from soundstage import interruption
from soundstage.audio import StreamResampler
from soundstage.spectra import SampleQueue
from soundstage.upmixing.engine import METHOD_BLOCK, UpmixMethod, reproducible
from soundstage.upmixing.generative.style import Style
from soundstage.upmixing.places import stage_requests
from soundstage.upmixing.plan import Plan, make_plan
from soundstage.upmixing.stage_options import StageOptions

if TYPE_CHECKING:
    from soundstage.separation.separator import SourceInfo


class PlacingMethod(UpmixMethod, Protocol):
    """A method that gives every source a place."""

    def plans(self, seeds: Sequence[int], /) -> list[Plan]:
        """The plan of each take."""
        ...


class MethodSurvey(Protocol):
    """The first pass over one song."""

    def push(self, mid: Float[Tensor, " length"], /) -> None:
        """The next samples at the rate of the method, in order and in any size."""
        ...

    def finish(self) -> PlacingMethod:
        """The method fitted to this song; usable too if it is empty."""
        ...


class SongMethod(UpmixMethod, Protocol):
    """A method that surveys a song first; its own `stream` has places for any song."""

    def survey(self) -> MethodSurvey:
        """Start a song."""
        ...


def needs_survey(method: UpmixMethod) -> TypeGuard[SongMethod]:
    """Whether a method is fitted to a song before it upmixes it."""
    return hasattr(method, "survey")


def plans_of(method: UpmixMethod, seeds: Sequence[int]) -> list[Plan] | None:
    """The plan of each take; None for a method that gives nothing a place."""
    plans = getattr(method, "plans", None)
    return None if plans is None else plans(list(seeds))


def plan_takes(
    sources: "Sequence[SourceInfo]",
    seeds: Sequence[int],
    *,
    method: str,
    stage: StageOptions,
    style: Style | None = None,
    energies: Float[np.ndarray, "sources bands"] | None = None,
) -> list[Plan]:
    """The plan of each take of a song: requested places, and all others by the rules.

    Args:
        sources: of the song.
        seeds: one a take.
        method: its name.
        stage: requested places.
        style: its words about instruments are requests too.
        energies: of the sources in the bands of `stage_balance.BALANCE_EDGES`; None if not known.

    Raises:
        OptionError: a place is requested for a source that the song does not have.
    """
    words = style.places if style else ()
    requested = stage_requests(sources, plan=stage.plan, words=words, place=stage.place)
    return [
        make_plan(sources, seed, method=method, energies=energies, requested=requested)
        for seed in seeds
    ]


def fit_to_song(
    method: UpmixMethod, blocks: Iterable[Float[np.ndarray, " frames"]], rate: int
) -> UpmixMethod:
    """The method fitted to a song; a method without `survey` as it is, and no block is read.

    Args:
        method: with its weights.
        blocks: the mid, in any sizes.
        rate: of the blocks, in Hz.
    """
    if not needs_survey(method):
        return method
    with reproducible():
        survey = method.survey()
    resampler, waiting = StreamResampler(rate, method.rate, 1), SampleQueue()

    def advance(incoming: Float[np.ndarray, "1 frames"]) -> None:
        waiting.push(torch.from_numpy(incoming[0]))
        while len(waiting) >= METHOD_BLOCK:
            survey.push(waiting.pop(METHOD_BLOCK))

    for block in blocks:
        interruption.check()
        with reproducible():
            own = np.array(block, np.float32)  # a caller may reuse its buffer
            advance(resampler.push(own[None]))
    with reproducible():
        advance(resampler.finish())
        survey.push(waiting.pop(len(waiting)))
        return survey.finish()


def make_side(
    method: UpmixMethod, mid: Float[Tensor, " length"], *, seed: int = 0
) -> Float[Tensor, "n_outputs length"]:
    """One take of a whole mid at `method.rate`, in one piece, after a survey where one is due."""
    fitted = fit_to_song(method, [mid.numpy()], method.rate)
    with torch.inference_mode():
        stream = fitted.stream([seed])
        return torch.cat([stream.push(mid), stream.finish()], dim=-1)[0]

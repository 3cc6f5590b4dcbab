"""What the methods share that give a place to every source of a separator.

Such a method is made for one song, with a separator fitted to it. `SurveyedMethod` wraps it for any
song: the survey of the separator comes first (`song_pass`).
"""

from collections.abc import Callable, Sequence
from typing import Generic, TypeVar

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from soundstage.separation.registry import load_separator
from soundstage.separation.separator import Separator, SongSeparator, SourceInfo, Survey
from soundstage.upmixing.engine import SideStream
from soundstage.upmixing.generative.style import Style
from soundstage.upmixing.plan import Plan
from soundstage.upmixing.song_pass import PlacingMethod, plan_takes
from soundstage.upmixing.stage_options import StageOptions
from soundstage.upmixing.stem_files import find_stems
from soundstage.upmixing.user_stems import UserStems

PlanTakes = Callable[
    [Sequence[SourceInfo], Sequence[int], Float[np.ndarray, "sources bands"] | None], list[Plan]
]
"""From the sources of a song, one seed a take and the energies of the sources to the plans."""
M = TypeVar("M", bound=PlacingMethod)


def sources_for(
    stage: StageOptions, separator: str, device: torch.device | str
) -> Separator | SongSeparator:
    """The separator of a method, with the user's own stems if there are any.

    Args:
        stage: the user's stems, and a separator in place of the usual one.
        separator: name of the usual one.
        device: of its network.

    Raises:
        WeightsError: weights are missing, damaged, or of another family.
        InputError: the folder with stems cannot be used.
        OptionError: the separator is unknown, or a package that it needs is not installed.
    """
    loaded = load_separator(stage.separator or separator, device=device)
    return loaded if stage.stems is None else UserStems(find_stems(stage.stems), loaded)


def planner(method: str, stage: StageOptions, style: Style | None) -> PlanTakes:
    """Decides who stands where: the requests of a user first, then the rules.

    Args:
        method: its name, for the plans.
        stage: requested places.
        style: its words about instruments are requests too.
    """

    def plans(
        sources: Sequence[SourceInfo],
        seeds: Sequence[int],
        energies: Float[np.ndarray, "sources bands"] | None,
    ) -> list[Plan]:
        return plan_takes(
            sources, seeds, method=method, stage=stage, style=style, energies=energies
        )

    return plans


class SurveyedMethod(Generic[M]):
    """A method for any song, by a separator that surveys it: a `SongMethod`.

    Args:
        separator: of any song.
        fit: the method with a separator of one song.
    """

    n_outputs = 1

    def __init__(self, separator: SongSeparator, fit: Callable[[Separator], M]) -> None:
        self._separator, self._fit, self.rate = separator, fit, separator.rate

    def survey(self) -> "PlacingSurvey[M]":
        """Start a song."""
        return PlacingSurvey(self._separator.survey(), self._fit)

    def plans(self, seeds: Sequence[int]) -> list[Plan]:
        """The places in a song that was not surveyed."""
        return self.survey().finish().plans(seeds)

    def stream(self, seeds: Sequence[int]) -> SideStream:
        """Start a signal that is not known beforehand."""
        return self.survey().finish().stream(seeds)


class PlacingSurvey(Generic[M]):
    """The first pass over a song, by its separator.

    Args:
        survey: of the separator.
        fit: the method with a separator of one song.
    """

    def __init__(self, survey: Survey, fit: Callable[[Separator], M]) -> None:
        self._survey, self._fit = survey, fit

    def push(self, mid: Float[Tensor, " length"], /) -> None:
        """The next samples."""
        self._survey.push(mid)

    def finish(self) -> M:
        """The method for this song."""
        return self._fit(self._survey.finish())

"""How the styles of a collection are spread, as `StylePrior` has it."""

import torch

from soundstage.corpora.feature_cache import FeatureCache
from soundstage.errors import InputError
from soundstage.stereo import Parameters
from soundstage.stereo.descriptors import descriptors
from soundstage.stereo.levels import levels_energy
from soundstage.stereo.style_prior import StylePrior
from soundstage.stereo.styles import style_numbers


def style_prior(caches: list[FeatureCache], frames: int) -> StylePrior:
    """Of all whole stretches of so many frames, record after record.

    Raises:
        InputError: there are fewer than two.
    """
    numbers = []
    for cache in caches:
        for start, end in zip(cache.starts.tolist(), cache.ends.tolist(), strict=True):
            for first in range(start, end - frames + 1, frames):
                rows = slice(first, first + frames)
                heard = Parameters(cache.iid[rows].float().T, cache.coherence[rows].float().T)
                energy = levels_energy(cache.levels[rows].float())
                numbers.append(style_numbers(descriptors(heard, energy)))
    if len(numbers) < 2:
        raise InputError("The records are too short: a style needs more than one whole example.")
    return StylePrior.of(torch.stack(numbers))

"""How the styles of a collection are spread, as `StylePrior` has it."""

import torch

from soundstage.corpora.feature_cache import FeatureCache
from soundstage.errors import InputError
from soundstage.stereo import Parameters
from soundstage.stereo.level_statistics import sound_summary
from soundstage.stereo.levels import levels_energy
from soundstage.stereo.style_prior import StylePrior
from soundstage.stereo.styles import measured_style


def style_prior(caches: list[FeatureCache], patch: int, stride: int) -> StylePrior:
    """Of all whole examples, record after record.

    Args:
        caches: what is learned from.
        patch: positions of an example.
        stride: frames from one position to the next.

    Raises:
        InputError: there are fewer than two.
    """
    frames = patch * stride
    numbers, summaries = [], []
    for cache in caches:
        for start, end in zip(cache.starts.tolist(), cache.ends.tolist(), strict=True):
            for first in range(start, end - frames + 1, frames):
                rows = slice(first, first + frames, stride)
                heard = Parameters(cache.iid[rows].float().T, cache.coherence[rows].float().T)
                levels = cache.levels[rows].float()
                numbers.append(measured_style(heard, levels_energy(levels)))
                summaries.append(sound_summary(levels))
    if len(numbers) < 2:
        raise InputError("The records are too short: a style needs more than one whole example.")
    return StylePrior.of(torch.stack(numbers), torch.stack(summaries))

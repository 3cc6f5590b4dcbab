"""Builds the pairs of `nearest` from stereo records.

The same number of frames is drawn from every record, so that a long one does not speak louder than
a short one; frames of silence teach nothing and are left out, and so are records without a side.
"""

from functools import partial
from pathlib import Path

import torch
from jaxtyping import UInt8
from torch import Tensor

from soundstage.corpora import track_features
from soundstage.corpora.features import has_no_side
from soundstage.errors import InputError
from soundstage.stereo import Parameters, quantize
from soundstage.training.data.tracks import Progress, over_records
from soundstage.training.recipes import NearestRecipe
from soundstage.upmixing.methods.nearest import KEY_FRAMES, RunningMean, similarity_keys

AUDIBLE = 1e-2  # norm of the band magnitudes, −100 dB under a sine at full scale


def record_pairs(
    path: Path, *, count: int, seed: int
) -> tuple[UInt8[Tensor, "pairs bands"], UInt8[Tensor, "pairs bands"]]:
    """At most `count` keys and tokens out of one record.

    Raises:
        InputError: the file cannot be read, is shorter than a key, or is silent or mono.
    """
    magnitudes, parameters = track_features(path)
    means = RunningMean().push(magnitudes)
    audible = (magnitudes.norm(dim=0) > AUDIBLE).nonzero()[:, 0]
    audible = audible[audible >= KEY_FRAMES - 1]
    if not len(audible):
        raise InputError(f"{path}: is silent, or shorter than the half second that a key needs.")
    if has_no_side(Parameters(*(part[:, audible] for part in parameters))):
        raise InputError(f"{path}: left and right are the same, so there is nothing to learn.")
    # The draw depends on the record's name and not on its place in the list
    generator = torch.Generator().manual_seed(seed + sum(path.name.encode()))
    chosen = audible[torch.randperm(len(audible), generator=generator)[:count]]
    keys = similarity_keys(means[:, chosen]).to(torch.uint8)
    return keys.T, quantize(parameters)[:, chosen].T


def train_nearest(
    recipe: NearestRecipe,
    records: list[Path],
    *,
    workers: int = 1,
    progress: Progress | None = None,
) -> tuple[dict[str, Tensor], list[str]]:
    """Tensors of the weights, and a sentence for every record that was left out.

    Raises:
        InputError: no record could be used.
    """
    count = max(recipe.pairs // len(records), 1)
    work = partial(record_pairs, count=count, seed=recipe.seed)
    pairs, left_out = over_records(work, records, workers=workers, progress=progress)
    keys, tokens = zip(*pairs, strict=True)
    ends = torch.tensor([len(part) for part in keys]).cumsum(0)
    return {"keys": torch.cat(keys), "tokens": torch.cat(tokens), "record_ends": ends}, left_out

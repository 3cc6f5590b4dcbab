"""Models without a network, computed in one pass over stereo tracks.

- `nearest`: pairs of key and tokens (Serrà et al. 2023, §3.1). The same number of frames is taken
  from every track, so that long tracks do not dominate; silent frames, and tracks without a side,
  are left out.
- `decorrelate`: mean coherence per band, for the methods `decorrelate` and `comb`.
- `parameter-pool`: mean and covariance of the stereo parameters, the reference of D_F.
"""

from functools import partial
from pathlib import Path

import torch
from jaxtyping import Float, UInt8
from torch import Tensor

from soundstage.corpora import stereo_tracks, track_features
from soundstage.corpora.feature_cache import has_no_side
from soundstage.errors import InputError
from soundstage.metrics.frechet import GaussianPool, merged, parameter_pool
from soundstage.parallel import Progress
from soundstage.stereo import Parameters, quantize
from soundstage.training.data.tracks import map_tracks, track_facts
from soundstage.training.recipes import NearestRecipe, ParameterPoolRecipe, TableRecipe
from soundstage.upmixing.methods.nearest import KEY_FRAMES, RunningMean, similarity_keys
from soundstage.weights import Card

AUDIBLE = 1e-2  # norm of the band magnitudes, −100 dB below a full-scale sine


def compute_table(
    recipe: TableRecipe, folder: Path, *, jobs: int = 1, progress: Progress | None = None
) -> tuple[dict[str, Tensor], list[str], Card]:
    """Tensors of a model, a message for every skipped track, and card entries.

    Raises:
        InputError: no track can be used.
    """
    tracks, skipped = stereo_tracks(folder)
    with torch.inference_mode():
        if isinstance(recipe, NearestRecipe):
            count = max(recipe.pairs // len(tracks), 1)
            work = partial(track_pairs, count=count, seed=recipe.seed)
            pairs, unusable = map_tracks(work, tracks, jobs=jobs, progress=progress)
            keys, tokens = zip(*pairs, strict=True)
            ends = torch.tensor([len(part) for part in keys]).cumsum(0)
            tensors = {"keys": torch.cat(keys), "tokens": torch.cat(tokens), "track_ends": ends}
        elif isinstance(recipe, ParameterPoolRecipe):
            pools, unusable = map_tracks(track_pool, tracks, jobs=jobs, progress=progress)
            tensors = merged(pools).tensors()
        else:
            sums, unusable = map_tracks(coherence_sums, tracks, jobs=jobs, progress=progress)
            total = torch.stack(sums).sum(dim=0)
            tensors = {"coherence": (total[:, 0] / total[:, 1]).float()}
    facts = track_facts(folder, tracks, used=len(tracks) - len(unusable))
    return tensors, skipped + unusable, facts


def track_pairs(
    path: Path, *, count: int, seed: int
) -> tuple[UInt8[Tensor, "pairs bands"], UInt8[Tensor, "pairs bands"]]:
    """At most `count` keys and tokens of one track.

    Raises:
        InputError: the file cannot be read, is shorter than a key, or is silent or mono.
    """
    magnitudes, parameters = track_features(path)
    means = RunningMean().push(magnitudes)
    audible = (magnitudes.norm(dim=0) > AUDIBLE).nonzero()[:, 0]
    audible = audible[audible >= KEY_FRAMES - 1]
    if not len(audible):
        raise InputError(f"{path}: is silent, or shorter than the half second of a key.")
    if has_no_side(Parameters(*(part[:, audible] for part in parameters))):
        raise InputError(f"{path}: left and right are identical.")
    # Seeded by the name of the track, not by its position in the list
    generator = torch.Generator().manual_seed(seed + sum(path.name.encode()))
    chosen = audible[torch.randperm(len(audible), generator=generator)[:count]]
    keys = similarity_keys(means[:, chosen]).to(torch.uint8)
    return keys.T, quantize(parameters)[:, chosen].T


def track_pool(path: Path) -> GaussianPool:
    """The stereo parameters of one track, not quantized."""
    return parameter_pool(track_features(path).parameters)


def coherence_sums(path: Path) -> Float[Tensor, "bands 2"]:
    """Sum of the coherence of one track in each band, and the number of frames."""
    coherence = track_features(path).parameters.coherence.double()
    count = torch.full((coherence.shape[0],), float(coherence.shape[1]), dtype=torch.float64)
    return torch.stack([coherence.sum(dim=1), count], dim=1)

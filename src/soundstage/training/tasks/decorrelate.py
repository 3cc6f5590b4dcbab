"""Measures the mean coherence of stereo records in each band, for `decorrelate` and `comb`."""

from pathlib import Path

import torch
from jaxtyping import Float
from torch import Tensor

from soundstage.corpora import track_features
from soundstage.training.data.tracks import Progress, over_records
from soundstage.training.recipes import DecorrelateRecipe


def record_coherence(path: Path) -> Float[Tensor, "bands 2"]:
    """Sum of the coherences of a record's frames a band, and the number of frames."""
    coherence = track_features(path).parameters.coherence.double()
    count = torch.full((coherence.shape[0],), float(coherence.shape[1]), dtype=torch.float64)
    return torch.stack([coherence.sum(dim=1), count], dim=1)


def train_decorrelate(
    recipe: DecorrelateRecipe,
    records: list[Path],
    *,
    workers: int = 1,
    progress: Progress | None = None,
) -> tuple[dict[str, Tensor], list[str]]:
    """Tensors of the weights, and a sentence for every record that was left out.

    Raises:
        InputError: no record could be used.
    """
    sums, left_out = over_records(record_coherence, records, workers=workers, progress=progress)
    total = torch.stack(sums).sum(dim=0)
    return {"coherence": (total[:, 0] / total[:, 1]).float()}, left_out

"""Mean and covariance of the stereo parameters of real records: the floor of every D_F table."""

from pathlib import Path

from torch import Tensor

from soundstage.corpora import track_features
from soundstage.metrics.frechet import GaussianPool, merged, parameter_pool
from soundstage.training.data.tracks import Progress, over_records


def record_pool(path: Path) -> GaussianPool:
    """All frames of one record, as they are: never coded, never decoded."""
    return parameter_pool(track_features(path).parameters)


def train_parameter_pool(
    records: list[Path], *, workers: int = 1, progress: Progress | None = None
) -> tuple[dict[str, Tensor], list[str]]:
    """Tensors of the weights, and a sentence for every record that was left out.

    Raises:
        InputError: no record could be used.
    """
    pools, left_out = over_records(record_pool, records, workers=workers, progress=progress)
    return merged(pools).tensors(), left_out

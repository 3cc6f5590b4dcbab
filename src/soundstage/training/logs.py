"""The log of a training: a CSV beside the output and, where wanted, scalars for TensorBoard.

Both can be gone on with: what a run wrote after its last checkpoint was never learned from, so it is
dropped from the CSV, and hidden in TensorBoard, when the run goes on from there.
"""

import csv
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from soundstage.errors import OptionError, OutputError

if TYPE_CHECKING:
    from torch.utils.tensorboard import SummaryWriter

_tensorboard: ContextVar[Path | None] = ContextVar("tensorboard", default=None)


class EpochLine(NamedTuple):
    """What is written down of an epoch."""

    step: int
    """Steps done, over all parts of the run."""
    epoch: int
    """From 1."""
    loss: float
    """Mean over the epoch."""
    learning_rate: float
    """Of its last step."""
    validation: float | None
    """Higher is better; None where the epoch was not scored."""
    seconds: float
    """Since the run began, over all its parts."""


@contextmanager
def tensorboard_logs(folder: Path | None) -> Iterator[None]:
    """Trainings inside write for TensorBoard as well, each in FOLDER/NAME after its output.

    Args:
        folder: the one that `tensorboard --logdir` is given; None leaves it at the CSV.

    Raises:
        OptionError: TensorBoard is not installed.
    """
    if folder is not None:
        _summary_writer()
    before = _tensorboard.set(folder)
    try:
        yield
    finally:
        _tensorboard.reset(before)


class TrainingLog:
    """NAME.csv beside NAME.safetensors, and the folder of `tensorboard_logs`.

    Args:
        output: NAME.safetensors.
        step: of the checkpoint that the run goes on from, or 0; later lines are dropped.

    Raises:
        OutputError: a file cannot be written.
    """

    def __init__(self, output: Path, step: int) -> None:
        self._path = output.with_suffix(".csv")
        kept = []
        if step and self._path.exists():
            with self._path.open(encoding="utf-8", newline="") as lines:
                rows = [row for row in csv.reader(lines) if row and row[0].isdigit()]
            kept = [row for row in rows if int(row[0]) <= step]
        self._append("w", [EpochLine._fields, *kept])
        self._writer: SummaryWriter | None = None
        self._seconds = float(kept[-1][-1]) if kept else 0.0
        folder = _tensorboard.get()
        if folder is not None:
            try:
                self._writer = _summary_writer()(folder / output.stem, purge_step=step + 1)
            except OSError as error:
                raise OutputError(f"{folder} cannot be written ({error.strerror}).") from error

    def write(self, line: EpochLine) -> None:
        """Add an epoch.

        Raises:
            OutputError: the file cannot be written.
        """
        heard = "" if line.validation is None else f"{line.validation:.4f}"
        rate, seconds = f"{line.learning_rate:.3e}", f"{line.seconds:.1f}"
        self._append(
            "a", [(str(line.step), str(line.epoch), f"{line.loss:.5f}", rate, heard, seconds)]
        )
        if self._writer:
            scalars = {
                "loss": line.loss,
                "learning rate": line.learning_rate,
                "validation": line.validation,
                "seconds an epoch": line.seconds - self._seconds,
            }
            for name, value in scalars.items():
                if value is not None:
                    self._writer.add_scalar(name, value, line.step)
            self._writer.flush()
        self._seconds = line.seconds

    def close(self) -> None:
        """Nothing more is written."""
        if self._writer:
            self._writer.close()

    def _append(self, mode: str, rows: Sequence[Sequence[str]]) -> None:
        try:
            with self._path.open(mode, encoding="utf-8", newline="") as file:
                csv.writer(file, lineterminator="\n").writerows(rows)
        except OSError as error:
            raise OutputError(f"{self._path} cannot be written ({error.strerror}).") from error


def _summary_writer() -> "type[SummaryWriter]":
    try:
        from torch.utils.tensorboard import SummaryWriter
    except ImportError as error:
        raise OptionError(
            'A log for TensorBoard needs it: pip install "soundstage[train]" brings it.'
        ) from error
    return SummaryWriter

"""The log of a training: a CSV file beside the output and, optionally, scalars for TensorBoard.

Both can be resumed: entries after the last checkpoint are dropped from the CSV file and hidden in
TensorBoard, since the resumed run writes them again.
"""

import csv
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from soundstage.errors import OutputError, missing_extra

if TYPE_CHECKING:
    from torch.utils.tensorboard import SummaryWriter

Log = Callable[[str], None]
"""Called with one line of text for the user."""

_tensorboard: ContextVar[Path | None] = ContextVar("tensorboard", default=None)


class EpochEntry(NamedTuple):
    """Values logged once an epoch."""

    step: int
    """Number of finished steps, over all sessions of the run."""
    epoch: int
    """From 1."""
    loss: float
    """Mean over the epoch."""
    learning_rate: float
    """Of the last step."""
    validation: float | None
    """Higher is better; None for epochs without validation."""
    seconds: float
    """Training time so far, over all sessions of the run."""


@contextmanager
def tensorboard_logs(folder: Path | None) -> Iterator[None]:
    """Trainings in this context also write to TensorBoard, each to FOLDER/NAME after its output.

    Args:
        folder: argument of `tensorboard --logdir`; None disables TensorBoard.

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
        step: of the checkpoint that the run resumes from, or 0; later entries are dropped.

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
        self._append("w", [EpochEntry._fields, *kept])
        self._writer: SummaryWriter | None = None
        self._seconds = float(kept[-1][-1]) if kept else 0.0
        folder = _tensorboard.get()
        if folder is not None:
            try:
                self._writer = _summary_writer()(folder / output.stem, purge_step=step + 1)
            except OSError as error:
                raise OutputError(f"{folder} cannot be written ({error.strerror}).") from error

    def write(self, entry: EpochEntry) -> None:
        """Add an epoch.

        Raises:
            OutputError: the file cannot be written.
        """
        score = "" if entry.validation is None else f"{entry.validation:.4f}"
        rate, seconds = f"{entry.learning_rate:.3e}", f"{entry.seconds:.1f}"
        self._append(
            "a", [(str(entry.step), str(entry.epoch), f"{entry.loss:.5f}", rate, score, seconds)]
        )
        if self._writer:
            scalars = {
                "loss": entry.loss,
                "learning rate": entry.learning_rate,
                "validation": entry.validation,
                "seconds per epoch": entry.seconds - self._seconds,
            }
            for name, value in scalars.items():
                if value is not None:
                    self._writer.add_scalar(name, value, entry.step)
            self._writer.flush()
        self._seconds = entry.seconds

    def close(self) -> None:
        """Close the TensorBoard writer."""
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
        raise missing_extra("train", "tensorboard", "The TensorBoard log") from error
    return SummaryWriter

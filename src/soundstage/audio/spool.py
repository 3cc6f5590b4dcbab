"""A temporary file of samples, for a result whose level must be known before it is written."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType

import numpy as np
from jaxtyping import Float

from soundstage import interruption
from soundstage.errors import OutputError
from soundstage.hidden_files import open_unnamed


class Spool:
    """Channels of float32 samples, written once from start to end and then read once.

    Args:
        target: the final file; the spool is an unnamed file in its folder.
        channels: number of channels.

    Raises:
        OutputError: the disk is full, or fails; also in every method.
    """

    def __init__(self, target: Path, channels: int) -> None:
        self._target, self._channels = target, channels
        with self._failures():
            self._file = open_unnamed(target)

    def write(self, samples: Float[np.ndarray, "channels frames"]) -> None:
        """Append frames."""
        interruption.check()
        with self._failures():
            self._file.write(np.ascontiguousarray(samples.T, dtype=np.float32).data)

    def rewind(self) -> None:
        """End writing and start reading."""
        with self._failures():
            self._file.seek(0)  # which also flushes the buffer

    def read(self, frames: int) -> Float[np.ndarray, "channels frames"]:
        """The next frames."""
        interruption.check()
        with self._failures():
            content = self._file.read(4 * self._channels * frames)
        return np.frombuffer(content, np.float32).reshape(frames, self._channels).T

    def __enter__(self) -> "Spool":
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Close and delete the file; after an exception its buffer may fail to be written."""
        try:
            self._file.close()
        except OSError:
            if kind is None:
                raise

    @contextmanager
    def _failures(self) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            raise OutputError(
                f"{self._target}: there is no room beside it for the result ({error.strerror}); "
                "make room, or choose another folder."
            ) from error

"""Standard output and standard error that nothing can stop: results are files, print comes after.

What cannot be printed must not end a batch, nor leave a file unwritten. So characters that the
terminal's encoding lacks are escaped, a closed stream is the null device, and a device that is full
is noted and told at the end. When the reader of the output is gone, as with `head`, the program
ends before its next block, like any program does.
"""

import io
import os
import select
import signal
import sys
from typing import Any, TextIO

from soundstage import interruption

BROKEN_PIPE = int(getattr(signal, "SIGPIPE", 13))


class _Device(io.FileIO):
    """Writes as long as that works, and keeps the failure."""

    failure: OSError | None = None

    def write(self, data: Any) -> int:
        while self.failure is None:
            try:
                written = super().write(data)
                if written is not None:
                    return written
                select.select([], [self], [])  # a terminal that another program made non-blocking
            except OSError as error:
                self.failure = error
                if isinstance(error, BrokenPipeError) and self.fileno() == 1:
                    interruption.request(BROKEN_PIPE)
        return memoryview(data).nbytes


class Streams:
    """The standard streams of this process, from now on."""

    def __init__(self) -> None:
        _fill_descriptors()
        self._output, self._errors = _Device(1, "w", closefd=False), _Device(2, "w", closefd=False)
        sys.stdin = sys.stdin or open(os.devnull)  # noqa: SIM115 - for the life of the process
        sys.stdout = _text(self._output, sys.stdout)
        sys.stderr = _text(self._errors, sys.stderr)

    def close(self) -> int:
        """Print what is held, and return the exit code that a failure of it demands, or 0."""
        sys.stdout.flush()
        failure = self._output.failure
        if failure and not isinstance(failure, BrokenPipeError):
            print(
                f"soundstage: standard output cannot be written ({failure.strerror}); "
                "files that were made are complete.",
                file=sys.stderr,
            )
        sys.stderr.flush()
        if failure is None:
            return 0
        return 128 + BROKEN_PIPE if isinstance(failure, BrokenPipeError) else 2


def _fill_descriptors() -> None:
    """Open those of 0, 1 and 2 that are closed.

    The next file, a result, would take the number, and what libraries print would go into it.
    """
    while (opened := os.open(os.devnull, os.O_RDWR)) < 3:
        pass
    os.close(opened)


def _text(device: _Device, former: TextIO | None) -> TextIO:
    if os.name == "nt" and isinstance(former, io.TextIOWrapper):  # a console has its own encoding
        former.reconfigure(errors="backslashreplace")
        return former
    return io.TextIOWrapper(
        io.BufferedWriter(device),
        encoding=former.encoding if former else "utf-8",
        errors="backslashreplace",
        line_buffering=device.fileno() == 2 or device.isatty(),
    )

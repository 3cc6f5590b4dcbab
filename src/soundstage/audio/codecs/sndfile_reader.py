"""Sound files read by libsndfile, strictly from start to end, or from a sought sample on."""

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import soundfile
from jaxtyping import Float

from soundstage.audio.codecs.input_file import InputFile
from soundstage.audio.codecs.integrity import check_length
from soundstage.audio.codecs.sequential_file import SequentialFile
from soundstage.audio.formats import SoundFormat
from soundstage.errors import InputError, reason

_DUMPED = {"PCM_S8": 60, "PCM_16": 40, "PCM_24": 30}
"""Samples in a block of SDS. libsndfile makes silence of a last block that is not full."""


class SndfileSource:
    """A sound file that libsndfile reads.

    Args:
        file: to read.

    Raises:
        soundfile.LibsndfileError: libsndfile does not support the format.
        InputError: it would read a part of the sound as silence.
    """

    def __init__(self, file: InputFile) -> None:
        self._file = file
        with self._open() as sound:
            self.rate: int = sound.samplerate
            self.channels: int = sound.channels
            self.format = SoundFormat(sound.format, sound.subtype)
            self.frames: int | None = sound.frames if sound.frames < 1 << 62 else None
        self.seconds = None if self.frames is None else self.frames / self.rate
        if self.format.container == "SDS" and (self.frames or 0) % _DUMPED[self.format.encoding]:
            raise InputError(
                f"{file} is a sample dump whose last block is not full, which cannot be read to "
                "its end: convert it to WAV."
            )

    @property
    def plain(self) -> bool:
        """Whether every sample has its own bytes, so that a seek is exact."""
        encoding = self.format.encoding
        return encoding.startswith("PCM_") or encoding in ("FLOAT", "DOUBLE", "ULAW", "ALAW")

    @property
    def misread(self) -> bool:
        """Whether libsndfile decodes noise: two channels of ALAC with 20 bits."""
        return self.format.encoding == "ALAC_20" and self.channels > 1

    @property
    def only_here(self) -> bool:
        """Whether FFmpeg mistakes the encoding for another, or cuts the end off (ALAC)."""
        return self.format.encoding.startswith(("NMS_ADPCM", "G72", "DWVW", "ALAC"))

    def chunks(self, frames: int, start: int = 0) -> Iterator[Float[np.ndarray, "channels frames"]]:
        """The samples from `start` on, up to `frames` at a time.

        Raises:
            InputError: the file is damaged.
        """
        wide = self.format.encoding == "DOUBLE" or (self.format.integer_bits or 0) > 24
        done, sought = 0, start if self.plain and self.frames is not None else 0
        with self._open() as file:
            while True:
                try:
                    if done < sought:
                        done = file.seek(sought)
                    rows = file.read(frames, dtype="float64" if wide else "float32", always_2d=True)
                except soundfile.LibsndfileError as error:
                    raise InputError(
                        f"{self._file} is cut short or damaged at about {done / self.rate:.2f} s "
                        f"({reason(error)}); get a complete copy of it."
                    ) from error
                if not len(rows):
                    break
                done += len(rows)
                if done > start:
                    yield rows.T[:, max(len(rows) - (done - start), 0) :]
        check_length(self._file.name, self.frames, done, self.rate, 0)

    def _open(self) -> SequentialFile:
        if self._file.path is not None:
            return SequentialFile(_name(self._file.path))
        return _OwningFile(self._file.open())


class _OwningFile(SequentialFile):
    """Closes the file object it reads from."""

    def __init__(self, file: Any) -> None:
        self._owned = file
        try:
            super().__init__(file)
        except BaseException:
            file.close()
            raise

    def close(self) -> None:
        super().close()
        self._owned.close()


def _name(path: Path) -> Any:
    return os.fspath(path) if os.name == "nt" else os.fsencode(path)

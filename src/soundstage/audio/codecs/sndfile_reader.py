"""Sound files read by libsndfile, strictly from start to end."""

import os
import struct
from collections.abc import Iterator
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
import soundfile
from jaxtyping import Float

from soundstage.audio.codecs.input_file import InputFile
from soundstage.audio.codecs.mpeg import MpegStream, xing_frame
from soundstage.audio.codecs.riff import file_length, sound_chunk
from soundstage.audio.formats import SoundFormat
from soundstage.errors import InputError


class SequentialFile(soundfile.SoundFile):
    """A `soundfile.SoundFile` that never seeks.

    soundfile seeks after each block that it reads or writes, to the current position. That restarts
    decoders: MP3 loses its bit reservoir, FLAC its speed, Ogg Vorbis its position.
    """

    def seekable(self) -> bool:
        """False, so that soundfile does not try."""
        return False


class PatchedFile:
    """A file read as if it began with `prefix` and held other bytes at some offsets."""

    def __init__(self, file: BinaryIO, prefix: bytes, patches: dict[int, bytes]) -> None:
        self._file = file
        self._prefix, self._patches = prefix, patches
        self._length = len(prefix) + file_length(file)
        self._at = 0

    def read(self, size: int) -> bytes:
        """The next bytes."""
        head = self._prefix[self._at : self._at + size]
        self._file.seek(max(self._at - len(self._prefix), 0))
        start = self._file.tell()
        body = bytearray(self._file.read(size - len(head)))
        for offset, patch in self._patches.items():
            for k, byte in enumerate(patch, start=offset - start):
                if 0 <= k < len(body):
                    body[k] = byte
        self._at += len(head) + len(body)
        return head + bytes(body)

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        """Move to an offset, counted with the prefix."""
        base = {os.SEEK_SET: 0, os.SEEK_CUR: self._at, os.SEEK_END: self._length}[whence]
        self._at = base + offset
        return self._at

    def tell(self) -> int:
        """The offset, counted with the prefix."""
        return self._at

    def close(self) -> None:
        """Close the file underneath."""
        self._file.close()


class SndfileSource:
    """A sound file that libsndfile reads.

    Args:
        file: to read.
        mpeg: its frames, if it is MPEG audio.

    Raises:
        soundfile.LibsndfileError: libsndfile does not support the format.
    """

    def __init__(self, file: InputFile, mpeg: MpegStream | None) -> None:
        self._file = file
        self._prefix = b"" if mpeg is None or mpeg.has_info else xing_frame(mpeg)
        self._patches: dict[int, bytes] = _header_repairs(file)
        with self._open() as sound:
            self.rate: int = sound.samplerate
            self.channels: int = sound.channels
            self.format = SoundFormat(sound.format, sound.subtype)
            self.frames: int | None = sound.frames if sound.frames < 1 << 62 else None
            self.tags: dict[str, str] = {k: v for k, v in sound.copy_metadata().items() if v}
        if self.format.container == "FLAC" and self.frames == 0:
            self.frames = None  # written to a pipe
        self.seconds = None if self.frames is None else self.frames / self.rate

    def chunks(self, frames: int, start: int = 0) -> Iterator[Float[np.ndarray, "channels frames"]]:
        """The samples from `start` on, up to `frames` at a time.

        Raises:
            InputError: the file is damaged.
        """
        wide = self.format.encoding == "DOUBLE" or (self.format.integer_bits or 0) > 24
        done, sought = 0, start if self._seeks_exactly() else 0
        with self._open() as file:
            while True:
                try:
                    if done < sought:
                        done = file.seek(sought)
                    rows = file.read(frames, dtype="float64" if wide else "float32", always_2d=True)
                except soundfile.LibsndfileError as error:
                    raise InputError(
                        f"{self._file} is cut short or damaged at about {done / self.rate:.2f} s "
                        f"({str(error).strip()}); get a complete copy of it."
                    ) from error
                if not len(rows):
                    return
                done += len(rows)
                if done > start:
                    yield rows.T[:, start - done :]

    def _seeks_exactly(self) -> bool:
        """Whether seeking gives the same samples as decoding from the start."""
        lossless = self.format.encoding.startswith(("PCM_", "FLOAT", "DOUBLE"))
        return lossless and self.frames is not None

    def _open(self) -> SequentialFile:
        if self._file.path is not None and not (self._prefix or self._patches):
            return SequentialFile(_name(self._file.path))
        return _OwningFile(PatchedFile(self._file.open(), self._prefix, self._patches))


class _OwningFile(SequentialFile):
    """Closes the file object it reads from."""

    def __init__(self, file: PatchedFile) -> None:
        self._owned = file
        try:
            super().__init__(file)
        except BaseException:
            file.close()
            raise

    def close(self) -> None:
        super().close()
        self._owned.close()


def _header_repairs(file: InputFile) -> dict[int, bytes]:
    """The size of the sound where a streaming writer left it open and libsndfile needs it."""
    with file.open() as opened:
        chunk = sound_chunk(opened)
    if chunk is None or not chunk.unfinished:
        return {}
    if chunk.container == "CAF":
        return {chunk.size_offset: struct.pack(">q", chunk.available)}
    return {chunk.size_offset: b"\xff" * 4}


def _name(path: Path) -> Any:
    return os.fspath(path) if os.name == "nt" else os.fsencode(path)

"""Files written by libsndfile."""

import os
import struct
from collections.abc import Mapping
from pathlib import Path
from typing import BinaryIO, cast

import numpy as np
import soundfile

from soundstage.audio.codecs.riff import clear_timestamp, file_length, sound_chunk
from soundstage.audio.codecs.sndfile_reader import SequentialFile
from soundstage.audio.formats import SoundFormat
from soundstage.audio.tags import TAGS, id3_block
from soundstage.errors import OutputError

MAX_BYTES = 0xFFFFFFFF - (1 << 20)  # of sound where sizes have 32 bits, with room for tags
_SHORT = ("WAV", "AIFF", "AU")  # containers whose sizes have 32 bits
_PIECE = 8192  # frames handed over at a time: the Vorbis encoder needs stack space for each

# Compression level of libsndfile, 0 the best. An upmix must still fold down to its source, so these
# are near transparency: LAME's V0, Vorbis quality 7, about 95 kbit/s a channel of Opus
_COMPRESSION = {"MPEG_LAYER_III": 0.0, "VORBIS": 0.3, "OPUS": 0.65}


class Sink:
    """The file that libsndfile writes to, by calls that cannot raise: failures are stored.

    Args:
        file: opened for reading and writing, unbuffered, at its start.
        prefix: written first; offsets are relative to its end.
    """

    def __init__(self, file: BinaryIO, prefix: bytes = b"") -> None:
        self.failure: BaseException | None = None
        self._file, self._offset = file, len(prefix)
        self.write(prefix)

    def write(self, data: bytes) -> int:
        """Write all bytes, or store the failure and return 0."""
        if self.failure:
            return 0
        rest = memoryview(data)
        try:
            while rest:
                rest = rest[self._file.write(rest) :]
        except BaseException as failure:  # libsndfile's callback would print and forget it
            self.failure = failure
            return 0
        return len(data)

    def read(self, size: int) -> bytes:
        """Bytes written before, which libsndfile reads to complete its headers."""
        return self._file.read(size)

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        """Move to an offset."""
        moved = self._file.seek(offset + (self._offset if whence == os.SEEK_SET else 0), whence)
        return moved - self._offset

    def tell(self) -> int:
        """The offset."""
        return self._file.tell() - self._offset


class SndfileTarget:
    """Encoder of a sound file.

    Args:
        path: of an existing empty file.
        form: container and encoding.
        rate: in Hz.
        channels: number of channels.
        tags: by the names in `soundstage.audio.tags`.
        expected_frames: length, if known: WAV beyond 4 GB becomes RF64.

    Raises:
        OSError: the disk is full, or fails.
    """

    def __init__(
        self,
        path: Path,
        form: SoundFormat,
        rate: int,
        channels: int,
        tags: Mapping[str, str],
        expected_frames: int | None,
    ) -> None:
        self._form = form
        container = form.container
        self._frame_bytes = channels * _sample_bytes(form)
        if container == "WAV" and not self._is_short(expected_frames):
            container = "RF64"
        self._room = MAX_BYTES if container in _SHORT else None
        self._turn_into_wav = container != form.container
        self._file = cast(BinaryIO, path.open("r+b", buffering=0))
        self._sound: SequentialFile | None = None
        try:
            self._sink = Sink(self._file, id3_block(tags) if container == "MP3" else b"")
            self._sound = SequentialFile(
                self._sink,
                "w",
                rate,
                channels,
                form.encoding,
                format=container,
                compression_level=_COMPRESSION.get(form.encoding),
            )
            if container != "MP3":
                self._write_tags(tags)
            self._check()
        except soundfile.LibsndfileError as error:
            self.abort()
            raise OSError(0, str(error).strip()) from error
        except BaseException:
            self.abort()
            raise

    def write(self, block: np.ndarray) -> None:
        """Append frames: float, or int32 with its highest bits at the top.

        Raises:
            OSError: the disk is full, or fails.
            OutputError: the file grows too large for its container.
        """
        assert self._sound is not None
        rows = np.ascontiguousarray(block.T)
        if self._room is not None:
            self._room -= len(rows) * self._frame_bytes
            if self._room < 0:
                raise OutputError(
                    f"{self._form.container} files cannot pass 4 GB: choose .w64, .rf64 or .caf."
                )
        for start in range(0, len(rows), _PIECE):
            try:
                self._sound.write(rows[start : start + _PIECE])
            except (AssertionError, soundfile.LibsndfileError) as error:
                self._check()
                raise OSError(
                    0, str(error).strip() or "fewer samples were written than given"
                ) from error
            self._check()

    def close(self) -> None:
        """Complete the file.

        Raises:
            OSError: the disk is full, or fails.
        """
        assert self._sound is not None
        try:
            self._sound.close()
        except soundfile.LibsndfileError as error:
            self._check()
            raise OSError(0, str(error).strip()) from error
        self._check()
        if self._turn_into_wav:
            _downgrade(self._file)
        clear_timestamp(self._file)
        self._file.close()

    def abort(self) -> None:
        """Close the file in any state."""
        try:
            if self._sound is not None:
                self._sound.close()
        except (soundfile.LibsndfileError, OSError):
            pass
        finally:
            self._file.close()

    def _write_tags(self, tags: Mapping[str, str]) -> None:
        for name in TAGS:
            if tags.get(name):
                try:
                    setattr(self._sound, name, tags[name])
                except soundfile.LibsndfileError:
                    return  # this container holds no tags

    def _is_short(self, frames: int | None) -> bool:
        return frames is not None and frames * self._frame_bytes <= MAX_BYTES

    def _check(self) -> None:
        if self._sink.failure:
            raise self._sink.failure


def _sample_bytes(form: SoundFormat) -> int:
    return {"FLOAT": 4, "DOUBLE": 8}.get(form.encoding) or (form.integer_bits or 0) // 8


def _downgrade(file: BinaryIO) -> None:
    """Turn an RF64 file into WAV if it is small enough (EBU Tech 3306, section 3)."""
    chunk = sound_chunk(file)
    length = file_length(file)
    if chunk is None or chunk.size is None or length > MAX_BYTES:
        return
    file.seek(0)
    head = file.read(chunk.offset)
    changed = bytearray(head)
    changed[:8] = b"RIFF" + struct.pack("<I", length - 8)
    changed[12:16] = b"JUNK"
    changed[chunk.size_offset : chunk.offset] = struct.pack("<I", chunk.size)
    file.seek(0)
    file.write(changed)

"""Files written by libsndfile."""

import io
import struct
from functools import lru_cache
from pathlib import Path
from typing import BinaryIO, cast

import numpy as np
import soundfile

from soundstage.audio.codecs.bit_rates import settings
from soundstage.audio.codecs.riff import (
    clear_timestamp,
    file_length,
    sound_chunk,
    wave_format,
)
from soundstage.audio.codecs.sequential_file import SequentialFile
from soundstage.audio.codecs.sinks import OggSink, Sink
from soundstage.audio.field_mark import FieldMark
from soundstage.audio.formats import SoundFormat
from soundstage.audio.metadata import Metadata
from soundstage.audio.metadata.flac import COMMENTS, PADDING, write_flac
from soundstage.audio.metadata.id3_writer import write_id3
from soundstage.audio.metadata.other_chunks import caf_layout, write_aiff, write_au, write_caf
from soundstage.audio.metadata.wave_chunks import write_w64, write_wave
from soundstage.errors import OutputError

MAX_BYTES = 0xFFFFFFFF - (1 << 20)  # of sound where sizes have 32 bits, with room for tags
_SHORT = ("WAV", "AIFF", "AU")  # containers whose sizes have 32 bits
_PIECE = 8192  # frames handed over at a time: the Vorbis encoder needs stack space for each

_CAF_LAYOUTS = {"ambix": 190, "n3d": 191}  # kAudioChannelLayoutTag_HOA_ACN_SN3D, _N3D
# In WAVE_FORMAT_EXTENSIBLE, of 40 bytes: the loudspeakers of the channels, and the GUID of the
# encoding without its first 4 bytes
_CHANNEL_MASK, _GUID, _EXTENSIBLE = 20, 28, 40
_B_FORMAT = bytes.fromhex("2107d3118644c8c1ca000000")

# Where the metadata stands: after the headers that must come first
_PLACES = {"WAV": 12, "RF64": 48, "W64": 40, "AIFF": 12, "CAF": 52, "AU": 24, "FLAC": 42, "MP3": 0}


class SndfileTarget:
    """Encoder of a sound file.

    Args:
        path: of an existing empty file.
        form: container and encoding.
        rate: in Hz.
        channels: number of channels.
        metadata: what the file holds beside the sound.
        bit_rate: in bit/s, of a lossy encoding; None for its usual quality.
        expected_frames: length, if known: WAV beyond 4 GB becomes RF64.
        field: of a sound field, for the headers of WAVE and CAF.

    Raises:
        OSError: the disk is full, or fails.
    """

    def __init__(
        self,
        path: Path,
        form: SoundFormat,
        rate: int,
        channels: int,
        metadata: Metadata,
        bit_rate: int | None,
        expected_frames: int | None,
        field: FieldMark | None = None,
    ) -> None:
        self._form = form
        self._field = field
        is_b_format = field is not None and field.convention == "fuma"
        container = form.container
        self._frame_bytes = channels * _sample_bytes(form)
        if container == "WAV" and not self._is_short(expected_frames):
            container = "RF64"
        self._room = MAX_BYTES if container in _SHORT else None
        self._turn_into_wav = container != form.container
        self._file = cast(BinaryIO, path.open("r+b", buffering=0))
        self._sound: SequentialFile | None = None
        try:
            inserted = _packed(metadata, container)
            if container == "CAF" and field and field.convention in _CAF_LAYOUTS:
                inserted = caf_layout(_CAF_LAYOUTS[field.convention], field.channels) + inserted
            self._inserted = len(inserted)
            if container == "OGG":
                self._sink: Sink = OggSink(self._file, metadata)
            else:
                self._sink = Sink(self._file, inserted, _PLACES[container])
            level, mode = settings(form, rate, channels, bit_rate)
            self._sound = SequentialFile(
                self._sink,
                "w",
                rate,
                channels,
                form.encoding,
                format="WAVEX" if is_b_format and container == "WAV" else container,
                compression_level=level,
                bitrate_mode=mode,
            )
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
        if self._inserted:
            _correct_sizes(self._file, self._inserted)
        if self._turn_into_wav:
            _downgrade(self._file)
        if self._field:
            _mark_field(self._file, self._field)
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

    def _is_short(self, frames: int | None) -> bool:
        return frames is not None and frames * self._frame_bytes <= MAX_BYTES

    def _check(self) -> None:
        if self._sink.failure:
            raise self._sink.failure


def _packed(metadata: Metadata, container: str) -> bytes:
    """The metadata as it stands in a container other than Ogg."""
    if container == "FLAC":
        empty = metadata == Metadata()
        return b"" if empty else write_flac(metadata, _flac_encoder())
    if container in ("WAV", "RF64"):
        return write_wave(metadata, even=container == "RF64")
    writers = {
        "W64": write_w64,
        "AIFF": write_aiff,
        "CAF": write_caf,
        "AU": write_au,
        "MP3": write_id3,
    }
    return writers[container](metadata) if container in writers else b""


@lru_cache(maxsize=1)
def _flac_encoder() -> bytes:
    """The name by which the FLAC encoder signs its files."""
    stream = io.BytesIO()
    soundfile.write(stream, np.zeros(16), 8000, format="FLAC")
    size = struct.unpack_from("<I", stream.getvalue(), 46)[0]
    return stream.getvalue()[50 : 50 + size]


def _correct_sizes(file: BinaryIO, inserted: int) -> None:
    """Count the inserted bytes in the sizes and offsets of the headers."""
    length = file_length(file)
    file.seek(0)
    head = file.read(48)
    if head[:4] == b"RIFF":
        _patch(file, 4, struct.pack("<I", length - 8))
    elif head[:4] == b"RF64":
        _patch(file, 20, struct.pack("<Q", length - 8))
    elif head[:4] == b"riff":
        _patch(file, 16, struct.pack("<Q", length))
    elif head[:4] == b"FORM":
        _patch(file, 4, struct.pack(">I", length - 8))
    elif head[:4] == b".snd":
        _patch(file, 4, struct.pack(">I", 24 + inserted))
    elif head[:4] == b"fLaC":
        _hide_comments(file, 42 + inserted)


def _hide_comments(file: BinaryIO, at: int) -> None:
    """Turn the encoder's own comments, of which there may be one block, into padding."""
    file.seek(at)
    head = file.read(4)
    if head[0] & 0x7F == COMMENTS:
        size = int.from_bytes(head[1:], "big")
        _patch(file, at, bytes([head[0] & 0x80 | PADDING]) + head[1:] + bytes(size))


def _mark_field(file: BinaryIO, field: FieldMark) -> None:
    """In an extensible WAVE header: no loudspeakers, and for FuMa the GUID of B-format."""
    found = wave_format(file)
    if found is None or found[1] < _EXTENSIBLE:
        return
    _patch(file, found[0] + _CHANNEL_MASK, bytes(4))
    if field.convention == "fuma":
        _patch(file, found[0] + _GUID, _B_FORMAT)


def _patch(file: BinaryIO, at: int, data: bytes) -> None:
    file.seek(at)
    file.write(data)


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

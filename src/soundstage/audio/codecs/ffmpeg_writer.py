"""AAC, M4A and films, written by FFmpeg (PyAV): new sound with the unchanged picture.

All streams of a film but its main sound and data such as time codes are copied packet by packet.
They are read in step with the sound, so memory does not grow with the length. The sound stays in
sync; an AAC track that begins late in an MP4 or MOV file gains one silent AAC frame before its
first sample, and its start moves forward by as much.
"""

import contextlib
import errno
from collections.abc import Iterator, Mapping
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np

from soundstage.audio.codecs.ffmpeg_reader import import_av, is_media, main_sound
from soundstage.audio.formats import SoundFormat
from soundstage.audio.metadata import Metadata
from soundstage.audio.metadata.media import to_ffmpeg
from soundstage.errors import OutputError

_MUXERS = {"MP4": "mp4", "MOV": "mov", "MATROSKA": "matroska", "WEBM": "webm"}
_CODECS = {  # encoding: encoder, sample format
    "AAC": ("aac", "fltp"),
    "OPUS": ("libopus", "flt"),
    "ALAC_16": ("alac", "s16p"),
    "ALAC_24": ("alac", "s32p"),
    "PCM_16": ("pcm_s16le", "s16"),
    "PCM_24": ("pcm_s24le", "s32"),
    "PCM_32": ("pcm_s32le", "s32"),
    "FLOAT": ("pcm_f32le", "flt"),
}
_PACKED = {"PCM_16": ("flac", "s16"), "PCM_24": ("flac", "s32")}  # in Matroska
_PIECE = 4096  # frames in one packet of PCM; and how closely sound and picture are interleaved
_BITS_PER_CHANNEL = 128_000  # bit/s of AAC and Opus: an upmix must still fold down to its source
_OF_THE_FILE = ("major_brand", "minor_version", "compatible_brands", "encoder", "creation_time")


class MediaTarget:
    """Encoder of a film or M4A file.

    Args:
        path: of an existing empty file.
        form: container and encoding.
        rate: in Hz.
        channels: 1 or 2.
        tags: by the names in `soundstage.audio.tags`.
        picture_from: a film, to copy its other streams; ignored if it is not a film.

    Raises:
        OutputError: PyAV is not installed, or the container cannot hold one of those streams.
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
        picture_from: Path | None,
    ) -> None:
        self._av = import_av(path, OutputError)
        self._form, self._rate, self._channels = form, rate, channels
        self._layout = "stereo" if channels == 2 else "mono"
        self._film: _Film | None = None
        self._start = Fraction(0)
        self._done = 0
        options = {"movie_timescale": str(rate)} if form.container in ("MP4", "MOV") else {}
        self._output = self._av.open(
            str(path), "w", format=_MUXERS[form.container], options=options
        )
        try:
            if picture_from is not None and _is_film(picture_from):
                self._film = _Film(self._av, picture_from)
            with self._failures():
                self._add_streams(metadata.tags)
            self._begin()
        except BaseException:
            self.abort()
            raise

    def write(self, block: np.ndarray) -> None:
        """Append frames: float, or int32 with its highest bits at the top.

        Raises:
            OSError: the disk is full, or fails.
        """
        for start in range(0, block.shape[1], _PIECE):
            self._write_piece(block[:, start : start + _PIECE])

    def close(self) -> None:
        """Complete the file.

        Raises:
            OSError: the disk is full, or fails.
        """
        with self._failures():
            self._output.mux(self._sound.encode(None))
            if self._film:
                self._film.copy_until(self._output, None)
                self._film.close()
            self._output.close()

    def abort(self) -> None:
        """Close the file in any state."""
        if self._film:
            self._film.close()
        with contextlib.suppress(self._av.error.FFmpegError, OSError, ValueError):
            self._output.close()

    def _write_piece(self, block: np.ndarray) -> None:
        frame = self._av.AudioFrame.from_ndarray(
            self._laid_out(block), format=self._sample_format, layout=self._layout
        )
        frame.sample_rate = self._rate
        frame.time_base = Fraction(1, self._rate)
        frame.pts = self._done + round(self._start * self._rate)
        with self._failures():
            if self._film:
                time = self._start + Fraction(self._done, self._rate)
                self._film.copy_until(self._output, time)
            self._output.mux(self._sound.encode(frame))
        self._done += block.shape[1]

    def _begin(self) -> None:
        """Write the header, in which FFmpeg refuses tracks that the container cannot hold."""
        try:
            with self._failures():
                self._output.start_encoding()
        except OSError as error:
            if self._film is None or error.errno in (errno.ENOSPC, errno.EDQUOT):
                raise
            raise OutputError(
                f"The tracks of {self._film.path} cannot all be held by "
                f"{self._form.container}: choose the suffix of the source, or .mkv."
            ) from error

    @contextlib.contextmanager
    def _failures(self) -> Iterator[None]:
        try:
            yield
        except self._av.error.FFmpegError as error:
            raise OSError(getattr(error, "errno", 0), str(error.strerror or error)) from error

    def _add_streams(self, tags: Mapping[str, tuple[str, ...]]) -> None:
        if self._film is None:
            self._output.metadata.update(to_ffmpeg(tags))
            self._add_sound(None)
            return
        kept = {k: v for k, v in self._film.input.metadata.items() if k not in _OF_THE_FILE}
        self._output.metadata.update({**kept, **to_ffmpeg(tags)})
        for stream in self._film.input.streams:
            if stream is self._film.sound:
                self._start = self._film.sound_start
                self._add_sound(stream)
            elif stream.type != "data":  # chapters, time codes, telemetry
                self._film.add_copy(self._output, stream, self._form.container)
        if hasattr(self._output, "set_chapters"):
            self._output.set_chapters(self._film.input.chapters())

    def _add_sound(self, old: Any) -> None:
        codec, self._sample_format = _CODECS[self._form.encoding]
        if self._form.container == "MATROSKA":
            codec, self._sample_format = _PACKED.get(
                self._form.encoding, (codec, self._sample_format)
            )
        deep = self._form.encoding.endswith("_24") and codec in ("alac", "flac")
        # Perceptual noise substitution would not fold down to the source
        options = {"aac_pns": "0"} if codec == "aac" else {}
        if deep:
            options = {"bits_per_raw_sample": "24"}
        self._sound = self._output.add_stream(
            codec,
            rate=self._rate,
            layout=self._layout,
            format=self._sample_format,
            options=options,
        )
        if self._form.is_lossy:
            self._sound.bit_rate = _BITS_PER_CHANNEL * self._channels
        if old is not None:
            for key in ("language", "title"):
                if old.metadata.get(key):
                    self._sound.metadata[key] = old.metadata[key]

    def _laid_out(self, block: np.ndarray) -> np.ndarray:
        kind = self._sample_format.removesuffix("p")
        if kind == "s16":
            block = (block >> 16).astype(np.int16)
        if self._sample_format.endswith("p"):
            return np.ascontiguousarray(block)
        return np.ascontiguousarray(block.T).reshape(1, -1)


class _Film:
    """The copied streams of a film, read in step with the new sound."""

    def __init__(self, av: Any, path: Path) -> None:
        self.path, self._av = path, av
        self.input = av.open(str(path), metadata_errors="replace")
        self.sound = main_sound(self.input)
        self.sound_start = self._first_time() if self.sound else Fraction(0)
        self._copies: dict[int, Any] = {}
        self._packets: Iterator[Any] | None = None
        self._held: Any = None

    def add_copy(self, output: Any, stream: Any, container: str) -> None:
        """Declare one stream; an unsupported attachment is left out."""
        try:
            copy = output.add_stream_from_template(stream)
        except (self._av.error.FFmpegError, ValueError, TypeError) as error:
            if stream.type == "attachment":
                return
            raise OutputError(
                f"The {stream.type} track {stream.index} of {self.path} cannot be copied into "
                f"{container}: choose the suffix of the source, or .mkv."
            ) from error
        copy.metadata.update(stream.metadata)
        with contextlib.suppress(AttributeError):  # read-only before PyAV 15
            copy.disposition = stream.disposition
        self._copies[stream.index] = copy

    def copy_until(self, output: Any, time: Fraction | None) -> None:
        """Write the packets up to a time in seconds; None for all of them."""
        if self._packets is None:
            streams = [self.input.streams[index] for index in self._copies]
            self._packets = iter(self.input.demux(streams) if streams else ())
        while True:
            if self._held is None:
                self._held = next(self._packets, None)
            packet = self._held
            if packet is None:
                return
            if packet.size:
                stamp = packet.dts if packet.dts is not None else packet.pts
                if stamp is None:  # the cover of an M4A file has no time
                    stamp = packet.pts = packet.dts = 0
                if time is not None and stamp * packet.time_base > time:
                    return
                packet.stream = self._copies[packet.stream.index]
                output.mux(packet)
            self._held = None

    def close(self) -> None:
        """Close the film."""
        self.input.close()

    def _first_time(self) -> Fraction:
        """Time of the first sample, in seconds."""
        with self._av.open(str(self.path)) as film:
            for frame in film.decode(main_sound(film)):
                return Fraction(frame.pts * frame.time_base) if frame.pts else Fraction(0)
        return Fraction(0)


def _is_film(path: Path) -> bool:
    with path.open("rb") as file:
        return is_media(file.read(16))

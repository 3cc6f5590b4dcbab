"""AAC, M4A and films, written by FFmpeg (PyAV): new sound with the unchanged picture.

All streams of a film but its main sound and data such as telemetry are copied packet by packet.
They are read in step with the sound, so memory does not grow with the length. The sound stays in
sync; an AAC track that begins late in an MP4 or MOV file gains one silent AAC frame before its
first sample, and its start moves forward by as much.

Tags and covers of MP4 and MOV are written into the finished file. FFmpeg gets open files, never
names, which it would search for protocols; and it draws no random numbers.
"""

import contextlib
import errno
from dataclasses import replace
from fractions import Fraction
from pathlib import Path
from typing import Any, BinaryIO, cast

import av
import numpy as np

from soundstage.audio.codecs.bit_rates import DEFAULT_AAC
from soundstage.audio.codecs.film import Film
from soundstage.audio.codecs.sinks import Sink, ffmpeg_failures
from soundstage.audio.formats import SoundFormat
from soundstage.audio.metadata import Metadata
from soundstage.audio.metadata.media import TRACK_TITLE, to_ffmpeg
from soundstage.audio.metadata.mp4 import write_items
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
_ISO = ("MP4", "MOV")
_SUFFIXES = {"image/jpeg": "jpg", "image/png": "png"}


class MediaTarget:
    """Encoder of a film or M4A file.

    Args:
        path: of an existing empty file.
        form: container and encoding.
        rate: in Hz.
        channels: 1 or 2.
        metadata: what the file holds beside the sound.
        bit_rate: in bit/s, of a lossy encoding; None for its usual quality.
        expected_frames: length, if known; it ends the last chapter.
        film: a file whose other streams are copied.
        keep_original: copy its main sound too, behind the new one.

    Raises:
        OutputError: the container cannot hold one of those streams.
        OSError: the disk is full, or fails.
    """

    def __init__(
        self,
        path: Path,
        form: SoundFormat,
        rate: int,
        channels: int,
        *,
        metadata: Metadata,
        bit_rate: int | None = None,
        expected_frames: int | None = None,
        film: Path | None = None,
        keep_original: bool = False,
    ) -> None:
        self._form, self._rate, self._channels = form, rate, channels
        self._metadata, self._bit_rate = metadata, bit_rate
        self._layout = "stereo" if channels == 2 else "mono"
        self.original: str | None = None
        """Description of the sound that is kept beside the new one."""
        self._film: Film | None = None
        self._sound: Any = None
        self._start = Fraction(0)
        self._done = 0
        options = {"fflags": "+bitexact"}
        if form.container in _ISO:
            options["movie_timescale"] = str(rate)
        else:
            options["default_mode"] = "passthrough"
        self._path = path
        self._file = cast(BinaryIO, path.open("r+b", buffering=0))
        self._sink = Sink(self._file)
        self._output = av.open(self._sink, "w", format=_MUXERS[form.container], options=options)
        try:
            if film is not None:
                self._film = Film(film)
            with ffmpeg_failures(self._sink):
                self._add_streams(keep_original)
                self._add_metadata(expected_frames)
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
        with ffmpeg_failures(self._sink):
            self._output.mux(self._sound.encode(None))
            if self._film:
                self._film.copy_until(self._output, None)
                self._film.close()
            self._output.close()
        self._file.close()
        if self._form.container in _ISO:
            with self._path.open("r+b") as file:
                write_items(file, self._metadata)

    def abort(self) -> None:
        """Close the file in any state."""
        if self._film:
            self._film.close()
        with contextlib.suppress(av.error.FFmpegError, OSError, ValueError):
            self._output.close()
        self._file.close()

    def _write_piece(self, block: np.ndarray) -> None:
        frame = av.AudioFrame.from_ndarray(
            self._laid_out(block), format=self._sample_format, layout=self._layout
        )
        frame.sample_rate = self._rate
        frame.time_base = Fraction(1, self._rate)
        frame.pts = self._done + round(self._start * self._rate)
        with ffmpeg_failures(self._sink):
            if self._film:
                time = self._start + Fraction(self._done, self._rate)
                self._film.copy_until(self._output, time)
            self._output.mux(self._sound.encode(frame))
        self._done += block.shape[1]

    def _begin(self) -> None:
        """Write the header, in which FFmpeg refuses tracks that the container cannot hold."""
        try:
            with ffmpeg_failures(self._sink):
                self._output.start_encoding()
        except OSError as error:
            if self._film is None or error.errno in (errno.ENOSPC, errno.EDQUOT):
                raise
            raise OutputError(
                f"The tracks of {self._film.path} cannot all be held by "
                f"{self._form.container}: choose the suffix of the source, or .mkv."
            ) from error

    def _add_streams(self, keep_original: bool) -> None:
        if self._film is None:
            self._add_sound(None)
            return
        for stream in self._film.input.streams:
            if stream is self._film.sound:
                self._start = self._film.sound_start
                self._add_sound(stream)
                if keep_original:
                    self.original = self._film.add_original(self._output, self._form.container)
            else:
                self._film.add_copy(self._output, stream, self._form.container)

    def _add_sound(self, old: Any) -> None:
        """The new sound, as far as it is not its coding with the properties of the old."""
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
        self._sound.codec_context.flags |= av.codec.context.Flags.bitexact
        if self._form.is_lossy:
            self._sound.bit_rate = self._bit_rate or DEFAULT_AAC * self._channels
        if old is None or self._film is None:
            self._sound.disposition = av.stream.Disposition.default.value
        else:
            self._sound.disposition = old.disposition.value
            facts = self._film.properties(old, self._form.container, coding=False)
            self._sound.metadata.update(facts)

    def _add_metadata(self, expected_frames: int | None) -> None:
        """Tags, covers and chapters, as far as FFmpeg writes them."""
        container = self._form.container
        if self._film and self._film.sound:  # its properties stand at the track
            tags = {
                name: values
                for name, values in self._metadata.tags.items()
                if name not in ("language", TRACK_TITLE)
            }
            self._metadata = replace(self._metadata, tags=tags)
        if container != "MP4":  # its item list is written later; that of MOV beside these
            self._output.metadata.update(to_ffmpeg(self._metadata.tags))
        if self._film and "creation_time" in self._film.input.metadata:
            self._output.metadata["creation_time"] = self._film.input.metadata["creation_time"]
        if container == "MATROSKA":
            for number, picture in enumerate(self._metadata.pictures):
                if picture.is_address:
                    continue
                name = {3: "cover", 4: "cover_back"}.get(picture.kind, f"picture{number}")
                suffix = _SUFFIXES.get(picture.mime, picture.mime.rpartition("/")[2])
                self._output.add_attachment(f"{name}.{suffix}", picture.mime, picture.data)
        chapters = self._metadata.chapters
        if not chapters:
            return
        seconds = (expected_frames or 0) / self._rate
        ends = [*(chapter.start for chapter in chapters[1:]), max(seconds, chapters[-1].start)]
        self._output.set_chapters(
            [
                {
                    "id": number,
                    "start": round(chapter.start * 1000),
                    "end": round((end if chapter.end is None else chapter.end) * 1000),
                    "time_base": Fraction(1, 1000),
                    "metadata": {"title": chapter.title},
                }
                for number, (chapter, end) in enumerate(zip(chapters, ends, strict=True))
            ]
        )

    def _laid_out(self, block: np.ndarray) -> np.ndarray:
        kind = self._sample_format.removesuffix("p")
        if kind == "s16":
            block = (block >> 16).astype(np.int16)
        if self._sample_format.endswith("p"):
            return np.ascontiguousarray(block)
        return np.ascontiguousarray(block.T).reshape(1, -1)

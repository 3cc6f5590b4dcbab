"""Sound that FFmpeg (PyAV) decodes: compressed sound, and the sound track of films.

Only the main sound track of a file is read, without the delay and padding that its container
declares. A gap in the time stamps becomes silence, so that the sound stays in sync with its
picture. Every error is refused, but for bytes between the frames of MPEG audio that are no frame:
FFmpeg takes tags there for sound.
"""

import re
from collections.abc import Iterator
from contextlib import ExitStack
from itertools import chain
from typing import Any

import av
import numpy as np
from jaxtyping import Float

from soundstage.audio.codecs.adts import FRAME_SAMPLES
from soundstage.audio.codecs.ffmpeg import cause, main_sound, open_media
from soundstage.audio.codecs.ffmpeg_names import container_name, encoding_name
from soundstage.audio.codecs.input_file import InputFile
from soundstage.audio.codecs.integrity import Inspection, check_length
from soundstage.audio.formats import SoundFormat
from soundstage.errors import InputError

_CHECKED = ("ac3", "eac3")  # lossy codecs whose checksums encoders write correctly
_FULL_SCALE = {"u8": 1 << 7, "s16": 1 << 15, "s32": 1 << 31, "s64": 1 << 63}
_DTYPES = {"u8": "u1", "s16": "i2", "s32": "i4", "s64": "i8", "flt": "f4", "dbl": "f8"}
_GAP = 0.05  # s; less is jitter of the time stamps, which Matroska rounds to 1 ms
MOST_PLANES = 8  # that PyAV shows of a frame; it crashes beyond them
_LONGEST_GAP = 600.0  # s; more is a damaged time stamp
_SILENCE = 1 << 16  # frames of silence in a block
_SLACK = 0.1  # s by which the duration of a container with coarse time stamps may be too long
_SOUGHT = ("flac", "mov", "wav", "w64", "aiff", "caf", "au", "wv", "tta")
"""Demuxers that find the packet of a sample."""

_COUNTED = ("flac", "wv", "tta", "tak", "ape", "wav", "aiff", "au", "rso", "sox", "ircam")
"""Demuxers that give the exact number of samples of lossless sound."""

_TIMED = ("asf", "avi", "flv", "matroska", "nut", "voc", "mxf", "caf", "rm", "mpc", "mpc8")
"""Demuxers whose duration is declared by the file, not estimated from its size."""


class MediaSource:
    """The main sound track of a file that FFmpeg reads.

    Args:
        file: to read.
        known: what was found without decoding it.

    Raises:
        InputError: FFmpeg cannot read the file, or it has no sound track.
    """

    def __init__(self, file: InputFile, known: Inspection) -> None:
        self._file, self._known = file, known
        with open_media(file, known.demuxer, known.skip) as container:
            stream = main_sound(container)
            if stream is None:
                raise InputError(f"{file} has no sound track: choose another file.")
            self._demuxer: str = container.format.name.split(",")[0]
            first = next(self._decoded(container, stream), None)
            if first is None:
                raise InputError(f"{file} is empty, its length is 0: export it again.")
            # With spectral band replication the header may declare half the rate
            self.rate: int = first.sample_rate
            self.channels: int = len(first.layout.channels)
            self._first_time = first.pts
            self._sample_times = first.pts is not None and stream.time_base * self.rate == 1
            self._lossless: bool = stream.codec_context.codec.lossless
            self.format = SoundFormat(
                container_name(container, file), encoding_name(stream, first, file)
            )
            self.seconds = _seconds(container, stream)
            self.frames = self._exact_frames(container, stream, first)
            self._least, self._slack = self._counted(container, stream, first)

    def chunks(self, frames: int, start: int = 0) -> Iterator[Float[np.ndarray, "channels frames"]]:
        """The samples from `start` on, in blocks as they come.

        Raises:
            InputError: the file is damaged.
        """
        done = 0
        with ExitStack() as stack:
            container, stream = self._opened(stack)
            decoded = self._decoded(container, stream)
            if start and self._seeks_exactly():
                try:
                    decoded, done = self._sought(container, stream, decoded, start)
                except av.error.FFmpegError:  # FFmpeg cannot seek to the end of some FLAC files
                    decoded = self._decoded(*self._opened(stack))
            for block in self._in_time(decoded, done):
                if self._trims and self.frames is not None:
                    block = block[:, : max(self.frames - done, 0)]
                done += block.shape[1]
                if done > start and block.shape[1]:
                    yield block[:, max(block.shape[1] - (done - start), 0) :]
        check_length(self._file.name, self._least, done, self.rate, self._slack)
        if self._demuxer == "flac" and self.frames is not None and done > self.frames:
            raise InputError(
                f"{self._file} holds {done / self.rate:.2f} s of sound where its header declares "
                f"{self.frames / self.rate:.2f} s: it is damaged, get another copy."
            )

    def _opened(self, stack: ExitStack) -> tuple[Any, Any]:
        """The file from its start, until the stack is closed, and its main track."""
        container = stack.enter_context(
            open_media(self._file, self._known.demuxer, self._known.skip)
        )
        return container, main_sound(container)

    @property
    def starts_late(self) -> bool:
        """Whether an Ogg stream begins at another time than 0, of which FFmpeg is not sure."""
        return self._demuxer == "ogg" and self._first_time != 0

    @property
    def _trims(self) -> bool:
        """Whether the file declares its end, but FFmpeg may decode what is after it."""
        return self._demuxer in ("mov", "wav", "mp3")

    def _decoded(self, container: Any, stream: Any) -> Iterator[Any]:
        time, begun = 0.0, False
        codec = stream.codec_context
        if codec.codec.lossless or codec.name in _CHECKED:
            codec.options = {"err_detect": "crccheck+explode"}
        packets = container.demux(stream)
        if container.format.name == "voc":
            packets = _whole_frames(packets, stream)
        try:
            for packet in packets:
                try:
                    if packet.is_corrupt and not self._known.open_end:
                        raise av.error.InvalidDataError(0, "a packet is incomplete")
                    frames = packet.decode()
                except av.error.FFmpegError:
                    if self._is_no_sound(packet, begun):
                        continue
                    raise
                for frame in frames:
                    time, begun = frame.time or time, True
                    yield frame
        except (av.error.FFmpegError, OSError) as error:
            raise InputError(
                f"{self._file} is cut short or damaged at about {time:.2f} s ({cause(error)}); get "
                "a complete copy of it."
            ) from error

    def _is_no_sound(self, packet: Any, begun: bool) -> bool:
        """Whether a packet that cannot be decoded is none; the length is verified at the end."""
        if not packet.size:  # carries a change of the header alone
            return True
        if self._demuxer == "mp3":
            head = bytes(packet)[:64]
            is_frame = head[:1] == b"\xff" and head[1:2] >= b"\xe0"
            return not is_frame or b"Xing" in head or b"Info" in head
        if self._demuxer == "wav":  # the byte that fills up a chunk of odd size
            return self._known.samples is not None
        return self._demuxer in ("mpegts", "mpeg") and not begun  # broadcasts begin anywhere

    def _in_time(
        self, decoded: Iterator[Any], done: int
    ) -> Iterator[Float[np.ndarray, "channels frames"]]:
        """The samples of all frames, with silence in the gaps between them."""
        wide = self.format.encoding == "DOUBLE" or (self.format.integer_bits or 0) > 24
        dtype = np.dtype(np.float64 if wide else np.float32)
        for frame in decoded:
            if len(frame.layout.channels) != self.channels or frame.sample_rate != self.rate:
                raise InputError(
                    f"{self._file} changes its channels or sample rate at {done / self.rate:.2f} s:"
                    " convert it to WAV first."
                )
            if frame.pts is not None and self._first_time is not None:
                now = float((frame.pts - self._first_time) * frame.time_base)
                missing = round((now - done / self.rate) * self.rate)
                if missing > _LONGEST_GAP * self.rate:
                    raise InputError(
                        f"{self._file} has a gap of {missing / self.rate:.0f} s in its time "
                        f"stamps at {done / self.rate:.2f} s: repair it, or convert it to WAV."
                    )
                while missing > _GAP * self.rate:
                    size = min(missing, _SILENCE)
                    yield np.zeros((self.channels, size), dtype)
                    done, missing = done + size, missing - size
            block = _samples(frame, dtype)
            done += block.shape[1]
            yield block

    def _seeks_exactly(self) -> bool:
        """Whether seeking gives the same samples as decoding from the start."""
        return self._lossless and self._sample_times and self._demuxer in _SOUGHT

    def _sought(
        self, container: Any, stream: Any, decoded: Iterator[Any], start: int
    ) -> tuple[Iterator[Any], int]:
        """The frames from `start` or earlier on, and the position of the first."""
        container.seek(self._first_time + start, stream=stream)
        first = next(decoded, None)
        at = -1 if first is None or first.pts is None else first.pts - self._first_time
        if first is not None and 0 <= at <= start:
            return chain([first], decoded), at
        container.seek(self._first_time, stream=stream)
        return self._decoded(container, stream), 0

    def _exact_frames(self, container: Any, stream: Any, first: Any) -> int | None:
        if self._demuxer == "mov":
            return self._frames_of_mp4(container, stream, first)
        if self._known.samples is not None:
            return None if self.starts_late else self._known.samples
        if self._demuxer == "w64" and self._lossless and self._known.content is not None:
            bits = {"FLOAT": 32, "DOUBLE": 64}.get(self.format.encoding) or self.format.integer_bits
            return self._known.content * 8 // (self.channels * bits) if bits else None
        counted = self._lossless and self._sample_times and self._demuxer in _COUNTED
        return stream.duration if counted else None

    def _counted(self, container: Any, stream: Any, first: Any) -> tuple[int | None, int]:
        """The least frames that the file declares, and by how much that may be wrong."""
        if self._demuxer == "mov":
            return self.frames, 2 * 2048  # padding that some decoders drop: two frames of HE-AAC
        if self._demuxer == "aac":
            return self._known.least * max(first.samples // FRAME_SAMPLES, 1), 0
        if self._known.least:
            late = first.pts if self._demuxer == "ogg" and first.pts else 0
            slack = round(_GAP * self.rate) if self._demuxer == "ogg" else 0
            return self._known.least - late, slack
        if self.frames is not None:
            return self.frames, 0
        if self._demuxer not in _TIMED:
            return None, 0
        alone = all(other is stream or other.type == "attachment" for other in container.streams)
        seconds = _seconds(container, stream) if stream.duration or alone else None
        if seconds is None:
            return None, 0
        late = max(first.time or 0.0, 0.0)
        return round((seconds - late) * self.rate), round(_SLACK * self.rate)

    def _frames_of_mp4(self, container: Any, stream: Any, first: Any) -> int | None:
        """Length from the end of the last packet, exact to the sample in MP4."""
        if not stream.duration or first.pts is None:
            return None
        try:
            container.seek(max(stream.start_time or 0, 0) + stream.duration, stream=stream)
            ends = [
                (packet.pts + packet.duration) * packet.time_base
                for packet in container.demux(stream)
                if packet.pts is not None and packet.duration
            ]
        except av.error.FFmpegError:
            return None
        if not ends:
            return None
        return round((max(ends) - first.pts * first.time_base) * self.rate)


def _whole_frames(packets: Iterator[Any], stream: Any) -> Iterator[Any]:
    """Packets of linear PCM cut between frames.

    FFmpeg cuts VOC every 2048 bytes. With six channels that is within a frame, whose rest its
    decoder drops, so that all that follows changes its channel.
    """
    codec = stream.codec_context
    linear = re.fullmatch(r"pcm_[su](8|16|24|32)(le)?", codec.name)
    size = int(linear[1]) // 8 * codec.channels if linear else 1
    rest = b""
    for packet in packets:
        data = rest + bytes(packet)
        whole = len(data) // size * size
        if size == 1 or not packet.size or (whole == packet.size and not rest):
            yield packet
            continue
        rest = data[whole:]
        if whole:
            joined = av.Packet(data[:whole])
            joined.stream, joined.time_base = stream, packet.time_base
            joined.pts, joined.dts = packet.pts, packet.dts
            yield joined


def _seconds(container: Any, stream: Any) -> float | None:
    if stream.duration:
        return float(stream.duration * stream.time_base)
    return container.duration / 1e6 if container.duration else None


def _samples(frame: Any, dtype: np.dtype) -> Float[np.ndarray, "channels frames"]:
    kind = frame.format.name.removesuffix("p")
    channels, frames = len(frame.layout.channels), frame.samples
    if frame.format.is_planar and channels > MOST_PLANES:
        (frame,) = av.AudioResampler(format=kind).resample(frame)
    if frame.format.is_planar:
        planes = [np.frombuffer(plane, _DTYPES[kind], frames) for plane in frame.planes]
        data = np.stack(planes)
    else:
        data = np.frombuffer(frame.planes[0], _DTYPES[kind], frames * channels)
        data = data.reshape(frames, channels).T
    full = _FULL_SCALE.get(kind)
    if full is None:
        return data.astype(dtype)
    centered = data.astype(dtype) - dtype.type(full if kind == "u8" else 0)
    return centered * dtype.type(1 / full)

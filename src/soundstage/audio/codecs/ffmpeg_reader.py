"""The sound of AAC, M4A and films, read by FFmpeg (PyAV).

Only the main sound track of a file is read, without the encoder delay that the container declares.
A gap in the time stamps becomes silence, so that the sound stays in sync with its picture.
"""

import re
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
from jaxtyping import Float

from soundstage.audio.codecs.input_file import InputFile
from soundstage.audio.codecs.integrity import MP4_BOXES
from soundstage.audio.formats import SoundFormat
from soundstage.audio.tags import from_ffmpeg
from soundstage.errors import InputError, OutputError, missing_extra

_CONTAINERS = {"matroska": "MATROSKA", "mov": "MOV", "mp4": "MP4"}
_ENCODINGS = {
    "aac": "AAC",
    "mp3": "MPEG_LAYER_III",
    "mp3float": "MPEG_LAYER_III",
    "opus": "OPUS",
    "libopus": "OPUS",
    "vorbis": "VORBIS",
    "pcm_f32le": "FLOAT",
    "pcm_f32be": "FLOAT",
    "pcm_f64le": "DOUBLE",
    "pcm_f64be": "DOUBLE",
    "pcm_u8": "PCM_U8",
    "pcm_s8": "PCM_S8",
}
_FULL_SCALE = {"u8": 1 << 7, "s16": 1 << 15, "s32": 1 << 31, "s64": 1 << 63}
_GAP = 0.05  # s; less is jitter of the time stamps, which Matroska rounds to 1 ms
_LONGEST_GAP = 600.0  # s; more is a damaged time stamp


def import_av(
    name: str | Path | InputFile, error: type[InputError] | type[OutputError]
) -> ModuleType:
    """PyAV, or `error` with the way to install it."""
    try:
        import av
    except ImportError:
        raise missing_extra("media", "PyAV", str(name), error) from None
    av.logging.set_level(av.logging.PANIC)
    return av


class MediaSource:
    """The main sound track of a file that FFmpeg reads.

    Raises:
        InputError: PyAV is not installed, FFmpeg cannot read the file, or it has no sound track.
    """

    def __init__(self, file: InputFile) -> None:
        self._file = file
        self._av = import_av(file, InputError)
        with self._open() as container:
            stream = main_sound(container)
            if stream is None:
                raise InputError(f"{file} has no sound track: choose another file.")
            first = next(self._decoded(container, stream), None)
            if first is None:
                raise InputError(f"{file} is empty, its length is 0: export it again.")
            # With spectral band replication the header may declare half the rate
            self.rate: int = first.sample_rate
            self.channels: int = len(first.layout.channels)
            self.format = SoundFormat(
                _container_name(container, file.suffix), _encoding_name(stream)
            )
            self.tags = {**from_ffmpeg(stream.metadata), **from_ffmpeg(container.metadata)}
            self.seconds = _seconds(container, stream)
            self.frames = self._exact_frames(container, stream, first)

    def chunks(self, frames: int, start: int = 0) -> Iterator[Float[np.ndarray, "channels frames"]]:
        """The samples from `start` on, in blocks as they come.

        Raises:
            InputError: the file is damaged.
        """
        wide = self.format.encoding == "DOUBLE" or (self.format.integer_bits or 0) > 24
        dtype = np.dtype(np.float64 if wide else np.float32)
        done, begun = 0, None
        with self._open() as container:
            stream = main_sound(container)
            for frame in self._decoded(container, stream):
                block = _samples(frame, dtype)
                if block.shape[0] != self.channels or frame.sample_rate != self.rate:
                    raise InputError(
                        f"{self._file} changes its channels or sample rate at "
                        f"{done / self.rate:.2f} s: convert it to WAV first."
                    )
                if frame.pts is not None:
                    now = float(frame.pts * frame.time_base)
                    begun = now if begun is None else begun
                    gap = now - begun - done / self.rate
                    if _GAP < gap < _LONGEST_GAP:
                        silence = np.zeros((self.channels, round(gap * self.rate)), dtype)
                        block = np.concatenate([silence, block], axis=1)
                if self.frames is not None:
                    block = block[:, : self.frames - done]
                done += block.shape[1]
                if done > start:
                    yield block[:, start - done :]

    def _open(self) -> Any:
        try:
            path = self._file.path
            source = self._file.open() if path is None else str(path)
            return self._av.open(source, metadata_errors="replace")
        except (self._av.error.FFmpegError, OSError, ValueError) as error:
            raise InputError(
                f"{self._file} is not a readable sound file, or is damaged "
                f"({_reason(error)}): convert it to WAV, or get a complete copy."
            ) from error

    def _decoded(self, container: Any, stream: Any) -> Iterator[Any]:
        time = 0.0
        try:
            for frame in container.decode(stream):
                time = frame.time or time
                yield frame
        except self._av.error.FFmpegError as error:
            raise InputError(
                f"{self._file} is cut short or damaged at about {time:.2f} s "
                f"({_reason(error)}); get a complete copy of it."
            ) from error

    def _exact_frames(self, container: Any, stream: Any, first: Any) -> int | None:
        """Length from the end of the last packet, exact to the sample in MP4."""
        if self.format.container not in ("MP4", "MOV") or not stream.duration:
            return None
        if first.pts is None:
            return None
        try:
            container.seek(max(stream.start_time or 0, 0) + stream.duration, stream=stream)
            ends = [
                (packet.pts + packet.duration) * packet.time_base
                for packet in container.demux(stream)
                if packet.pts is not None and packet.duration
            ]
        except self._av.error.FFmpegError:
            return None
        if not ends:
            return None
        return round((max(ends) - first.pts * first.time_base) * self.rate)


def is_media(head: bytes) -> bool:
    """Whether a file with this head is for FFmpeg: MP4, MOV, Matroska, WebM, AVI or ADTS."""
    return (
        head[4:8] in MP4_BOXES
        or head[:4] == b"\x1aE\xdf\xa3"
        or (head[:4] == b"RIFF" and head[8:12] == b"AVI ")
        or (head[:1] == b"\xff" and len(head) > 1 and head[1] & 0xF6 == 0xF0)
    )


def main_sound(container: Any) -> Any:
    """The default sound track of a player, or None."""
    return container.streams.best("audio") if container.streams.audio else None


def _reason(error: BaseException) -> str:
    return str(getattr(error, "strerror", None) or error).strip().rstrip(".")


def _container_name(container: Any, suffix: str) -> str:
    names = container.format.name.split(",")
    if "matroska" in names:
        return "WEBM" if suffix == ".webm" else "MATROSKA"
    if "mov" in names:
        brand = container.metadata.get("major_brand", "").strip()
        return "MOV" if brand in ("qt", "") else "MP4"
    return _CONTAINERS.get(names[0], names[0].upper())


def _encoding_name(stream: Any) -> str:
    name = stream.codec_context.name
    extra = bytes(stream.codec_context.extradata or b"")
    if name == "alac" and len(extra) >= 18:
        return f"ALAC_{extra[17]}"
    if name == "flac" and len(extra) >= 34:
        return f"PCM_{((extra[12] & 1) << 4 | extra[13] >> 4) + 1}"
    linear = re.fullmatch(r"pcm_s(16|24|32)[bl]e(?:_planar)?", name)
    return f"PCM_{linear[1]}" if linear else _ENCODINGS.get(name, name.upper())


def _seconds(container: Any, stream: Any) -> float | None:
    if stream.duration:
        return float(stream.duration * stream.time_base)
    return container.duration / 1e6 if container.duration else None


def _samples(frame: Any, dtype: np.dtype) -> Float[np.ndarray, "channels frames"]:
    data = frame.to_ndarray()
    kind = frame.format.name.removesuffix("p")
    if not frame.format.is_planar:
        data = data.reshape(-1, len(frame.layout.channels)).T
    full = _FULL_SCALE.get(kind)
    if full is None:
        return data.astype(dtype)
    centered = data.astype(np.float64) - (full if kind == "u8" else 0)
    return (centered / full).astype(dtype)

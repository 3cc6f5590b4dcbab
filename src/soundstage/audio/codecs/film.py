"""The streams of a film that are copied unchanged beside new sound, in step with it."""

import contextlib
import re
from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path
from typing import Any

import av

from soundstage.audio.codecs.ffmpeg import main_sound, open_media
from soundstage.audio.codecs.input_file import InputFile
from soundstage.audio.metadata.media import describe, is_picture, time_code
from soundstage.errors import OutputError

_ISO = ("MP4", "MOV")  # containers that know a stream by a codec tag
_OF_THE_FILE = re.compile(
    r"vendor_id|creation_time|handler_name|duration|bps|number_of_.*|_statistics.*|.*-eng",
    re.IGNORECASE,
)


class Film:
    """The streams of a film beside its main sound.

    Args:
        path: of the film.

    Raises:
        InputError: FFmpeg cannot open it.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._file = InputFile(path)
        self.input = open_media(self._file)
        self.sound = main_sound(self.input)
        self.sound_start = self._first_time() if self.sound else Fraction(0)
        self._copies: dict[int, Any] = {}
        self._packets: Iterator[Any] | None = None
        self._held: Any = None

    def add_copy(self, output: Any, stream: Any, container: str) -> None:
        """Declare the copy of one stream, with its properties.

        Pictures that are covers, and data such as telemetry, are left out: the first are written
        from the metadata, the second fit into no container that FFmpeg writes. A time code goes
        along as a property of the picture. So is an attachment that the container does not take.

        Raises:
            OutputError: the container cannot hold the stream.
        """
        if stream.type == "data" or is_picture(stream):
            return
        try:
            copy = output.add_stream_from_template(stream)
        except (av.error.FFmpegError, ValueError, TypeError) as error:
            if stream.type == "attachment":
                return
            raise OutputError(
                f"The {stream.type} track {stream.index} of {self.path} cannot be copied into "
                f"{container}: choose the suffix of the source, or .mkv."
            ) from error
        copy.metadata.update(self.properties(stream, container, coding=True))
        copy.disposition = stream.disposition.value  # a number pleases every PyAV
        tag = _codec_tag(stream, self.input, container)
        if tag:
            copy.codec_context.codec_tag = tag
        self._copies[stream.index] = copy

    def add_original(self, output: Any, container: str) -> str:
        """Declare the copy of the main sound itself, which is no longer the default.

        Returns:
            Its description.
        """
        self.add_copy(output, self.sound, container)
        copy = self._copies[self.sound.index]
        kept = self.sound.disposition & ~av.stream.Disposition.default
        copy.disposition = kept.value
        return describe(self.sound)

    def properties(self, stream: Any, container: str, *, coding: bool) -> dict[str, str]:
        """Language, title, time code and others of a stream; its encoder only with `coding`."""
        facts = {k: v for k, v in stream.metadata.items() if not _OF_THE_FILE.fullmatch(k)}
        if not coding:
            facts = {k: v for k, v in facts.items() if k.casefold() != "encoder"}
        if facts.get("name"):  # FFmpeg reads the title of an MP4 track so, and writes it from title
            facts.setdefault("title", facts.pop("name"))
        if stream.metadata.get("handler_name") and container in _ISO:
            facts["handler_name"] = stream.metadata["handler_name"]
        codes = [code for each in self.input.streams if (code := time_code(each))]
        if stream.type == "video" and codes and time_code(stream) is None:
            facts["timecode"] = codes[0]
        return facts

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
                if stamp is None:
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
        with open_media(self._file) as film, contextlib.suppress(av.error.FFmpegError):
            for frame in film.decode(main_sound(film)):
                return Fraction(frame.pts * frame.time_base) if frame.pts else Fraction(0)
        return Fraction(0)


def _codec_tag(stream: Any, source: Any, container: str) -> str:
    """The tag under which a stream is copied; empty for the usual one.

    FFmpeg would call all HEVC `hev1`, which the players of Apple refuse.
    """
    if container not in _ISO or stream.type != "video":
        return ""
    if "mov" in source.format.name:
        return str(stream.codec_context.codec_tag)
    return "hvc1" if stream.codec_context.name == "hevc" else ""

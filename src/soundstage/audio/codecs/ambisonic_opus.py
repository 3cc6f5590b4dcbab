"""Ambisonic Opus files, written by FFmpeg (PyAV): channel mapping family 2 (RFC 8486), in AmbiX.

The other mappings code channels in pairs and hide what a pair of loudspeakers would mask, which
moves directions.
"""

import contextlib
from fractions import Fraction
from pathlib import Path
from typing import BinaryIO, cast

import av
import numpy as np

from soundstage.audio.codecs.sinks import Sink, ffmpeg_failures
from soundstage.audio.field_mark import FieldMark
from soundstage.audio.metadata import Metadata
from soundstage.audio.metadata.media import to_ffmpeg

DEFAULT_BIT_RATE = 96_000  # of a channel
_PIECE = 4096  # frames handed over at a time


class AmbisonicOpusTarget:
    """Encoder of an ambisonic Ogg Opus file.

    Args:
        path: of an existing empty file.
        mark: of a field in AmbiX.
        rate: in Hz, one of Opus.
        metadata: of which tags are written.
        bit_rate: in bit/s, of all channels; None for its usual quality.

    Raises:
        OSError: the disk is full, or fails.
    """

    def __init__(
        self, path: Path, mark: FieldMark, rate: int, metadata: Metadata, bit_rate: int | None
    ) -> None:
        self._layout, self._rate, self._done = f"ambisonic {mark.order}", rate, 0
        self._file = cast(BinaryIO, path.open("r+b", buffering=0))
        self._sink = Sink(self._file)
        self._output = av.open(self._sink, "w", format="ogg", options={"fflags": "+bitexact"})
        try:
            with ffmpeg_failures(self._sink):
                self._sound = self._output.add_stream(
                    "libopus",
                    rate=rate,
                    layout=self._layout,
                    format="flt",
                    options={"mapping_family": "2"},
                )
                self._sound.codec_context.flags |= av.codec.context.Flags.bitexact
                self._sound.bit_rate = bit_rate or DEFAULT_BIT_RATE * mark.channels
                self._output.metadata.update(to_ffmpeg(metadata.tags))
        except BaseException:
            self.abort()
            raise

    def write(self, block: np.ndarray) -> None:
        """Append frames, as floats.

        Raises:
            OSError: the disk is full, or fails.
        """
        for start in range(0, block.shape[1], _PIECE):
            piece = np.ascontiguousarray(block[:, start : start + _PIECE].T, dtype=np.float32)
            frame = av.AudioFrame.from_ndarray(
                piece.reshape(1, -1), format="flt", layout=self._layout
            )
            frame.sample_rate, frame.pts = self._rate, self._done
            frame.time_base = Fraction(1, self._rate)
            with ffmpeg_failures(self._sink):
                self._output.mux(self._sound.encode(frame))
            self._done += len(piece)

    def close(self) -> None:
        """Complete the file.

        Raises:
            OSError: the disk is full, or fails.
        """
        with ffmpeg_failures(self._sink):
            self._output.mux(self._sound.encode(None))
            self._output.close()
        self._file.close()

    def abort(self) -> None:
        """Close the file in any state."""
        with contextlib.suppress(av.error.FFmpegError, OSError, ValueError):
            self._output.close()
        self._file.close()

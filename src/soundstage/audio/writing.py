"""Writing sound files: from floating point to steps, and into a file that appears when complete."""

from dataclasses import replace
from pathlib import Path
from types import TracebackType
from typing import Protocol

import numpy as np
from jaxtyping import Float, Int32

from soundstage.atomic_files import AtomicFile, check_target, output_errors
from soundstage.audio.codecs.bit_rates import check_bit_rate
from soundstage.audio.codecs.containers import is_media
from soundstage.audio.codecs.sndfile_writer import SndfileTarget
from soundstage.audio.field_mark import FieldMark
from soundstage.audio.formats import (
    AMBISONIC_OPUS,
    MEDIA_CONTAINERS,
    SoundFormat,
    check_encoding,
    check_limits,
)
from soundstage.audio.metadata import Lost, Metadata, Receipt, read_metadata
from soundstage.audio.metadata.carrying import of_the_result
from soundstage.audio.metadata.receipt import make_receipt
from soundstage.errors import OptionError

Block = Float[np.ndarray, "channels frames"] | Int32[np.ndarray, "channels frames"]


SILENCE = 1e-3  # steps: below it a sample is digital silence and gets no dither


class _Target(Protocol):
    def write(self, block: np.ndarray) -> None: ...

    def close(self) -> None: ...

    def abort(self) -> None: ...


class SoundWriter:
    """Writes a sound file; to be used in a `with` statement.

    The file appears under its name when the `with` block ends without an exception (see
    `soundstage.atomic_files`).

    Args:
        path: the target; its suffix is ignored.
        rate: in Hz.
        channels: number of channels.
        format: container and encoding, usually from `output_format`.
        metadata: of the source; `receipt` says what of it the container holds. None writes none.
        bit_rate: in bit/s, of all channels of a lossy encoding. By default near transparency:
            LAME's V0, Vorbis quality 7, about 95 kbit/s a channel of Opus, 128 of AAC.
        overwrite: whether an existing target may be replaced.
        source_rate: sample rate of the source in Hz, where it is another one.
        expected_frames: length, if known; a WAV file that may pass 4 GB is written as RF64.
        picture_from: a film whose picture, subtitles and other tracks are copied unchanged if the
            target is a film or M4A; ignored otherwise.
        keep_original: whether the sound of `picture_from` goes along too, bit for bit, behind the
            new one.
        field: of an ambisonic sound field, which the file then says it holds.

    Raises:
        OutputError: the target exists, is a folder, is in a folder that is missing or read-only,
            or its format cannot hold the rate or the channels.
        OptionError: no such format can be written, or not with that bit rate.
    """

    def __init__(
        self,
        path: str | Path,
        *,
        rate: int,
        channels: int,
        format: SoundFormat,
        metadata: Metadata | None = None,
        source_rate: int = 0,
        bit_rate: int | None = None,
        overwrite: bool = False,
        expected_frames: int | None = None,
        picture_from: str | Path | None = None,
        keep_original: bool = False,
        field: FieldMark | None = None,
    ) -> None:
        self.path = Path(path)
        self.rate, self.channels, self.format = rate, channels, format
        self.receipt = Receipt()
        """What of the metadata the file holds, when it is complete."""
        self._overwrite, self._bit_rate = overwrite, bit_rate
        self._keep_original, self._field = keep_original, field
        if keep_original and (picture_from is None or format.container not in MEDIA_CONTAINERS):
            raise OptionError(
                f"{self.path}: `keep_original` puts the sound of a file beside the new one, which "
                "only .mkv, .mka, .mp4, .m4a, .mov and .webm can hold; choose one of them."
            )
        self._expected_frames = expected_frames
        self._picture_from = None if picture_from is None else Path(picture_from)
        self._target: _Target | None = None
        self._file: AtomicFile | None = None
        self._complete = False
        check_target(self.path, overwrite=overwrite)
        check_encoding(format.container, format.encoding)
        check_limits(self.path, format, rate, channels, field=field)
        if bit_rate is not None:
            check_bit_rate(format, rate, channels, bit_rate)
        self._metadata: Metadata | None = None
        self._left_out: list[Lost] = []
        if metadata is not None:
            self._metadata, self._left_out = of_the_result(
                metadata, format, source_rate=source_rate, rate=rate, channels=channels, field=field
            )

    def write(self, block: Block) -> None:
        """Append frames.

        Args:
            block: for an integer format int32 steps of its own bits, from `Quantizer`, written
                bit for bit; for any other, floats of full scale 1 (which lossy formats may not
                pass).

        Raises:
            TypeError: floats for an integer format, or the other way round.
            ValueError: the number of channels is wrong, or a sample does not fit.
            OutputError: the disk is full, or fails.
        """
        if self._target is None:
            raise RuntimeError("open the writer with a `with` statement first")
        if self._complete:
            raise RuntimeError("the file is complete already")
        prepared = self._prepared(block)
        with output_errors(self.path):
            self._target.write(prepared)

    def complete(self) -> Path:
        """End the file without giving it its name yet, so that it can be read back.

        Returns:
            Its path until the `with` block ends.

        Raises:
            OutputError: the disk is full, or fails.
        """
        if self._target is None or self._file is None:
            raise RuntimeError("the writer is not open")
        if not self._complete:
            with output_errors(self.path):
                self._target.close()
            self._complete = True
            self._check_metadata()
        return self._file.temporary

    def __enter__(self) -> "SoundWriter":
        self._file = AtomicFile(self.path, overwrite=self._overwrite)
        try:
            temporary = self._file.create()
            with output_errors(self.path):
                self._target = self._open(temporary)
        except BaseException:
            self._file.discard()
            raise
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Complete the file, or remove it after an exception."""
        assert self._target is not None
        assert self._file is not None
        try:
            if kind is None:
                self.complete()
                self._file.commit()
            elif not self._complete:
                self._target.abort()
        except BaseException:
            if not self._complete:
                self._target.abort()
            raise
        finally:
            self._target = None
            self._file.discard()

    def _open(self, temporary: Path) -> _Target:
        if self._field and self.format == AMBISONIC_OPUS:
            from soundstage.audio.codecs.ambisonic_opus import AmbisonicOpusTarget

            return AmbisonicOpusTarget(
                temporary,
                self._field,
                self.rate,
                self._metadata or Metadata(),
                self._bit_rate,
            )
        if self.format.container not in MEDIA_CONTAINERS:
            return SndfileTarget(
                temporary,
                self.format,
                self.rate,
                self.channels,
                self._metadata or Metadata(),
                self._bit_rate,
                self._expected_frames,
                self._field,
            )
        from soundstage.audio.codecs.ffmpeg_writer import MediaTarget

        return MediaTarget(
            temporary,
            self.format,
            self.rate,
            self.channels,
            metadata=self._metadata or Metadata(),
            bit_rate=self._bit_rate,
            expected_frames=self._expected_frames,
            film=self._film(),
            keep_original=self._keep_original,
        )

    def _film(self) -> Path | None:
        """The source, if it holds more than sound or its sound is to be kept too."""
        if self._picture_from is None or self._keep_original:
            return self._picture_from
        with self._picture_from.open("rb") as file:
            found = is_media(file.read(16))
        return self._picture_from if found or (self._metadata and self._metadata.streams) else None

    def _check_metadata(self) -> None:
        """Read the metadata back, for the receipt."""
        if self._metadata is None or self._file is None:
            return
        wanted = self._metadata
        original = getattr(self._target, "original", None)
        if original:
            wanted = replace(wanted, streams=(original, *wanted.streams))
        self.receipt = make_receipt(
            wanted,
            read_metadata(self._file.temporary),
            self.format.container,
            left_out=self._left_out,
        )

    def _prepared(self, block: np.ndarray) -> np.ndarray:
        if block.ndim != 2 or block.shape[0] != self.channels:
            raise ValueError(f"a block of shape {block.shape} is not ({self.channels}, frames)")
        bits = self.format.integer_bits
        if bits is not None:
            if block.dtype != np.int32:
                raise TypeError(f"{self.format.encoding} takes int32 steps, not {block.dtype}")
            if block.size and not -(1 << bits - 1) <= block.min() <= block.max() < 1 << bits - 1:
                raise ValueError(f"a step does not fit into {bits} bits")
            return block << (32 - bits)
        if not np.issubdtype(block.dtype, np.floating):
            raise TypeError(f"{self.format.encoding} takes floats, not {block.dtype}")
        if self.format.is_lossy and not np.abs(block).max(initial=0) <= 1:
            raise ValueError(f"{self.format.encoding} takes samples from -1 to 1")
        return block.astype(np.float64 if self.format.encoding == "DOUBLE" else np.float32)


class Quantizer:
    """Quantizes blocks of one signal, in order, to integer steps of full scale 2^(bits−1).

    Plain rounding makes an error that follows the signal and sounds like distortion in quiet
    passages. Triangular dither, the sum of two uniform random numbers of one step each, makes the
    mean and the power of the error independent of the signal (Lipshitz, Wannamaker and Vanderkooy
    1992). It is drawn frame by frame and, within a frame, channel by channel, so the result does
    not depend on how the signal is cut into blocks.

    Args:
        bits: of the target, 8 to 32.
        seed: of the dither.
    """

    def __init__(self, bits: int, *, seed: int = 0) -> None:
        self.bits = bits
        self._full = 2.0 ** (bits - 1)
        self._random = np.random.Generator(np.random.PCG64(seed))

    def quantize(
        self, samples: Float[np.ndarray, "*channels frames"], *, dither: bool = True
    ) -> Int32[np.ndarray, "*channels frames"]:
        """The next block in steps, from −2^(bits−1) to 2^(bits−1) − 1.

        Args:
            samples: from −1 to 1. Full scale itself, and the dither on it, are clipped to the
                largest step.
            dither: False rounds to the nearest step without dither.

        Raises:
            ValueError: a sample is beyond full scale or not finite; turn the signal down first.
        """
        steps = np.multiply(samples, self._full, dtype=np.float64)
        peak = np.abs(steps).max(initial=0.0)
        if not peak <= self._full + 0.5:
            raise ValueError(f"peak of {peak / self._full:.6g} does not fit into {self.bits} bits")
        if dither:
            frames = steps.shape[-1]
            draws = self._random.random((frames, steps.size // max(frames, 1), 2))
            noise = (draws[..., 0] - draws[..., 1]).T.reshape(steps.shape)
            steps += np.where(np.abs(steps) < SILENCE, 0.0, noise)
        return np.rint(steps).clip(-self._full, self._full - 1).astype(np.int32)

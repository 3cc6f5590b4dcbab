"""`Audio`: a sound in memory, with reading, writing and simple editing."""

import base64
import html
import io
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO

import numpy as np
import soundfile
from jaxtyping import Float

from soundstage.audio.formats import SoundFormat, output_format
from soundstage.audio.level import decibels
from soundstage.audio.metadata import Metadata
from soundstage.audio.reading import open_file
from soundstage.audio.resampling import resample
from soundstage.audio.samples import MAX_CHANNELS, as_rate, as_samples
from soundstage.audio.writing import Quantizer, SoundWriter
from soundstage.errors import InputError, OptionError, OutputError

if TYPE_CHECKING:
    from torch import Tensor

_BLOCK = 1 << 16  # frames read or written at a time
_PLAYER_BYTES = 8_000_000  # of WAV in a notebook's player: 45 s of stereo at 44.1 kHz


@dataclass(frozen=True, eq=False, repr=False)
class Audio:
    """Samples and their rate. Immutable; equal if all samples and the rate are equal.

    Attributes:
        samples: (channels, frames) in single precision, read-only, of full scale 1. Given as a
            NumPy array, torch tensor or list; one dimension is mono, integers are scaled by the
            full scale of their type.
        rate: in Hz.

    Raises:
        InputError: the samples are not real numbers or not (channels, frames), or the rate is not
            a positive whole number.

    >>> Audio([0.0, 0.5, -0.5, 0.0], 8000)
    Audio(1 channel, 4 frames, 8000 Hz, 0.001 s)
    """

    samples: Float[np.ndarray, "channels frames"]
    rate: int

    def __post_init__(self) -> None:
        samples: Any = self.samples
        if not (isinstance(samples, np.ndarray) and _is_sealed(samples)):
            samples = as_samples(samples)
            if samples.ndim == 1:
                samples = samples[None]
            if samples.ndim != 2 or not 1 <= samples.shape[0] <= MAX_CHANNELS:
                raise InputError(
                    f"Samples of shape {samples.shape} are not (channels, frames), with 1 to "
                    f"{MAX_CHANNELS} channels."
                )
        samples.flags.writeable = False
        object.__setattr__(self, "samples", samples)
        object.__setattr__(self, "rate", as_rate(self.rate))

    @property
    def channels(self) -> int:
        """Number of channels."""
        return self.samples.shape[0]

    @property
    def frames(self) -> int:
        """Number of samples in each channel."""
        return self.samples.shape[1]

    @property
    def duration(self) -> float:
        """Length in seconds."""
        return self.frames / self.rate

    @classmethod
    def read(cls, file: str | os.PathLike[str] | BinaryIO) -> "Audio":
        """Read a whole file, of any format that `open_sound` reads.

        Args:
            file: a path, or a binary file object that can seek.

        Raises:
            InputError: it cannot be read; the message gives the reason.
        """
        with open_file(file) as sound:
            blocks = [block.astype(np.float32) for block in sound.blocks(_BLOCK)]
            samples = np.concatenate(blocks, axis=1)
            samples.flags.writeable = False  # so that it need not be copied
            return cls(samples, sound.rate)

    def write(
        self,
        path: str | os.PathLike[str],
        *,
        bit_depth: int | str | None = None,
        overwrite: bool = True,
        tags: Mapping[str, str] | None = None,
    ) -> None:
        """Write a file; its suffix chooses the container.

        Args:
            path: of the file.
            bit_depth: 8, 16, 24, 32, "float" or "double". By default floating point where the
                container has it, else its largest integers. Samples that are whole steps of an
                integer encoding are written unchanged, others are dithered.
            overwrite: whether an existing file may be replaced.
            tags: such as title and artist; see `soundstage.audio.metadata`.

        Raises:
            InputError: a sample is not finite.
            OptionError: the suffix is unknown, or its container does not have the bit depth.
            OutputError: the file cannot be written, or the sound passes full scale and the encoding
                cannot hold that.
        """
        path = Path(path)
        depth = None if bit_depth is None else str(bit_depth)
        form = output_format(SoundFormat("WAV", "FLOAT"), path.suffix, depth)
        self._check_level(path, form)
        quantizer = Quantizer(form.integer_bits) if form.integer_bits else None
        dither = quantizer is not None and not self._is_whole(quantizer.bits)
        with SoundWriter(
            path,
            rate=self.rate,
            channels=self.channels,
            format=form,
            metadata=None if tags is None else Metadata.from_tags(tags),
            overwrite=overwrite,
            expected_frames=self.frames,
        ) as writer:
            for start in range(0, self.frames, _BLOCK):
                block = self.samples[:, start : start + _BLOCK]
                writer.write(quantizer.quantize(block, dither=dither) if quantizer else block)

    def to_mono(self) -> "Audio":
        """The mean of the channels; of stereo, the mid signal (L + R)/2."""
        return self if self.channels == 1 else Audio(self.samples.mean(axis=0), self.rate)

    def resample(self, rate: int) -> "Audio":
        """The same sound at another sample rate, in Hz."""
        rate = as_rate(rate)
        return Audio(resample(self.samples, self.rate, rate), rate)

    def trim(self, start: float = 0.0, end: float | None = None) -> "Audio":
        """The part between two times.

        Args:
            start: in seconds.
            end: in seconds; by default, and beyond the end of the sound, its end.

        Raises:
            OptionError: not 0 ≤ start < end, or the start is beyond the sound.
        """
        first = round(start * self.rate)
        last = self.frames if end is None else min(round(end * self.rate), self.frames)
        if not 0 <= first < last:
            raise OptionError(
                f"A sound of {self.duration:.3f} s has no part from {start} to "
                f"{'its end' if end is None else end} s."
            )
        return Audio(self.samples[:, first:last], self.rate)

    def to_tensor(self) -> "Tensor":
        """A copy of the samples, as a torch tensor (channels, frames) of float32."""
        import torch

        return torch.tensor(self.samples)

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> np.ndarray:
        if dtype is not None and np.dtype(dtype) != self.samples.dtype:
            if copy is False:
                raise ValueError(f"samples of {dtype} are a copy of the float32 samples")
            return self.samples.astype(dtype)
        return self.samples.copy() if copy else self.samples

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Audio):
            return NotImplemented
        return self.rate == other.rate and np.array_equal(self.samples, other.samples)

    def __hash__(self) -> int:
        return hash((self.rate, self.samples.shape))

    def __repr__(self) -> str:
        plural = "" if self.channels == 1 else "s"
        return (
            f"Audio({self.channels} channel{plural}, {self.frames} frames, {self.rate} Hz, "
            f"{self.duration:.3f} s)"
        )

    def _repr_html_(self) -> str:
        """A player for notebooks.

        It holds a 16-bit WAV file of at most 8 MB: only the first part of a long sound. Sound
        beyond full scale is turned down. The caption reports both.
        """
        shown = self.samples[:, : _PLAYER_BYTES // (2 * self.channels)]
        peak = float(np.abs(shown).max(initial=0.0))
        notes = [repr(self)]
        if shown.shape[1] < self.frames:
            notes.append(f"the first {shown.shape[1] / self.rate:.0f} s")
        if peak > 1:
            notes.append(f"turned down by {decibels(peak):.1f} dB")
        steps = np.rint(shown.T / max(peak, 1.0) * 32767).astype(np.int16)
        file = io.BytesIO()
        soundfile.write(file, steps, self.rate, format="WAV", subtype="PCM_16")
        data = base64.b64encode(file.getvalue()).decode()
        return (
            f"<figure><figcaption>{html.escape('; '.join(notes))}</figcaption>"
            f'<audio controls src="data:audio/wav;base64,{data}"></audio></figure>'
        )

    def _check_level(self, path: Path, form: SoundFormat) -> None:
        if not np.isfinite(self.samples).all():
            raise InputError(f"The sound for {path} has samples that are not finite numbers.")
        peak = float(np.abs(self.samples).max(initial=0.0))
        if peak > 1 and form.encoding not in ("FLOAT", "DOUBLE"):
            raise OutputError(
                f"{path}: the sound passes full scale by {decibels(peak):.2f} dB and "
                f"{form.encoding} cannot hold that; turn it down, or write floating point."
            )

    def _is_whole(self, bits: int) -> bool:
        scaled = self.samples * np.float32(2.0 ** (bits - 1))
        return bool(np.array_equal(scaled, np.rint(scaled)))


def _is_sealed(samples: np.ndarray) -> bool:
    """Whether these samples can no longer be changed, so that they need not be copied."""
    return (
        samples.base is None
        and not samples.flags.writeable
        and samples.dtype == np.float32
        and samples.ndim == 2
        and 1 <= samples.shape[0] <= MAX_CHANNELS
    )

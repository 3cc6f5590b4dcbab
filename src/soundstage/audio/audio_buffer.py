"""A piece of sound in memory."""

import base64
import html
import io
import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import soundfile
from jaxtyping import Float

from soundstage.audio.formats import SoundFormat, check_encoding, container_of, output_format
from soundstage.audio.quantizer import Quantizer
from soundstage.audio.reading import open_sound
from soundstage.audio.resampling import resample
from soundstage.audio.writing import SoundWriter
from soundstage.errors import InputError, OutputError

_BLOCK = 1 << 16  # frames read or written at a time
_PLAYER_BYTES = 8_000_000  # of the WAV file in a notebook's player: 45 s of stereo at 44.1 kHz


@dataclass(frozen=True, eq=False, repr=False)
class Audio:
    """Sound: samples and their rate. Immutable; equal if all samples and the rate are.

    Attributes:
        samples: single precision, read-only, full scale 1; one dimension is taken for mono.
        rate: in Hz.

    >>> Audio([0.0, 0.5, -0.5, 0.0], 8000)
    Audio(1 channel, 4 frames, 8000 Hz, 0.001 s)
    """

    samples: Float[np.ndarray, "channels frames"]
    rate: int

    def __post_init__(self) -> None:
        samples = self.samples
        if not (isinstance(samples, np.ndarray) and _is_sealed(samples)):
            samples = np.array(samples, dtype=np.float32, ndmin=2)
        if samples.ndim != 2 or not samples.shape[0]:
            raise ValueError(f"samples of shape {samples.shape} are not (channels, frames)")
        if self.rate != int(self.rate) or self.rate <= 0:
            raise ValueError(f"a sample rate of {self.rate!r} is not a positive whole number")
        samples.flags.writeable = False
        object.__setattr__(self, "samples", samples)
        object.__setattr__(self, "rate", int(self.rate))

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
    def read(cls, path: str | Path) -> "Audio":
        """A whole file, of any format that `open_sound` reads.

        Raises:
            InputError: it cannot be read; the message says why.
        """
        with open_sound(path) as sound:
            blocks = [block.astype(np.float32) for block in sound.blocks(_BLOCK)]
            samples = np.concatenate(blocks, axis=1)
            samples.flags.writeable = False  # so that it need not be copied
            return cls(samples, sound.rate)

    def write(
        self,
        path: str | Path,
        *,
        encoding: str | None = None,
        overwrite: bool = False,
        tags: Mapping[str, str] | None = None,
    ) -> None:
        """Write a file; its suffix chooses the container.

        Args:
            path: of the file.
            encoding: by libsndfile's name, such as "PCM_16". By default what loses least: floating
                point where the container has it, else its largest integers. Samples that are whole
                steps of an integer encoding already are written as they are, others are dithered.
            overwrite: whether an existing file may be replaced.
            tags: such as title and artist; see `soundstage.audio.tags`.

        Raises:
            OptionError: the suffix or the encoding is unknown.
            OutputError: the file cannot be written, or the sound passes full scale and the encoding
                cannot hold that.
        """
        path = Path(path)
        if encoding is None:
            form = output_format(SoundFormat("WAV", "FLOAT"), path.suffix, None)
        else:
            form = check_encoding(container_of(path.suffix), encoding)
        self._check_level(path, form)
        quantizer = Quantizer(form.integer_bits) if form.integer_bits else None
        dither = quantizer is not None and not self._is_whole(quantizer.bits)
        with SoundWriter(
            path,
            rate=self.rate,
            channels=self.channels,
            format=form,
            tags=tags,
            overwrite=overwrite,
            expected_frames=self.frames,
        ) as writer:
            for start in range(0, self.frames, _BLOCK):
                block = self.samples[:, start : start + _BLOCK]
                writer.write(quantizer.quantize(block, dither=dither) if quantizer else block)

    def resample(self, rate: int) -> "Audio":
        """The same sound at another sample rate, in Hz."""
        return Audio(resample(self.samples, self.rate, rate), rate)

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

        It holds a 16-bit WAV file of at most 8 MB, so a long sound plays from its start only, and
        the caption says how far. Sound beyond full scale is turned down, and that is said too.
        """
        shown = self.samples[:, : _PLAYER_BYTES // (2 * self.channels)]
        peak = float(np.abs(shown).max(initial=0.0))
        notes = [repr(self)]
        if shown.shape[1] < self.frames:
            notes.append(f"the first {shown.shape[1] / self.rate:.0f} s")
        if peak > 1:
            notes.append(f"turned down by {20 * math.log10(peak):.1f} dB")
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
            raise InputError(f"The sound for {path} has samples that are not numbers: mend them.")
        peak = float(np.abs(self.samples).max(initial=0.0))
        if peak > 1 and form.encoding not in ("FLOAT", "DOUBLE"):
            raise OutputError(
                f"{path}: the sound passes full scale by {20 * math.log10(peak):.2f} dB and "
                f"{form.encoding} cannot hold that; turn it down, or write floating point."
            )

    def _is_whole(self, bits: int) -> bool:
        scaled = self.samples * np.float32(2.0 ** (bits - 1))
        return bool(np.array_equal(scaled, np.rint(scaled)))


def _is_sealed(samples: np.ndarray) -> bool:
    """Whether nobody can change these samples any more, so that they need not be copied."""
    return (
        samples.base is None
        and not samples.flags.writeable
        and samples.dtype == np.float32
        and samples.ndim == 2
    )

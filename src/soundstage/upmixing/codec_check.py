"""What a broadcaster's codec makes of a result: encoded, decoded, and folded down to mono.

A codec codes mid and side, or left and right, with an error of each that does not cancel in the
mono sum. So the file is encoded and decoded as a whole, in a temporary file, and its mono sum is
compared with the input as in a proof: the error, and the loudness of the sum less that of the input
(ITU-R BS.1770-4), which a loudspeaker in a kitchen shows first.
"""

import math
import tempfile
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Float

from soundstage import interruption
from soundstage.audio import (
    SoundWriter,
    StreamResampler,
    open_sound,
    resampled_blocks,
    supported_rate,
)
from soundstage.audio.file_report import finite
from soundstage.upmixing.file_options import CODECS, Codec
from soundstage.upmixing.proof import READ_FRAMES, Signals, compare_sums

_HEADROOM = 10 ** (-1 / 20)  # encoders are fed with true peaks of −1 dB at most


class CodecCheck(NamedTuple):
    """The mono sum of a result after a codec."""

    codec: str
    bit_rate: int
    fold_down_error_db: float
    """Power of its error under that of the input."""
    loudness_difference: float
    """Its loudness less that of the input, in LU; NaN for silence and under 0.4 s."""

    def as_dict(self) -> dict[str, Any]:
        """For JSON, with None in place of what is not finite."""
        return finite(self._asdict())

    def sentence(self) -> str:
        """A line for people."""
        facts = [f"error {self.fold_down_error_db:.1f} dB"]
        facts += loudness_facts(self.loudness_difference)
        return f"{self.codec} at {self.bit_rate / 1000:g} kbit/s: {', '.join(facts)}"


def loudness_facts(difference: float | None) -> list[str]:
    """A difference in LU for people, unless it is unknown."""
    if difference is None or not math.isfinite(difference):
        return []
    return [f"loudness {round(difference, 2) + 0.0:+.2f} LU"]  # without a minus before zero


def check_codecs(
    file: Path, codecs: Sequence[Codec], mids: Callable[[float], Signals], true_peak: float
) -> list[CodecCheck]:
    """Encode a stereo file with each codec, and compare the mono sums with its input.

    Args:
        file: complete, under any name.
        codecs: as `parse_codec` returns them.
        mids: the mono input at the rate of the file, as it is in the file, times a gain.
        true_peak: of the file, linear; what is above −1 dB is turned down before encoding.

    Raises:
        OptionError: a codec does not have that bit rate.
        OutputError: there is no room for the temporary file.
    """
    gain = min(1.0, _HEADROOM / max(true_peak, 1e-9))
    return [_checked(file, codec, mids(gain), gain) for codec in codecs]


def _checked(file: Path, codec: Codec, mids: Signals, gain: float) -> CodecCheck:
    form, suffix = CODECS[codec.name]
    with tempfile.TemporaryDirectory(prefix="soundstage-") as folder:
        coded = Path(folder) / f"coded{suffix}"
        with open_sound(file) as sound:
            source_rate, rate = sound.rate, supported_rate(form, sound.rate)
            resampler = StreamResampler(source_rate, rate, 2)
            with SoundWriter(
                coded, rate=rate, channels=2, format=form, bit_rate=codec.bit_rate
            ) as writer:
                for block in sound.blocks(READ_FRAMES):
                    interruption.check()
                    _write(writer, resampler.push(block * gain))
                _write(writer, resampler.finish())
        with open_sound(coded) as decoded:
            compared = compare_sums(
                lambda: resampled_blocks(mids(), source_rate, decoded.rate),
                lambda: _sums(decoded.blocks(READ_FRAMES)),
                decoded.rate,
            )
    return CodecCheck(codec.name, codec.bit_rate, compared.error_db, compared.loudness)


def _write(writer: SoundWriter, block: Float[np.ndarray, "2 frames"]) -> None:
    if block.size:
        writer.write(block.astype(np.float32, copy=False))


def _sums(blocks: Iterator[np.ndarray]) -> Iterator[Float[np.ndarray, " frames"]]:
    return (block.mean(axis=0, dtype=np.float64) for block in blocks)

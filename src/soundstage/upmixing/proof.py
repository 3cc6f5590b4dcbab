"""Proof of a result: its complete file is read back, before it gets its name, and compared.

The mono sum that a listener of the file gets is held against the mono input times the gain of the
file. A lossless file must have it sample by sample: bit for bit, to the rounding and dither of its
steps, or to the rounding of its floats; and every sample that was written. Otherwise it is refused.
For a lossy file the error is what its codec makes of the mono sum,

    error = 10·lg(Σ(m' − m)² / Σm²)    with m the input times the gain, m' the decoded mono sum,

and the loudness of both is compared. A decoder may start late by some frames that its container
does not declare; the lag is then found by cross-correlation, and reported.
"""

import math
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import NamedTuple

import numpy as np
from jaxtyping import Float

from soundstage import interruption
from soundstage.audio import (
    SoundFormat,
    SoundReader,
    open_sound,
    resampled_blocks,
    resampled_frames,
)
from soundstage.audio.loudness import LoudnessMeter
from soundstage.errors import InputError, OutputError, printable
from soundstage.upmixing.file_options import field_order

Signal = Float[np.ndarray, " frames"]
Signals = Callable[[], Iterator[Signal]]
"""Starts a pass over a mono signal."""

READ_FRAMES = 1 << 16  # frames read at a time
# Of a step: rounding makes 1/2, triangular dither up to 1, and 1 is clipped to the largest step
_ROUNDED = 1.5 + 1e-3
_EPSILON = {"FLOAT": 2.0**-24, "DOUBLE": 2.0**-53}  # relative error of one rounding
_SMALLEST = 1e-30  # absolute error allowed to floats: what is rounded near the end of their range
MAX_LAG = 8192  # frames; decoders of AAC are late by up to 2112 where it is not declared
_SILENCE = 1e-20  # −200 dB: the power of the input counts as no less, so that silence has a level


class FoldDown(NamedTuple):
    """A mono sum compared with the input."""

    error_db: float
    """Power of the error under that of the input; −∞ if it is exact."""
    loudness: float = 0.0
    """Loudness of the mono sum less that of the input, in LU; NaN for silence and under 0.4 s."""
    lag: int = 0
    """Frames by which the decoded sound is late."""


@dataclass
class Written:
    """What a file must hold: the sum of all that is handed to its encoder."""

    form: SoundFormat
    rate: int
    channels: int
    frames: int = 0
    checksum: int = 0
    """Of all samples in the order of the file."""

    def add(self, block: np.ndarray) -> None:
        """Count a block of (channels, frames), of steps or floats."""
        self.frames += block.shape[1]
        if not self.form.is_lossy:
            kind = {"FLOAT": np.float32, "DOUBLE": np.float64}.get(self.form.encoding, np.int32)
            rows = np.ascontiguousarray(block.T, dtype=kind)
            self.checksum = zlib.crc32(rows.data, self.checksum)


class Fold(NamedTuple):
    """How a file holds the mono input."""

    outputs: str
    """A key of `file_options.OUTPUTS`."""
    exact: bool
    """The steps of its mono sum are those of the input, without rounding."""
    free: bool
    """The method makes a mid of its own, so that nothing is demanded of the sum."""

    @property
    def gain(self) -> float:
        """Of the mono input over the channel that holds it: FuMa turns W down."""
        return math.sqrt(2) if self.outputs.startswith("fuma") else 1.0

    def of(self, block: Float[np.ndarray, "channels frames"]) -> Float[np.ndarray, " frames"]:
        """The mono sum of a block of the file, in double precision."""
        if self.outputs == "mid-side" or field_order(self.outputs):
            return block[0].astype(np.float64) * self.gain
        return block.mean(axis=0, dtype=np.float64)


def prove(file: Path, target: Path, fold: Fold, mids: Signals, written: Written) -> FoldDown | None:
    """Read a complete file back and compare it with its input.

    Args:
        file: its present path.
        target: its name, for messages.
        fold: what is demanded of it.
        mids: the mono input at the rate of the file, times its gain, in double precision.
        written: what was handed to its encoder.

    Returns:
        None for the side alone, which has no mono sum.

    Raises:
        OutputError: the file cannot be read, or does not hold what it must.
    """
    try:
        with open_sound(file) as sound:
            if sound.channels != written.channels:
                raise _refused(target, f"has {sound.channels} channels, not {written.channels}")
            if written.form.is_lossy:
                return _prove_lossy(sound, target, fold, mids, written)
            return _prove_lossless(sound, target, fold, mids, written)
    except InputError as error:
        if (name := printable(str(file))) not in str(error):  # it is about the input
            raise
        reason = str(error).replace(name, "it")
        raise _refused(target, f"cannot be read back ({reason})") from error


def _prove_lossless(
    sound: SoundReader, target: Path, fold: Fold, mids: Signals, written: Written
) -> FoldDown | None:
    if sound.rate != written.rate:
        raise _refused(target, f"has {sound.rate:,} Hz instead of {written.rate:,}")
    read, energy, wrong = replace(written, frames=0, checksum=0), 0.0, 0.0
    with_sum = fold.outputs != "side"
    pairs = _Pairs(mids() if with_sum else iter(()))
    for block in sound.blocks(READ_FRAMES):
        interruption.check()
        bits = written.form.integer_bits
        read.add(np.rint(block * np.float64(1 << bits - 1)) if bits else block)
        if not with_sum:
            continue
        mid = pairs.take(block.shape[1])
        error = np.abs(fold.of(block) - mid)
        beyond = error > _tolerance(block, written.form, fold)
        if beyond.any() and not fold.free:
            first = read.frames - block.shape[1] + int(beyond.argmax())
            raise _refused(target, f"does not fold down to its input, from frame {first:,} on")
        energy += _power(mid)
        wrong += _power(error)
    if read.frames != written.frames:
        raise _refused(target, f"holds {read.frames:,} frames instead of {written.frames:,}")
    if read.checksum != written.checksum:
        raise _refused(target, "does not hold the samples that were written")
    return FoldDown(_error_db(wrong, energy, read.frames)) if with_sum else None


def _tolerance(
    block: np.ndarray, form: SoundFormat, fold: Fold
) -> Float[np.ndarray, " frames"] | float:
    if bits := form.integer_bits:
        return 0.0 if fold.exact else fold.gain * _ROUNDED / (1 << bits - 1)
    roundings = 1 if fold.gain == 1 else 3  # of the gain, the product and the sample
    scale = roundings * _EPSILON[form.encoding]
    return scale * np.abs(block).sum(axis=0, dtype=np.float64) + _SMALLEST


def _prove_lossy(
    sound: SoundReader, target: Path, fold: Fold, mids: Signals, written: Written
) -> FoldDown | None:
    # Opus is decoded at 48 kHz, whatever was encoded
    wanted = resampled_frames(written.frames, written.rate, sound.rate)

    def sums() -> Iterator[Signal]:
        frames = 0
        for block in sound.blocks(READ_FRAMES):
            frames += block.shape[1]
            yield fold.of(block)
        if abs(frames - wanted) > MAX_LAG:
            raise _refused(target, f"holds {frames:,} frames instead of {wanted:,}")

    if fold.outputs == "side":
        for _ in sums():
            pass
        return None
    return compare_sums(
        lambda: resampled_blocks(mids(), written.rate, sound.rate), sums, sound.rate
    )


def compare_sums(references: Signals, sums: Signals, rate: int) -> FoldDown:
    """Compare a decoded mono sum with its reference, over the length of the reference.

    Args:
        references: what it should be.
        sums: what it is; both are read once, or twice if one lags.
        rate: of both, in Hz.
    """
    first, lag = _compared(references, sums, rate, lag=0)
    return _compared(references, sums, rate, lag=lag)[0] if lag else first


def _compared(references: Signals, sums: Signals, rate: int, *, lag: int) -> tuple[FoldDown, int]:
    """The comparison with a known lag, and the lag that the loudest part has."""
    energy = wrong = loudest = 0.0
    frames, part = 0, (np.zeros(0), np.zeros(0))
    meters = LoudnessMeter(rate, 1), LoudnessMeter(rate, 1)
    decoded = sums()
    pairs = _Pairs(decoded, skip=lag)
    for reference in references():
        interruption.check()
        made = pairs.take(reference.size)
        for meter, signal in zip(meters, (reference, made), strict=True):
            meter.push(signal[None])
        power = _power(reference)
        if power > loudest:
            loudest, part = power, (reference, made)
        energy += power
        wrong += _power(made - reference)
        frames += reference.size
    for _ in decoded:  # to its end, where its length is checked
        pass
    before, after = (meter.integrated() for meter in meters)
    loudness = after - before if math.isfinite(before) else math.nan
    return FoldDown(_error_db(wrong, energy, frames), loudness, lag), _lag(*part)


def _power(signal: Signal) -> float:
    return float(np.einsum("t,t->", signal, signal))  # a dot product would wake other threads


def _error_db(wrong: float, energy: float, frames: int) -> float:
    return 10 * math.log10(wrong / max(energy, frames * _SILENCE)) if wrong else -math.inf


def _lag(reference: Signal, made: Signal) -> int:
    """Frames by which `made` is late, from −MAX_LAG to MAX_LAG, at the peak of the correlation."""
    if not reference.size or not made.any():
        return 0
    size = 1 << (reference.size + MAX_LAG).bit_length()
    spectra = np.fft.rfft(made, size) * np.fft.rfft(reference, size).conj()
    correlation = np.fft.irfft(spectra, size)
    lags = np.concatenate([correlation[-MAX_LAG:], correlation[: MAX_LAG + 1]])
    return int(lags.argmax()) - MAX_LAG


class _Pairs:
    """Frames of a signal in pieces of any size; zeros after its end, or before it.

    Args:
        blocks: of the signal.
        skip: frames to leave out at its start; if negative, zeros to put there.
    """

    def __init__(self, blocks: Iterator[Signal], skip: int = 0) -> None:
        self._blocks, self._held = blocks, np.zeros(max(-skip, 0))
        self.take(max(skip, 0))

    def take(self, frames: int) -> Signal:
        held = [self._held]
        missing = frames - self._held.size
        while missing > 0:
            block = next(self._blocks, None)
            held.append(np.zeros(missing) if block is None else block)
            missing -= held[-1].size
        joined = np.concatenate(held) if len(held) > 1 else held[0]
        self._held = joined[frames:]
        return joined[:frames]


def _refused(target: Path, why: str) -> OutputError:
    return OutputError(
        f"{target} was written, but read back it {why}, so it was removed: please write it again, "
        "or in another format, and report the fault if it stays."
    )

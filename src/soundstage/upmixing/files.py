"""From a mono file to a stereo file: read, upmix, keep from clipping, quantise, write.

Formats in floating point are written as they are made. For all others the whole result must be
known before its gain is: the side is kept in a nameless temporary file beside the target (4 bytes
a sample), the peaks are measured, and the mid is read a second time as the result is written.

In integer formats mid and side are quantised, and left and right are their sum and difference in
whole steps. So (L+R)/2 is a whole number too, and when the input already has the bit depth of the
result and no gain is needed, it is the input bit for bit.
"""

import math
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Float

from soundstage.audio import (
    Quantiser,
    SoundFormat,
    SoundReader,
    SoundWriter,
    TruePeakMeter,
    is_same_file,
    open_sound,
    output_format,
)
from soundstage.errors import OutputError
from soundstage.metrics import ImageMeter
from soundstage.stereo import to_left_right
from soundstage.upmixing.controls import Controls
from soundstage.upmixing.engine import MidSide, upmix_blocks
from soundstage.upmixing.folding import Channels, find_dual_mono, mid_blocks
from soundstage.upmixing.level import decibels, safe_gain
from soundstage.upmixing.spool import Spool
from soundstage.upmixing.upmixer import Upmixer

Progress = Callable[[float], None]
"""Told which part of the work is done, from 0 to 1."""


@dataclass(frozen=True)
class Report:
    """What was done to one file."""

    source: str
    target: str
    rate: int
    frames: int
    container: str
    encoding: str
    method: str
    seed: int
    dual_mono: bool
    """The input had two equal channels."""
    downmixed: bool
    """The input had two different channels, folded down as asked."""
    exact_fold_down: bool
    """Whether (L+R)/2 is the input to rounding, gain apart; not with lossy formats or "mixing"."""
    gain_db: float
    """Gain applied to the whole file to keep it from clipping."""
    true_peak_db: float
    """Of the result, after the gain."""
    width: float
    """2·rms(S)/rms(M) of the result."""
    correlation: float
    """Of left with right."""
    seconds: float
    """That the work took."""

    @property
    def real_time_factor(self) -> float:
        """Seconds of work a second of sound."""
        return self.seconds * self.rate / max(self.frames, 1)

    def as_dict(self) -> dict[str, Any]:
        """For JSON, which has no infinity: the level of silence is None."""
        fields = {**asdict(self), "real_time_factor": self.real_time_factor}
        return {
            name: None if isinstance(value, float) and not math.isfinite(value) else value
            for name, value in fields.items()
        }

    def sentence(self) -> str:
        """For people."""
        said = [f"{self.target}: {self.frames / self.rate:.1f} s, {self.encoding}"]
        said.append(f"width {self.width:.2f}, correlation {self.correlation:.2f}")
        if self.gain_db < 0:
            said.append(f"turned down by {-self.gain_db:.1f} dB so as not to clip")
        if self.dual_mono:
            said.append("the input had two equal channels")
        if self.downmixed:
            said.append("the input was folded down")
        if not self.exact_fold_down:
            said.append("the fold-down is not exact")
        return "; ".join(said) + f" ({self.real_time_factor:.3f} of real time)"


def upmix_file(
    source: str | Path,
    target: str | Path,
    upmixer: Upmixer,
    *,
    method: str = "",
    controls: Controls | None = None,
    seed: int = 0,
    downmix: bool = False,
    bit_depth: str | None = None,
    overwrite: bool = False,
    progress: Progress | None = None,
) -> Report:
    """Upmix a mono file.

    Args:
        source: any file that `open_sound` reads; a film keeps its picture if `target` is a film.
        target: its suffix chooses the container; it appears only when it is complete.
        upmixer: out of `load_method`.
        method: its name, for the report.
        controls: what is asked of the side.
        seed: which take.
        downmix: fold down a true stereo file instead of refusing it.
        bit_depth: "16", "24", "32", "float", ...; by default that of the source.
        overwrite: whether an existing target may be replaced.
        progress: called as the work goes on.

    Raises:
        InputError: the source cannot be used.
        OutputError: the target cannot be written; an existing one is as it was.
        OptionError: the target's format cannot be written, or not with that bit depth.
    """
    source, target = Path(source), Path(target)
    started = time.perf_counter()
    with ExitStack() as stack:
        sound = stack.enter_context(open_sound(source))
        if is_same_file(source, target):
            raise OutputError(f"{target} is the source itself; choose another name.")
        wanted = output_format(sound.format, target.suffix, bit_depth)
        writer = stack.enter_context(
            SoundWriter(
                target,
                rate=sound.rate,
                channels=2,
                format=wanted,
                tags=sound.tags,
                overwrite=overwrite,
                expected_frames=sound.frames,
                picture_from=source,
            )
        )
        channels = find_dual_mono(sound, downmix=downmix)
        job = _Job(sound, wanted, upmixer, controls or Controls(), seed, progress)
        job.mid_fits = channels.identical and job.depth_suffices and upmixer.rows == 1
        gain = job.write_direct(writer) if job.floating else job.write_measured(writer)
    return job.report(source, target, wanted, method, channels, gain, time.perf_counter() - started)


class _Job:
    """One file on its way; both ways of writing share what they measure."""

    def __init__(
        self,
        sound: SoundReader,
        wanted: SoundFormat,
        upmixer: Upmixer,
        controls: Controls,
        seed: int,
        progress: Progress | None,
    ) -> None:
        self.sound = sound
        self.bits = wanted.integer_bits
        self.floating = wanted.integer_bits is None and not wanted.is_lossy
        self.peak = TruePeakMeter(sound.rate, 2)
        self.image = ImageMeter()
        self.frames = 0
        self._upmixer, self._controls, self._seed = upmixer, controls, seed
        self._progress = progress
        source_bits = sound.format.integer_bits
        self.depth_suffices = bool(self.bits and source_bits and source_bits <= self.bits)
        self.mid_fits = False  # whether the mid is made of whole steps, and needs no dither

    def write_direct(self, writer: SoundWriter) -> float:
        """Write in floating point as it is made; returns the gain, which is 1."""
        for block in self._measured(mid_blocks(self.sound), share=1.0):
            writer.write(block.left_right())
        self.peak.finish()
        return 1.0

    def write_measured(self, writer: SoundWriter) -> float:
        """Make and measure, then write with one gain; returns it."""
        mid_peak = TruePeakMeter(self.sound.rate, 1)

        def metered() -> Iterator[Float[np.ndarray, " frames"]]:
            for mid in mid_blocks(self.sound):
                mid_peak.push(mid[None])
                yield mid

        replaces_mid = self._upmixer.rows == 2
        with Spool(writer.path, self._upmixer.rows) as spool:
            for block in self._measured(metered(), share=0.8):
                spool.write(np.stack(block) if replaces_mid else block.side[None])
            self.peak.finish()
            mid_peak.finish()
            gain = safe_gain(self.peak, mid_peak, self.bits)
            spool.rewind()
            quantiser = _PairQuantiser(self.bits, gain, mid_fits=self.mid_fits, seed=self._seed)
            done = 0
            for mid in mid_blocks(self.sound):
                rows = spool.read(mid.size)
                writer.write(quantiser(MidSide(rows[0] if replaces_mid else mid, rows[-1])))
                done += mid.size
                self._tell(0.8 + 0.2 * done / self.frames)
        return gain

    def report(
        self,
        source: Path,
        target: Path,
        written: SoundFormat,
        method: str,
        channels: Channels,
        gain: float,
        seconds: float,
    ) -> Report:
        """What was done."""
        return Report(
            source=str(source),
            target=str(target),
            rate=self.sound.rate,
            frames=self.frames,
            container=written.container,
            encoding=written.encoding,
            method=method,
            seed=self._seed,
            dual_mono=channels.dual_mono,
            downmixed=self.sound.channels == 2 and not channels.dual_mono,
            exact_fold_down=self._upmixer.rows == 1 and not written.is_lossy,
            gain_db=decibels(gain),
            true_peak_db=decibels(self.peak.true_peak * gain),
            width=self.image.width(),
            correlation=self.image.correlation(),
            seconds=seconds,
        )

    def _measured(
        self, mids: Iterator[Float[np.ndarray, " frames"]], *, share: float
    ) -> Iterator[MidSide]:
        """The result block by block, measured; `share` is the part of the work that this is."""
        seconds = self.sound.seconds  # a guess in containers that do not tell their length
        total = self.sound.frames or (round(seconds * self.sound.rate) if seconds else None)
        blocks = upmix_blocks(
            mids, self._upmixer, self.sound.rate, controls=self._controls, seed=self._seed
        )
        for block in blocks:
            stereo = block.left_right()
            self.peak.push(stereo)
            self.image.push(stereo)
            self.frames += block.mid.size
            yield block
            if total:
                self._tell(share * min(self.frames / total, 1))

    def _tell(self, part: float) -> None:
        if self._progress:
            self._progress(part)


class _PairQuantiser:
    """From mid and side to left and right as the target wants them."""

    def __init__(self, bits: int | None, gain: float, *, mid_fits: bool, seed: int) -> None:
        self._gain = gain
        self._dither_mid = not mid_fits or gain != 1
        self._bottom, self._top = (-(1 << bits - 1), (1 << bits - 1) - 1) if bits else (0, 0)
        self._quantisers = (
            [Quantiser(bits, seed=2 * seed), Quantiser(bits, seed=2 * seed + 1)] if bits else []
        )

    def __call__(self, block: MidSide) -> np.ndarray:
        mid, side = block.mid * self._gain, block.side * self._gain
        if self._quantisers:
            for_mid, for_side = self._quantisers
            mid = for_mid.quantise(mid, dither=self._dither_mid)
            side = for_side.quantise(side)
            # At full scale the step that dither adds must not push left or right beyond it
            room = np.minimum(self._top - mid, mid - self._bottom)
            side = side.clip(-room, room)
        return np.stack(to_left_right(mid, side))


__all__ = ["Progress", "Report", "upmix_file"]

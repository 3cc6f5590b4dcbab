"""From a mono input to stereo files: read, upmix, measure, quantize, write.

Floating-point formats are written at once. All others need the gain of the whole result first: the
side waits in an unnamed temporary file beside the target (4 bytes a sample) while the peaks are
measured, and the mid is read a second time for writing. The takes of an input are made together:
the input is read as often as for one take, and each take has its own temporary file and gain.

In integer formats mid and side are quantized, and left and right are their sum and difference in
whole steps. (L+R)/2 is then a whole number too: if the input already has the bit depth of the
result and no gain is needed, it is the input bit for bit.

Decoding, the method, and encoding run in a pipeline of threads, which changes no sample.
"""

import math
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, closing
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Float

from soundstage.audio import (
    Quantizer,
    SoundReader,
    SoundWriter,
    Source,
    Spool,
    TruePeakMeter,
    decibels,
    is_same_file,
    open_sound,
    output_format,
    safe_gain,
)
from soundstage.errors import OptionError, OutputError
from soundstage.metrics import ImageMeter
from soundstage.parallel import Progress, prefetch
from soundstage.stereo import to_left_right
from soundstage.upmixing.comparison import TakesComparison, TakesMeter
from soundstage.upmixing.controls import Controls, as_seeds
from soundstage.upmixing.downmix import Channels, inspect_channels, mid_blocks
from soundstage.upmixing.engine import MidSide, UpmixMethod, upmix_blocks

FIRST_PASS = 0.8  # share of the work before the gain is known, for the progress


@dataclass(frozen=True)
class Report:
    """Facts about one written take."""

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
    """The input was stereo and was folded down."""
    exact_fold_down: bool
    """Whether (L+R)/2 is the input to rounding, gain apart; not with lossy formats or "mixing"."""
    gain_db: float
    """Gain of the whole file, which prevents clipping."""
    true_peak_db: float
    """After the gain."""
    width: float
    """2·rms(S)/rms(M)."""
    correlation: float
    """Of left and right."""
    seconds: float
    """Computing time; of takes that were made together, the share of each."""
    style: str | None = None
    """Requested style."""

    @property
    def real_time_factor(self) -> float:
        """Computing time for each second of sound."""
        return self.seconds * self.rate / max(self.frames, 1)

    def as_dict(self) -> dict[str, Any]:
        """For JSON, where the level of silence is None instead of −∞."""
        values = {**asdict(self), "real_time_factor": self.real_time_factor}
        if self.style is None:
            del values["style"]
        return {
            name: None if isinstance(value, float) and not math.isfinite(value) else value
            for name, value in values.items()
        }

    def sentence(self) -> str:
        """A line for people."""
        facts = [f"{self.target}: {self.frames / self.rate:.1f} s, {self.encoding}"]
        facts.append(f"width {self.width:.2f}, correlation {self.correlation:.2f}")
        if self.gain_db < 0:
            facts.append(f"attenuated by {-self.gain_db:.1f} dB to prevent clipping")
        if self.dual_mono:
            facts.append("the input had two equal channels")
        if self.downmixed:
            facts.append("the input was folded down")
        if not self.exact_fold_down:
            facts.append("the fold-down is not exact")
        return "; ".join(facts) + f" ({self.real_time_factor:.3f} of real time)"


class UpmixResult(NamedTuple):
    """The takes of one input."""

    reports: list[Report]
    """One a take."""
    comparison: TakesComparison | None
    """Differences of several takes."""


@dataclass(frozen=True)
class FileOptions:
    """Options of the files of all takes."""

    controls: Controls = field(default_factory=Controls)
    downmix: bool = False
    """Fold a stereo input down instead of refusing it."""
    bit_depth: str | None = None
    """"16", "24", "32", "float", ...; by default that of the input."""
    overwrite: bool = False
    """Replace existing targets."""
    method: str = ""
    """Name of the method, for the reports."""
    style: str | None = None
    """Requested style, for the reports."""


def upmix_to_files(
    source: Source,
    targets: Mapping[int, Path],
    load: Callable[[], UpmixMethod],
    options: FileOptions,
    progress: Progress | None = None,
) -> UpmixResult:
    """Upmix a mono input into one file a take, and compare the takes.

    A take is the same file, byte for byte, alone and beside others. After an error none is left.

    Args:
        source: a mono input; a film keeps its picture if the targets are films.
        targets: files by seed, all with one suffix, which chooses the container; they appear when
            they are complete.
        load: returns the method; called when input and targets are found to be usable.
        options: of all takes.
        progress: called with the finished fraction.

    Raises:
        InputError: the source cannot be used.
        OutputError: a target cannot be written; existing ones are unchanged.
        OptionError: the number of takes is out of its range, their suffixes differ, or their format
            cannot be written, or not with that bit depth.
        WeightsError: `load` cannot use the weights.
    """
    started = time.perf_counter()
    seeds = as_seeds(list(targets))
    if len({path.suffix.lower() for path in targets.values()}) > 1:
        raise OptionError("The takes of an input have one format: give all targets one suffix.")
    with ExitStack() as stack:
        sound = stack.enter_context(open_sound(source))
        takes = [
            _Take(stack.enter_context(_writer(sound, targets[seed], options)), seed)
            for seed in seeds
        ]
        channels = inspect_channels(sound, downmix=options.downmix)
        job = _Upmix(sound, takes, load(), options.controls, progress)
        if job.floating:
            job.write_at_once()
        else:
            job.write_with_gain(mid_is_whole=channels.identical)
    seconds = (time.perf_counter() - started) / len(takes)
    reports = [job.report(take, channels, options, seconds) for take in takes]
    return UpmixResult(reports, job.meter.comparison() if job.meter else None)


def _writer(sound: SoundReader, target: Path, options: FileOptions) -> SoundWriter:
    if is_same_file(sound.path, target):
        raise OutputError(f"{target} is the source itself: choose another name.")
    return SoundWriter(
        target,
        rate=sound.rate,
        channels=2,
        format=output_format(sound.format, target.suffix, options.bit_depth),
        tags=sound.tags,
        overwrite=options.overwrite,
        expected_frames=sound.frames,
        picture_from=sound.path,
    )


class _Take:
    """One unfinished file and its measurements."""

    def __init__(self, writer: SoundWriter, seed: int) -> None:
        self.writer, self.seed = writer, seed
        self.peak = TruePeakMeter(writer.rate, 2)
        self.image = ImageMeter()
        self.gain = 1.0

    def measure(self, block: MidSide) -> None:
        stereo = block.left_right()
        self.peak.push(stereo)
        self.image.push(stereo)


class _Upmix:
    """All takes of one input."""

    def __init__(
        self,
        sound: SoundReader,
        takes: list[_Take],
        method: UpmixMethod,
        controls: Controls,
        progress: Progress | None,
    ) -> None:
        self._sound, self._takes = sound, takes
        self._method, self._controls = method, controls
        self._progress = progress or (lambda fraction: None)
        self._frames = 0
        self._replaces_mid = method.n_outputs == 2
        target = takes[0].writer.format
        self._bits = target.integer_bits
        self.floating = target.integer_bits is None and not target.is_lossy
        self.meter = None
        if len(takes) > 1:
            seeds = [take.seed for take in takes]
            self.meter = TakesMeter(sound.rate, seeds, shared_mid=not self._replaces_mid)

    def write_at_once(self) -> None:
        """Write floating point, with a gain of 1."""
        for blocks in self._measured(mid_blocks(self._sound), share=1.0):
            for take, block in zip(self._takes, blocks, strict=True):
                take.writer.write(block.left_right())
        for take in self._takes:
            take.peak.finish()

    def write_with_gain(self, *, mid_is_whole: bool) -> None:
        """Upmix and measure, then write with one gain a take.

        Args:
            mid_is_whole: whether the mid has no finer steps than the source.
        """
        source_bits = self._sound.format.integer_bits
        depth_suffices = bool(self._bits and source_bits and source_bits <= self._bits)
        mid_fits = mid_is_whole and depth_suffices and not self._replaces_mid
        with ExitStack() as stack:
            spools = [
                stack.enter_context(Spool(take.writer.path, self._method.n_outputs))
                for take in self._takes
            ]
            self._fill(spools)
            quantizers = [
                _PairQuantizer(self._bits, take.gain, mid_fits=mid_fits, seed=take.seed)
                for take in self._takes
            ]
            mids = stack.enter_context(closing(prefetch(mid_blocks(self._sound))))
            done = 0
            for mid in mids:
                for take, spool, quantizer in zip(self._takes, spools, quantizers, strict=True):
                    outputs = spool.read(mid.size)
                    block = MidSide(outputs[0] if self._replaces_mid else mid, outputs[-1])
                    take.writer.write(quantizer(block))
                done += mid.size
                self._progress(FIRST_PASS + (1 - FIRST_PASS) * done / self._frames)

    def _fill(self, spools: list[Spool]) -> None:
        """Fill the spools and find the gains."""
        mid_peak = TruePeakMeter(self._sound.rate, 1)

        def metered() -> Iterator[Float[np.ndarray, " frames"]]:
            for mid in mid_blocks(self._sound):
                mid_peak.push(mid[None])
                yield mid

        for blocks in self._measured(metered(), share=FIRST_PASS):
            for spool, block in zip(spools, blocks, strict=True):
                spool.write(np.stack(block) if self._replaces_mid else block.side[None])
        mid_peak.finish()
        for take, spool in zip(self._takes, spools, strict=True):
            take.peak.finish()
            take.gain = safe_gain(take.peak, mid_peak, self._bits)
            spool.rewind()

    def report(
        self, take: _Take, channels: Channels, options: FileOptions, seconds: float
    ) -> Report:
        written = take.writer.format
        return Report(
            source=self._sound.name,
            target=str(take.writer.path),
            rate=self._sound.rate,
            frames=self._frames,
            container=written.container,
            encoding=written.encoding,
            method=options.method,
            seed=take.seed,
            dual_mono=channels.dual_mono,
            downmixed=self._sound.channels == 2 and not channels.dual_mono,
            exact_fold_down=not self._replaces_mid and not written.is_lossy,
            gain_db=decibels(take.gain),
            true_peak_db=decibels(take.peak.true_peak * take.gain),
            width=take.image.width(),
            correlation=take.image.correlation(),
            seconds=seconds,
            style=options.style,
        )

    def _measured(
        self, mids: Iterator[Float[np.ndarray, " frames"]], *, share: float
    ) -> Iterator[list[MidSide]]:
        """The measured takes, block by block; `share` is the part of the work that this is."""
        seconds, rate = self._sound.seconds, self._sound.rate  # an estimate in some containers
        total = self._sound.frames or (round(seconds * rate) if seconds else None)
        seeds = [take.seed for take in self._takes]
        with (
            closing(prefetch(mids)) as decoded,
            closing(
                prefetch(
                    upmix_blocks(decoded, self._method, rate, seeds=seeds, controls=self._controls)
                )
            ) as upmixed,
        ):
            for blocks in upmixed:
                for take, block in zip(self._takes, blocks, strict=True):
                    take.measure(block)
                if self.meter:
                    self.meter.push(blocks)
                self._frames += blocks[0].mid.size
                yield blocks
                if total:
                    self._progress(share * min(self._frames / total, 1))
        if self.meter:
            self.meter.finish()


class _PairQuantizer:
    """From mid and side to left and right of the target."""

    def __init__(self, bits: int | None, gain: float, *, mid_fits: bool, seed: int) -> None:
        self._gain = gain
        self._dither_mid = not mid_fits or gain != 1
        self._bottom, self._top = (-(1 << bits - 1), (1 << bits - 1) - 1) if bits else (0, 0)
        self._quantizers = (
            [Quantizer(bits, seed=2 * seed), Quantizer(bits, seed=2 * seed + 1)] if bits else []
        )

    def __call__(self, block: MidSide) -> np.ndarray:
        mid, side = block.mid * self._gain, block.side * self._gain
        if self._quantizers:
            for_mid, for_side = self._quantizers
            mid = for_mid.quantize(mid, dither=self._dither_mid)
            side = for_side.quantize(side)
            # At full scale the step added by dither must not push left or right beyond it
            room = np.minimum(self._top - mid, mid - self._bottom)
            side = side.clip(-room, room)
        return np.stack(to_left_right(mid, side))

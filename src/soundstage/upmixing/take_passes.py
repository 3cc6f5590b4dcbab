"""The passes over an input that make its takes: make and measure, write, prove.

What makes the takes is up to a subclass: `upmix_passes`, or that of restyling. Floating-point
formats with a known gain are written at once. All others need the gain of the whole result first:
the side waits in an unnamed temporary file beside the target (4 bytes a sample) while the peaks are
measured, and the mid is read a second time for writing. The takes of an input are made together:
the input is read as often as for one take, and each take has its own temporary file and gain. To
prove a take its input is read once more.
"""

from collections.abc import Generator, Iterator
from contextlib import ExitStack, closing
from typing import NamedTuple

import numpy as np
from jaxtyping import Float

from soundstage.audio import (
    SoundFormat,
    SoundReader,
    SoundWriter,
    Spool,
    TruePeakMeter,
    decibels,
    largest_gain,
    resampled_frames,
)
from soundstage.errors import OptionError
from soundstage.metrics import ImageMeter
from soundstage.parallel import Progress, prefetch
from soundstage.upmixing.comparison import TakesMeter
from soundstage.upmixing.engine import Block, FieldBlock, MidSide
from soundstage.upmixing.file_options import OUTPUTS, field_order
from soundstage.upmixing.outputs import OutputBlocks, channels_of
from soundstage.upmixing.proof import Fold, FoldDown, Written, prove

# Shares of the work, for the progress, where the gain must be known before writing
_UPMIXED, _WRITTEN = 0.8, 0.9
_SURVEYED = 0.3  # share of the upmix that a survey before it takes
_SLACK = 1e-6  # dB by which a requested gain may pass the largest, as one that was printed does


class Result(NamedTuple):
    """Format, sample rate and kind of what is written."""

    form: SoundFormat
    rate: int
    outputs: str


class Take:
    """One take and its measurements."""

    def __init__(self, seed: int, result: Result, writer: SoundWriter | None = None) -> None:
        self.seed, self.result, self._writer = seed, result, writer
        self.peak = TruePeakMeter(result.rate, OUTPUTS[result.outputs])
        self.image = ImageMeter()
        self.gain = 1.0
        self.written = Written(result.form, result.rate, OUTPUTS[result.outputs])
        self.fold_down: FoldDown | None = None

    @property
    def writer(self) -> SoundWriter:
        """Its file."""
        assert self._writer is not None
        return self._writer

    def measure(self, block: Block) -> None:
        """Peaks of what is written, and the image of the stereo."""
        stereo = block.left_right()
        outputs = self.result.outputs
        self.peak.push(stereo if outputs == "stereo" else channels_of(block, outputs))
        self.image.push(stereo)

    def write(self, block: np.ndarray) -> None:
        """Append channels to the file."""
        self.writer.write(block)
        self.written.add(block)


class TakePasses:
    """All takes of one input; what makes them is that of a subclass.

    Args:
        sound: the input.
        takes: with a writer each, unless they are only measured.
        progress: called with the finished fraction.
        gain_db: of the result; None is 0, or as far below as clipping demands.
        replaces_mid: whether the takes have mids of their own.

    Attributes:
        takes: as given.
    """

    def __init__(
        self,
        sound: SoundReader,
        takes: list[Take],
        progress: Progress | None,
        *,
        gain_db: float | None,
        replaces_mid: bool = False,
    ) -> None:
        self.takes, self._sound, self._gain_db = takes, sound, gain_db
        self._progress = progress or (lambda fraction: None)
        self._result = takes[0].result
        self._replaces_mid = replaces_mid
        self._order = field_order(self._result.outputs)
        self.frames = 0
        self.mid_peak = TruePeakMeter(self._result.rate, 1)
        self.meter = None
        if len(takes) > 1:
            seeds = [take.seed for take in takes]
            self.meter = TakesMeter(self._result.rate, seeds, shared_mid=not replaces_mid)

    def mids(self) -> Iterator[Float[np.ndarray, " frames"]]:
        """The mid that the takes share, from its start, at the rate of the result."""
        raise NotImplementedError

    def _made(self, share: float) -> Generator[list[Block], None, None]:
        """The takes, block by block, after all that comes before; see `_share_before`."""
        raise NotImplementedError

    def _share_before(self, share: float) -> float:
        """The part of `share` that is done before the first block of the takes."""
        return 0.0

    _in_halves = False
    """Whether the mid is that of a stereo file, of which half steps fit too."""

    def _mid_fits(self) -> bool:
        """Whether the mid has no finer steps than the file."""
        return False

    def _side_fits(self) -> bool:
        """The same of the side."""
        return False

    @property
    def keeps_mid(self) -> bool:
        """Whether the mono sum is the mid."""
        return not self._replaces_mid

    def measure(self) -> None:
        """Make the takes without writing."""
        for _ in self._measured(share=1.0):
            pass

    def write(self) -> None:
        """Make, measure and write the takes.

        Raises:
            OptionError: the requested gain would clip.
        """
        if self._result.form.is_floating:
            self._write_at_once()
        else:
            self._write_with_gain()

    def prove(self) -> None:
        """Complete all files and compare them with the mid, before any of them gets its name."""
        self._progress(_WRITTEN)
        for done, take in enumerate(self.takes, start=1):
            fold = Fold(
                self._result.outputs,
                exact=not self._output_blocks(take).rounds_mid,
                free=self._replaces_mid,
            )
            take.fold_down = prove(
                take.writer.complete(),
                take.writer.path,
                fold,
                lambda gain=take.gain: self.scaled_mids(gain),  # type: ignore[misc]
                take.written,
            )
            self._progress(_WRITTEN + (1 - _WRITTEN) * done / len(self.takes))

    def scaled_mids(self, gain: float) -> Iterator[Float[np.ndarray, " frames"]]:
        """The same times a gain, in double precision."""
        return (np.multiply(mid, gain, dtype=np.float64) for mid in self.mids())

    def largest_gain(self, take: Take) -> float:
        """The largest gain that keeps a measured take from clipping."""
        form = self._result.form
        if form.is_floating:
            return np.inf
        source = None if self._result.outputs == "side" else self.mid_peak
        return largest_gain(take.peak, source, form.integer_bits)

    def _write_at_once(self) -> None:
        """Write floating point, which does not clip."""
        for take in self.takes:
            take.gain = self._requested_gain() or 1.0
        prepared = [self._output_blocks(take) for take in self.takes]
        for blocks in self._measured(share=_WRITTEN):
            for take, output, block in zip(self.takes, prepared, blocks, strict=True):
                take.write(output(block))

    def _write_with_gain(self) -> None:
        """Make and measure, then write with one gain a take."""
        with ExitStack() as stack:
            spooled = OUTPUTS[self._result.outputs] - 1 if self._order else 1 + self._replaces_mid
            spools = [stack.enter_context(Spool(take.writer.path, spooled)) for take in self.takes]
            for blocks in self._measured(share=_UPMIXED):
                for spool, block in zip(spools, blocks, strict=True):
                    spool.write(self._spooled(block))
            for take, spool in zip(self.takes, spools, strict=True):
                take.gain = self._gain(take)
                spool.rewind()
            prepared = [self._output_blocks(take) for take in self.takes]
            done = 0
            for mid in stack.enter_context(closing(prefetch(self.mids()))):
                for take, spool, output in zip(self.takes, spools, prepared, strict=True):
                    take.write(output(self._unspooled(mid, spool.read(mid.size))))
                done += mid.size
                self._progress(_UPMIXED + (_WRITTEN - _UPMIXED) * done / max(self.frames, 1))

    def _spooled(self, block: Block) -> Float[np.ndarray, "channels frames"]:
        """What the input alone does not give back."""
        if isinstance(block, FieldBlock):
            return block.sides
        return np.stack(block) if self._replaces_mid else block.side[None]

    def _unspooled(
        self, mid: Float[np.ndarray, " frames"], made: Float[np.ndarray, "channels frames"]
    ) -> Block:
        if self._order:
            return FieldBlock(mid, made)
        return MidSide(made[0] if self._replaces_mid else mid, made[-1])

    def _gain(self, take: Take) -> float:
        largest, requested = self.largest_gain(take), self._requested_gain()
        if requested is None:
            return min(1.0, largest)
        if decibels(requested) > decibels(largest) + _SLACK:
            raise OptionError(
                f"{take.writer.path} would clip with `gain_db` {decibels(requested):g}: give "
                f"{np.floor(100 * decibels(largest)) / 100:.2f} or less."
            )
        return min(requested, largest)

    def _requested_gain(self) -> float | None:
        wanted = self._gain_db
        return None if wanted is None else 10 ** (wanted / 20)

    def _output_blocks(self, take: Take) -> OutputBlocks:
        return OutputBlocks(
            self._result.form,
            self._result.outputs,
            gain=take.gain,
            mid_fits=self._mid_fits(),
            in_halves=self._in_halves,
            side_fits=self._side_fits(),
            seed=take.seed,
        )

    def _measured(self, *, share: float) -> Iterator[list[Block]]:
        """The takes, measured, block by block; `share` is the part of the work that this is."""
        first, total = self._share_before(share), self._total_frames()
        with closing(self._made(share)) as made:
            for blocks in made:
                for take, block in zip(self.takes, blocks, strict=True):
                    take.measure(block)
                if self.meter:
                    self.meter.push(blocks)
                self.frames += blocks[0].mid.size
                yield blocks
                if total:
                    self._progress(first + (share - first) * min(self.frames / total, 1))
        self.mid_peak.finish()
        for take in self.takes:
            take.peak.finish()
        if self.meter:
            self.meter.finish()

    def _total_frames(self) -> int | None:
        """Length of the result; an estimate in some containers, None if unknown."""
        seconds, rate = self._sound.seconds, self._result.rate
        if self._sound.frames:
            return resampled_frames(self._sound.frames, self._sound.rate, rate)
        return round(seconds * rate) if seconds else None

    def _metered(self) -> Iterator[Float[np.ndarray, " frames"]]:
        """The mid; its peak is measured where a gain depends on it."""
        for mid in self.mids():
            if not self._result.form.is_floating:
                self.mid_peak.push(mid[None])
            yield mid

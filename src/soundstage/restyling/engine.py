"""The engine of restyling: a new side for a stereo signal, whose mid stays as it is.

    S′ = S + amount·ΔS,    ΔS = Σ_k (a′_k − a_k)·s_k + diffuse part

s_k is source k of the mid, a part of one direction (`directions`), a_k the gain in the side that
it has there, 1, 0 or −1, and a′_k that of its new place. The sources of a direction are told apart
by the masks of a separator, m^γ/Σ m^γ, unless all of them move alike; so a direction that moves as
a whole, as a voice alone in a channel does, is never cut. Reverberation keeps its present width.

What moves inwards from a hard pan becomes dry and small. It gets a diffuse part as in `separate`,

    g·η·β(f)·√(E_d/E_M)·D,    with E_d the energy of Σ d_k·|a′_k − a_k|·s_k

where D is the decorrelated mid, which moves no source.

The mid M = (L + R)/2 is that of the input in its own precision and at its own rate: only ΔS, made
at 44.1 kHz, is resampled. The separators get blocks of fixed size and compute on one thread, so
that no bit depends on the size of the incoming blocks.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Complex, Float
from torch import Tensor

from soundstage.audio import StreamResampler
from soundstage.errors import SoundstageError
from soundstage.restyling.directions import DIRECTIONS, PANS, DirectionStream
from soundstage.restyling.reverberation import ReverberationStream
from soundstage.restyling.survey import Stage
from soundstage.separation.masking import sharpened
from soundstage.separation.separator import MaskStream
from soundstage.spectra import AnalysisStream, SampleQueue, SynthesisStream
from soundstage.stereo import RATE, TRANSFORM, DecoderStream, to_mid_side
from soundstage.stereo.encoding import band_energy, band_sums, spread
from soundstage.upmixing.engine import (
    FLUSH,
    INAUDIBLE,
    METHOD_BLOCK,
    NOT_FINITE,
    MidSide,
    reproducible,
)
from soundstage.upmixing.methods.decorrelate import load_coherence
from soundstage.upmixing.methods.separate import LARGEST, SHARPNESS, diffuse_gain
from soundstage.upmixing.plan import Plan

COHERENCE = "decorrelate"  # weights with the coherence of music in each band
DIFFUSE = 3.0  # of the diffuse part over that of `separate`, whose panned sources are wider
PIECE = 16  # frames that are moved at a time, so that long windows of masks need no memory


@dataclass(frozen=True)
class _Moves:
    """What a take does to the sources of one direction."""

    gains: Float[Tensor, " masks"]
    """a′ − a of each mask; of one source where all is moved alike."""
    diffuse: Float[Tensor, " masks"]
    """Gain of the diffuse part."""

    @property
    def is_whole(self) -> bool:
        """Whether all masks get the same."""
        return bool((self.gains == self.gains[0]).all() and (self.diffuse == self.diffuse[0]).all())


class RestyleStream:
    """Restyles one stereo signal block by block, into one take a plan.

    Args:
        stage: the survey of this signal.
        plans: one a take, as `make_plans` returns them.
        rate: of the signal, in Hz.
        amount: 0 leaves all as it is, 1 moves the sources to their places.
    """

    def __init__(
        self, stage: Stage, plans: Sequence[Plan], rate: int, *, amount: float = 1.0
    ) -> None:
        self._amount = amount * stage.strength
        self._takes, self._is_idle = len(plans), not (self._amount and stage.sources)
        self._mid, self._side = SampleQueue(), SampleQueue()
        if self._is_idle:
            return
        self._padding = int(FLUSH * rate) if rate != RATE else 0
        self._to_coder = StreamResampler(rate, RATE, 2)
        self._from_coder = StreamResampler(RATE, rate, self._takes)
        self._incoming, self._change = SampleQueue((2,)), SampleQueue((self._takes,))
        with reproducible():
            self._coder = _SideChange(stage, plans)

    def push(self, stereo: Float[np.ndarray, "2 frames"]) -> list[MidSide]:
        """Mid and side of each take, as far as complete, all of one length."""
        mid, side = to_mid_side(*np.array(stereo))  # a copy: a caller may reuse its buffer
        self._mid.push(torch.from_numpy(mid))
        self._side.push(torch.from_numpy(side))
        if self._is_idle:
            return self._ready(len(self._mid))
        with reproducible():
            self._advance(self._to_coder.push(np.array(stereo, np.float32)))
        return self._ready(min(len(self._mid), len(self._change)))

    def finish(self) -> list[MidSide]:
        """The rest; in all, as many samples as were pushed."""
        if self._is_idle:
            return self._ready(len(self._mid))
        with reproducible():
            self._advance(self._to_coder.push(np.zeros((2, self._padding), np.float32)))
            self._advance(self._to_coder.finish())
            self._return(self._coder.push(self._incoming.pop(len(self._incoming))))
            self._return(self._coder.finish())
            self._change.push(torch.from_numpy(self._from_coder.finish()))
        return self._ready(len(self._mid))

    def _advance(self, stereo: Float[np.ndarray, "2 frames"]) -> None:
        self._incoming.push(torch.from_numpy(np.ascontiguousarray(stereo)))
        while len(self._incoming) >= METHOD_BLOCK:
            self._return(self._coder.push(self._incoming.pop(METHOD_BLOCK)))

    def _return(self, change: Float[Tensor, "takes ready"]) -> None:
        if not bool(torch.isfinite(change).all()):
            raise SoundstageError(NOT_FINITE)
        samples = change.contiguous().numpy()
        self._change.push(torch.from_numpy(self._from_coder.push(samples)))

    def _ready(self, count: int) -> list[MidSide]:
        mid, side = self._mid.pop(count).numpy(), self._side.pop(count).numpy()
        if self._is_idle:
            return [MidSide(mid, side)] * self._takes
        changes = self._amount * self._change.pop(count).numpy()
        changes[np.abs(changes) < INAUDIBLE] = 0
        return [MidSide(mid, side + change.astype(side.dtype)) for change in changes]


class _SideChange:
    """ΔS of every take, at the rate of the coder."""

    def __init__(self, stage: Stage, plans: Sequence[Plan]) -> None:
        self._moves = [[_moves(stage, plan, k) for k in range(len(DIRECTIONS))] for plan in plans]
        self._masks = [
            _masks(stage, k, all(moves[k].is_whole for moves in self._moves))
            for k in range(len(DIRECTIONS))
        ]
        self._analysis = AnalysisStream(TRANSFORM, (2,))
        self._directions = DirectionStream(has_center=stage.has_center)
        self._parts = SampleQueue((len(DIRECTIONS), TRANSFORM.bins))
        self._reverberation, self._diffuse_shares = (
            ReverberationStream(),
            SampleQueue((TRANSFORM.bins,)),
        )
        self._shares = [SampleQueue((_count(stage, k), TRANSFORM.bins)) for k in range(3)]
        self._direct = [SynthesisStream(TRANSFORM) for _ in plans]
        self._direct_ready = [SampleQueue() for _ in plans]
        self._decoder = DecoderStream([plan.seed for plan in plans])
        self._gain = DIFFUSE * diffuse_gain(load_coherence(COHERENCE))[:, None]
        self._mid = SampleQueue((TRANSFORM.bins,))
        self._diffuse_energy = [SampleQueue((self._gain.shape[0],)) for _ in plans]
        self._diffuse = SampleQueue((len(plans),))

    def push(self, stereo: Float[Tensor, "2 length"]) -> Float[Tensor, "takes ready"]:
        self._mid.push(self._decoder.analyze(stereo.mean(dim=0)))
        self._split(self._directions.push(self._analysis.push(stereo)))
        return self._ready()

    def finish(self) -> Float[Tensor, "takes rest"]:
        self._mid.push(self._decoder.finish_analysis())
        self._split(self._directions.push(self._analysis.finish()))
        self._split(self._directions.finish())
        self._diffuse_shares.push(self._reverberation.finish())
        for queue, masks in zip(self._shares, self._masks, strict=True):
            if masks:
                queue.push(sharpened(masks.finish(), SHARPNESS))
        self._move()
        for queue, stream in zip(self._direct_ready, self._direct, strict=True):
            queue.push(stream.finish())
        self._decode()
        self._diffuse.push(self._decoder.finish()[:, 0])
        return self._ready()

    def _split(self, parts: Complex[Tensor, "3 bins frames"]) -> None:
        self._parts.push(parts)
        self._diffuse_shares.push(self._reverberation.push(parts[::2]))
        each = zip(self._shares, self._masks, parts, strict=True)
        for queue, masks, part in each:
            if masks:
                queue.push(sharpened(masks.push(part), SHARPNESS))
        self._move()

    def _move(self) -> None:
        """The direct part, and the energy of the diffuse one, of all frames with masks."""
        needed = [
            len(queue) for queue, masks in zip(self._shares, self._masks, strict=True) if masks
        ]
        count = min([len(self._diffuse_shares), *needed])
        for start in range(0, count, PIECE):
            self._move_frames(min(PIECE, count - start))
        self._decode()

    def _move_frames(self, count: int) -> None:
        parts, dry = self._parts.pop(count), 1 - self._diffuse_shares.pop(count)
        each = zip(self._shares, self._masks, strict=True)
        shares = [queue.pop(count) if masks else None for queue, masks in each]
        for take, moves in enumerate(self._moves):
            change = torch.zeros_like(parts[0])
            moved = torch.zeros_like(parts[0])
            for part, share, move, pan in zip(parts, shares, moves, PANS, strict=True):
                still = dry if pan else torch.ones(())
                change = change + still * _weighted(move.gains, share) * part
                moved = moved + _weighted(move.diffuse, share) * part
            self._direct_ready[take].push(self._direct[take].push(change))
            self._diffuse_energy[take].push(band_sums(moved.abs().square()))

    def _decode(self) -> None:
        """The diffuse part of all frames whose energy is known."""
        count = min(len(self._mid), len(self._diffuse_energy[0]))
        if not count:
            return
        mid = band_energy(self._mid.pop(count))
        shares = [(queue.pop(count) / mid).sqrt() for queue in self._diffuse_energy]
        gains = torch.stack([spread(self._gain * share.clamp(max=LARGEST)) for share in shares])
        self._diffuse.push(self._decoder.decode_gains(torch.zeros_like(gains), gains)[:, 0])

    def _ready(self) -> Float[Tensor, "takes ready"]:
        count = min(len(self._diffuse), len(self._direct_ready[0]))
        direct = torch.stack([queue.pop(count) for queue in self._direct_ready])
        return direct + self._diffuse.pop(count)


def _count(stage: Stage, direction: int) -> int:
    separator = stage.separators[direction]
    return len(separator.sources) if separator else 1


def _moves(stage: Stage, plan: Plan, direction: int) -> _Moves:
    """What a plan does to each mask of a direction."""
    count = _count(stage, direction)
    gains, diffuse = torch.zeros(count), torch.zeros(count)
    rows = zip(stage.sources, plan.sources, plan.to_gains(), strict=True)
    for source, placed, gain in rows:
        if source.direction == direction:
            members = list(source.members) or list(range(count))
            gains[members] = gain - source.present
            diffuse[members] = placed.diffuseness * abs(gain - source.present)
    return _Moves(gains, diffuse)


def _masks(stage: Stage, direction: int, is_whole: bool) -> MaskStream | None:
    separator = stage.separators[direction]
    return None if separator is None or is_whole else separator.mask_stream()


def _weighted(
    gains: Float[Tensor, " masks"], share: Float[Tensor, "masks bins frames"] | None
) -> Tensor:
    """Gain of every bin; one for all without masks."""
    return gains[0] if share is None else torch.einsum("k,kbt->bt", gains, share)

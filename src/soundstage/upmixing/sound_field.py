"""From an upmix to a sound field: ambisonic channels whose cardioids are the stereo.

In a field of AmbiX channels B_0 to B_n, W is the mid and Y is the side, so that cardioids that face
left and right are the stereo of the same take:

    W = M,   Y = S,   L = W + Y,   R = W − Y

A source s with the gain a in the side, L = (1 + a)·s and R = (1 − a)·s, stands at the azimuth φ
with sin φ = a: a pan of 12 dB is 37 degrees. With the harmonics Y_n (`ambisonics`), those Y_n(0)
straight ahead, and U = S − Σ a_k·s_k, the side without its sources,

    B_n = Y_n(0)·M + T_n,   T_n = Σ_k (Y_n(φ_k) − Y_n(0))·s_k + √(3/(2l+1))·D_n(U)

where D_n are decorrelated copies, and the factor gives a degree l the power that it has in a
diffuse field beside that of Y (Zotter and Frank 2019, Ambisonics, §1). The T_n are sides like
S = T_1: whatever narrows the stereo, such as a limit of width or the centering of noise, moves the
field to the front, and W is always the input.

Sources are those of the method's plan. A method without one has a direction in each of 34 bands:
its source there is M with a = ⟨S, M⟩/⟨M, M⟩, as in directional audio coding (Pulkki 2007).
"""

from collections.abc import Sequence
from typing import Any, Protocol, cast

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from soundstage.ambisonics.conventions import channels_of
from soundstage.ambisonics.harmonics import harmonics
from soundstage.errors import OptionError
from soundstage.seeding import combined_seed
from soundstage.separation.masking import BLOCK
from soundstage.separation.separator import SourceStream
from soundstage.spectra import AnalysisStream, SampleQueue, SynthesisStream
from soundstage.stereo import TRANSFORM, DecoderStream
from soundstage.stereo.encoding import SILENCE, band_sums, spread
from soundstage.upmixing.engine import SideStream, UpmixMethod
from soundstage.upmixing.generative.ownership import MovingMean
from soundstage.upmixing.plan import Plan

SMOOTHING = 5  # frames, 116 ms: of directions in bands, longer than the beating of two partials
Y = 1  # its number in ACN


class FieldMethod:
    """The sides of a sound field for a method that makes one side: an `UpmixMethod`.

    Args:
        method: fitted to its song.
        order: of the field, 1 to 3.

    Raises:
        OptionError: the method makes a mid of its own, or has fields of lower order only.
    """

    def __init__(self, method: UpmixMethod, order: int) -> None:
        if method.n_outputs != 1:
            raise OptionError(
                "This method makes a mid of its own, so that W would not be the input: leave out "
                "`decoder` or `ambix`, or choose another method."
            )
        highest = getattr(method, "highest_order", None)
        if highest is not None and order > highest:
            raise OptionError(
                f"This method makes fields of order {highest} at most: `ambix` must be {highest}."
            )
        self._method, self._order = method, order
        self.rate, self.n_outputs = method.rate, channels_of(order) - 1

    def stream(self, seeds: Sequence[int], /) -> SideStream:
        """Start a signal."""
        method = cast("Any", self._method)
        if hasattr(method, "field_stream"):
            return cast("SideStream", method.field_stream(seeds))
        direct: DirectParts = BandDirections(self._order, len(seeds))
        if hasattr(method, "separator"):
            direct = PlannedSources(method.separator.stream(), method.plans(seeds), self._order)
        return FieldStream(method.stream(seeds), direct, seeds, self._order)


class DirectParts(Protocol):
    """The sources of the takes of one mid in the side and in all T_n, block by block."""

    def push(
        self, mid: Float[Tensor, " length"], sides: Float[Tensor, "takes length"], /
    ) -> Float[Tensor, "takes channels ready"]:
        """Σ a_k·s_k in the place of W, then Σ (Y_n(φ_k) − Y_n(0))·s_k, as far as complete."""
        ...

    def finish(self) -> Float[Tensor, "takes channels rest"]:
        """The rest; in all, as many samples as were pushed."""
        ...


class FieldStream:
    """The sides T_n of all takes: a `SideStream`.

    Args:
        sides: stream of the method.
        direct: the sources in these sides.
        seeds: one a take.
        order: of the field.
    """

    def __init__(
        self, sides: SideStream, direct: DirectParts, seeds: Sequence[int], order: int
    ) -> None:
        self._sides_of, self._direct_of = sides, direct
        self._mid, self._side = SampleQueue(), SampleQueue((len(seeds),))
        self._direct = SampleQueue((len(seeds), channels_of(order)))
        self._diffuse = [_DiffuseField(order, seed) for seed in seeds]

    def push(self, mid: Float[Tensor, " length"], /) -> Float[Tensor, "takes channels ready"]:
        """The samples that `mid` completes."""
        self._mid.push(mid)
        self._with(self._sides_of.push(mid)[:, 0])
        return self._ready()

    def finish(self) -> Float[Tensor, "takes channels rest"]:
        """The remaining samples."""
        self._with(self._sides_of.finish()[:, 0])
        self._found(self._direct_of.finish())
        for take in self._diffuse:
            take.finish()
        return self._ready()

    def _with(self, sides: Float[Tensor, "takes ready"]) -> None:
        self._side.push(sides)
        self._found(self._direct_of.push(self._mid.pop(sides.shape[-1]), sides))

    def _found(self, direct: Float[Tensor, "takes channels ready"]) -> None:
        """New samples of the sources; what the side has beside them is diffuse."""
        sides = self._side.pop(direct.shape[-1])
        direct = direct.clone()
        direct[:, Y] = sides
        self._direct.push(direct)
        for take, rest in zip(self._diffuse, sides - direct[:, 0], strict=True):
            for part in rest.split(BLOCK):  # a separator may deliver long windows at once
                take.push(part)

    def _ready(self) -> Float[Tensor, "takes channels ready"]:
        count = min(len(take.ready) for take in self._diffuse)
        diffuse = torch.stack([take.ready.pop(count) for take in self._diffuse])
        return (self._direct.pop(count) + diffuse)[:, 1:]


class _DiffuseField:
    """Decorrelated copies of the diffuse side U of one take; alone, to round as beside others."""

    def __init__(self, order: int, seed: int) -> None:
        degrees = np.sqrt(np.arange(channels_of(order))).astype(int)
        others = [n for n in range(1, len(degrees)) if n != Y]
        self._gains = torch.from_numpy(np.sqrt(3 / (2 * degrees[others] + 1)).astype(np.float32))
        self._decoder = DecoderStream([combined_seed(seed, n) for n in others])
        self._others = torch.tensor(others)
        self._channels = len(degrees)
        self.ready = SampleQueue((len(degrees),))

    def push(self, rest: Float[Tensor, " length"]) -> None:
        """The next samples of U."""
        self._decode(self._decoder.analyze(rest).shape[-1])

    def finish(self) -> None:
        """The end of U."""
        self._decode(self._decoder.finish_analysis().shape[-1])
        self._add(self._decoder.finish())

    def _decode(self, frames: int) -> None:
        gains = self._gains[:, None, None].expand(-1, TRANSFORM.bins, frames)
        self._add(self._decoder.decode_gains(torch.zeros_like(gains), gains))

    def _add(self, copies: Float[Tensor, "others 1 ready"]) -> None:
        ready = copies.new_zeros(self._channels, copies.shape[-1])
        ready[self._others] = copies[:, 0]
        self.ready.push(ready)


class PlannedSources:
    """Sources at the places of a plan: `DirectParts`.

    Args:
        sources: of the mid.
        plans: one a take, with the sources in the order of the stream.
        order: of the field.
    """

    def __init__(self, sources: SourceStream, plans: Sequence[Plan], order: int) -> None:
        self._sources = sources
        gains = np.array([plan.to_gains() for plan in plans])
        parts = front_sides(gains, order)
        parts[..., 0] = gains
        self._gains = torch.from_numpy(parts.swapaxes(1, 2).astype(np.float32))

    def push(
        self, mid: Float[Tensor, " length"], sides: Float[Tensor, "takes length"], /
    ) -> Float[Tensor, "takes channels ready"]:
        """See `DirectParts`."""
        return self._placed(self._sources.push(mid))

    def finish(self) -> Float[Tensor, "takes channels rest"]:
        """See `DirectParts`."""
        return self._placed(self._sources.finish())

    def _placed(self, sources: Float[Tensor, "sources ready"]) -> Tensor:
        placed = sources.new_zeros(*self._gains.shape[:2], sources.shape[-1])
        for number, source in enumerate(sources):  # in one order whatever the length
            placed += self._gains[:, :, number, None] * source
        return placed


class BandDirections:
    """One source in each band, where the side has it: `DirectParts`.

    Args:
        order: of the field.
        takes: number of sides.
    """

    def __init__(self, order: int, takes: int) -> None:
        self._order, channels, bins = order, channels_of(order), TRANSFORM.bins
        self._mid, self._sides = AnalysisStream(TRANSFORM), AnalysisStream(TRANSFORM, (takes,))
        self._frames, self._mean = SampleQueue((bins,)), MovingMean(SMOOTHING)
        self._synthesis = SynthesisStream(TRANSFORM, (takes, channels))
        self._owed = 0

    def push(
        self, mid: Float[Tensor, " length"], sides: Float[Tensor, "takes length"], /
    ) -> Float[Tensor, "takes channels ready"]:
        """See `DirectParts`."""
        self._owed += mid.shape[-1]
        ready = [sides.new_zeros(len(sides), channels_of(self._order), 0)]
        for part, of_takes in zip(mid.split(BLOCK), sides.split(BLOCK, dim=-1), strict=True):
            products = self._products(self._mid.push(part), self._sides.push(of_takes))
            ready.append(self._placed(self._mean.push(products)))
        return torch.cat(ready, dim=-1)

    def finish(self) -> Float[Tensor, "takes channels rest"]:
        """See `DirectParts`."""
        products = self._products(self._mid.finish(), self._sides.finish())
        last = self._placed(self._mean.finish(products))
        rest = self._synthesis.finish()[..., : self._owed]
        return torch.cat([last, rest], dim=-1)

    def _products(self, mid: Tensor, sides: Tensor) -> Float[Tensor, "more bands frames"]:
        """⟨M, M⟩ and, of every take, ⟨S, M⟩."""
        self._frames.push(mid)
        crosses = sides.real * mid.real + sides.imag * mid.imag
        power = mid.real.square() + mid.imag.square()
        return torch.stack([band_sums(each) for each in (power, *crosses)])

    def _placed(self, products: Float[Tensor, "more bands frames"]) -> Tensor:
        mid = self._frames.pop(products.shape[-1])
        alpha = (products[1:] / (products[0] + SILENCE)).clamp(-1, 1)
        gains = front_sides(alpha.double().numpy(), self._order)
        gains[..., 0] = alpha.numpy()
        of_bands = torch.from_numpy(np.moveaxis(gains, -1, 1).astype(np.float32))
        ready = self._synthesis.push(spread(of_bands) * mid)[..., : self._owed]
        self._owed -= ready.shape[-1]
        return ready


def front_sides(
    gains: Float[np.ndarray, "*sources"], order: int
) -> Float[np.ndarray, "*sources channels"]:
    """Y_n(φ) − Y_n(0) of sources with these gains a = sin φ in the side, −1 to 1."""
    cosines = np.sqrt(1 - np.square(gains))
    directions = np.stack([cosines, gains, np.zeros_like(gains)], axis=-1)
    return harmonics(directions, order) - front(order)


def front(order: int) -> Float[np.ndarray, " channels"]:
    """Y_n(0), of a source straight ahead."""
    return harmonics(np.array([1.0, 0.0, 0.0]), order)

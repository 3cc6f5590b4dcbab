"""Vocals, drums, bass and the rest by the networks of the package demucs (Rouard et al. 2023).

    y = Σ_i w(t − i·step) · network(x in segment i) / Σ_i w(t − i·step),    step = 3/4 of a segment

The networks make signals of stereo segments, of 7.8 s in the published `htdemucs`; a mono signal is
both of their channels, and the mean of both outputs counts. As in the package, segments overlap by
a quarter with triangular weights w; the random shifts of its command are left out. The outputs do
not add up to the input: what they miss goes to the source `other`, or to one of its own where the
networks have no such source.

Rouard, Massa and Défossez: Hybrid Transformers for Music Source Separation. ICASSP 2023.
"""

from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn import functional as F  # noqa: N812

from soundstage.separation.demucs_models import Bag, load_bag
from soundstage.separation.masking import residual_index
from soundstage.separation.separator import Kind, SourceInfo, SourceStream
from soundstage.spectra import SampleQueue

STEP = 0.75  # of a segment
KINDS: dict[str, Kind] = {
    "vocals": "lead",
    "drums": "drums",
    "bass": "bass",
    "other": "residual",
}
"""By the name of the source; any other one is an object."""
REST = SourceInfo("residual", "residual")


class DemucsSeparator:
    """The separator.

    Args:
        bag: networks with trained weights.
        device: of the networks.
    """

    def __init__(self, bag: Bag, device: torch.device | str = "cpu") -> None:
        self.rate = int(bag.networks[0].samplerate)
        self._bag, self._device = bag, device
        named = [SourceInfo(name, KINDS.get(name, "object")) for name in bag.names]
        has_rest = any(info.kind == "residual" for info in named)
        self.sources = tuple(named if has_rest else [*named, REST])

    def stream(self) -> SourceStream:
        """Sources of a signal."""
        return _DemucsStream(self.separate_segments, self.segments, self.sources)

    @property
    def segments(self) -> list[int]:
        """Samples of a segment of each network."""
        lengths = []
        for network in self._bag.networks:
            seconds: Any = network.segment
            lengths.append(int(seconds * self.rate))
        return lengths

    def separate_segments(
        self, index: int, mono: Float[Tensor, " length"]
    ) -> Float[Tensor, "named length"]:
        """What the network `index` makes of one segment, times what it counts in the bag."""
        network = self._bag.networks[index]
        length = mono.shape[0]
        valid = getattr(network, "valid_length", None)
        missing = (int(valid(length)) if valid else length) - length
        before = missing // 2
        channels: Any = network.audio_channels
        padded = F.pad(mono, (before, missing - before)).to(self._device)
        made = network(padded.expand(1, channels, -1))[0].mean(dim=1).cpu()
        total = [sum(column) for column in zip(*self._bag.weights, strict=True)]
        share = torch.tensor(self._bag.weights[index]) / torch.tensor(total)
        return share[:, None] * made[:, before : before + length]


class _DemucsStream:
    """The sources of one signal: the sum of what each network makes of it."""

    def __init__(self, separate: Any, segments: list[int], sources: tuple[SourceInfo, ...]) -> None:
        self._sources, self._residual = sources, residual_index(sources)
        named = len(sources) - (sources[-1] is REST)
        self._networks = [
            _OverlapAdd(lambda mono, index=index: separate(index, mono), length, named)
            for index, length in enumerate(segments)
        ]
        self._ready = [SampleQueue((named,)) for _ in segments]
        self._input = SampleQueue()

    def push(self, mono: Float[Tensor, " length"]) -> Float[Tensor, "sources ready"]:
        """The samples whose segments are complete; over all sources they add up to the input."""
        self._input.push(mono.clone())  # a caller may reuse its buffer
        for queue, network in zip(self._ready, self._networks, strict=True):
            queue.push(network.push(mono))
        return self._completed()

    def finish(self) -> Float[Tensor, "sources rest"]:
        """The remaining samples; the last segments are filled up with silence."""
        for queue, network in zip(self._ready, self._networks, strict=True):
            queue.push(network.finish())
        return self._completed()

    def _completed(self) -> Float[Tensor, "sources ready"]:
        count = min(map(len, self._ready))
        mono = self._input.pop(count)
        named = sum((queue.pop(count) for queue in self._ready), torch.zeros(()))
        sources = F.pad(named, (0, 0, 0, len(self._sources) - named.shape[0]))
        sources[self._residual] = 0
        sources[self._residual] = mono - sources.sum(dim=0)
        return sources


class _OverlapAdd:
    """Segments of one network, with triangular weights."""

    def __init__(self, separate: Any, length: int, named: int) -> None:
        self._separate, self._length = separate, length
        self._step = max(int(STEP * length), 1)
        half = length // 2
        rising = torch.arange(1, half + 1)
        self._weights = torch.cat([rising, torch.arange(length - half, 0, -1)]) / (length - half)
        self._held = torch.zeros(0)  # from the start of the next segment
        self._sum = torch.zeros(named, length)
        self._total = torch.zeros(length)
        self._owed = 0

    def push(self, mono: Float[Tensor, " length"]) -> Float[Tensor, "named ready"]:
        self._owed += mono.shape[0]
        self._held = torch.cat([self._held, mono])
        ready = [self._sum[:, :0]]
        while self._held.shape[0] >= self._length:
            ready.append(self._next())
        return self._deliver(ready)

    def finish(self) -> Float[Tensor, "named rest"]:
        ready = [self._sum[:, :0]]
        while self._owed > sum(each.shape[1] for each in ready):
            ready.append(self._next())
        return self._deliver(ready)

    def _next(self) -> Float[Tensor, "named step"]:
        """Add the next segment, and return what no later one changes."""
        segment = self._held[: self._length]
        if segment.shape[0]:  # the last ones may be over already
            filled = F.pad(segment, (0, self._length - segment.shape[0]))
            self._sum += self._weights * self._separate(filled)
            self._total += self._weights
        step = self._step
        done = self._sum[:, :step] / self._total[:step].clamp(min=1e-9)
        self._sum = F.pad(self._sum[:, step:], (0, step))
        self._total = F.pad(self._total[step:], (0, step))
        self._held = self._held[step:]
        return done

    def _deliver(self, ready: list[Float[Tensor, "named step"]]) -> Float[Tensor, "named ready"]:
        joined = torch.cat(ready, dim=1)[:, : self._owed]
        self._owed -= joined.shape[1]
        return joined


def load(weights: str | None = None, device: torch.device | str = "cpu") -> DemucsSeparator:
    """The separator with its weights; see `load_bag`."""
    return DemucsSeparator(load_bag(weights, device), device)

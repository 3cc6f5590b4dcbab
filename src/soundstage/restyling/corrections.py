"""Errors between the channels of a stereo mix that come from its tape or disc, not from its mixer.

What both channels have in common, a voice or a bass at the center, tells of them. With l and r for
the sounds that only one channel has,

    L = c + l,    R = g·h ∗ c(t − τ) + r

τ is the lag, of a tilted head or of channels that were transferred one by one; g the balance; and h
the treble that a tilted head takes from one channel, which in dB grows as the square of frequency.
`correction_meter` measures them; this is the result, and how the channels are corrected.

A band at the left and a voice at the right have nothing in common: then nothing is measurable, and
nothing is corrected.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float

from soundstage.spectra import SampleQueue, StreamingConvolver
from soundstage.stereo.alignment import DESIGN_SIZE, delay_filter

LEAST_LAG = 0.1  # samples; less is not corrected
LEAST_DB = 0.2  # the same of balance and treble
TREBLE_HZ = 10_000.0  # where the loss of treble is stated
TREBLE_END = 14_000.0  # Hz; above it, the gain is that of this frequency


@dataclass(frozen=True)
class Corrections:
    """Errors between the channels, right against left; None where they are not measurable."""

    rate: int
    """In Hz."""
    lag: float | None = None
    """Samples by which right is later than left; below 0, earlier."""
    inverted: bool = False
    """One channel has the opposite polarity."""
    gain_db: float | None = None
    """Level of the center in right over that in left."""
    treble_db: float | None = None
    """Level of its treble at 10 kHz in right over that in left, beyond `gain_db`."""
    agreement: float = 0.0
    """Share of the common sound that agrees on the lag, 0 to 1."""
    drift: float = 0.0
    """Largest distance of the lag in a section of 20 s from `lag`, in samples."""

    @property
    def corrects_lag(self) -> bool:
        """Whether a channel is delayed."""
        return self.lag is not None and abs(self.lag) >= LEAST_LAG

    @property
    def corrects_balance(self) -> bool:
        """Whether the level of the channels is changed."""
        return self.gain_db is not None and abs(self.gain_db) >= LEAST_DB

    @property
    def corrects_treble(self) -> bool:
        """Whether the treble of a channel is raised."""
        return self.treble_db is not None

    @property
    def is_needed(self) -> bool:
        """Whether anything is corrected; otherwise the channels stay bit for bit."""
        return self.inverted or self.corrects_lag or self.corrects_balance or self.corrects_treble

    def describe(self) -> str:
        """Half a sentence about what is found and corrected.

        >>> Corrections(44_100, lag=4.3, gain_db=-0.8).describe()
        'right is 4.3 samples (0.10 ms) later, left is 0.8 dB louder'
        """
        if self.lag is None and self.gain_db is None:
            return "lag and balance are not measurable: the channels have too little in common"
        facts = []
        if self.corrects_lag and self.lag is not None:
            later = "right" if self.lag > 0 else "left"
            milliseconds = 1000 * abs(self.lag) / self.rate
            facts.append(f"{later} is {abs(self.lag):.1f} samples ({milliseconds:.2f} ms) later")
            if self.drift >= 2 * LEAST_LAG:
                facts.append(f"with a drift of {self.drift:.1f} samples")
        if self.inverted:
            facts.append("the polarity of one channel is inverted")
        if self.corrects_balance and self.gain_db is not None:
            louder = "right" if self.gain_db > 0 else "left"
            facts.append(f"{louder} is {abs(self.gain_db):.1f} dB louder")
        if self.corrects_treble and self.treble_db is not None:
            duller = "left" if self.treble_db > 0 else "right"
            facts.append(f"{duller} has lost {abs(self.treble_db):.1f} dB at 10 kHz")
        if not facts:
            facts.append("no lag" + ("" if self.gain_db is None else ", in balance"))
        if self.gain_db is None:
            facts.append("the balance is not measurable")
        return ", ".join(facts)

    def as_dict(self) -> dict[str, float | bool | None]:
        """For JSON."""
        names = ("lag", "inverted", "gain_db", "treble_db", "agreement", "drift")
        return {name: getattr(self, name) for name in names}

    def stream(self) -> "ChannelFilters":
        """Corrects the channels block by block; with nothing to correct, it changes no sample."""
        return ChannelFilters(
            self.rate,
            lag=(self.lag or 0.0) if self.corrects_lag else 0.0,
            gain_db=(self.gain_db or 0.0) if self.corrects_balance else 0.0,
            treble_db=(self.treble_db or 0.0) if self.corrects_treble else 0.0,
            inverted=self.inverted,
        )


class ChannelFilters:
    """Delay, level, treble and polarity of two channels, block by block.

    The later channel is advanced, the earlier stays in time. Half of a level goes to each channel,
    and treble is only raised. Without any of them, blocks are returned as they are.

    Args:
        rate: of the channels, in Hz.
        lag: samples by which right is later.
        gain_db: level of right over left.
        treble_db: the same at 10 kHz, beyond `gain_db`.
        inverted: whether right has the opposite polarity.
    """

    def __init__(
        self,
        rate: int,
        *,
        lag: float = 0.0,
        gain_db: float = 0.0,
        treble_db: float = 0.0,
        inverted: bool = False,
    ) -> None:
        self._channels: list[StreamingConvolver] = []
        self._ready = [SampleQueue(), SampleQueue()]
        if not (lag or gain_db or treble_db or inverted):
            return
        frequency = np.fft.rfftfreq(DESIGN_SIZE) * rate
        treble = (np.minimum(frequency, TREBLE_END) / TREBLE_HZ) ** 2
        for late, level, lost, sign in (
            (-lag, gain_db / 2, max(treble_db, 0.0), 1.0),
            (lag, -gain_db / 2, max(-treble_db, 0.0), -1.0 if inverted else 1.0),
        ):
            gains = sign * 10 ** ((level + lost * treble) / 20)
            response, advance = delay_filter(gains, late)
            self._channels.append(StreamingConvolver(torch.from_numpy(response), advance=advance))

    def push(self, stereo: Float[np.ndarray, "2 frames"]) -> Float[np.ndarray, "2 ready"]:
        """The samples that these frames complete."""
        if not self._channels:
            return stereo
        rows = torch.from_numpy(np.ascontiguousarray(stereo))
        return self._delivered(
            [each.push(row) for each, row in zip(self._channels, rows, strict=True)]
        )

    def finish(self) -> Float[np.ndarray, "2 rest"]:
        """The rest; in all, as many samples as were pushed."""
        if not self._channels:
            return np.zeros((2, 0), np.float32)
        return self._delivered([each.finish() for each in self._channels])

    def _delivered(self, parts: list[torch.Tensor]) -> Float[np.ndarray, "2 ready"]:
        for queue, part in zip(self._ready, parts, strict=True):
            queue.push(part)
        count = min(map(len, self._ready))
        return torch.stack([queue.pop(count) for queue in self._ready]).numpy()


def corrected_blocks(
    blocks: Iterable[Float[np.ndarray, "2 frames"]], corrections: Corrections
) -> Iterator[Float[np.ndarray, "2 frames"]]:
    """The corrected channels, block by block."""
    stream = corrections.stream()
    for block in blocks:
        if (ready := stream.push(block)).shape[1]:
            yield ready
    if (rest := stream.finish()).shape[1]:
        yield rest

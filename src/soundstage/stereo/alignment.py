"""Alignment of the two channels of a mono recording that was digitized in stereo.

Both channels of a mono disc or tape carry one signal s, each with noise of its own,

    L = a·s + n₁,   R = b·s(t − τ) + n₂

A tilted head or cartridge makes τ a few samples, and the plain sum then has a comb filter. Lag and
gain follow from averaged spectra of long frames. The lag is the peak of the generalized
cross-correlation with phase weights (Knapp and Carter 1976), refined by the slope of the phase
over all bins, with the weights of maximum likelihood, γ²/(1 − γ²). The gain is that of total least
squares over the coherent bins. Then

    M = w·L/a + (1 − w)·R(t + τ)/b,   times (a + |b|)/2

"mean" has w = ½. "best" has w = N₂/(N₁ + N₂) in each third of an octave, where N₁ and N₂ are the
noise powers of L/a and R/b, their spectra less the cross-spectrum: the least noise there can be.
"""

from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple

import numpy as np
import torch
from jaxtyping import Complex, Float
from torch import Tensor

from soundstage.spectra import SampleQueue, StreamingConvolver

MAX_LAG = 0.05  # seconds either way: more is an echo, and no error of a head
FRAME = 0.37  # seconds, seven times the largest lag
SECTION = 20.0  # seconds; the lag of each shows its drift
LOWEST = 60.0  # Hz; hum and rumble below it need not come from the disc
NEAR_MONO = 0.95  # correlation after alignment above which two channels are one recording
ALIGNABLE = 0.8  # the same, with a noise as loud as −6 dB; below it, two channels are stereo
AUDIBLE_LAG = 0.25  # samples; less costs under 1 dB at 20 kHz, with a rate of 44.1 kHz
MAX_WEIGHT = 1e3  # of a bin; a tone of a coder or of hum does not outweigh all others
TAPS = 1_023  # of the filters: flat to 0.01 dB up to 21 kHz at 44.1 kHz
DESIGN_SIZE = 16_384
KAISER = 9.0  # side lobes below −90 dB


class Sums(NamedTuple):
    """Spectra summed over frames: powers of left and right, and ⟨L, R⟩."""

    left: Float[np.ndarray, " bins"]
    right: Float[np.ndarray, " bins"]
    cross: Complex[np.ndarray, " bins"]


@dataclass(frozen=True)
class Alignment:
    """Relation of the two channels of one recording."""

    rate: int
    """In Hz."""
    lag: float
    """Samples by which right is later than left; below 0, earlier."""
    gain_db: float
    """Level of the recording in right over that in left."""
    inverted: bool
    """One channel has the opposite polarity."""
    correlation: float
    """Of the aligned channels, 0 to 1; noise and true stereo lower it."""
    drift: float
    """Largest distance of the lag in a section of 20 s from `lag`, in samples."""
    spectra: Sums

    @property
    def is_near_mono(self) -> bool:
        """Whether both channels are one recording with little noise."""
        return self.correlation > NEAR_MONO

    @property
    def is_alignable(self) -> bool:
        """Whether both channels are one recording, perhaps with much noise."""
        return self.correlation > ALIGNABLE

    @property
    def needs_alignment(self) -> bool:
        """Whether the plain sum would be dull, thin or empty."""
        return self.inverted or abs(self.lag) >= AUDIBLE_LAG

    def describe(self) -> str:
        """Half a sentence about lag, polarity and gain; empty if there is nothing to say."""
        facts = []
        if abs(self.lag) >= AUDIBLE_LAG:
            later = "right" if self.lag > 0 else "left"
            milliseconds = abs(self.lag) / self.rate * 1000
            facts.append(f"{later} is {abs(self.lag):.1f} samples ({milliseconds:.2f} ms) later")
            if self.drift >= AUDIBLE_LAG:
                facts.append(f"with a drift of {self.drift:.1f} samples")
        if self.inverted:
            facts.append("the polarity of one channel is inverted")
        if abs(self.gain_db) >= 0.1:
            louder = "right" if self.gain_db > 0 else "left"
            facts.append(f"{louder} is {abs(self.gain_db):.1f} dB louder")
        return ", ".join(facts)

    def as_dict(self) -> dict[str, float | bool]:
        """For JSON."""
        names = ("lag", "gain_db", "inverted", "correlation", "drift")
        return {name: getattr(self, name) for name in names}

    @cached_property
    def noise(self) -> Float[np.ndarray, "2 bins"]:
        """Noise of L/a and R/b relative to their power, means over a third of an octave.

        Relative, since a small error of the gain counts as noise where a partial is loud.
        """
        gain = 10 ** (self.gain_db / 20)
        left, right = self.spectra.left, self.spectra.right / gain**2
        common = _derotated(self.spectra.cross, self.lag, self.inverted).real / gain
        power = left + right + np.finfo(float).tiny
        shares = np.stack([_smoothed((each - common) / power) for each in (left, right)])
        return np.maximum(shares, 1e-4)  # after the mean, in which errors of both signs cancel


class AlignmentMeter:
    """Measures lag and gain over a stream of stereo blocks of any size.

    Args:
        rate: of the stream, in Hz.
    """

    def __init__(self, rate: int) -> None:
        self._rate = rate
        self._frame = 1 << round(np.log2(FRAME * rate))
        self._window = np.hanning(self._frame + 1)[:-1].astype(np.float32)
        self._pending = np.zeros((2, 0), np.float32)
        self._frames_per_section = max(round(SECTION * rate / (self._frame // 2)), 1)
        self._section, self._in_section = _no_sums(self._frame), 0
        self._total = _no_sums(self._frame)
        self._lags: list[float] = []

    def push(self, stereo: Float[np.ndarray, "2 frames"]) -> None:
        """Measure the next frames."""
        samples = np.concatenate([self._pending, stereo.astype(np.float32, copy=False)], axis=1)
        start = 0
        while samples.shape[1] - start >= self._frame:
            self._add(samples[:, start : start + self._frame])
            start += self._frame // 2
        self._pending = samples[:, start:]

    def alignment(self) -> Alignment | None:
        """The result, once all is measured; None if a channel is silent."""
        missing = self._frame - self._pending.shape[1]
        self._add(np.pad(self._pending, ((0, 0), (0, missing))))
        if self._lags or self._in_section >= self._frames_per_section // 2:
            self._end_section()
        else:
            self._total = _added(self._total, self._section)
        sums = self._total
        if not (sums.left.sum() > 0 and sums.right.sum() > 0):
            return None
        lag, inverted = self._lag(sums)
        sums = sums._replace(cross=sums.cross / _overlap(lag / self._frame))
        gain = _gain(sums)
        aligned = _derotated(sums.cross, lag, inverted).real.sum()
        correlation = aligned / np.sqrt(sums.left.sum() * sums.right.sum())
        return Alignment(
            rate=self._rate,
            lag=lag,
            gain_db=float(20 * np.log10(gain)),
            inverted=inverted,
            correlation=float(np.clip(correlation, 0, 1)),
            drift=float(max((abs(each - lag) for each in self._lags), default=0.0)),
            spectra=sums,
        )

    def _add(self, frames: Float[np.ndarray, "2 frame"]) -> None:
        left, right = np.fft.rfft(frames * self._window).astype(np.complex128)
        powers = (left.real**2 + left.imag**2, right.real**2 + right.imag**2)
        self._section = _added(self._section, Sums(*powers, left * right.conj()))
        self._in_section += 1
        if self._in_section == self._frames_per_section:
            self._end_section()

    def _end_section(self) -> None:
        self._total = _added(self._total, self._section)
        section = self._section
        self._section, self._in_section = _no_sums(self._frame), 0
        audible = 1e-6 * max(self._total.left.sum(), self._total.right.sum())
        if min(section.left.sum(), section.right.sum()) > audible:
            self._lags.append(self._lag(section)[0])

    def _lag(self, sums: Sums) -> tuple[float, bool]:
        """Lag in samples and whether the polarity is inverted."""
        scale = np.sqrt(sums.left * sums.right) + np.finfo(float).tiny
        coherence = np.minimum(np.abs(sums.cross) / scale, 1)
        coherence[: int(LOWEST / self._rate * self._frame)] = 0
        loud = np.maximum(sums.left, sums.right)
        coherence[loud < 1e-10 * loud.max()] = 0  # of rounding
        phase = sums.cross / (np.abs(sums.cross) + np.finfo(float).tiny)
        correlation = np.fft.irfft(phase * coherence**2)
        reach = int(MAX_LAG * self._rate)
        lags = np.arange(-reach, reach + 1)
        # ⟨L, R⟩ of R = L(t − τ) has the phase +ωτ, so its peak is at −τ
        near = correlation[-lags]
        best = int(np.abs(near).argmax())
        lag, inverted = float(lags[best]), bool(near[best] < 0)
        weights = np.minimum(coherence**2 / (1 - coherence**2 + 1 / MAX_WEIGHT), MAX_WEIGHT)
        omega = 2 * np.pi * np.arange(coherence.size) / self._frame
        for _ in range(8):  # as the lag improves, so does the phase of the highest bins
            turned = _derotated(phase, lag, inverted)
            trusted = weights * (turned.real > 0)
            step = (trusted * omega * np.angle(turned)).sum() / max(
                (trusted * omega**2).sum(), np.finfo(float).tiny
            )
            lag += float(np.clip(step, -0.5, 0.5))
            if abs(step) < 1e-4:
                break
        return float(np.clip(lag, -reach, reach)), inverted


class AlignedSum:
    """The mono signal of two aligned channels, block by block.

    Args:
        alignment: of the channels.
        mix: "mean", or "best" with the least noise.
    """

    def __init__(self, alignment: Alignment, mix: str = "mean") -> None:
        filters, advances = sum_filters(alignment, mix)
        self._channels = [
            StreamingConvolver(torch.from_numpy(response), advance=advance)
            for response, advance in zip(filters, advances, strict=True)
        ]
        self._ready = [SampleQueue(), SampleQueue()]

    def push(self, stereo: Float[np.ndarray, "2 frames"]) -> Float[np.ndarray, " ready"]:
        """The samples that these frames complete."""
        samples = torch.from_numpy(np.ascontiguousarray(stereo, np.float32))
        return self._sum(
            [each.push(row) for each, row in zip(self._channels, samples, strict=True)]
        )

    def finish(self) -> Float[np.ndarray, " rest"]:
        """The rest; in all, as many samples as were pushed."""
        return self._sum([each.finish() for each in self._channels])

    def _sum(self, parts: list[Tensor]) -> Float[np.ndarray, " ready"]:
        for queue, part in zip(self._ready, parts, strict=True):
            queue.push(part)
        count = min(map(len, self._ready))
        left, right = (queue.pop(count) for queue in self._ready)
        return (left + right).numpy()


def sum_filters(
    alignment: Alignment, mix: str
) -> tuple[list[Float[np.ndarray, " taps"]], tuple[int, int]]:
    """Impulse responses of left and right in the sum, and the index of time zero of each.

    The later channel is advanced by a windowed sinc with linear phase; the earlier is in time.
    """
    gain = 10 ** (alignment.gain_db / 20)
    level = (1 + gain) / 2
    frequency = np.fft.rfftfreq(DESIGN_SIZE)  # cycles a sample
    share = np.full(frequency.size, 0.5)
    if mix == "best":
        left, right = alignment.noise
        measured = np.linspace(0, 0.5, left.size)
        share = np.interp(frequency, measured, right / (left + right))
    sign = -1.0 if alignment.inverted else 1.0
    gains = (level * share, sign * level / gain * (1 - share))
    filters = [
        delay_filter(wanted, late)
        for wanted, late in zip(gains, (-alignment.lag, alignment.lag), strict=True)
    ]
    return [response for response, _ in filters], (filters[0][1], filters[1][1])


def delay_filter(
    gains: Float[np.ndarray, " design"], late: float
) -> tuple[Float[np.ndarray, " taps"], int]:
    """Impulse response with linear phase that advances a late channel, and its index of time zero.

    Args:
        gains: at the frequencies of a transform of `DESIGN_SIZE`.
        late: samples; a channel that is early stays in time.
    """
    whole, rest = divmod(max(late, 0.0), 1)
    frequency = np.fft.rfftfreq(DESIGN_SIZE)  # cycles a sample
    spectrum = gains * np.exp(2j * np.pi * frequency * rest)
    response = np.roll(np.fft.irfft(spectrum, DESIGN_SIZE), TAPS // 2)[:TAPS]
    return response * np.kaiser(TAPS, KAISER), TAPS // 2 + int(whole)


def _no_sums(frame: int) -> Sums:
    bins = frame // 2 + 1
    return Sums(np.zeros(bins), np.zeros(bins), np.zeros(bins, complex))


def _added(one: Sums, other: Sums) -> Sums:
    return Sums(*(a + b for a, b in zip(one, other, strict=True)))


def _derotated(
    cross: Complex[np.ndarray, " bins"], lag: float, inverted: bool
) -> Complex[np.ndarray, " bins"]:
    """The cross-spectrum of the channels after alignment."""
    turns = np.arange(cross.size) * lag / (2 * (cross.size - 1))
    return cross * np.exp(-2j * np.pi * turns) * (-1 if inverted else 1)


def _overlap(shift: float) -> float:
    """Share of the cross-spectrum of two Hann frames that is left after a shift, in frames."""
    x = abs(shift)
    turn = 2 * np.pi * x
    return float((1 - x) * (2 + np.cos(turn)) / 3 + np.sin(turn) / (2 * np.pi))


def _gain(sums: Sums) -> float:
    """|b/a| by total least squares; bins count by the square of their ratio of signal to noise.

    Least squares alone would be right for equal noise only; where there is hardly any, it is right.
    """
    scale = np.sqrt(sums.left * sums.right) + np.finfo(float).tiny
    coherence = np.minimum(np.abs(sums.cross) / scale, 1)
    weights = (coherence**2 / (1 - coherence**2 + 1 / MAX_WEIGHT)) ** 2 / scale
    weights[sums.left + sums.right < 1e-10 * (sums.left + sums.right).max()] = 0
    left, right = (weights * sums.left).sum(), (weights * sums.right).sum()
    cross = max((weights * np.abs(sums.cross)).sum(), np.finfo(float).tiny)
    half = (right - left) / (2 * cross)
    return float(half + np.sqrt(half**2 + 1))


def _smoothed(power: Float[np.ndarray, " bins"]) -> Float[np.ndarray, " bins"]:
    """Means over a third of an octave around each bin."""
    total = np.concatenate([[0.0], power.cumsum()])
    bins = np.arange(power.size)
    first = np.floor(bins * 2 ** (-1 / 6)).astype(int)
    end = np.minimum(np.ceil(bins * 2 ** (1 / 6)).astype(int) + 1, power.size)
    return (total[end] - total[first]) / (end - first)

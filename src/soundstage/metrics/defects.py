"""Defects of stereo made from mono that listeners complain of, as numbers.

Every function compares a result (2, frames) with the mono it was made from, in double precision.
The table of `soundstage fitness` states which complaint each one stands for, and its threshold.
"""

from typing import NamedTuple

import numpy as np
from jaxtyping import Bool, Float

OCTAVES_HZ = (63, 125, 250, 500, 1000, 2000, 4000, 8000, 16_000)  # centers, IEC 61260
FRAME_SECONDS = 0.05  # of the short-time correlation, about the integration time of a meter
ACTIVE = 1e-4  # of the loudest frame or tile: 40 dB below it nobody hears the image
BAND_SHARE = 1e-6  # of the energy: an octave 60 dB below the whole is empty
WINDOW, HOP = 2048, 512  # of tiles, at 44.1 kHz 46 ms
DOMINANCE = 0.9  # share of a source in the energy of a tile that counts as its own
SECOND_FLOOR = 1e-3  # of the loudest second of a source
FLOOR_DB = -200.0
Stereo = Float[np.ndarray, "2 frames"]
Mono = Float[np.ndarray, " frames"]


def decibels(power: float, reference: float = 1.0) -> float:
    """Ten times the logarithm of a ratio of energies; −200 to 200 dB."""
    if reference <= 0:
        return FLOOR_DB if power <= 0 else -FLOOR_DB
    return float(np.clip(10 * np.log10(max(power / reference, 1e-30)), FLOOR_DB, -FLOOR_DB))


def null_depth(stereo: Stereo, mono: Mono) -> float:
    """Level of (L+R)/2 − mono against the mono, in dB."""
    error = stereo.astype(np.float64).mean(axis=0) - mono
    return decibels(np.square(error).sum(), np.square(mono, dtype=np.float64).sum())


class Correlation(NamedTuple):
    """Correlation of left and right, without their means, −1 to 1."""

    positive: float
    """Share of active frames in which it is above 0."""
    lowest_frame: float
    """Its minimum over active frames."""
    lowest_band: float
    """Its minimum over octaves, each over the whole sound."""


def correlation(stereo: Stereo, rate: int) -> Correlation:
    """Correlation in short frames, and in octaves; all are 1 for silence."""
    length = round(FRAME_SECONDS * rate)
    whole = stereo.shape[1] // length * length
    left, right = stereo[:, :whole].astype(np.float64).reshape(2, -1, length)
    products = [
        np.einsum("tn,tn->t", *pair) for pair in ((left, right), (left, left), (right,) * 2)
    ]
    frames = _ratios(*products)
    powers = _octave_products(stereo, rate)
    bands = _ratios(*powers)
    return Correlation(
        float((frames > 0).mean()) if frames.size else 1.0,
        float(frames.min(initial=1.0)),
        float(bands.min(initial=1.0)),
    )


def _ratios(
    cross: Float[np.ndarray, " n"], left: Float[np.ndarray, " n"], right: Float[np.ndarray, " n"]
) -> Float[np.ndarray, " active"]:
    """Normalized products where there is energy; 1 where a channel is silent, as in a fade."""
    energy = left + right
    active = energy > ACTIVE * energy.max(initial=0)
    scale = np.sqrt(left * right)[active]
    return np.divide(cross[active], scale, out=np.ones(len(scale)), where=scale > 0)


def _octave_products(
    stereo: Stereo, rate: int
) -> tuple[Float[np.ndarray, " n"], Float[np.ndarray, " n"], Float[np.ndarray, " n"]]:
    """Re ⟨L, R⟩, ⟨L, L⟩ and ⟨R, R⟩ in octaves with energy, over the whole sound."""
    left, right = np.fft.rfft(stereo.astype(np.float64))
    hertz = np.fft.rfftfreq(stereo.shape[1], 1 / rate)
    products = np.stack([(left * right.conj()).real, np.abs(left) ** 2, np.abs(right) ** 2])
    edges = [(hertz >= f / 2**0.5) & (hertz < f * 2**0.5) for f in OCTAVES_HZ if f < rate / 2.9]
    sums = np.array([products[:, inside].sum(axis=1) for inside in edges]).T
    energy = sums[1] + sums[2]
    kept = sums[:, energy > BAND_SHARE * energy.sum()]
    return kept[0], kept[1], kept[2]


def octave_imbalance(stereo: Stereo, rate: int) -> float:
    """Largest long-term level difference of left and right in any octave, in dB."""
    _, left, right = _octave_products(stereo, rate)
    return max((abs(decibels(a, b)) for a, b in zip(left, right, strict=True)), default=0.0)


def sum_ripple(stereo: Stereo, mono: Mono) -> float:
    """Range of the magnitude of the response from the mono, white noise, to (L+R)/2, in dB.

    Welch's estimate of the transfer function, with `WINDOW` points, without its lowest and highest
    tenth.
    """
    into, out = (_spectra(x) for x in (mono, stereo.astype(np.float64).mean(axis=0)))
    response = (out * into.conj()).sum(axis=0) / np.square(np.abs(into)).sum(axis=0)
    inner = 20 * np.log10(np.abs(response)[WINDOW // 20 : -WINDOW // 20].clip(min=1e-10))
    return float(np.ptp(inner))


def tail_level(stereo: Stereo, click: int, rate: int, *, after: float = 0.05) -> float:
    """Energy more than `after` seconds from a click, before or behind it, over all of it, in dB."""
    energy = np.square(stereo, dtype=np.float64).sum(axis=0)
    near = energy[max(click - round(after * rate), 0) : click + round(after * rate)].sum()
    return decibels(energy.sum() - near, energy.sum())


def crest_change(stereo: Stereo, mono: Mono) -> float:
    """Largest change of the crest factor of left or right against the mono, in dB."""
    return max(abs(_crest(channel) - _crest(mono)) for channel in stereo)


def _crest(samples: Mono) -> float:
    return decibels(
        float(np.square(samples, dtype=np.float64).max(initial=0)),
        float(np.square(samples, dtype=np.float64).mean()),
    )


def rise_change(stereo: Stereo, mono: Mono, onsets: list[int], rate: int) -> float:
    """Largest change of the median rise time of left or right against the mono, in milliseconds.

    The rise time is the time from 10 to 90 % of the largest value from 10 ms before to 20 ms behind
    an onset.
    """
    return max(
        abs(_rise(channel, onsets, rate) - _rise(mono, onsets, rate)) * 1e3 for channel in stereo
    )


def _rise(samples: Mono, onsets: list[int], rate: int) -> float:
    times = []
    for onset in onsets:
        part = np.abs(samples[max(onset - rate // 100, 0) : onset + rate // 50])
        reached = np.maximum.accumulate(part)
        ends = [int(np.argmax(reached >= share * reached[-1])) for share in (0.1, 0.9)]
        times.append((ends[1] - ends[0]) / rate)
    return float(np.median(times))


def side_level(stereo: Stereo, rate: int, *, below: float = np.inf) -> float:
    """Level of the side over that of the mid, below a frequency in Hz, in dB."""
    left, right = stereo.astype(np.float64)
    spectra = np.abs(np.fft.rfft(np.stack([left + right, left - right]))) ** 2
    inside = np.fft.rfftfreq(stereo.shape[1], 1 / rate) < below
    mid, side = spectra[:, inside].sum(axis=1)
    return decibels(side, mid)


class SourceImage(NamedTuple):
    """Image of one source of a mix, in the tiles that it dominates, in dB."""

    mid_change: float
    """Level of (L+R)/2 over the mono."""
    imbalance: float
    """Level of left over right."""
    wander: float
    """Standard deviation of the level of left over right, second by second."""
    side: float
    """Level of the side over the mid."""


def source_image(stereo: Stereo, mono: Mono, source: Mono, rate: int) -> SourceImage:
    """Where a source of a mix stands in the result.

    Args:
        stereo: the result.
        mono: the mix it was made from.
        source: the part of the source in the mix; NaN in all values if it dominates no tile.
        rate: sample rate in Hz.
    """
    own, rest = _tiles(source), _tiles(mono - source)
    left, right = (_tiles(channel) for channel in stereo)
    mixed, mid = _tiles(mono), _tiles(stereo.astype(np.float64).mean(axis=0))
    side = _tiles((stereo[0].astype(np.float64) - stereo[1]) / 2)
    owned = _owned(own, rest)
    if not owned.any():
        return SourceImage(*(float("nan"),) * 4)

    def total(tiles: Float[np.ndarray, "times bins"]) -> float:
        return float(tiles[owned].sum())

    second = max(round(rate / HOP), 1)
    starts = range(0, len(owned), second)
    seconds = np.array(
        [[(x * owned)[start : start + second].sum() for x in (left, right)] for start in starts]
    )
    loud = seconds[seconds.sum(axis=1) > SECOND_FLOOR * seconds.sum(axis=1).max()]
    return SourceImage(
        decibels(total(mid), total(mixed)),
        decibels(total(left), total(right)),
        float(np.std([decibels(a, b) for a, b in loud])),
        decibels(total(side), total(mid)),
    )


def _owned(
    own: Float[np.ndarray, "times bins"], rest: Float[np.ndarray, "times bins"]
) -> Bool[np.ndarray, "times bins"]:
    """The audible tiles that a source dominates."""
    return (own > DOMINANCE * (own + rest)) & (own > ACTIVE * own.max(initial=0))


def _tiles(samples: Mono) -> Float[np.ndarray, "times bins"]:
    return np.square(np.abs(_spectra(samples)))


def _spectra(samples: Mono) -> Float[np.ndarray, "times bins"]:
    padded = np.pad(samples.astype(np.float64), (0, WINDOW))
    frames = np.lib.stride_tricks.sliding_window_view(padded, WINDOW)[::HOP]
    return np.fft.rfft(frames * np.hanning(WINDOW))

"""Diffuse-field equalization: a measured head without its loudspeaker, microphones and ear canals.

What all directions have in common tells nothing of direction, and is heard as color over
headphones: KEMAR's canal resonance is 20 dB at 2.5 kHz, and the listener has one already. The
equalizer of both ears is the inverse of the mean power over the sphere (Møller 1992, "Fundamentals
of binaural technology"),

    D(f)² = ½·Σ_d a_d·(|H_left(d, f)|² + |H_right(d, f)|²),    H' = H / (D·e^{j(φ_D + φ)})

where a_d is the share of the sphere that is nearest to direction d, D is smoothed over thirds of an
octave, and φ_D is its minimum phase. Up to 1 kHz the mean over the sphere of what is left of the
phases, φ = arg Σ a_d·(H/|H|)·e^{jωτ₀} with τ₀ the mean delay, goes too: a rigid sphere has none,
since the ear that faces the sound leads by as much as the one behind lags, and loudspeakers and
their filters have some. Without it a cut response rings before it begins.

The level comes out right by itself: 0 dB, the mean over directions and at 0 Hz, where
`soundstage.binaural.hrtf.bass_extension` takes over.
"""

from dataclasses import replace

import numpy as np
from jaxtyping import Complex, Float

from soundstage.binaural.hrtf.bass_extension import with_bass
from soundstage.binaural.hrtf.hrtf_set import HrtfSet
from soundstage.binaural.hrtf.onsets import minimum_phase, onset_delays

HIGHEST = 16_000.0  # Hz; above, converters fade, and the equalizer keeps its gain
PHASE = (400.0, 1200.0)  # Hz; between, the mean phase fades out: above, phases pass half a turn
BEFORE = 0.5e-3  # s kept before the earliest onset, for what is no minimum phase
RISE = 0.2e-3  # s of it to fade in
TAPS = 256
_RESOLUTION = 12.0  # Hz between bins, at most
_POINTS = 8192  # on the sphere; shares of 710 directions are then known to a few per cent
_TOGETHER = 1024  # of them
_FLOOR = 1e-6  # of the largest power: a zero has no inverse


def equalized(head: HrtfSet, *, taps: int = TAPS) -> HrtfSet:
    """The head for its diffuse field, with bass, and short.

    Every response begins `BEFORE` ahead of the head's earliest onset, fades out over its last
    quarter, and sums to 1 (0 dB at 0 Hz). Delays of the file stay as they are.

    Args:
        head: as measured; in all directions, since what is missing counts as its nearest.
        taps: samples to keep; 256 are 6 ms at 44.1 kHz.

    Raises:
        ValueError: fewer than 64 taps.
    """
    if taps < 64:
        raise ValueError(f"{taps} taps are too few for a head; 64 are the least")
    longest = max(8 * head.taps, 8 * taps, head.rate / _RESOLUTION)
    size = 1 << int(np.ceil(np.log2(longest)))
    frequencies = np.fft.rfftfreq(size, 1 / head.rate)
    shares = sphere_shares(head)
    spectra = np.fft.rfft(head.responses.astype(np.float64), size)
    spectra /= _diffuse_field(spectra, shares, frequencies)
    onsets = onset_delays(np.fft.irfft(spectra, size)[..., : head.taps], head.rate)
    center = float(shares @ onsets.mean(axis=1)) / head.rate
    spectra *= np.exp(-1j * _mean_phase(spectra, shares, frequencies, center))
    whole = np.fft.irfft(with_bass(spectra, frequencies, center), size)
    start = int(onsets.min() - BEFORE * head.rate)
    return replace(head, responses=_cut(np.roll(whole, -start, axis=-1), taps, head.rate))


def sphere_shares(head: HrtfSet) -> Float[np.ndarray, " directions"]:
    """The share of the sphere that is nearest to every direction; together 1."""
    height = 1 - (2 * np.arange(_POINTS) + 1) / _POINTS
    angle = np.arange(_POINTS) * np.pi * (3 - np.sqrt(5))  # a spiral of the golden angle
    flat = np.sqrt(1 - height**2)
    points = np.stack([flat * np.cos(angle), flat * np.sin(angle), height], axis=1)
    blocks = (points[start : start + _TOGETHER] for start in range(0, _POINTS, _TOGETHER))
    found = np.concatenate([head.nearest(block) for block in blocks])
    return np.bincount(found, minlength=len(head.directions)) / _POINTS


def _diffuse_field(
    spectra: Complex[np.ndarray, "directions 2 bins"],
    shares: Float[np.ndarray, " directions"],
    frequencies: Float[np.ndarray, " bins"],
) -> Complex[np.ndarray, " bins"]:
    power = _third_octaves(shares @ (np.abs(spectra) ** 2).mean(axis=1))
    power = np.maximum(power, _FLOOR * power.max())
    highest = np.searchsorted(frequencies, min(HIGHEST, 0.75 * frequencies[-1]))
    power[highest:] = power[highest]
    return minimum_phase(0.5 * np.log(power), 2 * (len(power) - 1))


def _third_octaves(power: Float[np.ndarray, " bins"]) -> Float[np.ndarray, " bins"]:
    """The mean over a third of an octave around every bin."""
    bins = np.arange(len(power))
    first = np.rint(bins * 2 ** (-1 / 6)).astype(int)
    last = np.minimum(np.rint(bins * 2 ** (1 / 6)).astype(int), len(power) - 1)
    sums = np.concatenate([[0], np.cumsum(power)])
    return (sums[last + 1] - sums[first]) / (last + 1 - first)


def _mean_phase(
    spectra: Complex[np.ndarray, "directions 2 bins"],
    shares: Float[np.ndarray, " directions"],
    frequencies: Float[np.ndarray, " bins"],
    center: float,
) -> Float[np.ndarray, " bins"]:
    """Of all directions, less the delay to the middle of the head (s); 0 at high frequencies."""
    low = frequencies <= PHASE[1]
    turned = spectra[..., low] * np.exp(2j * np.pi * frequencies[low] * center)
    units = turned / np.maximum(np.abs(turned), 1e-30)
    octaves = np.log(np.maximum(frequencies[low], 1e-3) / PHASE[0]) / np.log(PHASE[1] / PHASE[0])
    phase = np.zeros(len(frequencies))
    phase[low] = np.angle(np.einsum("d,deb->b", shares, units))
    phase[low] *= 0.5 + 0.5 * np.cos(np.pi * octaves.clip(0, 1))
    return phase


def _cut(
    responses: Float[np.ndarray, "directions 2 long"], taps: int, rate: int
) -> Float[np.ndarray, "directions 2 taps"]:
    rise, fall = int(RISE * rate), taps // 4
    window = np.ones(taps)
    window[:rise] = np.hanning(2 * rise + 1)[:rise]
    window[-fall:] = np.hanning(2 * fall + 1)[-fall:]
    short = responses[..., :taps] * window
    missing = 1 - short.sum(axis=-1, keepdims=True)  # at 0 Hz, a few per cent
    bump = np.hanning(taps)  # nothing above twice the rate over its length
    return short + missing * bump / bump.sum()

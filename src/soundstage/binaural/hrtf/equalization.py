"""Diffuse-field equalization of a measured HRTF set, and extension of its bass.

*Equalization.* The response that all directions share carries no directional information and is
audible as coloration over headphones: the ear canal of KEMAR resonates by 20 dB at 2.5 kHz, and the
listener's own canal resonates too. The equalizer of both ears is the inverse of the mean power over
the sphere (Møller 1992, "Fundamentals of binaural technology"),

    D(f)² = ½·Σ_d a_d·(|H_left(d, f)|² + |H_right(d, f)|²),    H' = H / (D·e^{j(φ_D + φ)})

where a_d is the share of the sphere nearest to direction d, D is smoothed over third octaves, and
φ_D is its minimum phase. Up to 1 kHz the mean phase φ = arg Σ a_d·(H/|H|)·e^{jωτ₀}, with the mean
delay τ₀, is removed too: it is 0 for a rigid sphere, where the near ear leads by as much as the far
ear lags, but not for loudspeakers and their filters, and would cause ringing before the onset.

*Bass.* At wavelengths much longer than the head, the ears of a rigid sphere of radius a receive the
level of the free field with the phase −ω·(3a/2c)·cos θ, a delay 1.5 times as long as at high
frequencies (Kuhn 1977, "Model for the interaural time differences in the azimuthal plane"). So
below 400 Hz each response fades to unit gain and a constant delay τ, fitted to the phase φ above:

    ln H(f) = g·(ln|H| + jφ) − (1 − g)·j2πf·τ,    τ = −Σ f·φ(f) / (2π·Σ f²)

with g from 0 at 100 Hz to 1 at 400 Hz. It replaces what a small loudspeaker does not reproduce, and
the 0.8 dB by which the near ear is louder at 1.4 m. The level of the result is 0 dB, at 0 Hz and in
the mean over directions.
"""

from dataclasses import replace

import numpy as np
from jaxtyping import Complex, Float

from soundstage.binaural.hrtf.hrtf_set import HrtfSet
from soundstage.binaural.hrtf.onsets import minimum_phase, onset_delays
from soundstage.binaural.hrtf.sphere import even_directions

HIGHEST = 16_000.0  # Hz; above, the equalizer keeps its gain, since converters roll off
PHASE = (400.0, 1200.0)  # Hz; the mean phase fades out here, below phase wrapping
BEFORE = 0.5e-3  # s kept before the earliest onset, for components that are not minimum phase
RISE = 0.2e-3  # s of it to fade in
TAPS = 256
BASS = (100.0, 400.0)  # Hz; crossover from the rigid sphere to the measurement
BASS_FIT = (200.0, 500.0)  # Hz; below, loudspeakers roll off; above, the delay shrinks
_RESOLUTION = 12.0  # Hz between bins, at most
_POINTS = 8192  # on the sphere; gives the shares of 710 directions within a few percent
_BATCH = 1024  # of them
_FLOOR = 1e-6  # of the largest power, to avoid dividing by a zero


def equalized(hrtf: HrtfSet, *, taps: int = TAPS) -> HrtfSet:
    """Equalize an HRTF set for the diffuse field, extend its bass and truncate it.

    Each response starts `BEFORE` ahead of the earliest onset of the set, fades out over its last
    quarter, and sums to 1 (0 dB at 0 Hz). `delays` are unchanged.

    Args:
        hrtf: as measured, in all directions; the nearest measurement represents a missing one.
        taps: samples to keep; 256 are 6 ms at 44.1 kHz.

    Raises:
        ValueError: there are fewer than 64 taps.
    """
    if taps < 64:
        raise ValueError(f"an HRTF set needs at least 64 taps, not {taps}")
    longest = max(8 * hrtf.taps, 8 * taps, hrtf.rate / _RESOLUTION)
    size = 1 << int(np.ceil(np.log2(longest)))
    frequencies = np.fft.rfftfreq(size, 1 / hrtf.rate)
    shares = sphere_shares(hrtf)
    spectra = np.fft.rfft(hrtf.responses.astype(np.float64), size)
    spectra /= _diffuse_field(spectra, shares, frequencies)
    onsets = onset_delays(np.fft.irfft(spectra, size)[..., : hrtf.taps], hrtf.rate)
    center = float(shares @ onsets.mean(axis=1)) / hrtf.rate
    spectra *= np.exp(-1j * _mean_phase(spectra, shares, frequencies, center))
    whole = np.fft.irfft(extend_bass(spectra, frequencies, center), size)
    start = int(onsets.min() - BEFORE * hrtf.rate)
    return replace(hrtf, responses=_truncated(np.roll(whole, -start, axis=-1), taps, hrtf.rate))


def sphere_shares(hrtf: HrtfSet) -> Float[np.ndarray, " directions"]:
    """The share of the sphere that is nearest to each direction; they sum to 1."""
    points = even_directions(_POINTS)
    batches = (points[start : start + _BATCH] for start in range(0, _POINTS, _BATCH))
    found = np.concatenate([hrtf.nearest(batch) for batch in batches])
    return np.bincount(found, minlength=len(hrtf.directions)) / _POINTS


def extend_bass(
    spectra: Complex[np.ndarray, "directions 2 bins"],
    frequencies: Float[np.ndarray, " bins"],
    center: float,
) -> Complex[np.ndarray, "directions 2 bins"]:
    """Replace the bass of spectra by that of a rigid sphere.

    Args:
        spectra: with a level of 0 dB at wavelengths much longer than the head.
        frequencies: of the bins, in Hz, ascending from 0.
        center: delay in seconds that is removed from the phases, so that none exceeds half a turn
            below 500 Hz: the delay to the center of the head.
    """
    low = frequencies <= max(BASS[1], BASS_FIT[1])
    omega = 2 * np.pi * frequencies[low]
    phases = np.angle(spectra[..., low] * np.exp(1j * omega * center))
    fitted = (frequencies[low] >= BASS_FIT[0]).astype(np.float64)
    delays = -(phases * omega * fitted).sum(axis=-1) / (omega**2 * fitted).sum()
    measured = 0.5 - 0.5 * np.cos(np.pi * _crossover(frequencies[low], BASS))
    levels = measured * np.log(np.abs(spectra[..., low]) + 1e-12)
    phases = measured * phases - (1 - measured) * omega * delays[..., None]
    bass = np.exp(levels + 1j * (phases - omega * center))
    return np.concatenate([bass, spectra[..., ~low]], axis=-1)


def _crossover(
    frequencies: Float[np.ndarray, " bins"], band: tuple[float, float]
) -> Float[np.ndarray, " bins"]:
    """Linear in log frequency, from 0 at the lower edge of a band to 1 at the upper one."""
    octaves = np.log(np.maximum(frequencies, 1e-3) / band[0]) / np.log(band[1] / band[0])
    return octaves.clip(0, 1)


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
    """The mean over a third octave around each bin."""
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
    """Mean phase over directions without the delay `center` (s); 0 at high frequencies."""
    low = frequencies <= PHASE[1]
    centered = spectra[..., low] * np.exp(2j * np.pi * frequencies[low] * center)
    units = centered / np.maximum(np.abs(centered), 1e-30)
    phase = np.zeros(len(frequencies))
    phase[low] = np.angle(np.einsum("d,deb->b", shares, units))
    phase[low] *= 0.5 + 0.5 * np.cos(np.pi * _crossover(frequencies[low], PHASE))
    return phase


def _truncated(
    responses: Float[np.ndarray, "directions 2 long"], taps: int, rate: int
) -> Float[np.ndarray, "directions 2 taps"]:
    rise, fall = int(RISE * rate), taps // 4
    window = np.ones(taps)
    window[:rise] = np.hanning(2 * rise + 1)[:rise]
    window[-fall:] = np.hanning(2 * fall + 1)[-fall:]
    short = responses[..., :taps] * window
    missing = 1 - short.sum(axis=-1, keepdims=True)  # at 0 Hz, a few percent
    bump = np.hanning(taps)  # its spectrum ends at 2·rate/taps
    return short + missing * bump / bump.sum()

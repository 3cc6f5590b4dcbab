"""Decoding of an ambisonic field to two ears: filters from its channels to the ears.

*Magnitude least squares* (`magls`; Schörkhuber, Zaunschirm and Höldrich 2018, "Binaural rendering
of Ambisonic signals via magnitude least squares"). With the harmonics Y of many directions d and
their HRTFs H(ω), the filters D minimize up to the cutoff

    Σ_d |D(ω)·y(d) − H(ω, d)|²

An order N holds phases only up to kr = N, some 620·N Hz at a head. Above, ears do not need them,
and D minimizes Σ_d (|D(ω)·y(d)| − |H(ω, d)|)², with the phases of the bin below:

    D(ω_k) = |H(ω_k)|·exp(j·arg(D(ω_{k−1})·Y))·Y⁺

Without a delay common to all HRTFs phases change slowly; it is taken out before, and put back.

*Virtual loudspeakers* (`loudspeakers`): the HRTFs of few directions, around which the field is
decoded with equal amplitude below the cutoff and with max-rE weights of equal energy above.

Magnitude least squares comes closer to the HRTFs: their levels in third octaves differ by 2.6, 2.0
and 1.5 dB for orders 1 to 3, those of loudspeakers by 4.6, 3.8 and 3.6 dB. The covariance
constraint of the diffuse field (Zaunschirm et al. 2018) gives 3.6, 2.8 and 2.0 dB, and is left out.
"""

from typing import NamedTuple

import numpy as np
from jaxtyping import Complex, Float, Float32
from scipy.fft import next_fast_len

from soundstage.ambisonics.harmonics import degrees, harmonics
from soundstage.ambisonics.loudspeakers import order_weights
from soundstage.binaural.hrtf.interpolation import HrtfInterpolator
from soundstage.binaural.hrtf.sphere import even_directions
from soundstage.binaural.render_options import FieldDecoding

CUTOFFS = {1: 1000.0, 2: 1250.0, 3: 1500.0}
"""Hz by order: lower ones trade errors of the ITD for errors of the level."""
TRANSITION = 0.5  # octaves
LENGTH = 0.0115  # s, of the filters: 512 taps at 44.1 kHz
LEAD = 0.0007  # s before the first response, for the ringing of phases that are not those of HRTFs
FADE = 0.0007  # s at both ends
_DIRECTIONS = 1000  # 30 in a beam of order 3
_ALIGNED = (100.0, 700.0)  # Hz, in which the common delay is measured


class DecodingFilters(NamedTuple):
    """Filters of a field in AmbiX."""

    responses: Float32[np.ndarray, "2 channels taps"]
    """Left ear first."""
    lead: int
    """Frames by which they are late."""


def decoding_filters(
    interpolator: HrtfInterpolator, order: int, decoding: FieldDecoding = "magls"
) -> DecodingFilters:
    """Filters from an ambisonic field to the ears.

    A plane wave of the amplitude 1 in W sounds as a source at the distance of the HRTF set.

    Args:
        interpolator: of the HRTF set; determines the sample rate.
        order: of the field, 1 to 3.
        decoding: "magls", or "loudspeakers".
    """
    rate = interpolator.rate
    taps, lead = round(LENGTH * rate), round(LEAD * rate)
    size = next_fast_len(4 * max(taps, interpolator.taps), real=True)
    frequencies = np.fft.rfftfreq(size, 1 / rate)
    virtual = even_directions(_DIRECTIONS) if decoding == "magls" else _loudspeakers(order)
    spectra = np.fft.rfft(interpolator.responses(virtual), size)
    delay = np.exp(-2j * np.pi * frequencies * _common_delay(spectra, frequencies))
    values = harmonics(virtual, order)
    solve = _magnitude_least_squares if decoding == "magls" else _virtual_loudspeakers
    decoder = solve(spectra / delay, values, frequencies, CUTOFFS[order])
    late = delay * np.exp(-2j * np.pi * frequencies * lead / rate)
    responses = np.fft.irfft(decoder * late, size)[..., :taps]
    return DecodingFilters((responses * _faded(taps, round(FADE * rate))).astype(np.float32), lead)


def _magnitude_least_squares(
    spectra: Complex[np.ndarray, "directions 2 bins"],
    values: Float[np.ndarray, "directions channels"],
    frequencies: Float[np.ndarray, " bins"],
    cutoff: float,
) -> Complex[np.ndarray, "2 channels bins"]:
    """D, of HRTFs without their common delay."""
    inverse = np.linalg.pinv(values)
    decoder = np.einsum("cd,deb->ecb", inverse, spectra)
    magnitudes, share = np.abs(spectra), _share_above(frequencies, cutoff)
    for k in np.flatnonzero(share):
        phases = np.angle(values @ decoder[..., k - 1].T)
        without_phase = (inverse @ (magnitudes[..., k] * np.exp(1j * phases))).T
        decoder[..., k] += share[k] * (without_phase - decoder[..., k])
    return decoder


def _virtual_loudspeakers(
    spectra: Complex[np.ndarray, "loudspeakers 2 bins"],
    values: Float[np.ndarray, "loudspeakers channels"],
    frequencies: Float[np.ndarray, " bins"],
    cutoff: float,
) -> Complex[np.ndarray, "2 channels bins"]:
    """D = Σ H·g, with the gains g of loudspeakers that surround the head evenly."""
    gains = np.linalg.pinv(values)
    order = int(np.sqrt(len(gains))) - 1
    weighted = order_weights(order, "max-re")[degrees(order)][:, None] * gains
    energy = np.square(harmonics(even_directions(_DIRECTIONS), order) @ weighted).sum(axis=1)
    weighted /= np.sqrt(energy.mean())
    low, high = (np.einsum("cd,deb->ecb", each, spectra) for each in (gains, weighted))
    return low + _share_above(frequencies, cutoff) * (high - low)


def _loudspeakers(order: int) -> Float[np.ndarray, "loudspeakers 3"]:
    """A cube, an icosahedron, or one with a dodecahedron: 8, 12 or 32, the same left and right."""
    signs = np.array(np.meshgrid(*3 * [(1.0, -1.0)])).reshape(3, -1).T
    cube = signs / np.sqrt(3)
    if order == 1:
        return cube
    golden = (1 + np.sqrt(5)) / 2
    corners = np.unique(signs * (0, 1, golden), axis=0)
    icosahedron = np.concatenate([np.roll(corners, turn, axis=1) for turn in range(3)])
    icosahedron /= np.hypot(1, golden)
    if order == 2:
        return icosahedron
    edges = np.unique(signs * (0, golden, 1 / golden), axis=0) / np.sqrt(3)
    return np.concatenate([icosahedron, cube, *(np.roll(edges, turn, axis=1) for turn in range(3))])


def _share_above(
    frequencies: Float[np.ndarray, " bins"], cutoff: float
) -> Float[np.ndarray, " bins"]:
    """From 0 to 1 over the transition, linear in octaves."""
    octaves = np.log2(np.maximum(frequencies, 1.0) / cutoff)
    return (0.5 + octaves / TRANSITION).clip(0, 1)


def _common_delay(
    spectra: Complex[np.ndarray, "directions 2 bins"], frequencies: Float[np.ndarray, " bins"]
) -> float:
    """Mean group delay in seconds, at frequencies at which phases are unambiguous."""
    low = (frequencies > _ALIGNED[0]) & (frequencies < _ALIGNED[1])
    phases = np.unwrap(np.angle(spectra[..., low]), axis=-1).mean(axis=(0, 1))
    slope = np.polynomial.Polynomial.fit(frequencies[low], phases, 1).convert().coef[1]
    return float(-slope / (2 * np.pi))


def _faded(taps: int, fade: int) -> Float[np.ndarray, " taps"]:
    """A window with raised cosines at its ends."""
    window = np.ones(taps)
    window[:fade] = np.sin(np.pi / 2 * (np.arange(fade) + 0.5) / fade) ** 2
    window[taps - fade :] = window[:fade][::-1]
    return window

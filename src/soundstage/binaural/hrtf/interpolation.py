"""The responses of a measured head at any direction.

Neighboring responses are alike once their onsets coincide, so delays and aligned responses are
interpolated apart. Blended spectra keep the notches of the pinna where they are between two
measurements, but lose level where phases differ; a gain in auditory bands puts it back
(magnitude-corrected and time-aligned interpolation; Arend, Pörschmann, Weinzierl and Brinkmann
2023). With barycentric weights w_k of the triangle around a direction d,

    A_k = H_k·e^{jωτ_k}    Ā = Σ w_k·A_k    τ(d) = Σ' τ_k
    H(d) = Ā·10^{(Σ' S_k − S[Ā])/20}·e^{−jωτ(d)}

where τ_k is the onset, S the level of a spectrum in dB after smoothing over a gammatone's bandwidth
around each bin, and Σ' the quadratic form of `soundstage.binaural.hrtf.sphere`. At a measured direction
one weight is 1, the gain is 1, and H is the measurement itself.
"""

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
from jaxtyping import Complex, Float, Inexact, Int
from scipy.fft import next_fast_len

from soundstage.binaural.hrtf.hrtf_set import HrtfSet
from soundstage.binaural.hrtf.onsets import onset_delays
from soundstage.binaural.hrtf.sphere import SphereMesh, gap_corners
from soundstage.spectra.bands import ERB_SLOPE

_MARGIN = 32  # samples around a response for what a shift by a fraction of a sample rings
_SAME = 1e-4  # between unit vectors; two measurements so near are of one direction
_TOGETHER = 64  # directions worked on at once, which fit a processor's cache

_Block = tuple[Complex[np.ndarray, "n 2 bins"], Float[np.ndarray, "n 2"]]


class _Places(NamedTuple):
    """Where directions lie on the mesh; the last are the halves of `_curved`."""

    corners: Int[np.ndarray, "n 3"]
    weights: Float[np.ndarray, "n 3"]
    halves: Float[np.ndarray, "n 3 3"]


class AlignedResponses(NamedTuple):
    """Responses without their delays: sound passes a delay line first, then a filter.

    The full response is `responses` delayed by `delays` and advanced by `HrtfInterpolator.lead`.
    """

    responses: Float[np.ndarray, "wanted 2 taps"]
    delays: Float[np.ndarray, "wanted 2"]
    """In samples, from 0 to `HrtfInterpolator.lead`."""


class HrtfInterpolator:
    """Responses of a head at any direction, at its own sample rate.

    Of several measurements in one direction the farthest counts.

    Args:
        head: as measured.
        nearest: take the nearest measurement instead: cheap, and it jumps.

    Attributes:
        rate: in Hz.
        taps: samples of the responses it gives.
        lead: samples; see `AlignedResponses`.
    """

    def __init__(self, head: HrtfSet, *, nearest: bool = False) -> None:
        self._measured = head if nearest else None
        farthest = np.argsort(-head.distances, kind="stable")
        places = np.round(head.directions[farthest] / _SAME)
        kept = np.sort(farthest[np.unique(places, axis=0, return_index=True)[1]])
        responses, added = head.responses[kept], head.delays[kept]
        onsets = onset_delays(responses, head.rate)
        delays = onsets + added
        self.rate = head.rate
        self._first = max(np.floor(delays.min()) - 1, 0)
        self.lead = int(np.ceil(delays.max() - self._first)) + 1
        longest = head.taps + int(np.ceil(added.max())) + self.lead + _MARGIN
        self.taps = next_fast_len(longest, real=True)
        self._turn = -2j * np.pi * np.fft.rfftfreq(self.taps)
        self._smoothing = _gammatone_smoothing(self.taps, head.rate)
        spectra = np.fft.rfft(responses, self.taps)
        aligned = (spectra * np.exp(-self._turn * onsets[..., None])).astype(np.complex64)
        levels = self._levels(aligned)
        corners, shares = gap_corners(head.directions[kept])
        gap_levels, gap_spectra, gap_delays = (
            _gap_means(corners, shares, each) for each in (levels, aligned, delays)
        )
        self._aligned = np.concatenate([aligned, self._corrected(gap_spectra, gap_levels)])
        self._levels_at = np.concatenate([levels, gap_levels])
        self._delays_at = np.concatenate([delays, gap_delays])
        self._mesh = SphereMesh(np.concatenate([head.directions[kept], corners]))
        self._gradients = self._mesh.gradients()
        self._level_slopes = self._slopes(self._levels_at)
        self._delay_slopes = self._slopes(self._delays_at)

    def responses(
        self, directions: Float[np.ndarray, "wanted 3"]
    ) -> Float[np.ndarray, "wanted 2 taps"]:
        """Full impulse responses, delays included; in a measured direction, what was measured.

        Args:
            directions: vectors of any length but 0; x ahead, y left, z up.

        Raises:
            ValueError: a direction has no length, or is not finite.
        """
        parts = [self._turned(spectra, delays) for spectra, delays in self._blocks(directions)]
        return np.concatenate(parts)

    def aligned(
        self, directions: Float[np.ndarray, "wanted 3"], *, whole: bool = False
    ) -> AlignedResponses:
        """Responses with their onsets in one place, and the delays apart.

        Args:
            directions: as in `responses`.
            whole: round the delays to whole samples and leave the rest in the responses, so that a
                delay line that does not interpolate makes no error.

        Raises:
            ValueError: as in `responses`.
        """
        parts, delays_apart = [], []
        for spectra, delays in self._blocks(directions):
            apart = (delays - self._first).clip(0, self.lead)
            apart = np.rint(apart) if whole else apart
            parts.append(self._turned(spectra, delays - apart + self.lead))
            delays_apart.append(apart)
        return AlignedResponses(np.concatenate(parts), np.concatenate(delays_apart))

    def delays(self, directions: Float[np.ndarray, "wanted 3"]) -> Float[np.ndarray, "wanted 2"]:
        """Those of `aligned` alone, at a fifth of the cost.

        Raises:
            ValueError: as in `responses`.
        """
        parts = []
        for block in _in_blocks(self._unit(directions)):
            parts.append(self._delays(self._place(block)))
        return (np.concatenate(parts) - self._first).clip(0, self.lead)

    def _blocks(self, directions: Float[np.ndarray, "wanted 3"]) -> Iterator[_Block]:
        for block in _in_blocks(self._unit(directions)):
            place = self._place(block)
            corners, weights, halves = place
            narrow, narrow_halves = weights.astype(np.float32), halves.astype(np.float32)
            blended = np.einsum("nk,nkeb->neb", narrow, self._aligned[corners])
            levels = _curved(
                narrow, narrow_halves, self._levels_at[corners], self._level_slopes[corners]
            )
            yield self._corrected(blended, levels), self._delays(place)

    def _unit(self, directions: Float[np.ndarray, "wanted 3"]) -> Float[np.ndarray, "wanted 3"]:
        directions = np.array(directions, dtype=np.float64, ndmin=2)
        lengths = np.linalg.norm(directions, axis=1, keepdims=True)
        if not len(directions) or not (np.isfinite(lengths) & (lengths > 0)).all():
            raise ValueError("a direction is a finite vector of some length")
        directions /= lengths
        if self._measured is not None:
            directions = self._measured.directions[self._measured.nearest(directions)]
        return directions

    def _place(self, directions: Float[np.ndarray, "n 3"]) -> _Places:
        corners, weights = self._mesh.locate(directions)
        steps = directions[:, None] - self._mesh.corners[corners]
        return _Places(corners, weights, 0.5 * weights[..., None] * steps)

    def _delays(self, at: _Places) -> Float[np.ndarray, "n 2"]:
        values, slopes = self._delays_at[at.corners], self._delay_slopes[at.corners]
        return _curved(at.weights, at.halves, values[..., None], slopes[..., None])[..., 0]

    def _corrected(
        self, spectra: Complex[np.ndarray, "n 2 bins"], levels: Float[np.ndarray, "n 2 bins"]
    ) -> Complex[np.ndarray, "n 2 bins"]:
        """With these smoothed levels."""
        return spectra * 10 ** ((levels - self._levels(spectra)) / 20)

    def _levels(self, spectra: Complex[np.ndarray, "n 2 bins"]) -> Float[np.ndarray, "n 2 bins"]:
        power = spectra.real**2 + spectra.imag**2
        return 10 * np.log10(power @ self._smoothing + np.float32(1e-30))

    def _turned(
        self, spectra: Complex[np.ndarray, "n 2 bins"], delays: Float[np.ndarray, "n 2"]
    ) -> Float[np.ndarray, "n 2 taps"]:
        turned = spectra * np.exp(self._turn * delays[..., None])
        return np.fft.irfft(turned, self.taps).astype(np.float32)

    def _slopes(self, values: Float[np.ndarray, "corners 2 ..."]) -> Float[np.ndarray, "..."]:
        slopes = self._gradients @ values.reshape(len(values), -1)
        return slopes.reshape(len(values), 3, *values.shape[1:]).astype(values.dtype)


def _in_blocks(directions: Float[np.ndarray, "wanted 3"]) -> Iterator[Float[np.ndarray, "n 3"]]:
    for start in range(0, len(directions), _TOGETHER):
        yield directions[start : start + _TOGETHER]


def _gap_means(
    corners: Float[np.ndarray, "gaps 3"],
    shares: Float[np.ndarray, "gaps measured"],
    values: Inexact[np.ndarray, "measured 2 ..."],
) -> Inexact[np.ndarray, "gaps 2 ..."]:
    """What stands at the corners of gaps; straight ahead, behind, above or below, both ears agree.

    So a head measured on one side alone does not hear what is behind it from that side.
    """
    means = np.tensordot(shares, values, 1).astype(values.dtype)
    median = corners[:, 1] == 0
    means[median] = 0.5 * (means[median] + means[median, ::-1])
    return means


def _curved(
    weights: Float[np.ndarray, "n 3"],
    halves: Float[np.ndarray, "n 3 3"],
    values: Float[np.ndarray, "n 3 2 numbers"],
    slopes: Float[np.ndarray, "n 3 3 2 numbers"],
) -> Float[np.ndarray, "n 2 numbers"]:
    return np.einsum("nk,nkeb->neb", weights, values) + np.einsum("nkx,nkxeb->neb", halves, slopes)


def _gammatone_smoothing(taps: int, rate: int) -> Float[np.ndarray, "bins smoothed"]:
    """Power weights of a fourth-order gammatone at every bin, (1 + ((f − f_c)/b)²)⁻⁴."""
    frequencies = np.fft.rfftfreq(taps, 1 / rate)
    widths = 1.019 * 24.7 * (1 + ERB_SLOPE * frequencies)  # b = 1.019 ERB (Patterson et al. 1992)
    weights = (1 + ((frequencies[:, None] - frequencies) / widths) ** 2) ** -4.0
    return (weights / weights.sum(axis=0)).astype(np.float32)

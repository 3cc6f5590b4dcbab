"""HRTF interpolation: the responses of an HRTF set in any direction.

Time-aligned responses of neighboring directions are similar, so delays and aligned spectra are
interpolated separately. The interpolated spectrum loses level where phases differ; a gain in
auditory bands corrects it (magnitude-corrected and time-aligned interpolation; Arend, Pörschmann,
Weinzierl and Brinkmann 2023). With barycentric weights w_k of the triangle around a direction d,

    A_k = H_k·e^{jωτ_k}    Ā = Σ w_k·A_k    τ(d) = Σ' τ_k
    H(d) = Ā·10^{(Σ' S_k − S[Ā])/20}·e^{−jωτ(d)}

where τ_k is the onset delay, S the level of a spectrum in dB, smoothed over gammatone bandwidths,
and Σ' the quadratic form of `sphere`. In a measured direction H is the measurement itself.
"""

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
from jaxtyping import Complex, Float, Inexact, Int
from scipy.fft import next_fast_len

from soundstage.binaural.hrtf.hrtf_set import HrtfSet
from soundstage.binaural.hrtf.onsets import onset_delays
from soundstage.binaural.hrtf.sphere import SphereMesh, gap_corners
from soundstage.spectra.filterbanks import ERB_SLOPE

_MARGIN = 32  # samples around a response for the ringing of a fractional delay
_SAME = 1e-4  # distance of unit vectors below which two measurements share a direction
_TOGETHER = 64  # directions per batch, to fit the processor cache

_Block = tuple[Complex[np.ndarray, "n 2 bins"], Float[np.ndarray, "n 2"]]


class _MeshPoints(NamedTuple):
    """Directions on the mesh."""

    corners: Int[np.ndarray, "n 3"]
    weights: Float[np.ndarray, "n 3"]
    halves: Float[np.ndarray, "n 3 3"]
    """½·w_k·(d − u_k)."""


class AlignedResponses(NamedTuple):
    """Time-aligned responses, to be preceded by a delay line.

    The full response is `responses` delayed by `delays` and advanced by `HrtfInterpolator.lead`.
    """

    responses: Float[np.ndarray, "points 2 taps"]
    delays: Float[np.ndarray, "points 2"]
    """In samples, from 0 to `HrtfInterpolator.lead`."""


class HrtfInterpolator:
    """Responses of an HRTF set in any direction, at its sample rate.

    Of several measurements in one direction the farthest is used.

    Args:
        hrtf: the measured set.
        nearest: return the nearest measurement instead: cheaper, but discontinuous.

    Attributes:
        rate: in Hz.
        taps: samples of the interpolated responses.
        lead: in samples; see `AlignedResponses`.
    """

    def __init__(self, hrtf: HrtfSet, *, nearest: bool = False) -> None:
        self._measured = hrtf if nearest else None
        farthest = np.argsort(-hrtf.distances, kind="stable")
        rounded = np.round(hrtf.directions[farthest] / _SAME)
        kept = np.sort(farthest[np.unique(rounded, axis=0, return_index=True)[1]])
        responses, added = hrtf.responses[kept], hrtf.delays[kept]
        onsets = onset_delays(responses, hrtf.rate)
        delays = onsets + added
        self.rate = hrtf.rate
        self._first = max(np.floor(delays.min()) - 1, 0)
        self.lead = int(np.ceil(delays.max() - self._first)) + 1
        longest = hrtf.taps + int(np.ceil(added.max())) + self.lead + _MARGIN
        self.taps = next_fast_len(longest, real=True)
        self._turn = -2j * np.pi * np.fft.rfftfreq(self.taps)
        self._smoothing = _gammatone_smoothing(self.taps, hrtf.rate)
        spectra = np.fft.rfft(responses, self.taps)
        aligned = (spectra * np.exp(-self._turn * onsets[..., None])).astype(np.complex64)
        levels = self._levels(aligned)
        corners, shares = gap_corners(hrtf.directions[kept])
        gap_levels, gap_spectra, gap_delays = (
            _gap_means(corners, shares, each) for each in (levels, aligned, delays)
        )
        self._aligned = np.concatenate([aligned, self._corrected(gap_spectra, gap_levels)])
        self._levels_at = np.concatenate([levels, gap_levels])
        self._delays_at = np.concatenate([delays, gap_delays])
        self._mesh = SphereMesh(np.concatenate([hrtf.directions[kept], corners]))
        self._gradients = self._mesh.gradients()
        self._level_slopes = self._slopes(self._levels_at)
        self._delay_slopes = self._slopes(self._delays_at)

    def responses(
        self, directions: Float[np.ndarray, "points 3"]
    ) -> Float[np.ndarray, "points 2 taps"]:
        """Full impulse responses, with their delays.

        Args:
            directions: vectors of any nonzero norm; x ahead, y left, z up.

        Raises:
            ValueError: a direction is 0 or not finite.
        """
        parts = [self._delayed(spectra, delays) for spectra, delays in self._blocks(directions)]
        return np.concatenate(parts)

    def aligned(
        self, directions: Float[np.ndarray, "points 3"], *, whole: bool = False
    ) -> AlignedResponses:
        """Time-aligned responses, and their delays.

        Args:
            directions: as in `responses`.
            whole: round the delays to whole samples and keep the remainder in the responses, for a
                delay line without interpolation.

        Raises:
            ValueError: as in `responses`.
        """
        parts, line_delays = [], []
        for spectra, delays in self._blocks(directions):
            line = (delays - self._first).clip(0, self.lead)
            line = np.rint(line) if whole else line
            parts.append(self._delayed(spectra, delays - line + self.lead))
            line_delays.append(line)
        return AlignedResponses(np.concatenate(parts), np.concatenate(line_delays))

    def delays(self, directions: Float[np.ndarray, "points 3"]) -> Float[np.ndarray, "points 2"]:
        """The delays of `aligned` only, at a fifth of the cost.

        Raises:
            ValueError: as in `responses`.
        """
        parts = []
        for block in _in_blocks(self._unit(directions)):
            parts.append(self._delays(self._locate(block)))
        return (np.concatenate(parts) - self._first).clip(0, self.lead)

    def _blocks(self, directions: Float[np.ndarray, "points 3"]) -> Iterator[_Block]:
        for block in _in_blocks(self._unit(directions)):
            points = self._locate(block)
            weights, halves = points.weights.astype(np.float32), points.halves.astype(np.float32)
            mean = np.einsum("nk,nkeb->neb", weights, self._aligned[points.corners])
            levels = _quadratic(
                weights, halves, self._levels_at[points.corners], self._level_slopes[points.corners]
            )
            yield self._corrected(mean, levels), self._delays(points)

    def _unit(self, directions: Float[np.ndarray, "points 3"]) -> Float[np.ndarray, "points 3"]:
        directions = np.array(directions, dtype=np.float64, ndmin=2)
        lengths = np.linalg.norm(directions, axis=1, keepdims=True)
        if not len(directions) or not (np.isfinite(lengths) & (lengths > 0)).all():
            raise ValueError("a direction must be a finite, nonzero vector")
        directions /= lengths
        if self._measured is not None:
            directions = self._measured.directions[self._measured.nearest(directions)]
        return directions

    def _locate(self, directions: Float[np.ndarray, "n 3"]) -> _MeshPoints:
        corners, weights = self._mesh.locate(directions)
        steps = directions[:, None] - self._mesh.corners[corners]
        return _MeshPoints(corners, weights, 0.5 * weights[..., None] * steps)

    def _delays(self, points: _MeshPoints) -> Float[np.ndarray, "n 2"]:
        values, slopes = self._delays_at[points.corners], self._delay_slopes[points.corners]
        return _quadratic(points.weights, points.halves, values[..., None], slopes[..., None])[
            ..., 0
        ]

    def _corrected(
        self, spectra: Complex[np.ndarray, "n 2 bins"], levels: Float[np.ndarray, "n 2 bins"]
    ) -> Complex[np.ndarray, "n 2 bins"]:
        """Spectra scaled to these smoothed levels."""
        return spectra * 10 ** ((levels - self._levels(spectra)) / 20)

    def _levels(self, spectra: Complex[np.ndarray, "n 2 bins"]) -> Float[np.ndarray, "n 2 bins"]:
        power = spectra.real**2 + spectra.imag**2
        return 10 * np.log10(power @ self._smoothing + np.float32(1e-30))

    def _delayed(
        self, spectra: Complex[np.ndarray, "n 2 bins"], delays: Float[np.ndarray, "n 2"]
    ) -> Float[np.ndarray, "n 2 taps"]:
        delayed = spectra * np.exp(self._turn * delays[..., None])
        return np.fft.irfft(delayed, self.taps).astype(np.float32)

    def _slopes(self, values: Float[np.ndarray, "corners 2 ..."]) -> Float[np.ndarray, "..."]:
        slopes = self._gradients @ values.reshape(len(values), -1)
        return slopes.reshape(len(values), 3, *values.shape[1:]).astype(values.dtype)


def _in_blocks(directions: Float[np.ndarray, "points 3"]) -> Iterator[Float[np.ndarray, "n 3"]]:
    for start in range(0, len(directions), _TOGETHER):
        yield directions[start : start + _TOGETHER]


def _gap_means(
    corners: Float[np.ndarray, "gaps 3"],
    shares: Float[np.ndarray, "gaps measured"],
    values: Inexact[np.ndarray, "measured 2 ..."],
) -> Inexact[np.ndarray, "gaps 2 ..."]:
    """Values at the corners of gaps; in the median plane both ears get the same.

    Otherwise a set measured on one side only would place sources behind the head on that side.
    """
    means = np.tensordot(shares, values, 1).astype(values.dtype)
    median = corners[:, 1] == 0
    means[median] = 0.5 * (means[median] + means[median, ::-1])
    return means


def _quadratic(
    weights: Float[np.ndarray, "n 3"],
    halves: Float[np.ndarray, "n 3 3"],
    values: Float[np.ndarray, "n 3 2 bins"],
    slopes: Float[np.ndarray, "n 3 3 2 bins"],
) -> Float[np.ndarray, "n 2 bins"]:
    """Σ', the quadratic form of `sphere`."""
    return np.einsum("nk,nkeb->neb", weights, values) + np.einsum("nkx,nkxeb->neb", halves, slopes)


def _gammatone_smoothing(taps: int, rate: int) -> Float[np.ndarray, "bins smoothed"]:
    """Power weights of a fourth-order gammatone around each bin, (1 + ((f − f_c)/b)²)⁻⁴."""
    frequencies = np.fft.rfftfreq(taps, 1 / rate)
    widths = 1.019 * 24.7 * (1 + ERB_SLOPE * frequencies)  # b = 1.019 ERB (Patterson et al. 1992)
    weights = (1 + ((frequencies[:, None] - frequencies) / widths) ** 2) ** -4.0
    return (weights / weights.sum(axis=0)).astype(np.float32)

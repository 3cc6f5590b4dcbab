"""`formation`: sound source formation, groups of sinusoids that belong together (Lagrange 2007).

    peaks of a frame → similarity of any two in a texture window → normalized cut → clusters,
    clusters followed through the song → sources; the rest of the spectrum → residual

After Lagrange, Martins and Tzanetakis, "Semi-automatic mono to stereo up-mixing using sound source
formation" (AES 122, 2007) and "Normalized cuts for predominant melodic source separation" (IEEE
TASLP 2008): spectra of 2,048 points, at most 20 peaks in each, texture windows of ten frames, and
nothing learned. `formation_peaks`, `formation_cut` and `formation_sources` hold these three steps.

What differs: frames come every 1,024 samples; a user there joins the clusters of a song by hand,
here a survey finds its sources; and sinusoids are not synthesized anew. A source is the part of the
spectrogram around its peaks, so that transients and noise are in the residual and the sources add
up to the input: the mask of source k is its share of the lines at a bin,

    m_k = g · Σ_{p∈k} a_p²·v(δ_p) / Σ_p a_p²·v(δ_p),    v(δ) = 1/(1 + δ²)²

where δ_p is the distance from peak p in bins, and g falls from 1 within three bins of a peak to 0
at six.
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import torch
from jaxtyping import Complex, Float, Int
from torch import Tensor

from soundstage.separation.formation_peaks import Peaks, sinusoidal_peaks
from soundstage.separation.formation_sources import (
    BASS,
    Follower,
    Sources,
    default_sources,
    distances,
    find_sources,
    texture_clusters,
)
from soundstage.separation.masking import BLOCK, MaskedSourceStream
from soundstage.separation.separator import Kind, SourceInfo
from soundstage.separation.stage_balance import BALANCE_EDGES, band_energies
from soundstage.spectra import AnalysisStream, SampleQueue
from soundstage.stereo.encoding import RATE, TRANSFORM

SOURCES = 6
TEXTURE = 10  # frames, 0.23 s
REACH = 6  # bins on each side of a peak, 65 Hz
CORE = 3  # bins on each side that belong to the source in full
SURVEYED_IN_FULL = 86  # texture windows, 20 s; after them every `SURVEY_STEP`th
SURVEY_STEP = 4
ACTIVE = 1e-2  # of its mean power: −20 dB
LINE_ENERGY = TRANSFORM.window.square().sum().item() * TRANSFORM.frame / 4
"""Energy of a sine of amplitude 1 over the bins of a frame."""
BIN_FREQUENCIES = torch.arange(TRANSFORM.bins, dtype=torch.float32) * (RATE / TRANSFORM.frame)


class FormationMasks:
    """Masks of the sources, then of the residual: a `MaskStream`.

    Args:
        sources: of the song.
    """

    def __init__(self, sources: Sources) -> None:
        self._count = sources.number
        self._follower = Follower(sources)
        self._frames = SampleQueue((TRANSFORM.bins,))
        self._before: Tensor | None = None  # masks of the last two frames, to be smoothed

    def push(
        self, spectrogram: Complex[Tensor, "bins frames"], /
    ) -> Float[Tensor, "sources bins ready"]:
        """Masks of the complete texture windows, up to the last frame but one."""
        self._frames.push(spectrogram)
        masks = [self._masks(TEXTURE) for _ in range(len(self._frames) // TEXTURE)]
        return self._smoothed(masks)

    def finish(self) -> Float[Tensor, "sources bins rest"]:
        """Masks of the remaining frames, a shorter texture window."""
        masks = [self._masks(count)] if (count := len(self._frames)) else []
        ready = self._smoothed(masks)
        if self._before is None:
            return ready
        last = self._smoothed([self._before[..., -1:]])
        return torch.cat([ready, last], dim=-1)

    def _masks(self, count: int) -> Float[Tensor, "sources bins frames"]:
        peaks = sinusoidal_peaks(self._frames.pop(count))
        sources = self._follower.follow(peaks, texture_clusters(peaks))
        return torch.from_numpy(line_masks(peaks, sources, self._count))

    def _smoothed(self, masks: list[Tensor]) -> Float[Tensor, "sources bins ready"]:
        """Masks (¼, ½, ¼) over three frames; the last frame waits for the next.

        Without it a peak that is missed for a frame would be heard to switch.
        """
        if not masks:
            return torch.zeros(self._count + 1, TRANSFORM.bins, 0)
        first = masks[0][..., :1] if self._before is None else self._before
        padded = torch.cat([first, *masks], dim=-1)
        self._before = padded[..., -2:]
        smoothed = padded[..., :-2] / 4 + padded[..., 1:-1] / 2 + padded[..., 2:] / 4
        return torch.cat([smoothed, (1 - smoothed.sum(dim=0, keepdim=True)).clamp(min=0)])


def line_masks(
    peaks: Peaks, sources: Int[np.ndarray, "frames peaks"], count: int
) -> Float[np.ndarray, "sources bins frames"]:
    """Masks around the peaks of each source; what is left to 1 is the residual's.

    Args:
        peaks: of some frames.
        sources: the source of every peak, −1 for none.
        count: number of sources.
    """
    frames, ranks = np.nonzero(sources >= 0)
    center = peaks.frequency[frames, ranks] * (TRANSFORM.frame / RATE)
    bins = np.rint(center).astype(np.int64)[:, None] + np.arange(-REACH, REACH + 1)
    distance = bins - center[:, None]
    line = peaks.amplitude[frames, ranks, None] ** 2 / (1 + distance**2) ** 2
    fade = ((REACH - np.abs(distance)) / (REACH - CORE)).clip(0, 1)
    within = (bins >= 0) & (bins < TRANSFORM.bins)
    shape = (count, TRANSFORM.bins, len(peaks.frequency))
    index = np.ravel_multi_index(
        (
            np.broadcast_to(sources[frames, ranks, None], bins.shape)[within],
            bins[within],
            np.broadcast_to(frames[:, None], bins.shape)[within],
        ),
        shape,
    )
    lines = np.bincount(index, line[within], np.prod(shape)).reshape(shape)
    gate = np.zeros(shape[1:])
    np.maximum.at(gate.reshape(-1), index % gate.size, np.sin(np.pi / 2 * fade[within]) ** 2)
    total = lines.sum(axis=0)
    masks: Float[np.ndarray, "sources bins frames"] = (
        gate * lines / np.where(total > 0, total, 1)
    ).astype(np.float32)
    return masks


class FormationSeparator:
    """Sources of one song, or of any music: a `MaskSeparator`.

    Args:
        found: its sources, by their clusters.
        sources: the same sources in words, then the residual.
        energies: of the sources in the bands of `stage_balance`; None if not known.
    """

    rate = RATE

    def __init__(
        self,
        found: Sources,
        sources: Sequence[SourceInfo],
        energies: Float[np.ndarray, "sources bands"] | None = None,
    ) -> None:
        self._found = found
        self.sources = tuple(sources)
        self.balance_energies = energies

    def stream(self) -> MaskedSourceStream:
        """Start a signal."""
        return MaskedSourceStream(self.mask_stream(), self.sources)

    def mask_stream(self) -> FormationMasks:
        """Start a signal."""
        return FormationMasks(self._found)


class Formation:
    """The separator before it knows the song: a `SongSeparator`.

    Args:
        sources: number of sources with the bass and without the residual, at most; 2 or more.
    """

    rate = RATE

    def __init__(self, sources: int = SOURCES) -> None:
        self._count = sources

    def survey(self) -> "FormationSurvey":
        """Start a song."""
        return FormationSurvey(self._count)


class FormationSurvey:
    """The sources of a song by the clusters of its texture windows: a `Survey`.

    All windows of the first 20 s and every fourth one after them are cut, which keeps 20,000
    clusters an hour.

    Args:
        count: number of sources, at most.
    """

    def __init__(self, count: int) -> None:
        self._count = count
        self._incoming, self._analysis = SampleQueue(), AnalysisStream(TRANSFORM)
        self._frames = SampleQueue((TRANSFORM.bins,))
        self._seen = 0  # texture windows
        self._windows: list[_SurveyedWindow] = []
        self._power = torch.zeros(TRANSFORM.bins, dtype=torch.float64)  # of all sound

    def push(self, mono: Float[Tensor, " length"], /) -> None:
        """The next samples."""
        self._incoming.push(mono.clone())  # a caller may reuse its buffer
        while len(self._incoming) >= BLOCK:  # long transforms round by their number
            self._frames.push(self._analysis.push(self._incoming.pop(BLOCK)))
        while len(self._frames) >= TEXTURE:
            self._survey(TEXTURE)

    def finish(self) -> FormationSeparator:
        """A separator with the sources of this song."""
        self._frames.push(self._analysis.push(self._incoming.pop(len(self._incoming))))
        self._frames.push(self._analysis.finish())
        while count := min(len(self._frames), TEXTURE):
            self._survey(count)
        windows = self._windows
        counts = [len(window.descriptors) for window in windows]
        descriptors = np.concatenate([window.descriptors for window in windows])
        bands = np.concatenate([window.energies for window in windows])
        moments = np.concatenate([window.moments for window in windows])
        lows = np.array([window.low for window in windows])  # energy and moment of the bass
        if not bands.any() and not lows.any():
            return unsurveyed(self._count)
        index = np.repeat(np.arange(len(windows)), counts)
        found = find_sources(descriptors, bands.sum(axis=1), index, self._count)
        source = found.source[distances(descriptors, found.prototypes).argmin(axis=1)]
        energies = np.zeros((found.number + 1, len(BALANCE_EDGES)))
        np.add.at(energies, source, bands)
        energies[BASS, 0] = lows[:, 0].sum()
        moment = np.append(np.bincount(source, moments, found.number), 0)
        moment[BASS] = lows[:, 1].sum()
        activity = np.zeros((len(windows), found.number))
        np.add.at(activity, (index, source), bands.sum(axis=1))
        activity[:, BASS] = lows[:, 0]
        active = (activity > ACTIVE * activity.mean(axis=0)).mean(axis=0)
        whole = band_energies_of(self._power.numpy())
        energies[-1] = np.maximum(whole - energies.sum(axis=0), 0)  # lines share bins
        moment[-1] = max((self._power @ BIN_FREQUENCIES.double()).item() - moment.sum(), 0)
        total = energies.sum(axis=1)
        centroids = moment / np.maximum(total, np.finfo(np.float64).tiny)
        infos = in_words(total / total.sum(), centroids, np.append(active, 1.0))
        return FormationSeparator(found, infos, energies[:, :-1])

    def _survey(self, count: int) -> None:
        frames = self._frames.pop(count)
        self._seen += 1
        if self._seen <= SURVEYED_IN_FULL or self._seen % SURVEY_STEP == 0:
            self._power += frames.abs().square().sum(dim=1).double()
            self._windows.append(_SurveyedWindow.of(sinusoidal_peaks(frames)))


class _SurveyedWindow(NamedTuple):
    """The clusters of a texture window, and its bass."""

    descriptors: Float[np.ndarray, "clusters descriptors"]
    energies: Float[np.ndarray, "clusters edges"]
    """In the bands between `BALANCE_EDGES` and above the last."""
    moments: Float[np.ndarray, " clusters"]
    """Energy times frequency in Hz."""
    low: tuple[float, float]
    """Energy and moment of the lines in no cluster."""

    @classmethod
    def of(cls, peaks: Peaks) -> "_SurveyedWindow":
        clusters = texture_clusters(peaks)
        energy = peaks.amplitude**2 * LINE_ENERGY
        moment = energy * peaks.frequency
        present = clusters.labels >= 0
        labels, band = clusters.labels[present], np.searchsorted(BALANCE_EDGES, peaks.frequency)
        energies = np.zeros((len(clusters.power), len(BALANCE_EDGES)))
        np.add.at(energies, (labels, band[present] - 1), energy[present])
        moments = np.bincount(labels, moment[present], len(energies))
        low = float(energy[~present].sum()), float(moment[~present].sum())
        return cls(clusters.descriptors, energies, moments, low)


def band_energies_of(power: Float[np.ndarray, " bins"]) -> Float[np.ndarray, " edges"]:
    """Energy of a spectrum in the bands between `BALANCE_EDGES` and above the last."""
    hertz = BIN_FREQUENCIES.numpy()
    bands = band_energies(power[None], hertz)[0]
    return np.append(bands, power[hertz >= BALANCE_EDGES[-1]].sum())


def in_words(
    energies: Float[np.ndarray, " sources"],
    centroids: Float[np.ndarray, " sources"],
    activity: Float[np.ndarray, " sources"],
) -> list[SourceInfo]:
    """The bass, the other sources, the residual.

    Args:
        energies: shares of the song.
        centroids: in Hz; 0 if not known.
        activity: shares of the song.
    """
    others = range(1, len(energies) - 1)
    names = ["bass", *(f"other-{number}" for number in others), "residual"]
    kinds: dict[str, Kind] = {"bass": "bass", "residual": "residual"}
    facts = zip(names, energies, centroids, activity, strict=True)
    return [
        SourceInfo(name, kinds.get(name, "object"), *map(float, values)) for name, *values in facts
    ]


def unsurveyed(count: int = SOURCES) -> FormationSeparator:
    """The separator for any music: one source in each register."""
    unknown = np.zeros(count + 1)
    return FormationSeparator(default_sources(count), in_words(unknown, unknown, unknown))


def load(weights: str | None = None, device: torch.device | str = "cpu") -> Formation:
    """The separator; it has no weights, and runs on the CPU."""
    return Formation()

"""Clusters of peaks as sources of a song: their descriptors, and which cluster is which source.

Every texture window is cut into clusters of peaks on its own. A cluster is described by where its
peaks lie and how they are spread, so that the same instrument looks alike whenever it plays:

    centroid and spread in Bark; pitch (its lowest strong peak) in Bark; harmonic envelope

Lines under 150 Hz are in no cluster: they are one source, the bass, which stands still at the
center however the notes over them are grouped.

A survey finds the prototypes of these clusters by a weighted k-means, and joins the prototypes that
play together, by the correlation of their levels over time, into the sources of the song. Then each
cluster joins the source of its nearest prototype, with a bonus for the peaks that go on from the
window before: a source is kept through a note, and found again after a pause.
"""

from typing import NamedTuple

import numpy as np
from jaxtyping import Float, Int

from soundstage.separation.formation_cut import WindowPeaks, bark, normalized_cut, peak_similarity
from soundstage.separation.formation_peaks import Peaks

LOW = 150.0  # Hz; lines below it are the bass, whatever instrument they belong to
CLUSTERS = 5  # in a texture window
STRONG = 10 ** (-20 / 20)  # a peak counts as the pitch within 20 dB of the loudest of its cluster
OCTAVES = (0.5, 1.5, 2.5)  # over the pitch: borders of the four parts of the harmonic envelope
SCALES = np.array([2.0, 1.5, 2.0, 0.5, 0.5, 0.5, 0.5])
"""One step of each descriptor: Bark, Bark, Bark, and shares of the magnitude."""
BASS = 0  # the source of low lines
DESCRIPTORS = len(SCALES)
CONTINUITY = 4.0  # squared steps: a cluster whose peaks all go on changes source only beyond this
SAME_PARTIAL = 0.03  # relative change of frequency from frame to frame, half a semitone
WEIGHT_EXPONENT = 0.3  # of power, in the k-means: quiet instruments count too
ROUNDS = 50  # of the k-means, which ends when nothing changes
PROTOTYPES = 12  # of clusters in a song, at most
PER_PROTOTYPE = 20  # clusters, at least
LIKENESS = 1.0  # of prototypes, beside the correlation of their levels, in joining them
LIKENESS_WIDTH = 8.0  # squared steps: at this distance likeness is 1/e
LEVEL_EXPONENT = 0.3  # of energy, for the correlation: between magnitude and loudness


class Clusters(NamedTuple):
    """The clusters of a texture window."""

    labels: Int[np.ndarray, "frames peaks"]
    """Cluster of every peak; −1 where there is none."""
    descriptors: Float[np.ndarray, "clusters descriptors"]
    """In steps of `SCALES`."""
    power: Float[np.ndarray, " clusters"]
    """Sum of the squared amplitudes of the peaks."""


def texture_clusters(peaks: Peaks, clusters: int = CLUSTERS) -> Clusters:
    """Cut the peaks of a texture window into clusters.

    Args:
        peaks: of its frames; those under `LOW` are in no cluster.
        clusters: at most.
    """
    labels = np.full(peaks.amplitude.shape, -1)
    window = WindowPeaks(peaks, LOW)
    if not len(window):
        return Clusters(labels, np.zeros((0, DESCRIPTORS)), np.zeros(0))
    _, groups = np.unique(
        normalized_cut(peak_similarity(window), clusters), return_inverse=True
    )  # without empty groups
    labels[window.frames, window.ranks] = groups
    members = [groups == group for group in range(groups.max() + 1)]
    described = [describe(window.frequency[each], window.amplitude[each]) for each in members]
    power = np.array([(window.amplitude[each] ** 2).sum() for each in members])
    return Clusters(labels, np.stack(described), power)


def describe(
    frequency: Float[np.ndarray, " peaks"], amplitude: Float[np.ndarray, " peaks"]
) -> Float[np.ndarray, " descriptors"]:
    """Centroid, spread, pitch and harmonic envelope of a cluster, in steps of `SCALES`."""
    weight = amplitude / amplitude.sum()
    place = bark(frequency)
    centroid = weight @ place
    spread = np.sqrt(weight @ (place - centroid) ** 2)
    pitch = frequency[amplitude >= STRONG * amplitude.max()].min()
    part = np.searchsorted(OCTAVES, np.log2(frequency / pitch))
    envelope = np.bincount(part, weight, len(OCTAVES) + 1)
    return np.concatenate([[centroid, spread, bark(pitch)], envelope]) / SCALES


class Sources(NamedTuple):
    """The sources of a song."""

    prototypes: Float[np.ndarray, "prototypes descriptors"]
    """Descriptors of typical clusters."""
    source: Int[np.ndarray, " prototypes"]
    """The source of each prototype, from `BASS` + 1 on, none left out."""

    @property
    def number(self) -> int:
        """Number of sources, the bass included."""
        return int(self.source.max()) + 1


def default_sources(count: int) -> Sources:
    """Sources of unknown music: the bass, and one in each register from 300 to 2300 Hz.

    Args:
        count: number of sources, 2 or more.
    """
    centroid = np.linspace(3, 14, count - 1)
    envelope = np.tile([0.55, 0.25, 0.15, 0.05], (count - 1, 1))
    spread = np.minimum(1 + 0.2 * centroid, 3)
    prototypes = np.column_stack([centroid, spread, 0.7 * centroid, envelope]) / SCALES
    return Sources(prototypes, np.arange(1, count))


def find_sources(
    descriptors: Float[np.ndarray, "clusters descriptors"],
    power: Float[np.ndarray, " clusters"],
    window: Int[np.ndarray, " clusters"],
    count: int,
) -> Sources:
    """The sources of a song, from the lowest to the highest centroid.

    Args:
        descriptors: of clusters from all over the song.
        power: of these clusters.
        window: the texture window of each cluster.
        count: number of sources with the bass, at most; with fewer clusters, `default_sources`.
    """
    if len(descriptors) < count - 1:
        return default_sources(count)
    weight = power**WEIGHT_EXPONENT
    wanted = min(PROTOTYPES, max(count - 1, len(descriptors) // PER_PROTOTYPE))
    prototypes = k_means(descriptors, weight, wanted)
    nearest = distances(descriptors, prototypes).argmin(axis=1)
    prototypes = prototypes[np.unique(nearest)]  # without those that no cluster is nearest to
    nearest = distances(descriptors, prototypes).argmin(axis=1)
    energies = np.zeros((window.max() + 1, len(prototypes)))
    np.add.at(energies, (window, nearest), power)
    likeness = LIKENESS * np.exp(-distances(prototypes, prototypes) / LIKENESS_WIDTH)
    groups = join(correlation(energies**LEVEL_EXPONENT) + likeness, count - 1)
    centroids = [
        np.average(prototypes[groups == group, 0], weights=energies.sum(axis=0)[groups == group])
        for group in range(groups.max() + 1)
    ]
    rank = np.argsort(np.argsort(centroids, kind="stable"), kind="stable")
    return Sources(prototypes, BASS + 1 + rank[groups])


def k_means(
    descriptors: Float[np.ndarray, "clusters descriptors"],
    weight: Float[np.ndarray, " clusters"],
    count: int,
) -> Float[np.ndarray, "prototypes descriptors"]:
    """Means of a weighted k-means, which starts from the weighted quantiles of the centroid.

    One song therefore has one result.
    """
    order = np.argsort(descriptors[:, 0], kind="stable")
    share = weight[order].cumsum() / weight.sum()
    groups = np.empty(len(order), np.int64)
    groups[order] = np.minimum((share * count).astype(np.int64), count - 1)
    means = descriptors[order[np.linspace(0, len(order) - 1, count).round().astype(np.int64)]]
    for _ in range(ROUNDS):
        for prototype in range(count):
            if (chosen := groups == prototype).any():
                means[prototype] = np.average(descriptors[chosen], axis=0, weights=weight[chosen])
        nearest = distances(descriptors, means).argmin(axis=1)
        if (nearest == groups).all():
            break
        groups = nearest
    return means


def correlation(
    levels: Float[np.ndarray, "windows prototypes"],
) -> Float[np.ndarray, "prototypes prototypes"]:
    """Correlation over time of every two prototypes, 0 for one that never changes.

    Parts of one sound start and end together, whatever their frequencies: common fate.
    """
    centered = levels - levels.mean(axis=0)
    norms = np.linalg.norm(centered, axis=0)
    unit = centered / np.where(norms > 0, norms, 1)
    result: Float[np.ndarray, "prototypes prototypes"] = unit.T @ unit
    return result


def join(affinity: Float[np.ndarray, "items items"], count: int) -> Int[np.ndarray, " items"]:
    """Groups of items, joined two by two by their mean affinity until `count` are left.

    >>> affinity = np.array([[1, 0, 0.9], [0, 1, 0.1], [0.9, 0.1, 1]])
    >>> join(affinity, 2).tolist()
    [0, 1, 0]
    """
    groups = [[each] for each in range(len(affinity))]
    while len(groups) > count:
        pairs = [(one, other) for other in range(len(groups)) for one in range(other)]
        means = [affinity[np.ix_(groups[one], groups[other])].mean() for one, other in pairs]
        one, other = pairs[int(np.argmax(means))]
        groups[one] += groups.pop(other)
    result = np.empty(len(affinity), np.int64)
    for group, members in enumerate(groups):
        result[members] = group
    return result


def distances(
    descriptors: Float[np.ndarray, "clusters descriptors"],
    sources: Float[np.ndarray, "sources descriptors"],
) -> Float[np.ndarray, "clusters sources"]:
    """Squared distances of clusters from sources."""
    result: Float[np.ndarray, "clusters sources"] = (
        (descriptors[:, None] - sources[None]) ** 2
    ).sum(axis=-1)
    return result


class Follower:
    """The source of every peak, window after window.

    Args:
        sources: of the song.
    """

    def __init__(self, sources: Sources) -> None:
        self._sources = sources
        self._last = np.zeros(0), np.zeros(0, np.int64)  # peaks of the last frame, their sources

    def follow(self, peaks: Peaks, clusters: Clusters) -> Int[np.ndarray, "frames peaks"]:
        """Source of each peak of the next texture window; −1 where there is none."""
        cost = distances(clusters.descriptors, self._sources.prototypes)
        cost -= CONTINUITY * self._continued(peaks, clusters)[:, self._sources.source]
        source_of = np.append(self._sources.source[cost.argmin(axis=1)], BASS)
        sources: Int[np.ndarray, "frames peaks"] = source_of[clusters.labels]
        sources[peaks.amplitude == 0] = -1
        last = sources[-1] >= 0
        self._last = peaks.frequency[-1][last], sources[-1][last]
        return sources

    def _continued(self, peaks: Peaks, clusters: Clusters) -> Float[np.ndarray, "clusters sources"]:
        """Share of each cluster's first peaks that go on from a peak of each source."""
        shares = np.zeros((len(clusters.power), self._sources.number))
        frequency, source = self._last
        first = clusters.labels[0] >= 0
        if not len(frequency) or not first.any():
            return shares
        distance = np.abs(peaks.frequency[0][first][:, None] / frequency - 1)
        nearest = distance.argmin(axis=1)
        goes_on = distance.min(axis=1) < SAME_PARTIAL
        cluster, amplitude = clusters.labels[0][first], peaks.amplitude[0][first]
        np.add.at(shares, (cluster[goes_on], source[nearest[goes_on]]), amplitude[goes_on])
        total = np.bincount(cluster, amplitude, len(shares))
        return shares / np.maximum(total, np.finfo(np.float64).tiny)[:, None]

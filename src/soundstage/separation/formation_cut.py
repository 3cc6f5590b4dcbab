"""Groups of peaks: similarity of frequency, amplitude and harmonicity, and the normalized cut.

The similarity of two peaks of a texture window is a product (Lagrange et al. 2007; 2008, §III),

    W = W_f · W_a · W_h,    W_f = exp(−Δb²/σ_b²),    W_a = exp(−Δa²/σ_a²),    W_h = exp(−d²/σ_h²)

with frequencies b in Bark, amplitudes a in dB, σ twice their standard deviation in the window, and
d the distance of the two harmonically wrapped spectra. The spectrum around a peak is wrapped by
moving the peak to zero and taking all peaks of its frame modulo h, the lower of the two
frequencies. The partials of one note then fall onto the same places around each of them, so that
the histograms of two partials are alike, and of partials of two notes are not: d is 1 minus the
cosine of the two.

The peaks are then parted by the normalized cut (Shi and Malik 2000): eigenvectors of D^−½·W·D^−½,
which `discretize` turns into groups by the rotation nearest to a partition (Yu and Shi 2003). An
eigenvalue tells how little a further group is connected; with no clear one, fewer are cut.

Histograms of 20 bins, h, and the diagonal offset of the cut are as in MARSYAS, the authors' program
(`HWPS` and `NormCut`; facts only, no code).
"""

import numpy as np
import torch
from jaxtyping import Float, Int

from soundstage.separation.formation_peaks import Peaks

HISTOGRAM = 20  # bins of a wrapped spectrum
WIDTH = 2.0  # of σ_b and σ_a, in standard deviations; with 1, partials of one note are cut apart
HARMONIC_WIDTH = 0.4  # σ_h; cosines of partials of one note are above 0.8, of others below 0.4
LEAST_WIDTHS = (0.5, 3.0)  # Bark and dB; of σ, where all peaks of a window are alike
OFFSET = 0.5  # added to the diagonal, and twice to the degrees: isolated peaks are not cut off
CONNECTED = 0.5  # eigenvalue over which a further group is cut off: 1 is a group of its own
MAX_ROTATIONS = 20


class WindowPeaks:
    """The peaks of a texture window in one list.

    Args:
        peaks: of its frames.
        lowest: frequency in Hz of peaks in the list; all are wrapped around them.
    """

    def __init__(self, peaks: Peaks, lowest: float = 0.0) -> None:
        is_listed = (peaks.amplitude > 0) & (peaks.frequency >= lowest)
        self.frames, self.ranks = np.nonzero(is_listed)
        self.frequency: Float[np.ndarray, " count"] = peaks.frequency[self.frames, self.ranks]
        self.amplitude: Float[np.ndarray, " count"] = peaks.amplitude[self.frames, self.ranks]
        self.around = peaks
        """All peaks of the frames, which are wrapped around each."""

    def __len__(self) -> int:
        return len(self.frames)


def bark(frequency: Float[np.ndarray, "*shape"]) -> Float[np.ndarray, "*shape"]:
    """Critical-band rate in Bark of a frequency in Hz (Traunmüller 1990).

    >>> bark(np.array([100.0, 1000.0])).round(1).tolist()
    [0.8, 8.5]
    """
    result: Float[np.ndarray, "*shape"] = 26.81 * frequency / (1960 + frequency) - 0.53
    return result


def wrapped_spectra(
    window: WindowPeaks, centers: Int[np.ndarray, " pairs"], moduli: Float[np.ndarray, " pairs"]
) -> Float[np.ndarray, "pairs histogram"]:
    """Amplitudes of the peaks beside each center, by frequency relative to it modulo a frequency.

    Args:
        window: the peaks.
        centers: indices of peaks; the peaks of their frames are wrapped.
        moduli: in Hz, over 0.
    """
    frames = window.frames[centers]
    distance = window.around.frequency[frames] - window.frequency[centers, None]
    turns = distance / moduli[:, None]
    turns -= np.floor(turns)
    places = (turns * HISTOGRAM + 0.5).astype(np.int64) % HISTOGRAM
    places += HISTOGRAM * np.arange(len(centers))[:, None]
    amplitudes = window.around.amplitude[frames]
    counts = np.bincount(places.ravel(), amplitudes.ravel(), HISTOGRAM * len(centers))
    return counts.reshape(len(centers), HISTOGRAM)


def harmonic_similarity(window: WindowPeaks) -> Float[np.ndarray, "count count"]:
    """Cosine of the wrapped spectra of every two peaks (HWPS), 0 to 1."""
    rising = np.argsort(window.frequency, kind="stable")
    one, other = np.triu_indices(len(window), 1)
    lower, higher = rising[one], rising[other]
    own = _unit(wrapped_spectra(window, np.arange(len(window)), window.frequency))
    wrapped = _unit(wrapped_spectra(window, higher, window.frequency[lower]))
    cosine = np.einsum("ph,ph->p", own[lower], wrapped)
    similarity = np.eye(len(window))
    similarity[lower, higher] = similarity[higher, lower] = cosine.clip(0, 1)
    return similarity


def _unit(spectra: Float[np.ndarray, "pairs histogram"]) -> Float[np.ndarray, "pairs histogram"]:
    result: Float[np.ndarray, "pairs histogram"] = spectra / np.linalg.norm(
        spectra, axis=1, keepdims=True
    )
    return result


def proximity(
    values: Float[np.ndarray, " count"], least_width: float
) -> Float[np.ndarray, "count count"]:
    """Gaussian of the distance of every two values, as wide as `WIDTH` standard deviations.

    Args:
        values: of the items.
        least_width: in place of a smaller standard deviation.
    """
    width = WIDTH * max(values.std().item(), least_width)
    result: Float[np.ndarray, "count count"] = np.exp(
        -(((values[:, None] - values[None]) / width) ** 2)
    )
    return result


def peak_similarity(window: WindowPeaks) -> Float[np.ndarray, "count count"]:
    """The product W of the three similarities, 0 to 1; 1 on the diagonal."""
    level = 20 * np.log10(window.amplitude)
    wrapped = np.exp(-(((1 - harmonic_similarity(window)) / HARMONIC_WIDTH) ** 2))
    near = proximity(bark(window.frequency), LEAST_WIDTHS[0])
    similarity: Float[np.ndarray, "count count"] = (
        near * proximity(level, LEAST_WIDTHS[1]) * wrapped
    )
    return similarity


def normalized_cut(
    similarity: Float[np.ndarray, "count count"], groups: int
) -> Int[np.ndarray, " count"]:
    """The group of every item, from 0, such that little similarity is cut.

    >>> blocks = np.kron(np.eye(2), np.ones((3, 3)))
    >>> first, *others = normalized_cut(blocks, 2).tolist()
    >>> [label == first for label in others]
    [True, True, False, False, False]

    Args:
        similarity: symmetric, from 0 to 1.
        groups: at most; fewer of few or of much connected items.
    """
    count = len(similarity)
    groups = min(groups, count)
    if groups < 2:
        return np.zeros(count, np.int64)
    scale = 1 / np.sqrt(similarity.sum(axis=1) + 2 * OFFSET)
    normalized = scale[:, None] * (similarity + OFFSET * np.eye(count)) * scale
    values, vectors = (each.numpy() for each in torch.linalg.eigh(torch.from_numpy(normalized)))
    groups = max(1, min(groups, int((values > CONNECTED).sum())))
    vectors = vectors[:, : -groups - 1 : -1] * scale[:, None]
    return discretize(vectors / np.linalg.norm(vectors, axis=0))


def discretize(vectors: Float[np.ndarray, "count groups"]) -> Int[np.ndarray, " count"]:
    """The partition nearest to a rotation of these eigenvectors (Yu and Shi 2003)."""
    norms = np.linalg.norm(vectors, axis=1, keepdims=True)
    rows = vectors / np.maximum(norms, np.finfo(np.float64).tiny)
    groups = rows.shape[1]
    rotation = np.zeros((groups, groups))
    rotation[:, 0] = rows[0]
    overlap = np.zeros(len(rows))
    for group in range(1, groups):  # start with the items that are most orthogonal
        overlap += np.abs(rows @ rotation[:, group - 1])
        rotation[:, group] = rows[overlap.argmin()]
    previous = 0.0
    labels = np.zeros(len(rows), np.int64)
    for _ in range(MAX_ROTATIONS):
        labels = (rows @ rotation).argmax(axis=1)
        left, sizes, right = np.linalg.svd(np.eye(groups)[labels].T @ rows)
        if abs(sizes.sum() - previous) < 1e-9:
            break
        previous = sizes.sum()
        rotation = right.T @ left.T
    return labels

"""Places like those of a reference record: its pan histogram and its width, band by band.

The histogram that an arrangement would have follows from the energies of the sources in each band:
a source at the gain a in the side counts by its amplitude, and is as blurred as sources in a mix
are. The arrangement moves towards the one whose histogram is nearest to that of the reference,

    Σ_b ∫ |F_b(a) − G_b(a)| da    with F_b, G_b the shares of band b to the right of a

which is the earth mover's distance of pans. Each source in turn takes the place on a grid that
lowers it most, until none does. Lead, drums and bass stay at the center, and what is told apart
from the lead stays near it (`placing`); left and right are balanced as in the reference. What
panning leaves of the width of the reference is given to the diffuse parts, with one factor for all.
"""

from collections.abc import Sequence

import numpy as np
from jaxtyping import Float

from soundstage.audio import Source, open_sound
from soundstage.errors import InputError
from soundstage.restyling.engine import COHERENCE, DIFFUSE
from soundstage.restyling.pan_histogram import CENTERS, PanHistogram, PanHistogramStream
from soundstage.restyling.placing import NEAR_LEAD_DB, beside_lead, movable_of
from soundstage.restyling.survey import Stage
from soundstage.separation.placement import MAX_DIFFUSENESS, MAX_PAN_DB
from soundstage.separation.stage_balance import BALANCE_EDGES, pan_gain
from soundstage.stereo import BANDS, RATE, TRANSFORM
from soundstage.stereo.encoding import BAND_EDGES
from soundstage.upmixing.methods.decorrelate import load_coherence
from soundstage.upmixing.methods.separate import diffuse_gain

GRID_DB = np.arange(-MAX_PAN_DB, MAX_PAN_DB + 0.5)
BLUR = 0.12  # deviation of the pan of the bins of one source in a mix
AUDIBLE = 1e-3  # share of the loudest band from which a band counts
MOST_ROUNDS = 20  # over all sources
LARGEST_FACTOR = 3.0  # of the diffuse parts
READ_FRAMES = 1 << 16

Array = np.ndarray


def read_reference(source: Source) -> PanHistogram:
    """The pan histogram of a reference record.

    Args:
        source: of two channels.

    Raises:
        InputError: it cannot be read, or is not stereo.
    """
    with open_sound(source) as sound:
        if sound.channels != 2:
            raise InputError(
                f"{sound.name} has {sound.channels} channel{'s'[: sound.channels - 1]}, but a "
                "reference for `like` has two: choose a stereo record."
            )
        meter = PanHistogramStream(sound.rate)
        for block in sound.blocks(READ_FRAMES):
            meter.push(block)
    return meter.finish()


def histogram_distance(one: PanHistogram, other: PanHistogram) -> float:
    """Mean distance of pans over the bands that sound in both, 0 to 2."""
    both = _audible(one) & _audible(other)
    if not both.any():
        return 0.0
    return float(_distances(one.bands, other.bands)[both].mean())


def match_reference(
    stage: Stage,
    reference: PanHistogram,
    pans: Float[Array, " sources"],
    diffuseness: Sequence[float],
) -> tuple[Float[Array, " sources"], list[float]]:
    """Places and diffuseness like those of a reference, from those of the rules.

    Args:
        stage: the song.
        reference: of a record.
        pans: where the search begins, in dB of left over right.
        diffuseness: by the rules.
    """
    if stage.energies is None or not len(pans):
        return pans, list(diffuseness)
    amplitudes = np.sqrt(stage.energies / np.maximum(stage.energies.sum(axis=0), 1e-20))
    is_heard = _audible(reference) & (stage.energies.sum(axis=0) > 0)
    beside = set(beside_lead(stage))
    target = reference.bands
    found = np.array(pans, dtype=float)

    def cost(candidate: Float[Array, " sources"]) -> float:
        return float(_distances(_predicted(candidate, amplitudes), target)[is_heard].sum())

    best = cost(found)
    for _ in range(MOST_ROUNDS if is_heard.any() else 0):
        before = best
        for k in movable_of(stage):
            limit = NEAR_LEAD_DB if k in beside else MAX_PAN_DB
            for pan in GRID_DB[np.abs(GRID_DB) <= limit]:
                tried = found.copy()
                tried[k] = pan
                if (value := cost(tried)) < best - 1e-9:
                    best, found = value, tried
        if best == before:
            break
    factor = _diffuse_factor(stage, reference, found, diffuseness)
    return found, [min(factor * each, MAX_DIFFUSENESS) for each in diffuseness]


def _predicted(
    pans: Float[Array, " sources"], amplitudes: Float[Array, "sources bands"]
) -> Float[Array, "bands cells"]:
    """The histogram that sources at these places would have."""
    gains = np.array([pan_gain(pan) for pan in pans])
    blurred = np.exp(-0.5 * np.square((CENTERS - gains[:, None]) / BLUR))
    blurred /= blurred.sum(axis=1, keepdims=True)
    shares = amplitudes / np.maximum(amplitudes.sum(axis=0), 1e-20)
    return np.asarray(shares.T @ blurred)


def _distances(
    one: Float[Array, "bands cells"], other: Float[Array, "bands cells"]
) -> Float[Array, " bands"]:
    """Earth mover's distance of each band, in units of pan."""
    apart = np.abs(np.cumsum(one - other, axis=1))
    return np.asarray(apart.sum(axis=1) * (CENTERS[1] - CENTERS[0]))


def _audible(histogram: PanHistogram) -> Float[Array, " bands"]:
    loud = histogram.amplitudes.sum(axis=1)
    return np.asarray(loud > AUDIBLE * loud.max())


def _diffuse_factor(
    stage: Stage,
    reference: PanHistogram,
    pans: Float[Array, " sources"],
    diffuseness: Sequence[float],
) -> float:
    """What the diffuse parts need to make up the width of the reference."""
    assert stage.energies is not None
    left, right, cross = reference.powers.T
    mid = np.maximum(left + right + 2 * cross, 1e-20)
    wanted = (left + right - 2 * cross) / mid  # power of the side over that of the mid
    shares = stage.energies / np.maximum(stage.energies.sum(axis=0), 1e-20)
    gains = np.array([pan_gain(pan) for pan in pans])
    moved = np.array(diffuseness) * np.abs(gains - [source.present for source in stage.sources])
    panned = np.square(gains) @ shares
    diffuse = np.square(_diffuse_gains()) * (np.square(moved) @ shares)
    weights = _audible(reference) & (diffuse > 0)
    if not weights.any():
        return 1.0
    missing = np.maximum(wanted - panned, 0)[weights].sum()
    return float(np.sqrt(missing / diffuse[weights].sum()).clip(0, LARGEST_FACTOR))


def _diffuse_gains() -> Float[Array, " bands"]:
    """Of the diffuse parts, as means over the bands of the rules of placement."""
    gains = DIFFUSE * diffuse_gain(load_coherence(COHERENCE)).numpy()
    edges = np.array(BAND_EDGES) * RATE / TRANSFORM.frame
    centers = (edges[1:] + edges[:-1]) / 2
    index = np.searchsorted(BALANCE_EDGES, centers, side="right") - 1
    count = len(BALANCE_EDGES) - 1
    assert len(gains) == BANDS
    return np.array(
        [gains[index == band].mean() if (index == band).any() else 0 for band in range(count)]
    )

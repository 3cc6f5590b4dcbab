"""Mixes of separate stems for the training of `stems`, made from their band levels alone.

An example is a pair of segments of one mix. Its stems play together in a song, or come from any
song of the collections, so that no arrangement is learned by heart; voices are added; every stem
gets a gain and a curve over the bands of its own. Powers of stems do not add up to the power of
their mix, since they interfere; with random phases φ that drift from frame to frame, in a band of n
bins,

    P = ΣP_k + (|Σ√P_k·exp(iφ_k)|² − ΣP_k)/√n

Some mixes are old recordings: a narrow range of frequencies, and noise. A mix that is known to hold
no voice (`accompaniment`) teaches the voices alone.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import torch
from jaxtyping import Float, Int64
from torch import Tensor
from torch.nn import functional as F  # noqa: N812

from soundstage.corpora.stem_cache import ACCOMPANIMENT, KINDS, StemCache, powers_of
from soundstage.networks.models.stem_levels import normalized_levels
from soundstage.stereo.encoding import SILENCE
from soundstage.stereo.fine_bands import FINE_BANDS, WIDTHS
from soundstage.training.recipe_base import StemMixing

CLASSES = (*KINDS, ACCOMPANIMENT)
"""Of the targets; the network has the kinds alone, and shares the last one among those that are no
voice."""
EMBEDDED = ("lead", "voice", "object")  # the embedding separates these; the others have their kind
OWNED = 0.8  # share of a tile's energy from which on it teaches the embedding
COMPRESSION = 0.3  # loudness grows as energy^0.3; limits the influence of the bass
DRIFT = 0.6  # radians a frame, largest change of a phase
EQ_POINTS = 6
SEGMENTS = 2  # of an example
MIX_DB = 30.0  # about the level of a mix; far above `SILENCE`
ACTIVE_TRIES = 4  # starts of a segment, of which the loudest is taken
_LEVELS_DB = {"lead": 0.0, "voice": -8.0, "drums": -1.0, "bass": -2.0, "object": -5.0}
"""Typical levels in a mix of stems that come from anywhere."""


class StemBatch(NamedTuple):
    """A batch of pairs of segments."""

    levels: Float[Tensor, "pairs segments bands frames"]
    """Normalized."""
    shares: Float[Tensor, "pairs segments classes bands frames"]
    """Share of each class in the power of a tile."""
    owners: Int64[Tensor, "pairs segments bands frames"]
    """Number of the voice or object that owns a tile, the same in both segments; −1 elsewhere."""
    weights: Float[Tensor, "pairs segments bands frames"]
    """Mean 1 over a segment."""


class _Stem(NamedTuple):
    cache: int
    number: int
    kind: str


class _Chosen(NamedTuple):
    """A stem of a mix."""

    kind: str
    starts: list[int]
    """Its first frame in each segment."""
    stem: _Stem
    gain_db: float


@dataclass
class StemMixes:
    """Random mixes.

    Args:
        caches: collections of stems.
        batch_size: pairs of a batch.
        frames: of a segment.
        mixing: settings.
        seed: of the mixes.
    """

    caches: Sequence[StemCache]
    batch_size: int
    frames: int
    mixing: StemMixing
    seed: int

    def __post_init__(self) -> None:
        self._pools: dict[str, list[list[_Stem]]] = {kind: [] for kind in CLASSES}
        songs: dict[str, list[_Stem]] = {}
        for number, cache in enumerate(self.caches):
            lengths = cache.ends - cache.starts
            own: dict[str, list[_Stem]] = {kind: [] for kind in CLASSES}
            for index, (song, kind) in enumerate(zip(cache.songs, cache.kinds, strict=True)):
                if lengths[index] < self.frames:
                    continue
                stem = _Stem(number, index, kind)
                own[kind].append(stem)
                songs.setdefault(song, []).append(stem)
            for kind, stems in own.items():
                if stems:
                    self._pools[kind].append(stems)
        self._songs = [stems for stems in songs.values() if len(stems) >= 3]
        self._total = sum(len(cache.levels) for cache in self.caches)
        self._rms_db: dict[tuple[int, int], float] = {}

    @property
    def per_epoch(self) -> int:
        """Number of batches that cover the stems about once."""
        return max(self._total // (5 * SEGMENTS * self.frames * self.batch_size), 1)

    def draw(self, step: int) -> StemBatch:
        """The batch of a step, the same for every call."""
        random = np.random.default_rng([self.seed, step])
        examples = [self._example(random) for _ in range(self.batch_size)]
        return StemBatch(*(torch.stack(parts) for parts in zip(*examples, strict=True)))

    def _example(self, random: np.random.Generator) -> StemBatch:
        chosen = self._choose(random)
        powers = self._powers(chosen, random)
        noise = self._age(powers, random) if random.random() < self.mixing.old_prob else None
        mix = _interfering(powers, random)
        total = powers.sum(dim=0)
        mixture = mix if noise is None else mix + noise
        shares = powers.new_zeros(SEGMENTS, len(CLASSES), FINE_BANDS, self.frames)
        for stem, power in zip(chosen, powers, strict=True):
            shares[:, CLASSES.index(stem.kind)] += power
        shares /= (total + SILENCE)[:, None]
        largest, owners = powers.max(dim=0)
        named = torch.tensor([stem.kind not in EMBEDDED for stem in chosen])
        owners[(largest < OWNED * (total + SILENCE)) | named[owners]] = -1
        # Of a tile below the noise the sources cannot be learned
        weights = total**COMPRESSION * (2 * total / (mixture + total + SILENCE)).clamp(max=1)
        weights /= weights.mean(dim=(1, 2), keepdim=True) + 1e-6
        return StemBatch(normalized_levels(mixture), shares, owners, weights)

    def _choose(self, random: np.random.Generator) -> list[_Chosen]:
        """The stems of a mix."""
        mixing, pools = self.mixing, self._pools
        chosen: list[_Chosen] = []
        part = random.random()
        if self._songs and part < mixing.song_prob:
            chosen = self._song(random)
        elif pools[ACCOMPANIMENT] and part < mixing.song_prob + mixing.accompaniment_prob:
            chosen = [self._anywhere(ACCOMPANIMENT, random)]
        else:
            for kind, probability in (("drums", 0.7), ("bass", 0.65)):
                if pools[kind] and random.random() < probability:
                    chosen.append(self._anywhere(kind, random))
            count = random.integers(1, 5) if pools["object"] else 0
            chosen += [self._anywhere("object", random) for _ in range(count)]
        has_lead = any(stem.kind == "lead" for stem in chosen)
        if pools["lead"] and not has_lead and random.random() < mixing.voice_prob:
            chosen.append(self._anywhere("lead", random))
            if pools["voice"] and random.random() < mixing.backing_prob:
                chosen.append(self._anywhere("voice", random))
        if not chosen:  # a collection of other kinds
            kind = next(kind for kind in CLASSES if pools[kind])
            chosen.append(self._anywhere(kind, random))
        return chosen

    def _song(self, random: np.random.Generator) -> list[_Chosen]:
        """Stems that play together, at the same two moments; some are left out."""
        stems = self._songs[random.integers(len(self._songs))]
        kept = [stem for stem in stems if random.random() > self.mixing.drop_prob]
        kept = kept if len(kept) >= 2 else list(stems)
        shortest = min(self._length(stem) for stem in kept)
        starts = [int(random.integers(shortest - self.frames + 1)) for _ in range(SEGMENTS)]
        level = max(self._level_db(stem) for stem in kept)
        spread = self.mixing.gain_db / 2
        return [
            _Chosen(stem.kind, starts, stem, -level + float(random.normal(0, spread)))
            for stem in kept
        ]

    def _anywhere(self, kind: str, random: np.random.Generator) -> _Chosen:
        """A stem of a kind, at two moments of its own.

        The number of stems of a collection counts by its root, so that a few hours of one sort do
        not drown some minutes of another.
        """
        roots = np.sqrt([len(stems) for stems in self._pools[kind]])
        pool = self._pools[kind][random.choice(len(roots), p=roots / roots.sum())]
        stem = pool[random.integers(len(pool))]
        surplus = self._length(stem) - self.frames + 1
        first = int(self.caches[stem.cache].starts[stem.number])
        levels = self.caches[stem.cache].levels
        starts = []
        for _ in range(SEGMENTS):
            tries = random.integers(surplus, size=ACTIVE_TRIES)
            loudness = [
                float(levels[first + start : first + start + self.frames : 16].float().mean())
                for start in tries
            ]
            starts.append(int(tries[int(np.argmax(loudness))]))
        gain = _LEVELS_DB.get(kind, 2.0) - self._level_db(stem)
        return _Chosen(kind, starts, stem, gain + float(random.normal(0, self.mixing.gain_db)))

    def _powers(
        self, chosen: Sequence[_Chosen], random: np.random.Generator
    ) -> Float[Tensor, "stems segments bands frames"]:
        """Powers of the stems, with gains and curves."""
        curves = random.normal(0, self.mixing.eq_db, (len(chosen), 1, EQ_POINTS))
        eq = F.interpolate(torch.from_numpy(curves).float(), size=FINE_BANDS, mode="linear")[:, 0]
        stems = []
        for stem, curve in zip(chosen, eq, strict=True):
            cache = self.caches[stem.stem.cache]
            first = int(cache.starts[stem.stem.number])
            levels = torch.stack(
                [
                    cache.levels[first + start : first + start + self.frames].T
                    for start in stem.starts
                ]
            )
            stems.append(powers_of(levels) * 10 ** ((curve[:, None] + MIX_DB + stem.gain_db) / 10))
        return torch.stack(stems)

    def _age(self, powers: Tensor, random: np.random.Generator) -> Tensor:
        """Narrows the range of the stems in place; returns the power of a noise."""
        band = torch.arange(FINE_BANDS, dtype=torch.float32)
        low = float(random.uniform(-20, 25))
        high = float(random.uniform(0.62, 1.15)) * FINE_BANDS
        cut = ((low - band).clamp(min=0) + (band - high).clamp(min=0)) * float(random.uniform(1, 4))
        powers *= (10 ** (-cut / 10))[:, None]
        level = powers.sum(dim=0).mean() * 10 ** (-float(random.uniform(15, 50)) / 10)
        flutter = torch.from_numpy(
            random.exponential(1.0, (SEGMENTS, FINE_BANDS, self.frames)).astype(np.float32)
        )
        noise: Tensor = level * flutter * (WIDTHS / WIDTHS.float().mean())[:, None]
        return noise

    def _length(self, stem: _Stem) -> int:
        cache = self.caches[stem.cache]
        return int(cache.ends[stem.number] - cache.starts[stem.number])

    def _level_db(self, stem: _Stem) -> float:
        """Level of the loud frames of a stem, in dB."""
        key = (stem.cache, stem.number)
        if key not in self._rms_db:
            cache = self.caches[stem.cache]
            frames = cache.levels[int(cache.starts[stem.number]) : int(cache.ends[stem.number])]
            power = powers_of(frames[::8]).sum(dim=1)
            loud = power[power >= power.quantile(0.5)].mean()
            self._rms_db[key] = 10 * math.log10(float(loud) + SILENCE)
        return self._rms_db[key]


def _interfering(
    powers: Float[Tensor, "stems segments bands frames"], random: np.random.Generator
) -> Float[Tensor, "segments bands frames"]:
    """Power of the mix of signals with random phases."""
    total = powers.sum(dim=0)
    shape = powers.shape
    drift = random.uniform(-DRIFT, DRIFT, (*shape[:3], 1)).astype(np.float32)
    start = random.uniform(0, 2 * math.pi, (*shape[:3], 1)).astype(np.float32)
    jitter = random.standard_normal(shape, dtype=np.float32) * (DRIFT / 2)
    phases = torch.from_numpy(start + drift * np.arange(shape[3], dtype=np.float32) + jitter)
    roots = powers.sqrt()
    coherent = (roots * phases.cos()).sum(dim=0).square() + (roots * phases.sin()).sum(
        dim=0
    ).square()
    mix: Tensor = total + (coherent - total) / WIDTHS.sqrt()[:, None]
    return mix.clamp(min=0)

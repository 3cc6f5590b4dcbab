"""A method that places two sources, lows and highs, for the tests of plans and stems."""

from dataclasses import dataclass, field, replace

import torch

from soundstage.separation.masking import MaskedSourceStream
from soundstage.separation.separator import SourceInfo
from soundstage.stereo.encoding import RATE, TRANSFORM
from soundstage.upmixing.plan import PlacedSource, Plan

SPLIT = 100  # bin, 1 kHz


class LowsAndHighs:
    """A separator at 1 kHz whose masks lag by some frames, as those of a network do."""

    rate = RATE
    sources = (SourceInfo("lead", "lead", 0.5), SourceInfo("residual", "residual", 0.5))

    def stream(self):
        """Sources of a signal."""
        return MaskedSourceStream(self.mask_stream(), self.sources)

    def mask_stream(self):
        """Masks of a signal."""
        return _LateMasks()


class _LateMasks:
    def __init__(self):
        self._seen = self._given = 0

    def push(self, spectrogram):
        self._seen += spectrogram.shape[-1]
        return self._masks(max(self._seen - 5 - self._given, 0))

    def finish(self):
        return self._masks(self._seen - self._given)

    def _masks(self, count):
        self._given += count
        low = torch.zeros(TRANSFORM.bins, count)
        low[:SPLIT] = 1
        return torch.stack([low, 1 - low])


@dataclass
class LowsLeft:
    """Puts the lows by 3 dB and the seed to the left, once it has surveyed a song."""

    rate: int = RATE
    n_outputs: int = 1
    separator: LowsAndHighs = field(default_factory=LowsAndHighs)
    surveyed: int = 0

    def survey(self):
        """Start a song."""
        return _Survey(self)

    def plans(self, seeds):
        """The plan of each take."""
        return [self._plan(seed) for seed in seeds]

    def stream(self, seeds):
        """Start a signal."""
        return _Sides(LowsAndHighs().stream(), self.plans(seeds))

    def _plan(self, seed):
        lead = PlacedSource("lead", "lead", 3.0 + seed, 0.3, 0.5)
        return Plan((lead, PlacedSource("residual", "residual", -2.0)), seed, "lows-left")


class _Survey:
    def __init__(self, method):
        self._method, self._surveyed = method, 0

    def push(self, mid):
        self._surveyed += mid.shape[-1]

    def finish(self):
        return replace(self._method, surveyed=self._surveyed)


class _Sides:
    def __init__(self, sources, plans):
        self._sources = sources
        self._gains = torch.tensor([plan.to_gains() for plan in plans])

    def push(self, mid):
        return (self._gains @ self._sources.push(mid))[:, None]

    def finish(self):
        return (self._gains @ self._sources.finish())[:, None]

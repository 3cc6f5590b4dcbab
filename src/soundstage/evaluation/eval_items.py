"""One clip made ready to be measured: mono, true stereo where there is one, known sources."""

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import torch
from jaxtyping import Float
from torch import Tensor

from soundstage.corpora import Clip, read_excerpt
from soundstage.corpora.placed_mixes import place_sources, spread_places
from soundstage.metrics.placement import source_energies
from soundstage.stereo import RATE, Parameters, encode_signal, to_mid_side


@dataclass(frozen=True)
class Case:
    """What every system is given, and what it is measured against, at 44.1 kHz."""

    mono: Float[Tensor, " frames"]
    truth: Float[Tensor, "2 frames"] | None
    """None for a mono recording."""
    energies: Float[Tensor, "sources bands frames"] | None
    """Of the separate sources, where they are known."""

    @cached_property
    def parameters(self) -> Parameters | None:
        """Of the true stereo, analyzed once for all systems."""
        return None if self.truth is None else encode_signal(self.truth)


def load_case(clip: Clip, seconds: float) -> Case:
    """Read a clip, or render it where only its sources are there.

    Args:
        clip: out of a corpus.
        seconds: of the middle of the clip; 0 for all of it.

    Raises:
        InputError: a file cannot be read.
    """
    folds = [_mono(path, seconds) for path in clip.stems]
    sources = None
    if folds:
        length = min(fold.shape[0] for fold in folds)
        sources = torch.stack([fold[:length] for fold in folds])
    energies = source_energies(sources) if sources is not None else None
    if clip.mix is None:
        assert sources is not None  # a clip has a record or sources
        truth = place_sources(sources, spread_places(len(sources)))
        return Case(to_mid_side(*truth)[0], truth, energies)
    samples = torch.from_numpy(read_excerpt(clip.mix, RATE, seconds))
    if samples.shape[0] == 1:
        return Case(samples[0], None, energies)
    return Case(to_mid_side(*samples)[0], samples, energies)


def _mono(path: Path, seconds: float) -> Float[Tensor, " frames"]:
    return torch.from_numpy(read_excerpt(path, RATE, seconds)).mean(dim=0)

"""One clip, ready for evaluation: mono input, true stereo and separate sources, if available."""

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
class EvalItem:
    """Input and references of one clip, at 44.1 kHz."""

    mono: Float[Tensor, " frames"]
    truth: Float[Tensor, "2 frames"] | None
    """True stereo; None for a mono recording."""
    energies: Float[Tensor, "sources bands frames"] | None
    """Band energies of the separate sources, if they are known."""

    @cached_property
    def parameters(self) -> Parameters | None:
        """Stereo parameters of the truth, computed once for all systems."""
        return None if self.truth is None else encode_signal(self.truth)


def load_eval_item(clip: Clip, seconds: float) -> EvalItem:
    """Read a clip, or mix its stems at known positions if there is no mix.

    Args:
        clip: of a corpus.
        seconds: length of the excerpt from the middle of the clip; 0 for the whole clip.

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
        assert sources is not None  # a clip has a mix or stems
        truth = place_sources(sources, spread_places(len(sources)))
        return EvalItem(to_mid_side(*truth)[0], truth, energies)
    samples = torch.from_numpy(read_excerpt(clip.mix, RATE, seconds))
    if samples.shape[0] == 1:
        return EvalItem(samples[0], None, energies)
    return EvalItem(to_mid_side(*samples)[0], samples, energies)


def _mono(path: Path, seconds: float) -> Float[Tensor, " frames"]:
    return torch.from_numpy(read_excerpt(path, RATE, seconds)).mean(dim=0)

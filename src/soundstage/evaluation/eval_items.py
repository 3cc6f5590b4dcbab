"""One clip, ready for evaluation: mono input, true stereo and separate sources, if available."""

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import torch
from jaxtyping import Float
from torch import Tensor

from soundstage.corpora import Clip, read_excerpt
from soundstage.corpora.placed_mixes import ROOM_DB, place_sources, usual_places
from soundstage.metrics.placement import source_energies
from soundstage.stereo import RATE, Parameters, encode_signal, to_mid_side
from soundstage.upmixing.stem_files import kind_of

LEAD = "lead"  # the kind of a source, and the word in its name that decides between two


@dataclass(frozen=True)
class EvalItem:
    """Input and references of one clip, at 44.1 kHz."""

    mono: Float[Tensor, " frames"]
    truth: Float[Tensor, "2 frames"] | None
    """True stereo; None for a mono recording."""
    energies: Float[Tensor, "sources bands frames"] | None
    """Band energies of the separate sources, if they are known."""
    lead: int | None = None
    """Which of the sources is the lead voice."""

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
    lead = find_lead(clip)
    if clip.mix is None:
        assert sources is not None  # a clip has a mix or stems
        truth = place_sources(sources, usual_places(stem_kinds(clip)), room_db=ROOM_DB)
        return EvalItem(to_mid_side(*truth)[0], truth, energies, lead)
    samples = torch.from_numpy(read_excerpt(clip.mix, RATE, seconds))
    if samples.shape[0] == 1:
        return EvalItem(samples[0], None, energies, lead)
    return EvalItem(to_mid_side(*samples)[0], samples, energies, lead)


def stem_kinds(clip: Clip) -> tuple[str, ...]:
    """What each stem of a clip is: as its manifest says, or else as the names of the files tell."""
    return clip.kinds or tuple(kind_of(path.stem) for path in clip.stems)


def find_lead(clip: Clip) -> int | None:
    """Index of the stem with the lead voice; None if there is none.

    Of several, it is the first that has "lead" in its name, or else the first.
    """
    leads = [index for index, kind in enumerate(stem_kinds(clip)) if kind == LEAD]
    return min(leads, key=lambda index: LEAD not in clip.stems[index].stem.lower(), default=None)


def _mono(path: Path, seconds: float) -> Float[Tensor, " frames"]:
    return torch.from_numpy(read_excerpt(path, RATE, seconds)).mean(dim=0)

"""One embedding and the class probabilities of a whole clip, for measures of generated sound.

The Fréchet distance, KL divergence and inception score of generators take one point and one
distribution a clip (`metrics.generation`), not the windows of the Fréchet audio distance. A tagger
takes one channel; a binaural clip is tagged ear by ear, and both results are averaged. The sum of
the ears would do worse: the delay between them makes a comb filter, which costs the bundled tagger
3 % of accuracy on real events. As in AudioLDM's evaluation, every clip is scaled to a peak of 0.5.
"""

from typing import NamedTuple, Protocol, runtime_checkable

import torch
from jaxtyping import Float
from torch import Tensor

from soundstage.audio.resampling import resample
from soundstage.errors import OptionError
from soundstage.metrics.embeddings.embedding import load_embedding
from soundstage.precision import in_single_precision

PEAK = 0.5
AT_ONCE = 16  # channels, to limit memory; without effect on the result
SILENCE = 1e-9  # peak of a clip that is not scaled


@runtime_checkable
class TaggingEmbedding(Protocol):
    """An embedding whose network also has class logits: the tagger and EfficientAT."""

    @property
    def name(self) -> str:
        """Short name for tables."""

    @property
    def rate(self) -> int:
        """Sample rate in Hz of the input of `outputs`."""

    @property
    def classes(self) -> tuple[str, ...]:
        """Names of the classes; empty if they are not known."""

    def outputs(
        self, sound: Float[Tensor, "batch frames"]
    ) -> tuple[Float[Tensor, "batch size"], Float[Tensor, "batch classes"]]:
        """Embeddings and logits of whole sounds."""


class Tags(NamedTuple):
    """The results of clips."""

    embeddings: Float[Tensor, "clips size"]
    probabilities: Float[Tensor, "clips classes"]
    """The softmax of the logits: they sum to 1."""


class ClipTagger:
    """Tags whole clips of one or two channels.

    Args:
        embedding: with class logits.
    """

    def __init__(self, embedding: TaggingEmbedding) -> None:
        self._embedding = embedding
        self.name = embedding.name
        self.classes = embedding.classes

    @in_single_precision
    def __call__(self, sound: Float[Tensor, "clips channels frames"], rate: int) -> Tags:
        """Embeddings and probabilities, the mean over the channels of each clip.

        Args:
            sound: clips of one length, of any level.
            rate: sample rate in Hz.
        """
        peak = sound.abs().amax(dim=(1, 2), keepdim=True)
        scaled = torch.where(peak > SILENCE, PEAK * sound / peak.clamp(min=SILENCE), sound)
        points, chances = [], []
        for part in scaled.flatten(0, 1).split(AT_ONCE):
            if rate != self._embedding.rate:
                part = torch.from_numpy(resample(part.numpy(), rate, self._embedding.rate))
            embeddings, logits = self._embedding.outputs(part)
            points.append(embeddings)
            chances.append(logits.softmax(dim=1))
        shape = sound.shape[:2]
        return Tags(
            torch.cat(points).unflatten(0, shape).mean(dim=1),
            torch.cat(chances).unflatten(0, shape).mean(dim=1),
        )


def load_clip_tagger(source: str = "tagger") -> ClipTagger:
    """Load a tagger of whole clips.

    Args:
        source: "tagger", or "efficientat=FILE.pt".

    Raises:
        OptionError: the name is unknown or that of an embedding without classes.
        WeightsError: the weights are missing or damaged.
    """
    embedding = load_embedding(source)
    if not isinstance(embedding, TaggingEmbedding):
        raise OptionError(
            f"The embedding {embedding.name!r} has no classes; take tagger or efficientat=FILE.pt."
        )
    return ClipTagger(embedding)

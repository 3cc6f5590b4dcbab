"""Protocols of a separator: mono in, sources that add up to it out.

A separator is either ready at once (`stream`), or it first surveys a song, so that a source keeps
its name and its sound from the start to the end (`survey`). Whatever no source owns is a source
too, so that the sum of all sources is the input to rounding.

    separator.stream()               sources of a signal, block by block
    separator.survey() → finish()    a separator fitted to one song, in bounded memory
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, Protocol

from jaxtyping import Complex, Float
from torch import Tensor

Kind = Literal["lead", "voice", "drums", "bass", "object", "ambience", "residual"]
"""What the placement rules need to know of a source: the lead voice; other voices; drums; bass; any
other instrument; a diffuse field; what is left over."""


@dataclass(frozen=True)
class SourceInfo:
    """A source of one song."""

    name: str
    """Unique in the song, such as "lead" or "other-2"."""
    kind: Kind
    energy: float = 0.0
    """Its share of the energy of the song, 0 to 1; 0 if not known."""
    centroid: float = 0.0
    """Spectral centroid in Hz, weighted by power; 0 if not known."""
    activity: float = 0.0
    """Share of the song in which it is active, 0 to 1; 0 if not known."""


class SourceStream(Protocol):
    """The sources of one signal, block by block; blocks come in order and in any size."""

    def push(self, mono: Float[Tensor, " length"], /) -> Float[Tensor, "sources ready"]:
        """The samples that `mono` completes; over all sources they add up to the input."""
        ...

    def finish(self) -> Float[Tensor, "sources rest"]:
        """The remaining samples; in all, as many as were pushed."""
        ...


class MaskStream(Protocol):
    """Masks for the frames of a spectrogram made by `soundstage.stereo.encoding.TRANSFORM`."""

    def push(
        self, spectrogram: Complex[Tensor, "bins frames"], /
    ) -> Float[Tensor, "sources bins ready"]:
        """Masks from 0 to 1 that add up to 1, of the oldest frames that are complete."""
        ...

    def finish(self) -> Float[Tensor, "sources bins rest"]:
        """Masks of the remaining frames."""
        ...


class Separator(Protocol):
    """A separator that needs to know nothing of the song, or that was fitted to it."""

    rate: int
    """Its sample rate in Hz."""
    sources: Sequence[SourceInfo]
    """In the order of the outputs."""

    def stream(self) -> SourceStream:
        """Start a signal."""
        ...


class MaskSeparator(Separator, Protocol):
    """A separator by masks of the spectrogram that the stereo coder uses too."""

    def mask_stream(self) -> MaskStream:
        """Start a signal."""
        ...


class Survey(Protocol):
    """The first pass over a song, in bounded memory."""

    def push(self, mono: Float[Tensor, " length"], /) -> None:
        """The next samples, in order and in any size."""
        ...

    def finish(self) -> Separator:
        """A separator with the sources of this song."""
        ...


class SongSeparator(Protocol):
    """A separator that surveys a song first."""

    rate: int

    def survey(self) -> Survey:
        """Start a song."""
        ...

"""Sources of sounds by words: the protocols that a scene is rendered from.

A **dry source** returns one mono sound without a place, which a scene renders at its direction with
an HRTF set. A **binaural source** generates both ears at once, at one of the azimuths that it was
trained with. Both take the words of one event, such as "dog barking", and a seed: the same words
and seed give the same samples, another seed is another take.

`SourceOptions` are the settings that sources share; each source uses those that apply to it.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Protocol

import numpy as np
from jaxtyping import Float

MAX_SECONDS = 600.0
"""Longest sound of a source, in s."""


def no_log(message: str) -> None:
    """Drop a message."""


@dataclass(frozen=True)
class DrySound:
    """A mono sound without a place.

    Example:
        DrySound(samples, 16_000, title="bark.wav", credit={"license": "CC0"}, bandwidth=8000.0)
    """

    samples: Float[np.ndarray, " frames"]
    """In single precision, within ±1."""
    rate: int
    """In Hz."""
    title: str
    """Of the recording, or of the model that generated it."""
    credit: dict[str, str] = field(default_factory=dict)
    """Of a recording: title, artist, license, source, as far as known."""
    bandwidth: float = 0.0
    """Highest frequency with content, in Hz; 0: half the rate."""
    loopable: bool = False
    """Whether it is a texture, such as rain, that may be repeated by crossfades."""
    label: str = ""
    """The class or file that the words matched, such as "dog"."""

    def __post_init__(self) -> None:
        if not self.bandwidth:
            object.__setattr__(self, "bandwidth", self.rate / 2)

    @property
    def seconds(self) -> float:
        """Length in s."""
        return len(self.samples) / self.rate


@dataclass(frozen=True)
class SourceOptions:
    """Settings that sources share."""

    place: str | None = None
    """What the source reads: the folder of a library, or of a model of diffusers."""
    weights: str | None = None
    """A file of `soundstage train`, in place of the bundled weights."""
    device: str = "auto"
    """Of networks: "auto", "cpu", "cuda" or "mps"."""
    steps: int | None = None
    """Of a diffusion sampler; None: the default of the source."""
    guidance: float | None = None
    """Scale of classifier-free guidance; None: the default of the source."""
    negative_prompt: str = ""
    """Words that a model of diffusers steers away from."""
    vocoder: str = "vocoder"
    """Of `mono` and the variants of DualSpec with mel bands; see `load_vocoder`."""
    log: Callable[[str], None] = no_log
    """Called with announcements, such as a fallback."""
    progress: Callable[[int, int], None] | None = None
    """Called with the files done and all files while a folder is indexed."""


class SoundSource(Protocol):
    """A source of mono sounds."""

    @property
    def name(self) -> str:
        """Name in the registry."""

    def sound(self, text: str, *, seconds: float | None, seed: int) -> DrySound:
        """A sound for the words of one event.

        Args:
            text: such as "dog barking", without direction or time.
            seconds: wanted length; None: the natural length of the event. A texture is made to
                have it; a shorter event keeps its own length.
            seed: of the take.

        Raises:
            OptionError: the source has nothing for these words.
        """


class BinauralSource(Protocol):
    """A source of binaural sounds at a grid of azimuths."""

    @property
    def name(self) -> str:
        """Name in the registry."""

    @property
    def azimuths(self) -> tuple[float, ...]:
        """Azimuths that it can generate, in degrees counter-clockwise from ahead."""

    def label(self, text: str) -> str:
        """The class that the words of an event are matched with, such as "rain".

        Raises:
            OptionError: the source has nothing for these words.
        """

    def binaural(
        self, text: str, azimuth: float, *, seed: int
    ) -> tuple[Float[np.ndarray, "2 frames"], int]:
        """Both ears, left first, and the rate in Hz.

        Args:
            text: words of one event.
            azimuth: in degrees counter-clockwise from ahead; the nearest of `azimuths` is used.
            seed: of the take.

        Raises:
            OptionError: the source has nothing for these words.
        """

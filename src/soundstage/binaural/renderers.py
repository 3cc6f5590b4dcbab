"""What a renderer of binaural sound is: mono and a trajectory in, two ears out, piece by piece."""

from collections.abc import Sequence
from typing import Protocol

import numpy as np
from jaxtyping import Float, Float32

from soundstage.binaural.trajectories import Trajectory


class RendererStream(Protocol):
    """One sound on its way to the ears."""

    tail: int
    """Frames that are heard after the end of the sound."""

    def push(self, mono: Float[np.ndarray, " frames"]) -> Float32[np.ndarray, "2 ready"]:
        """The next of the sound; what is ready by now. The result does not depend on the cuts."""
        ...

    def finish(self) -> Float32[np.ndarray, "2 rest"]:
        """What is still on its way: in all, `tail` frames more than were pushed."""
        ...


class Renderer(Protocol):
    """A way to make binaural sound."""

    def stream(
        self, trajectory: Trajectory, rate: int, *, no_delay: float | None = None
    ) -> RendererStream:
        """Begin a sound.

        Args:
            trajectory: of its source.
            rate: in Hz.
            no_delay: distance in meters from which sound takes no time; by default the nearest of
                the trajectory, and of several sources one for all: the nearest of any.

        Raises:
            OptionError: a source cannot be there, as in a room that it leaves.
        """
        ...


def render(
    mono: Float[np.ndarray, " frames"], trajectory: Trajectory, rate: int, renderer: Renderer
) -> Float32[np.ndarray, "2 longer"]:
    """A whole sound in memory, with its tail."""
    stream = renderer.stream(trajectory, rate)
    return np.concatenate([stream.push(mono), stream.finish()], axis=-1)


def summed(
    sounds: Sequence[Float32[np.ndarray, "2 _"]],
) -> Float32[np.ndarray, "2 longest"]:
    """Sounds at two ears that begin together, as long as the longest."""
    whole = np.zeros((2, max(each.shape[-1] for each in sounds)), np.float32)
    for each in sounds:
        whole[:, : each.shape[-1]] += each
    return whole

"""The interface of binaural renderers, and loading one by its name.

A renderer turns mono sound and a trajectory into the two ear signals, or into the channels of an
ambisonic field, block by block. The names are in `render_options`; `load_renderer` imports the
method.
"""

from typing import Protocol, runtime_checkable

import numpy as np
from jaxtyping import Float, Float32

from soundstage.binaural.listener import Listener, SeenTrajectory
from soundstage.binaural.render_options import (
    PRETRAINED,
    NeuralOptions,
    RenderOptions,
    check_renderer,
)
from soundstage.binaural.trajectories import Trajectory


class RendererStream(Protocol):
    """The ear signals of one source, or its ambisonic field."""

    tail: int
    """Frames of output after the end of the input."""

    def push(self, mono: Float[np.ndarray, " frames"]) -> Float32[np.ndarray, "channels ready"]:
        """Append input; return the output that is ready. Block sizes do not affect the result."""
        ...

    def finish(self) -> Float32[np.ndarray, "channels rest"]:
        """The rest of the output: in all, `tail` frames more than the input."""
        ...


class Renderer(Protocol):
    """A method of rendering."""

    channels: int
    """2 of ear signals, left first, or 4, 9 or 16 of an ambisonic field (ACN order, SN3D)."""

    def stream(
        self,
        trajectory: Trajectory | SeenTrajectory,
        rate: int,
        *,
        no_delay: float | None = None,
    ) -> RendererStream:
        """Start rendering a source.

        Args:
            trajectory: of the source, in the scene or as seen from a head.
            rate: in Hz.
            no_delay: distance in meters at which the propagation delay is 0; by default the
                smallest of the trajectory. Sources of one scene share the smallest of all.

        Raises:
            OptionError: a position is impossible, for example outside of the room.
        """
        ...


class FieldStream(Protocol):
    """The ear signals of a sound field, or the field as a head hears it."""

    tail: int
    """Frames of output after the end of the input."""

    def push(
        self, field: Float[np.ndarray, "inputs frames"]
    ) -> Float32[np.ndarray, "channels ready"]:
        """Append input; return the output that is ready. Block sizes do not affect the result."""
        ...

    def finish(self) -> Float32[np.ndarray, "channels rest"]:
        """The rest of the output: in all, `tail` frames more than the input."""
        ...


@runtime_checkable
class FieldRenderer(Renderer, Protocol):
    """A method that also renders recorded sound fields."""

    def field_stream(self, order: int, rate: int, listener: Listener | None = None) -> FieldStream:
        """Start rendering a sound field.

        Args:
            order: of the field, which is AmbiX.
            rate: in Hz.
            listener: the head; its position does not matter, since a field has one point.
        """
        ...


def render(
    mono: Float[np.ndarray, " frames"],
    trajectory: Trajectory | SeenTrajectory,
    rate: int,
    renderer: Renderer,
) -> Float32[np.ndarray, "channels longer"]:
    """Render a source in memory, with its tail."""
    stream = renderer.stream(trajectory, rate)
    return np.concatenate([stream.push(mono), stream.finish()], axis=-1)


def load_renderer(
    name: str,
    options: RenderOptions | None = None,
    neural: NeuralOptions | None = None,
    *,
    device: str = "auto",
) -> Renderer:
    """Load a renderer.

    Args:
        name: one of `RENDERERS`.
        options: None is the bundled HRTF set in the free field.
        neural: None is the pretrained network with its defaults.
        device: of a neural renderer: "auto", "cpu", "cuda" or "mps".

    Raises:
        OptionError: the renderer is unknown or has no such option, or the device is unavailable.
        InputError: the HRTF set cannot be read.
        WeightsError: weights cannot be read, or belong to another renderer.
    """
    options, neural = options or RenderOptions(), neural or NeuralOptions()
    check_renderer(name, options, neural)
    if options.ambix is not None:
        from soundstage.binaural.render.ambisonic_renderer import AmbisonicRenderer

        return AmbisonicRenderer(
            options.ambix, room=options.room, air=options.air, seed=options.seed
        )
    if name == "hrtf":
        from soundstage.binaural.hrtf.bundled import load_hrtf
        from soundstage.binaural.render.hrtf_renderer import HrtfRenderer

        return HrtfRenderer(
            load_hrtf() if options.hrtf is None else load_hrtf(options.hrtf),
            room=options.room,
            nearest=options.nearest,
            air=options.air,
            decoding=options.decoding,
            seed=options.seed,
        )
    if name == "warp":
        from soundstage.binaural.render.warp import WarpRenderer

        return WarpRenderer()
    weights = tuple(neural.weights) or PRETRAINED[name]
    if name.startswith("binauralgrad"):
        from soundstage.binaural.render.binauralgrad import BinauralGradSampling, load_binauralgrad

        sampling = BinauralGradSampling(neural.steps, neural.temperature)
        return load_binauralgrad(weights, sampling=sampling, seed=options.seed, device=device)
    from soundstage.binaural.render.warpnet_wavenet import load_warpnet, load_wavenet

    return (load_warpnet if name == "warpnet" else load_wavenet)(*weights, device=device)

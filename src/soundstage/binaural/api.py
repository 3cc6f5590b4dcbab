"""`binauralize`: binaural rendering in one call."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from soundstage.audio import Audio
from soundstage.audio import Source as AudioSource
from soundstage.binaural.listener import Listener
from soundstage.binaural.listener_options import ListenerOptions
from soundstage.binaural.mixing import BinauralMix
from soundstage.binaural.render_options import (
    DEFAULT_RENDERER,
    FieldDecoding,
    NeuralOptions,
    RenderOptions,
)
from soundstage.binaural.renderers import Renderer, load_renderer
from soundstage.binaural.room.shoebox import ShoeBox
from soundstage.binaural.scenes import Scene, check_fields, sources_of
from soundstage.binaural.trajectories import Trajectory
from soundstage.binaural.trajectory_files import read_listener, read_trajectory
from soundstage.binaural.trajectory_options import TrajectoryOptions
from soundstage.errors import OptionError
from soundstage.precision import in_single_precision


@in_single_precision
def binauralize(
    source: AudioSource,
    trajectory: Trajectory | str | Path | None = None,
    *,
    azimuth: float | None = None,
    elevation: float | None = None,
    distance: float | None = None,
    listener: Listener | str | Path | None = None,
    yaw: float | None = None,
    pitch: float | None = None,
    roll: float | None = None,
    method: str | Renderer = DEFAULT_RENDERER,
    hrtf: str | Path | None = None,
    room: ShoeBox | None = None,
    nearest: bool = False,
    air: bool = False,
    decoder: FieldDecoding = "magls",
    ambix: int | None = None,
    convention: str | None = None,
    weights: Sequence[str | Path] = (),
    steps: int | None = None,
    temperature: float | None = None,
    seed: int = 0,
    device: str = "auto",
    downmix: bool = False,
    tail: bool = True,
    rate: int | None = None,
) -> Audio:
    """Render a sound for headphones.

    Args:
        source: a path, a file object, an `Audio` or (samples, rate), with one or two channels, or
            the 4, 9 or 16 of a sound field.
        trajectory: a `Trajectory` or a file of one. Without it and without a position, mono is
            ahead and stereo on two loudspeakers.
        azimuth: of a source at rest, in degrees counter-clockwise.
        elevation: in degrees up.
        distance: in meters, by default 1.5.
        listener: the pose of the head over time, or a file of it.
        yaw: of a head at rest, in degrees to the left.
        pitch: in degrees up.
        roll: in degrees to the right.
        method: one of `RENDERERS`, or a loaded renderer such as `HrtfRenderer(load_hrtf())`.
        hrtf: a SOFA file or a bundled HRTF set, by default KEMAR; of `hrtf`.
        room: a `ShoeBox`; None is the free field; of `hrtf`.
        nearest: take the nearest measured direction instead of interpolating; of `hrtf`.
        air: apply air absorption; of `hrtf`.
        decoder: of sound fields to the ears: "magls", or "loudspeakers"; of `hrtf`.
        ambix: order of an ambisonic field in place of ear signals, 1 to 3; leave out the HRTF set.
        convention: of a sound field: "ambix", "n3d" or "fuma"; None is what its file says.
        weights: files made by `soundstage train`; of a neural method.
        steps: diffusion steps, 1 to 200; of `binauralgrad`.
        temperature: scale of the diffusion noise, 0 to 1; of `binauralgrad`.
        seed: of the late reverberation or the diffusion noise.
        device: "auto", "cpu", "cuda" or "mps"; of a neural method.
        downmix: fold stereo down to one source.
        tail: keep the reverberation tail after the end of the sound.
        rate: sample rate of the result in Hz; None is that of the source.

    Returns:
        Left and right ear, or the 4, 9 or 16 channels of the field (ACN order, SN3D), in floating
        point: never clipped.

    Raises:
        InputError: the source cannot be read, is empty or not finite, has more than two channels,
            or is stereo with one trajectory for both channels.
        OptionError: the method is unknown or has no such option, or a position is impossible.

    >>> from soundstage.binaural import constant
    >>> click = Audio([1.0] + 99 * [0.0], 44_100)
    >>> left, right = binauralize(click, constant(90)).samples
    >>> bool(abs(left).max() > abs(right).max())
    True
    """
    options = RenderOptions(
        None if hrtf is None else str(hrtf), room, nearest, air, seed, ambix, decoder
    )
    neural = NeuralOptions(tuple(map(str, weights)), steps, temperature)
    if not isinstance(method, str) and (options, neural) != (RenderOptions(), NeuralOptions()):
        raise OptionError("A loaded renderer has its options already: give them when loading it.")
    position = TrajectoryOptions(azimuth, elevation, distance)
    if trajectory is None:
        trajectory = position.build(0.0)
    elif position.is_set:
        raise OptionError("`trajectory` sets the position: leave out azimuth and the like.")
    elif not isinstance(trajectory, Trajectory):
        trajectory = read_trajectory(trajectory, around_head=listener is None)
    turned = ListenerOptions(yaw, pitch, roll)
    if listener is None:
        listener = turned.build()
    elif turned.is_set:
        raise OptionError("`listener` sets the orientation: leave out yaw and the like.")
    elif not isinstance(listener, Listener):
        listener = read_listener(listener)
    sources = sources_of(source, trajectory, downmix=downmix, convention=convention)
    scene = Scene(sources, listener=listener)
    if isinstance(method, str):
        check_fields(scene, method, options)
        method = load_renderer(method, options, neural, device=device)
    mix = BinauralMix(scene, method, tail=tail, rate=rate)
    return Audio(np.concatenate(list(mix.blocks()), axis=-1), mix.rate)

"""A sound on its way through a network to the ears, piece by piece.

Networks know 48 kHz, and distances as far as they have learned them. So sound goes there and back by
a resampler; a source that is nearer or farther than was learned is heard as from where learning
ended, in its direction, with what its distance r has over that, r₀, made outside of the network:

    u(t) = x(t − (r − r₀)/c),    y = (r₀/r)·network(u)

Whatever lengths are pushed, all is made in windows that lie at the same places, each with as much
of the sound before and after it as its network can hear, and joined by a short fade, so that the
result does not depend on how a sound is cut.
"""

import math
from abc import ABC, abstractmethod
from typing import NamedTuple, Protocol

import numpy as np
import torch
from jaxtyping import Float, Float32, Float64
from torch import Tensor

from soundstage.audio import StreamResampler
from soundstage.binaural.geometry import HEAD_RADIUS, SPEED_OF_SOUND, Poses
from soundstage.binaural.presets import RADIUS
from soundstage.binaural.render.neural_weights import (
    BinauralWaveNetConfig,
    Calibration,
    GradShape,
    LoadedNetwork,
    WarpNetShape,
)
from soundstage.binaural.render.pose_encoding import (
    NETWORK_RATE,
    ROW_HOP,
    ViewName,
    ear_delays,
    towards_head,
    view_rows,
)
from soundstage.binaural.render.propagation import between_controls, control_frames
from soundstage.binaural.trajectories import Trajectory
from soundstage.networks.backbones.neural_warp import warped

A_METER = NETWORK_RATE / SPEED_OF_SOUND  # samples
CHUNK = 2 * NETWORK_RATE  # samples of a window that are kept, at least
FADE = 400  # samples, from window to window
RING = 2400  # samples that ring on after the last sound: 50 ms
CONTROL = 16  # samples from one place of the source to the next


class Told(NamedTuple):
    """What a network is told of a window."""

    mono: Float32[Tensor, "1 samples"]
    view: Float32[Tensor, "1 numbers rows"]
    delays: Float64[Tensor, "1 2 samples"]
    """To both ears, in samples."""
    first: int
    """The place of the window's first sample in the sound, from 0 up."""


class NeuralEars(Protocol):
    """A network that hears, however it does it."""

    calibration: Calibration
    view: ViewName
    leveled: bool
    """Whether it hears sound by the law of distance."""
    frame: int
    """Windows begin at multiples of this many samples."""

    @property
    def reach(self) -> tuple[int, int]:
        """Samples before and after one that the result there depends on."""
        ...

    def ears(self, told: Told) -> Float32[Tensor, "2 samples"]:
        """What is heard, at every sample of the window."""
        ...


class NeuralStream:
    """One sound on its way to the ears.

    Args:
        network: that makes what is heard.
        trajectory: of the source; without orientations it points at the head.
        rate: in Hz.
        no_delay: distance in meters from which sound takes no more than the radius of the head.
        as_recorded: leave the level as in the recordings that were learned from, in place of that
            of the input at 1.5 m.

    Attributes:
        tail: frames that are heard after the end of the sound.
        chunk: samples at 48 kHz that a window makes.
    """

    def __init__(
        self,
        network: NeuralEars,
        trajectory: Trajectory,
        rate: int,
        *,
        no_delay: float,
        as_recorded: bool = False,
    ) -> None:
        self._network, self._trajectory = network, trajectory
        calibration = network.calibration
        self._gain = (1 if as_recorded else RADIUS / calibration.loudness) / calibration.scale
        self._early = round(max(no_delay - HEAD_RADIUS, 0.0) * A_METER)
        self._beyond = _samples(trajectory.farthest - calibration.farthest)
        self._ahead = self._early + _samples(calibration.nearest - trajectory.nearest) + 2
        last = _samples(trajectory.farthest + HEAD_RADIUS) - self._early
        self._rate, self.tail = rate, math.ceil((max(last, 0) + RING) * rate / NETWORK_RATE)

        unit = math.lcm(ROW_HOP, network.frame)
        before, after = network.reach
        self._before, self._after = _up_to(before, unit), _up_to(after + FADE, unit)
        self.chunk = _up_to(CHUNK, unit)
        self._inward = StreamResampler(rate, NETWORK_RATE, 1)
        self._outward = StreamResampler(NETWORK_RATE, rate, 2)
        self._sound = np.zeros(0, np.float32)  # that windows to come hear
        self._first = 0  # place of the oldest of it
        self._made = self._pushed = self._given = 0
        self._fading = np.zeros((2, 0), np.float32)  # of the last window, beyond what is made

    def push(self, mono: Float[np.ndarray, " frames"]) -> Float32[np.ndarray, "2 ready"]:
        """The next of the sound; what is ready by now."""
        self._pushed += len(mono)
        self._take(self._inward.push(mono[None])[0])
        made = [np.zeros((2, 0), np.float32)]
        while self._missing() <= 0:
            made.append(self._window())
        ready = self._outward.push(np.concatenate(made, axis=-1))
        self._given += ready.shape[-1]
        return ready

    def finish(self) -> Float32[np.ndarray, "2 rest"]:
        """What is still on its way: in all, `tail` frames more than were pushed."""
        if not self._pushed:
            return np.zeros((2, 0), np.float32)
        self._take(self._inward.finish()[0])
        whole = self._pushed + self.tail
        end = math.ceil(whole * NETWORK_RATE / self._rate) + 1
        made, already = [np.zeros((2, 0), np.float32)], self._made
        while self._made < end:
            self._take(np.zeros(max(self._missing(), 0), np.float32))
            made.append(self._window())
        rest = np.concatenate(made, axis=-1)[:, : end - already]
        heard = [self._outward.push(rest), self._outward.finish()]
        return np.concatenate(heard, axis=-1)[:, : whole - self._given].astype(np.float32)

    def _take(self, sound: Float[np.ndarray, " samples"]) -> None:
        self._sound = np.concatenate([self._sound, sound.astype(np.float32, copy=False)])

    def _missing(self) -> int:
        """Samples that the next window waits for."""
        wanted = self._made + self.chunk + self._after + self._ahead
        return wanted - self._first - len(self._sound)

    def _window(self) -> Float32[np.ndarray, "2 chunk"]:
        first = self._made - self._before
        length = self._before + self.chunk + self._after
        made = self._heard(first, length)[:, self._before :]
        fading = self._fading.shape[-1]
        if fading:
            rise = ((np.arange(fading) + 0.5) / fading).astype(np.float32)
            made[:, :fading] = rise * made[:, :fading] + (1 - rise) * self._fading
        self._fading = made[:, self.chunk : self.chunk + FADE].copy()
        self._made += self.chunk
        self._forget(first + self.chunk + self._early - self._beyond - 2)
        return made[:, : self.chunk]

    def _heard(self, first: int, length: int) -> Float32[np.ndarray, "2 samples"]:
        network, calibration = self._network, self._network.calibration
        rows = self._trajectory.at(
            (first + ROW_HOP * np.arange(length // ROW_HOP + 1)) / NETWORK_RATE
        )
        if self._trajectory.orientations is None:
            rows = Poses(rows.positions, towards_head(rows.positions))
        positions = self._trajectory.positions_at(
            control_frames(first, length, CONTROL) / NETWORK_RATE
        )
        distances = np.linalg.norm(positions, axis=-1)
        held = calibration.held(positions)
        at_held = positions * (held / distances)[:, None]
        # The law of distance within what is known, and the way beyond it
        within, ratio, excess, *delays = between_controls(
            np.stack([1 / held, held / distances, distances - held, *ear_delays(at_held)]), CONTROL
        )
        mono = self._read(first, excess * A_METER) * calibration.scale
        if network.leveled:
            mono = mono * within
        told = Told(
            torch.from_numpy(mono.astype(np.float32))[None],
            torch.from_numpy(view_rows(network.view, rows, calibration.distances)).float()[None],
            torch.from_numpy(np.stack(delays))[None],
            self._made,
        )
        with torch.inference_mode():
            ears = network.ears(told).numpy()
        return ears * (self._gain * ratio).astype(np.float32)

    def _read(
        self, first: int, late: Float64[np.ndarray, " samples"]
    ) -> Float32[np.ndarray, " samples"]:
        """The sound from a place on, each sample of it as late as is said."""
        begin = first + self._early - self._beyond - 2
        end = first + len(late) + self._ahead
        known = self._sound[max(begin - self._first, 0) : end - self._first]
        sound = np.pad(known, (end - begin - len(known), 0))  # silence before the beginning
        places = torch.from_numpy(np.arange(len(late)) + (first + self._early - begin) - late)
        return warped(torch.from_numpy(sound)[None], places[None, None], cubic=True)[0, 0].numpy()

    def _forget(self, before: int) -> None:
        unneeded = before - self._first
        if unneeded > 0:
            self._sound = self._sound[unneeded:].copy()
            self._first += unneeded


class NeuralRenderer(ABC):
    """What the neural renderers share; each says how far it hears, and what.

    Args:
        loaded: its network, or one of several that are told the same.
        as_recorded: leave the level as in the recordings that were learned from.
    """

    frame = 1

    def __init__(
        self,
        loaded: LoadedNetwork[BinauralWaveNetConfig]
        | LoadedNetwork[WarpNetShape]
        | LoadedNetwork[GradShape],
        *,
        as_recorded: bool,
    ) -> None:
        self.calibration, self._as_recorded = loaded.calibration, as_recorded
        self.view, self.leveled = loaded.shape.view_name, loaded.shape.leveled

    @property
    @abstractmethod
    def reach(self) -> tuple[int, int]:
        """Samples before and after one that the result there depends on."""

    @abstractmethod
    def ears(self, told: Told) -> Float32[Tensor, "2 samples"]:
        """What is heard, at every sample of a window."""

    def stream(
        self, trajectory: Trajectory, rate: int, *, no_delay: float | None = None
    ) -> NeuralStream:
        """Begin a sound; see `Renderer.stream`."""
        nearest = trajectory.nearest if no_delay is None else no_delay
        return NeuralStream(self, trajectory, rate, no_delay=nearest, as_recorded=self._as_recorded)


def _samples(meters: float) -> int:
    """That sound takes for a way, rounded up; none for a negative one."""
    return math.ceil(max(meters, 0.0) * A_METER)


def _up_to(samples: int, unit: int) -> int:
    return -(-samples // unit) * unit

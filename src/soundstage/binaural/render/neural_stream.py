"""Streaming of a sound through a neural renderer, in windows.

The networks run at 48 kHz and at the distances of their training data. Sound is resampled to 48 kHz
and back. A source at a distance r outside of these, r₀ being the nearest of them, is rendered at r₀
in the same direction, with the remaining delay and gain outside of the network:

    u(t) = x(t − (r − r₀)/c),    y = (r₀/r)·network(u)

Windows are at fixed positions, each includes the receptive field of its network on both sides, and
they are joined by a short crossfade. So the result is the same for any size of the pushed blocks.
"""

import math
from abc import ABC, abstractmethod
from typing import Any, NamedTuple, Protocol, TypeVar

import numpy as np
import torch
from jaxtyping import Float, Float32, Float64
from torch import Tensor

from soundstage.audio import StreamResampler
from soundstage.binaural.geometry import HEAD_RADIUS, SPEED_OF_SOUND, Poses
from soundstage.binaural.listener import SeenTrajectory
from soundstage.binaural.presets import RADIUS
from soundstage.binaural.render.pose_encoding import (
    NETWORK_RATE,
    POSE_FEATURES,
    POSE_HOP,
    PoseEncoding,
    ear_delays,
    encode_poses,
    facing_head,
    uses_distance_law,
)
from soundstage.binaural.render.propagation import between_controls, control_frames
from soundstage.binaural.render_options import BINAURAL
from soundstage.binaural.trajectories import FARTHEST, NEAREST, Trajectory
from soundstage.errors import SoundstageError, WeightsError
from soundstage.networks.backbones.neural_warp import warp
from soundstage.networks.models.binaural_wavenet import BinauralConfig, Calibration
from soundstage.parallel import resolve_device, single_thread
from soundstage.weights.config import ModelConfig
from soundstage.weights.model import LoadedModel, load_model

SAMPLES_PER_METER = NETWORK_RATE / SPEED_OF_SOUND
CHUNK = 2 * NETWORK_RATE  # smallest number of output samples of a window
FADE = 400  # samples of the crossfade between windows
TAIL = 2400  # samples of output after the last sound has arrived: 50 ms
CONTROL = 16  # samples between control points

C = TypeVar("C", bound=ModelConfig)


class NetworkInputs(NamedTuple):
    """Inputs of a network for one window."""

    mono: Float32[Tensor, "1 samples"]
    pose: Float32[Tensor, "1 features poses"]
    delays: Float64[Tensor, "1 2 samples"]
    """To both ears, in samples."""
    first: int
    """Position of the first sample of the window, plus a constant that makes it not negative."""

    def to(self, device: torch.device) -> "NetworkInputs":
        """The inputs on a device."""
        delays = self.delays.float() if device.type == "mps" else self.delays  # no float64 on MPS
        return NetworkInputs(
            self.mono.to(device), self.pose.to(device), delays.to(device), self.first
        )


class NeuralModel(Protocol):
    """A network as `NeuralStream` runs it."""

    calibration: Calibration
    pose_encoding: PoseEncoding
    distance_law: bool
    """Whether the input is scaled by 1/r."""
    frame: int
    """Windows start at multiples of this number of samples."""
    device: torch.device

    @property
    def receptive_field(self) -> tuple[int, int]:
        """Samples before and after an output sample that affect it."""
        ...

    def predict(self, inputs: NetworkInputs) -> Float32[Tensor, "2 samples"]:
        """The ear signals of a window."""
        ...


class NeuralStream:
    """The ear signals of one source.

    Args:
        model: the network.
        trajectory: of the source, relative to the head; without orientations it faces the head.
        rate: in Hz.
        no_delay: distance in meters with zero delay to the near ear.
        as_recorded: keep the level of the training recordings instead of unit gain at 1.5 m.

    Attributes:
        tail: frames of output after the end of the input.
        chunk: output samples of a window, at 48 kHz.
    """

    def __init__(
        self,
        model: NeuralModel,
        trajectory: Trajectory | SeenTrajectory,
        rate: int,
        *,
        no_delay: float,
        as_recorded: bool = False,
    ) -> None:
        self._model, self._trajectory = model, trajectory
        calibration = model.calibration
        self._gain = (1 if as_recorded else RADIUS / calibration.loudness) / calibration.scale
        self._advance = round(max(no_delay - HEAD_RADIUS, 0.0) * SAMPLES_PER_METER)
        self._max_delay = _samples(trajectory.max_distance - calibration.farthest)
        self._lookahead = (
            self._advance + _samples(calibration.nearest - trajectory.min_distance) + 2
        )
        last = _samples(trajectory.max_distance + HEAD_RADIUS) - self._advance
        self._rate, self.tail = rate, math.ceil((max(last, 0) + TAIL) * rate / NETWORK_RATE)

        unit = math.lcm(POSE_HOP, model.frame)
        before, after = model.receptive_field
        self._before, self._after = _multiple(before, unit), _multiple(after + FADE, unit)
        self.chunk = _multiple(CHUNK, unit)
        self._to_network = StreamResampler(rate, NETWORK_RATE, 1)
        self._from_network = StreamResampler(NETWORK_RATE, rate, 2)
        self._sound = np.zeros(0, np.float32)  # input of the next windows
        self._first = 0  # position of its first sample
        self._rendered = self._pushed = self._returned = 0
        self._fading = np.zeros((2, 0), np.float32)  # the last window beyond its chunk

    def push(self, mono: Float[np.ndarray, " frames"]) -> Float32[np.ndarray, "2 ready"]:
        """Append input; return the output that is ready."""
        self._pushed += len(mono)
        with single_thread():
            self._append(self._to_network.push(mono[None])[0])
            chunks = [np.zeros((2, 0), np.float32)]
            while self._missing() <= 0:
                chunks.append(self._window())
            ready = self._from_network.push(np.concatenate(chunks, axis=-1))
        self._returned += ready.shape[-1]
        return ready

    def finish(self) -> Float32[np.ndarray, "2 rest"]:
        """The rest of the output: in all, `tail` frames more than the input."""
        if not self._pushed:
            return np.zeros((2, 0), np.float32)
        with single_thread():
            return self._finish()

    def _finish(self) -> Float32[np.ndarray, "2 rest"]:
        self._append(self._to_network.finish()[0])
        total = self._pushed + self.tail
        end = math.ceil(total * NETWORK_RATE / self._rate) + 1
        chunks, before = [np.zeros((2, 0), np.float32)], self._rendered
        while self._rendered < end:
            self._append(np.zeros(max(self._missing(), 0), np.float32))
            chunks.append(self._window())
        rest = np.concatenate(chunks, axis=-1)[:, : end - before]
        ears = [self._from_network.push(rest), self._from_network.finish()]
        return np.concatenate(ears, axis=-1)[:, : total - self._returned].astype(np.float32)

    def _append(self, sound: Float[np.ndarray, " samples"]) -> None:
        self._sound = np.concatenate([self._sound, sound.astype(np.float32, copy=False)])

    def _missing(self) -> int:
        """Samples of input that the next window still needs."""
        end = self._rendered + self.chunk + self._after + self._lookahead
        return end - self._first - len(self._sound)

    def _window(self) -> Float32[np.ndarray, "2 chunk"]:
        first = self._rendered - self._before
        length = self._before + self.chunk + self._after
        ears = self._ears(first, length)[:, self._before :]
        fading = self._fading.shape[-1]
        if fading:
            rise = ((np.arange(fading) + 0.5) / fading).astype(np.float32)
            ears[:, :fading] = rise * ears[:, :fading] + (1 - rise) * self._fading
        self._fading = ears[:, self.chunk : self.chunk + FADE].copy()
        self._rendered += self.chunk
        self._forget(first + self.chunk + self._advance - self._max_delay - 2)
        return ears[:, : self.chunk]

    def _ears(self, first: int, length: int) -> Float32[np.ndarray, "2 samples"]:
        """The ear signals of a window."""
        model, calibration = self._model, self._model.calibration
        poses = self._trajectory.at(
            (first + POSE_HOP * np.arange(length // POSE_HOP + 1)) / NETWORK_RATE
        )
        if not self._trajectory.is_oriented:
            poses = Poses(poses.positions, facing_head(poses.positions))
        positions = self._trajectory.positions_at(
            control_frames(first, length, CONTROL) / NETWORK_RATE
        )
        distances = np.linalg.norm(positions, axis=-1)
        clipped = calibration.clip_distances(positions)
        # The distance law inside and outside of the range of the training data
        inside, outside, excess, *delays = between_controls(
            np.stack(
                [
                    1 / clipped,
                    clipped / distances,
                    distances - clipped,
                    *ear_delays(positions * (clipped / distances)[:, None]),
                ]
            ),
            CONTROL,
        )
        mono = self._read(first, excess * SAMPLES_PER_METER) * calibration.scale
        if model.distance_law:
            mono = mono * inside
        pose = encode_poses(model.pose_encoding, poses, calibration.distances)
        inputs = NetworkInputs(
            torch.from_numpy(mono.astype(np.float32))[None],
            torch.from_numpy(pose).float()[None],
            torch.from_numpy(np.stack(delays))[None],
            self._rendered,
        ).to(model.device)
        with torch.inference_mode():
            ears = model.predict(inputs).cpu().numpy()
        if not np.isfinite(ears).all():
            raise SoundstageError(
                "The network computes samples that are not numbers: use other weights."
            )
        return ears * (self._gain * outside).astype(np.float32)

    def _read(
        self, first: int, delays: Float64[np.ndarray, " samples"]
    ) -> Float32[np.ndarray, " samples"]:
        """The sound from a position on, with a delay for each sample."""
        start = first + self._advance - self._max_delay - 2
        end = first + len(delays) + self._lookahead
        available = self._sound[max(start - self._first, 0) : end - self._first]
        sound = np.pad(available, (end - start - len(available), 0))  # silent before the start
        positions = np.arange(len(delays)) + (first + self._advance - start) - delays
        signal, positions = torch.from_numpy(sound)[None], torch.from_numpy(positions)[None, None]
        return warp(signal, positions, cubic=True)[0, 0].numpy()

    def _forget(self, before: int) -> None:
        unneeded = before - self._first
        if unneeded > 0:
            self._sound = self._sound[unneeded:].copy()
            self._first += unneeded


def load_network(source: str, kind: type[C], device: str = "auto") -> LoadedModel[C]:
    """Load a network of a neural renderer, with the same values for any number of threads.

    Raises:
        WeightsError: the file is missing, damaged, or of another network.
        OptionError: the device is unavailable.
    """
    with single_thread():
        return load_model(source, kind, resolve_device(device))


def check_config(model: LoadedModel[Any]) -> None:
    """Refuse a network with another pose encoding, or trained at impossible distances.

    Raises:
        WeightsError: its config does not fit this version.
    """
    config: BinauralConfig = model.config
    calibration = config.calibration
    if (config.pose_dim, config.pose_hop) != (POSE_FEATURES[config.pose_encoding], POSE_HOP):
        raise WeightsError(f"{model.source}: the network was trained with another pose encoding.")
    if not NEAREST <= calibration.nearest <= calibration.farthest <= FARTHEST:
        raise WeightsError(
            f"{model.source}: it was trained at {calibration.nearest:g} to "
            f"{calibration.farthest:g} m; distances are {NEAREST:g} to {FARTHEST:,g} m."
        )


class NeuralRenderer(ABC):
    """Base class of the neural renderers.

    Args:
        loaded: the network, or the first of several with the same inputs.
        as_recorded: keep the level of the training recordings.
    """

    channels = BINAURAL
    frame = 1

    def __init__(
        self,
        loaded: LoadedModel[Any],
        *,
        as_recorded: bool,
    ) -> None:
        check_config(loaded)
        config: BinauralConfig = loaded.config
        self.calibration, self._as_recorded = config.calibration, as_recorded
        self.pose_encoding = config.pose_encoding
        self.distance_law = uses_distance_law(config.pose_encoding)
        self.device = next(loaded.network.parameters()).device

    @property
    @abstractmethod
    def receptive_field(self) -> tuple[int, int]:
        """Samples before and after an output sample that affect it."""

    @abstractmethod
    def predict(self, inputs: NetworkInputs) -> Float32[Tensor, "2 samples"]:
        """The ear signals of a window."""

    def stream(
        self,
        trajectory: Trajectory | SeenTrajectory,
        rate: int,
        *,
        no_delay: float | None = None,
    ) -> NeuralStream:
        """Start rendering a source; see `Renderer.stream`."""
        nearest = trajectory.min_distance if no_delay is None else no_delay
        return NeuralStream(self, trajectory, rate, no_delay=nearest, as_recorded=self._as_recorded)


def _samples(meters: float) -> int:
    """Propagation delay, rounded up; 0 for a negative distance."""
    return math.ceil(max(meters, 0.0) * SAMPLES_PER_METER)


def _multiple(samples: int, unit: int) -> int:
    """Rounded up to a multiple of a unit."""
    return -(-samples // unit) * unit

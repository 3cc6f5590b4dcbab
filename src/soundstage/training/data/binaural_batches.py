"""Batches of binaural speech: what was said, from where, and what two ears heard.

An example is a stretch of a recording from anywhere. What a network hears is made as a renderer
makes it (`binaural/render/neural_stream.py`): the mono signal, by our view of poses at the level that the
law of distance gives it, and the delays to both ears. A stretch begins in the middle of a sentence
whose sound is still on its way, so its first `MARGIN` samples do not count in a loss.

Each example is made louder or softer, so that a network does not take a level for a distance, and
every other one is seen in a mirror: left is right, so that each head that was measured is two.
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import torch
from jaxtyping import Float, Float64
from torch import Tensor

from soundstage.binaural.geometry import Poses
from soundstage.binaural.render.neural_weights import Calibration
from soundstage.binaural.render.pose_encoding import (
    ROW_HOP,
    ViewName,
    ear_delays,
    is_leveled,
    view_rows,
)
from soundstage.corpora.binaural_speech import Chunk, Chunks, Recording
from soundstage.networks.backbones.pose_upsampling import upsampled

MARGIN = 3 * ROW_HOP  # samples: the way from 2.5 m, twice over, and what reflects at a head
LOUD = 1.0  # rms of what is heard, which noise of diffusion is made for
_SURVEYED = 32  # stretches of a recording that calibrate


class Heard(NamedTuple):
    """Examples, ready for a network."""

    mono: Float[Tensor, "batch samples"]
    view: Float[Tensor, "batch numbers rows"]
    delays: Float[Tensor, "batch 2 rows"]
    """In samples; at every row, as the view."""
    ears: Float[Tensor, "batch 2 samples"]
    """What was heard."""

    @property
    def every_delay(self) -> Float64[Tensor, "batch 2 samples"]:
        """Delays at every sample, linear between rows."""
        return upsampled(self.delays.double(), ROW_HOP, self.mono.shape[-1])


class BinauralBatches:
    """Draws examples; every place of the recordings is as likely as any other.

    Args:
        recordings: what is learned from.
        calibration: of the network.
        view: what it is told of a pose.
        samples: of an example, without its margin.
        size: examples a batch.
        gain: dB up or down, at most.
        seed: of the draws.
    """

    def __init__(
        self,
        recordings: Sequence[Recording],
        calibration: Calibration,
        *,
        view: ViewName,
        samples: int,
        size: int,
        gain: float,
        seed: int,
    ) -> None:
        self._chunks = Chunks(recordings, MARGIN + samples)
        self.calibration, self._view = calibration, view
        self._size, self._gain, self._seed = size, gain, seed
        frames = sum(recording.frames for recording in recordings)
        self.per_epoch = max(frames // (samples * size), 1)
        """Batches in which all is seen once."""

    def draw(self, step: int) -> Heard:
        """The batch of a step, the same whenever it is asked for."""
        places = range(step * self._size, (step + 1) * self._size)
        generator = np.random.default_rng((self._seed, 1, step))
        louder = generator.uniform(-self._gain, self._gain, self._size)
        mirrors = generator.random(self._size) < 0.5
        chunks = [self._chunks.draw(self._seed, place) for place in places]
        chunks = [
            mirrored(chunk) if mirror else chunk
            for chunk, mirror in zip(chunks, mirrors, strict=True)
        ]
        return stacked(
            [
                heard(chunk, self.calibration, self._view, gain=10 ** (gain / 20))
                for chunk, gain in zip(chunks, louder, strict=True)
            ]
        )


def mirrored(chunk: Chunk) -> Chunk:
    """A stretch with left and right changed over, and the talker on the other side."""
    positions, orientations = chunk.poses
    turned = orientations * np.array([-1.0, 1.0, -1.0, 1.0])  # an axis is a pseudovector
    poses = Poses(positions * np.array([1.0, -1.0, 1.0]), turned)
    return chunk._replace(binaural=chunk.binaural[::-1].copy(), poses=poses)


def heard(chunk: Chunk, calibration: Calibration, view: ViewName, *, gain: float = 1.0) -> Heard:
    """A stretch, as a batch of one."""
    poses = chunk.poses
    mono = gain * calibration.scale * torch.from_numpy(chunk.mono)
    if is_leveled(view):
        distances = torch.from_numpy(calibration.held(poses.positions))
        mono = mono / upsampled(distances, ROW_HOP, len(mono))
    return Heard(
        mono.float()[None],
        torch.from_numpy(view_rows(view, poses, calibration.distances)).float()[None],
        torch.from_numpy(ear_delays(poses.positions)).float()[None],
        gain * calibration.scale * torch.from_numpy(chunk.binaural)[None],
    )


def stacked(examples: Sequence[Heard]) -> Heard:
    """One batch of examples that are alike in length."""
    return Heard(*(torch.cat(parts) for parts in zip(*examples, strict=True)))


def calibrate(recordings: Sequence[Recording], view: ViewName) -> Calibration:
    """How loud, how near and how far recordings are."""
    said = leveled = found = 0.0
    distances, frames = [], 0
    for recording in recordings:
        positions = recording.trajectory.positions_at(np.arange(0, recording.seconds, 0.05))
        distances.append(np.linalg.norm(positions, axis=-1))
        length = min(recording.frames, 10 * ROW_HOP)
        for start in np.linspace(0, recording.frames - length, _SURVEYED).astype(int).tolist():
            mono = recording.mono(start, length).astype(np.float64)
            ears = recording.binaural(start, length).astype(np.float64)
            near = float(np.linalg.norm(recording.poses(start, 1).positions))
            said += float((mono**2).sum())
            leveled += float((mono**2).sum()) / near**2
            found += float((ears**2).sum()) / 2
            frames += length
    everywhere = np.concatenate(distances)
    heard_energy = leveled if is_leveled(view) else said
    return Calibration(
        scale=LOUD / max((heard_energy / frames) ** 0.5, 1e-5),
        loudness=(found / max(leveled, 1e-12)) ** 0.5,
        nearest=float(everywhere.min()),
        farthest=float(everywhere.max()),
    )

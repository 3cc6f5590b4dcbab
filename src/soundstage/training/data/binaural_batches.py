"""Data of the neural binaural renderers: recordings of a talker with poses and two ears.

A folder has the published layout of binaural speech, recorded or simulated, with parts for
training, validation and test; the test part is never opened.

An example is a random segment of a recording. Its input is made as in the renderer
(`binaural/render/neural_stream.py`): the mono signal (with our pose encoding attenuated by
distance), the encoded poses and the delays to both ears. A segment begins in mid-sentence with
sound still on its way, so its first `MARGIN` samples are excluded from the loss.

Examples get a random gain, so that a level does not imply a distance, and every other one is
mirrored: left becomes right, and each HRTF set serves as two.
"""

import math
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from jaxtyping import Float, Float64
from torch import Tensor

from soundstage.binaural.geometry import Poses
from soundstage.binaural.render.pose_encoding import (
    NETWORK_RATE,
    POSE_FEATURES,
    POSE_HOP,
    PoseEncoding,
    ear_delays,
    encode_poses,
    uses_distance_law,
)
from soundstage.corpora.binaural_simulation import MANIFEST
from soundstage.corpora.binaural_speech import (
    BINAURAL,
    MONO,
    TRANSMITTER,
    Chunk,
    Chunks,
    Recording,
    open_binaural_speech,
)
from soundstage.corpora.feature_cache import files_fingerprint
from soundstage.errors import InputError
from soundstage.networks.backbones.pose_upsampling import upsample
from soundstage.networks.models.binaural_wavenet import Calibration
from soundstage.text_files import TextKind, read_json
from soundstage.training.recipes import BinauralGradRecipe, WarpNetRecipe, WaveNetRecipe
from soundstage.weights import Card

MARGIN = 3 * POSE_HOP  # samples: twice the delay from 2.5 m, and the reflections at the head
TARGET_RMS = 1.0  # of the network's input, to match the noise of a diffusion network
VALID_SEGMENTS = 40
VALID_SECONDS = 1
_CALIBRATION_SEGMENTS = 32  # of each recording

_SIMULATION = TextKind("the list of a simulation", 100_000_000)  # bytes
BinauralRecipe = WaveNetRecipe | WarpNetRecipe | BinauralGradRecipe


class BinauralExamples(NamedTuple):
    """Examples, ready for a network."""

    mono: Float[Tensor, "batch samples"]
    poses: Float[Tensor, "batch features poses"]
    """Encoded poses."""
    delays: Float[Tensor, "batch 2 poses"]
    """Delays to the ears in samples, one for each pose."""
    ears: Float[Tensor, "batch 2 samples"]
    """The target."""

    @property
    def sample_delays(self) -> Float64[Tensor, "batch 2 samples"]:
        """Delays at every sample, interpolated linearly."""
        return upsample(self.delays.double(), POSE_HOP, self.mono.shape[-1])


@dataclass(frozen=True)
class SpeechDataset:
    """Binaural recordings in a training and a validation part."""

    folder: Path
    train: list[Recording]
    valid: list[Recording]
    """Empty if the folder has no such part."""
    calibration: Calibration
    skipped: tuple[str, ...] = ()

    @property
    def description(self) -> str:
        """The amount of training data, for the log."""
        minutes = sum(recording.seconds for recording in self.train) / 60
        return f"{minutes:.0f} minutes of {len(self.train)} recordings"

    @property
    def n_valid(self) -> int:
        """Number of validation recordings."""
        return len(self.valid)

    def digest(self) -> bytes:
        """SHA-256 of the data."""
        return files_fingerprint(
            [
                recording.folder / name
                for recording in (*self.train, *self.valid)
                for name in (MONO, BINAURAL, TRANSMITTER)
            ]
        )

    def facts(self) -> Card:
        """Card entries, with credits if the recordings are simulated.

        Raises:
            InputError: the list of a simulation is damaged.
        """
        about = self.folder / MANIFEST
        simulated = read_json(about, _SIMULATION) if about.is_file() else {}
        try:
            used = [each for each in simulated.get("subjects", []) if each["split"] == "train"]
            credits = [
                {"title": title, "kind": kind, "license": license}
                for title, kind, license in sorted(set(_credits(used)))
            ]
        except (KeyError, TypeError, AttributeError) as error:
            raise InputError(f"{about}: is not the list of a simulation.") from error
        hrtfs = sum(credit["kind"] == "HRTF set" for credit in credits)
        made_from = f", simulated with {hrtfs} HRTF sets and {len(credits) - hrtfs} speakers"
        return {
            "data": f"{len(self.train)} binaural recordings{made_from if simulated else ''}",
            "recordings": len(self.train),
            "hours": round(sum(recording.seconds for recording in self.train) / 3600, 2),
            "licenses": dict(Counter(credit["license"] for credit in credits)),
            "credits": credits,
        }


def _credits(subjects: Sequence[Card]) -> Iterator[tuple[str, str, str]]:
    for subject in subjects:
        hrtf = subject["hrtf"]
        yield hrtf["listener"], "HRTF set", hrtf["license"] or "not stated"
        for clip in subject["speech"]:
            yield clip["speaker"], "speaker", clip.get("license") or "not stated"


def pose_config(recipe: BinauralRecipe, calibration: Calibration) -> dict[str, Any]:
    """The fields of a `BinauralConfig` that describe poses and recordings."""
    return {
        "pose_encoding": recipe.pose_encoding,
        "pose_dim": POSE_FEATURES[recipe.pose_encoding],
        "pose_hop": POSE_HOP,
        "calibration": calibration,
    }


def open_speech(folder: Path, recipe: BinauralRecipe) -> SpeechDataset:
    """Open a folder of binaural speech.

    Raises:
        InputError: the folder has no training recording, or one cannot be used.
    """
    train = open_binaural_speech(folder, "train")
    try:
        valid = open_binaural_speech(folder, "valid")
    except InputError:
        valid = []
    return SpeechDataset(folder, train, valid, calibrate(train, recipe.pose_encoding))


class BinauralBatches:
    """Random segments, each position in the recordings equally likely.

    Args:
        recordings: training recordings.
        calibration: of the network.
        recipe: lengths, gain, pose encoding and seed.
        batch_size: examples per batch; None for that of the recipe.
    """

    def __init__(
        self,
        recordings: Sequence[Recording],
        calibration: Calibration,
        recipe: BinauralRecipe,
        *,
        batch_size: int | None = None,
    ) -> None:
        self._chunks = Chunks(recordings, MARGIN + recipe.segment_samples)
        self._encoding, self._gain_db = recipe.pose_encoding, recipe.gain_db
        self._batch_size, self._seed = batch_size or recipe.loop.batch_size, recipe.loop.seed
        self.calibration = calibration
        frames = sum(recording.frames for recording in recordings)
        self.per_epoch = max(frames // (recipe.segment_samples * self._batch_size), 1)

    def draw(self, step: int) -> BinauralExamples:
        """The batch of a step, the same for every call."""
        count = self._batch_size
        generator = np.random.default_rng((self._seed, 1, step))
        gains = generator.uniform(-self._gain_db, self._gain_db, count)
        mirrored = generator.random(count) < 0.5
        examples = []
        for index, (gain, is_mirrored) in enumerate(zip(gains, mirrored, strict=True)):
            chunk = self._chunks.draw(self._seed, step * count + index)
            examples.append(
                make_example(
                    mirror(chunk) if is_mirrored else chunk,
                    self.calibration,
                    self._encoding,
                    gain=10 ** (gain / 20),
                )
            )
        return collate(examples)


class ValidationSegments:
    """Fixed segments of the validation recordings, which select the best epoch."""

    def __init__(self, speech: SpeechDataset, recipe: BinauralRecipe) -> None:
        chunks = Chunks(speech.valid, MARGIN + VALID_SECONDS * NETWORK_RATE)
        self.calibration = speech.calibration
        self._segments = [
            make_example(chunks.draw(0, index), speech.calibration, recipe.pose_encoding)
            for index in range(VALID_SEGMENTS)
        ]

    def wave_l2(
        self,
        render: Callable[[BinauralExamples, int], tuple[Tensor, Tensor]],
        device: torch.device | None = None,
    ) -> float:
        """Mean squared error of the rendered signals in thousandths, full scale being 1.

        Args:
            render: returns output and target of a segment and its index.
            device: where the segments are moved.
        """
        errors = []
        for index, segment in enumerate(self._segments):
            output, target = render(BinauralExamples(*(each.to(device) for each in segment)), index)
            errors.append(mean_square((output - target)[..., MARGIN:]))
        return float(np.mean(errors)) * 1000 / self.calibration.scale**2


def mean_square(error: Tensor) -> float:
    """Mean square; infinite instead of NaN, which would compare as no worse than the best."""
    value = error.double().square().mean().item()
    return value if math.isfinite(value) else math.inf


def mirror(chunk: Chunk) -> Chunk:
    """Swap left and right, with the talker on the other side."""
    positions, orientations = chunk.poses
    mirrored = orientations * np.array([-1.0, 1.0, -1.0, 1.0])  # a rotation axis is a pseudovector
    poses = Poses(positions * np.array([1.0, -1.0, 1.0]), mirrored)
    return chunk._replace(binaural=chunk.binaural[::-1].copy(), poses=poses)


def make_example(
    chunk: Chunk, calibration: Calibration, encoding: PoseEncoding, *, gain: float = 1.0
) -> BinauralExamples:
    """A batch of one segment."""
    poses = chunk.poses
    mono = gain * calibration.scale * torch.from_numpy(chunk.mono)
    if uses_distance_law(encoding):
        distances = torch.from_numpy(calibration.clip_distances(poses.positions))
        mono = mono / upsample(distances, POSE_HOP, len(mono))
    return BinauralExamples(
        mono.float()[None],
        torch.from_numpy(encode_poses(encoding, poses, calibration.distances)).float()[None],
        torch.from_numpy(ear_delays(poses.positions)).float()[None],
        gain * calibration.scale * torch.from_numpy(chunk.binaural)[None],
    )


def collate(examples: Sequence[BinauralExamples]) -> BinauralExamples:
    """One batch of examples of equal length."""
    return BinauralExamples(*(torch.cat(parts) for parts in zip(*examples, strict=True)))


def calibrate(recordings: Sequence[Recording], encoding: PoseEncoding) -> Calibration:
    """Levels and distances of recordings."""
    sent_energy = leveled_energy = ear_energy = 0.0
    distances, frames = [], 0
    for recording in recordings:
        positions = recording.trajectory.positions_at(np.arange(0, recording.seconds, 0.05))
        distances.append(np.linalg.norm(positions, axis=-1))
        length = min(recording.frames, 10 * POSE_HOP)
        starts = np.linspace(0, recording.frames - length, _CALIBRATION_SEGMENTS).astype(int)
        for start in starts.tolist():
            mono = recording.mono(start, length).astype(np.float64)
            ears = recording.binaural(start, length).astype(np.float64)
            distance = float(np.linalg.norm(recording.poses(start, 1).positions))
            sent_energy += float((mono**2).sum())
            leveled_energy += float((mono**2).sum()) / distance**2
            ear_energy += float((ears**2).sum()) / 2
            frames += length
    all_distances = np.concatenate(distances)
    input_energy = leveled_energy if uses_distance_law(encoding) else sent_energy
    return Calibration(
        scale=TARGET_RMS / max((input_energy / frames) ** 0.5, 1e-5),
        loudness=(ear_energy / max(leveled_energy, 1e-12)) ** 0.5,
        nearest=float(all_distances.min()),
        farthest=float(all_distances.max()),
    )

"""Small binaural speech for tests: recordings with tracked positions, speech and HRTF sets."""

from pathlib import Path
from typing import Any

import numpy as np
import soundfile
from scipy.signal import butter, sosfilt

from spheres import grid, sphere_head, write_sofa

RATE, HOP = 48_000, 400


def write_recording(
    folder: Path, poses: int = 240, *, seed: int = 0, more: dict[str, int] | None = None
) -> np.ndarray:
    """Write a recording of noise, with L = mono and R = −mono; returns the mono.

    `more` frames, or rows, are added to a file by its name.
    """
    folder.mkdir(parents=True)
    generator, more = np.random.default_rng(seed), more or {}
    mono = (0.1 * generator.standard_normal(HOP * poses + 4 * HOP)).clip(-1, 1)
    frames = HOP * poses
    ears = np.stack([mono, -mono], axis=1)
    soundfile.write(folder / "mono.wav", mono[: frames + more.get("mono.wav", 0)], RATE, "FLOAT")
    soundfile.write(
        folder / "binaural.wav", ears[: frames + more.get("binaural.wav", 0)], RATE, "FLOAT"
    )
    angle = np.arange(poses + 4) / 120
    zero, one = np.zeros_like(angle), np.ones_like(angle)
    talker = np.stack([np.cos(angle), np.sin(angle), 0.1 * one, zero, zero, zero, one], axis=1)
    head = np.stack([zero, zero, zero, zero, zero, zero, one], axis=1)
    for name, rows in (("tx_positions.txt", talker), ("rx_positions.txt", head)):
        np.savetxt(folder / name, rows[: poses + more.get(name, 0)])
    return mono[:frames]


def write_direct_recording(
    folder: Path,
    poses: int = 240,
    *,
    seed: int = 0,
    distances: tuple[float, float] = (0.8, 1.6),
    loudness: float = 1.0,
    shadow: float = 0.0,
) -> None:
    """Write a free-field recording: direct sound with its propagation delay and 1/r law.

    The talker circles a static listener at a changing distance, facing in the same direction.

    Args:
        folder: of the recording.
        poses: 120 a second.
        seed: of the noise and of the initial angle.
        distances: smallest and largest distance from mouth to head, in meters.
        loudness: gain at a distance of 1 m.
        shadow: relative gain of the ear towards the talker.
    """
    folder.mkdir(parents=True)
    generator, frames = np.random.default_rng(seed), HOP * poses
    low = butter(2, 3000, fs=RATE, output="sos")
    mono = sosfilt(low, generator.standard_normal(frames))
    mono = np.float32(0.05 * mono / mono.std())
    time = np.arange(poses) / 120
    nearest, farthest = distances
    far = nearest + (farthest - nearest) * (0.5 - 0.5 * np.cos(2 * np.pi * time))
    angle = seed + 1.5 * time
    mouth = far[:, None] * np.stack([np.cos(angle), np.sin(angle), 0 * angle], axis=1)
    # The markers are above the mouth and the ears, and their y is to the right
    zero, one = np.zeros(poses), np.ones(poses)
    markers = [mouth[:, 0] - 0.09, -mouth[:, 1], mouth[:, 2] + 0.20 - 0.22]
    np.savetxt(folder / "tx_positions.txt", np.stack([*markers, zero, zero, zero, one], axis=1))
    np.savetxt(folder / "rx_positions.txt", np.tile([0.0, 0, 0, 0, 0, 0, 1], (poses, 1)))

    sample = np.arange(frames)
    place = np.stack([np.interp(sample / RATE, time, each) for each in mouth.T], axis=1)
    distance = np.linalg.norm(place, axis=1)
    ears = []
    for side in (1, -1):
        path = np.linalg.norm(place - [0, side * 0.0875, 0], axis=1)
        delayed = np.interp(sample - path / 343 * RATE, sample, mono / distance)
        ears.append(loudness * (1 + side * shadow * place[:, 1] / distance) * delayed)
    soundfile.write(folder / "mono.wav", mono, RATE, "FLOAT")
    soundfile.write(folder / "binaural.wav", np.stack(ears, axis=1), RATE, "FLOAT")


def write_direct_speech(folder: Path, **changes: Any) -> Path:
    """Two recordings for training and one for validation, just long enough."""
    for number in (1, 2):
        write_direct_recording(folder / "trainset" / f"subject{number}", seed=number, **changes)
    validation = folder / "testset" / "validation_sequence"
    write_direct_recording(validation, 130, seed=3, **changes)
    return folder


def write_speech(folder: Path, speakers: int = 3, *, seconds: float = 1.2) -> Path:
    """Noise with the spectrum and envelope of speech, in a folder and two clips per speaker."""
    low = butter(1, [150, 3000], "bandpass", fs=16_000, output="sos")
    for speaker in range(speakers):
        place = folder / f"speaker{speaker}"
        place.mkdir(parents=True)
        for clip in range(2):
            generator = np.random.default_rng((speaker, clip))
            noise = sosfilt(low, generator.standard_normal(round(16_000 * seconds)))
            syllables = np.cos(2 * np.pi * 2 * np.arange(noise.size) / 16_000) ** 2
            soundfile.write(place / f"{clip}.wav", 0.05 * (clip + 1) * noise * syllables, 16_000)
    return folder


def write_hrtf_sets(folder: Path, listeners: int = 3) -> Path:
    """HRTF sets of spherical heads that differ in their names only."""
    folder.mkdir(parents=True)
    head = sphere_head(grid(15))
    for number in range(listeners):
        write_sofa(folder / f"head{number}.sofa", head, GLOBAL_ListenerShortName=f"sphere{number}")
    return folder

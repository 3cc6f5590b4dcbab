"""Simulated binaural speech: measured HRTFs, random rooms and walking talkers.

Writes the layout of `binaural_speech`, as a substitute for the published data set. Each recording,
or *subject*, is speech joined from clips, an HRTF set, a room and a talker trajectory, rendered by
`HrtfRenderer`: direct sound and reflections with Doppler shift, the directivity of the talker, late
reverberation. Sound takes r/c from the mouth to the center of the head, so that geometric warping
to each ear is correct up to diffraction by the head. One gain for all recordings prevents clipping.
`manifest.json` lists the ingredients of each recording.
"""

import json
import os
import shutil
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from functools import partial
from itertools import chain
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Float, Float32

from soundstage.audio import (
    Quantizer,
    SoundFormat,
    SoundWriter,
    TruePeakMeter,
    decibels,
    open_sound,
)
from soundstage.binaural import HrtfRenderer, Poses, Trajectory, from_tracked, to_tracked
from soundstage.binaural.binaural_speech_poses import POSE_RATE
from soundstage.corpora.binaural_speech import BINAURAL, HOP, MONO, RATE, RECEIVER, TRANSMITTER
from soundstage.corpora.joined_speech import join_clips, speech_files
from soundstage.corpora.simulation_hrtfs import prepare_hrtf, usable_hrtf_sets
from soundstage.corpora.simulation_plan import SPLITS, Subject, plan
from soundstage.corpora.talker_trajectories import talker_trajectory
from soundstage.errors import OptionError, OutputError
from soundstage.parallel import Progress, parallel_map

SUBJECTS = (8, 1, 2)
MINUTES = (0.01, 120.0)
BITS = (16, 24)
MANIFEST = "manifest.json"
PEAK = 10 ** (-1 / 20)  # of the loudest recording
BLOCK = 1 << 17  # frames rendered or copied at a time
_RENDERED = "rendered.wav"  # in floating point, before the common gain is known
_FLOAT = SoundFormat("WAV", "FLOAT")
_DECIMALS = 6  # of meters, and of quaternions

"""Callback with the number of finished steps and of all steps."""


@dataclass(frozen=True)
class Simulated:
    """A simulated data set.

    Attributes:
        folder: with `manifest.json`.
        subjects: in the order of the splits.
        seconds: duration of each recording.
        gain_db: of all binaural recordings.
        skipped: a sentence for each unusable file.
    """

    folder: Path
    subjects: tuple[Subject, ...]
    seconds: float
    gain_db: float
    skipped: tuple[str, ...]


def simulate(
    speech: Path,
    hrtfs: Path,
    output: Path,
    *,
    subjects: Sequence[int] = SUBJECTS,
    minutes: float = 5.0,
    seed: int = 0,
    bits: int = 24,
    jobs: int = 1,
    progress: Progress | None = None,
) -> Simulated:
    """Simulate a data set.

    Args:
        speech: folder of mono clips; see `joined_speech.speech_files`.
        hrtfs: folder of SOFA files; see `simulation_hrtfs.usable_hrtf_sets`.
        output: a new or empty folder; it appears when it is complete.
        subjects: number of recordings for training, validation and test.
        minutes: of each, 0.01 to 120.
        seed: 0 or more; the result does not depend on the number of jobs.
        bits: of the sound files, 16 or 24.
        jobs: processes.
        progress: called with the finished fraction.

    Raises:
        InputError: a folder has too few usable files.
        OptionError: an option is out of its range.
        OutputError: the output exists, or cannot be written.
    """
    _check(subjects, minutes, seed, bits)
    if output.exists() and (not output.is_dir() or any(output.iterdir())):
        raise OutputError(f"{output} exists and is not empty; choose another name.")
    usable, skipped = usable_hrtf_sets(hrtfs)
    clips, skipped_speech = speech_files(speech)
    skipped += skipped_speech
    planned = plan(usable, clips, subjects, seed)
    poses = round(60 * minutes * POSE_RATE)
    with _new_folder(output) as folder, parallel_map(jobs) as each:
        steps = _Steps(2 * len(planned), progress)
        rendered = steps.gather(each(partial(_render, folder, poses, bits), planned))
        gain = min(PEAK / max(result.peak for result in rendered), 1.0)
        steps.gather(each(partial(_finish, folder, gain, bits), planned))
        manifest = {
            "rate": RATE,
            "pose_rate": POSE_RATE,
            "seconds": poses / POSE_RATE,
            "seed": seed,
            "gain_db": round(decibels(gain), 3),
            "subjects": [
                _ingredients(subject, result, hrtfs, speech)
                for subject, result in zip(planned, rendered, strict=True)
            ],
            "skipped": skipped,
        }
        (folder / MANIFEST).write_text(json.dumps(manifest, indent=1) + "\n", encoding="utf-8")
    return Simulated(output, planned, poses / POSE_RATE, decibels(gain), tuple(skipped))


class _Rendered(NamedTuple):
    peak: float
    """True peak of the binaural sound; full scale is 1."""
    clips: list[Path]


def _render(data_set: Path, poses: int, bits: int, subject: Subject) -> _Rendered:
    """Write a recording, without the common gain of the binaural sound."""
    folder = data_set / subject.name
    folder.mkdir(parents=True)
    frames = poses * HOP
    spoken, clips = join_clips(
        [clip.path for clip in subject.clips], frames, RATE, _generator(subject, 1)
    )
    walked = talker_trajectory(subject.room, poses / POSE_RATE, _generator(subject, 2))
    tracked = _write_poses(folder, walked)
    _write(folder / MONO, [spoken[None]], SoundFormat("WAV", f"PCM_{bits}"))
    hrtf, no_delay = prepare_hrtf(subject.hrtf.path, RATE)
    renderer = HrtfRenderer(
        hrtf, room=subject.room, talker=True, seed=int(_generator(subject, 3).integers(1 << 31))
    )
    trajectory = Trajectory(np.arange(poses) / POSE_RATE, *from_tracked(tracked))
    stream = renderer.stream(trajectory, RATE, no_delay=no_delay)
    peak = TruePeakMeter(RATE, 2)

    def ears() -> Iterator[Float32[np.ndarray, "2 frames"]]:
        remaining = frames
        for start in range(0, frames + BLOCK, BLOCK):
            part = spoken[start : start + BLOCK]
            block = (stream.push(part) if len(part) else stream.finish())[:, :remaining]
            remaining -= block.shape[1]
            peak.push(block)
            yield block

    _write(folder / _RENDERED, ears(), _FLOAT)
    peak.finish()
    return _Rendered(peak.true_peak, clips)


def _finish(data_set: Path, gain: float, bits: int, subject: Subject) -> None:
    """Write the binaural sound with the common gain."""
    folder = data_set / subject.name
    blocks = (np.float32(gain) * block for block in open_sound(folder / _RENDERED).blocks(BLOCK))
    _write(folder / BINAURAL, blocks, SoundFormat("WAV", f"PCM_{bits}"))
    (folder / _RENDERED).unlink()


def _write_poses(folder: Path, poses: Poses) -> Float[np.ndarray, "poses 7"]:
    """Write tracked poses and return them as they will be read."""
    tracked = to_tracked(poses).round(_DECIMALS)
    receiver = np.tile([0.0, 0, 0, 0, 0, 0, 1], (len(tracked), 1))
    for name, values in ((TRANSMITTER, tracked), (RECEIVER, receiver)):
        np.savetxt(folder / name, values, fmt=f"%.{_DECIMALS}f")
    return tracked


def _write(
    path: Path, blocks: Iterator[np.ndarray] | Sequence[np.ndarray], format: SoundFormat
) -> None:
    rest = iter(blocks)
    first = next(rest)
    bits = format.integer_bits
    quantizer = Quantizer(bits) if bits else None
    with SoundWriter(path, rate=RATE, channels=len(first), format=format) as writer:
        for block in chain([first], rest):
            writer.write(quantizer.quantize(block) if quantizer else block)


def _generator(subject: Subject, purpose: int) -> np.random.Generator:
    return np.random.default_rng((*subject.seed, purpose))


def _ingredients(
    subject: Subject, rendered: _Rendered, hrtfs: Path, speech: Path
) -> dict[str, Any]:
    """Entry of a recording in the manifest."""
    used = set(rendered.clips)
    return {
        "name": subject.name,
        "split": subject.split,
        "seed": list(subject.seed),
        "hrtf": {**asdict(subject.hrtf), "path": subject.hrtf.path.relative_to(hrtfs).as_posix()},
        "room": asdict(subject.room),
        "speech": [
            {**asdict(clip), "path": clip.path.relative_to(speech).as_posix()}
            for clip in subject.clips
            if clip.path in used
        ],
    }


def _check(subjects: Sequence[int], minutes: float, seed: int, bits: int) -> None:
    if len(subjects) != len(SPLITS) or min(subjects) < 0 or not sum(subjects):
        raise OptionError(
            "`subjects` must be three numbers, of train, valid and test, such as 8 1 2."
        )
    if not MINUTES[0] <= minutes <= MINUTES[1]:
        raise OptionError(f"`minutes` must be {MINUTES[0]:g} to {MINUTES[1]:g}, not {minutes:g}.")
    if seed < 0:
        raise OptionError(f"`seed` must be 0 or more, not {seed}.")
    if bits not in BITS:
        raise OptionError(f"`bits` must be 16 or 24, not {bits}.")


@contextmanager
def _new_folder(output: Path) -> Iterator[Path]:
    """A temporary folder that is renamed to the output on success and removed on failure."""
    try:
        output.parent.mkdir(parents=True, exist_ok=True)
        folder = Path(tempfile.mkdtemp(prefix=f".{output.name}-", dir=output.parent))
    except OSError as error:
        raise OutputError(f"{output} cannot be created ({error.strerror}).") from error
    try:
        yield folder
        folder.chmod(0o777 & ~_umask())
        if output.exists():
            output.rmdir()
        folder.rename(output)
    except OSError as error:
        raise OutputError(f"{output} cannot be written ({error.strerror}).") from error
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask


class _Steps:
    """Reports progress for each result."""

    def __init__(self, total: int, progress: Progress | None) -> None:
        self._done, self._total, self._progress = 0, total, progress

    def gather(self, results: Iterator[Any]) -> list[Any]:
        """All results."""
        gathered = []
        for result in results:
            gathered.append(result)
            self._done += 1
            if self._progress:
                self._progress(self._done / self._total)
        return gathered

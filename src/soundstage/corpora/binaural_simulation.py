"""Binaural speech as if it had been recorded: measured heads in made rooms, talkers who walk.

Writes the layout of `binaural_speech`, for where the published set is not at hand. Each recording
is a *subject*: speech joined out of clips, a measured head, a room, a walk. `HrtfRenderer` makes
what the ears hear: direct sound and reflections with their Doppler shifts, the talker's
directivity, late reverberation. Sound takes r/c from the mouth to the middle of the head, so that
warping by the distance of each ear is right but for what a head does. One gain for all recordings
keeps the loudest of them below full scale. `manifest.json` says what was made of what.
"""

import json
import os
import shutil
import tempfile
from collections.abc import Callable, Iterator, Sequence
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
from soundstage.corpora.joined_speech import joined, speech_files
from soundstage.corpora.simulation_heads import prepared_head, usable_heads
from soundstage.corpora.simulation_plan import SPLITS, Subject, plan
from soundstage.corpora.talker_trajectories import walk
from soundstage.errors import OptionError, OutputError
from soundstage.parallel import parallel_map

SUBJECTS = (8, 1, 2)
MINUTES = (0.01, 120.0)
BITS = (16, 24)
MANIFEST = "manifest.json"
PEAK = 10 ** (-1 / 20)  # of the loudest recording
BLOCK = 1 << 17  # frames that are rendered or copied at a time
_RENDERED = "rendered.wav"  # in floating point, before the gain of all is known
_FLOAT = SoundFormat("WAV", "FLOAT")
_DECIMALS = 6  # of meters, and of quaternions

Progress = Callable[[int, int], None]
"""Told how many steps are done, and of how many."""


@dataclass(frozen=True)
class Simulated:
    """What has been made.

    Attributes:
        folder: with `manifest.json`.
        subjects: in the order of the splits.
        seconds: of each.
        gain_db: of all binaural recordings.
        left_out: a sentence for every file that could not be used.
    """

    folder: Path
    subjects: tuple[Subject, ...]
    seconds: float
    gain_db: float
    left_out: tuple[str, ...]


def simulate(
    speech: Path,
    heads: Path,
    output: Path,
    *,
    subjects: Sequence[int] = SUBJECTS,
    minutes: float = 5.0,
    seed: int = 0,
    bits: int = 24,
    workers: int = 1,
    progress: Progress | None = None,
) -> Simulated:
    """Make a data set.

    Args:
        speech: folder of mono clips; see `joined_speech.speech_files`.
        heads: folder of SOFA files; see `simulation_heads.usable_heads`.
        output: a folder that is not there yet, or empty; it appears only when it is complete.
        subjects: recordings to train on, to choose by and to test on.
        minutes: of each, 0.01 to 120.
        seed: 0 and up; one gives one data set, whatever the number of workers.
        bits: of the sound files, 16 or 24.
        workers: processes.
        progress: called after each of two steps for each recording.

    Raises:
        InputError: a folder has too little that can be used.
        OptionError: a number is out of its range.
        OutputError: the output is there already, or cannot be written.
    """
    _check(subjects, minutes, seed, bits)
    if output.exists() and (not output.is_dir() or any(output.iterdir())):
        raise OutputError(f"{output} is there already and not empty; choose another name.")
    usable, no_heads = usable_heads(heads)
    clips, no_speech = speech_files(speech)
    planned = plan(usable, clips, subjects, seed)
    poses = round(60 * minutes * POSE_RATE)
    with _beside(output) as place, parallel_map(workers) as each:
        steps = _Steps(2 * len(planned), progress)
        made = steps.taken(each(partial(_render, place, poses, bits), planned))
        gain = min(PEAK / max(result.peak for result in made), 1.0)
        steps.taken(each(partial(_finish, place, gain, bits), planned))
        facts = {
            "rate": RATE,
            "pose_rate": POSE_RATE,
            "seconds": poses / POSE_RATE,
            "seed": seed,
            "gain_db": round(decibels(gain), 3),
            "subjects": [
                _facts(subject, result, heads, speech)
                for subject, result in zip(planned, made, strict=True)
            ],
            "left_out": [*no_heads, *no_speech],
        }
        (place / MANIFEST).write_text(json.dumps(facts, indent=1) + "\n", encoding="utf-8")
    return Simulated(output, planned, poses / POSE_RATE, decibels(gain), (*no_heads, *no_speech))


class _Rendered(NamedTuple):
    peak: float
    """Of the binaural sound, where full scale is 1."""
    heard: list[Path]
    """The clips."""


def _render(place: Path, poses: int, bits: int, subject: Subject) -> _Rendered:
    """All of a recording but for the gain of its binaural sound."""
    folder = place / subject.name
    folder.mkdir(parents=True)
    frames = poses * HOP
    spoken, heard = joined(
        [clip.path for clip in subject.clips], frames, RATE, _generator(subject, 1)
    )
    rows = _written_poses(folder, walk(subject.room, poses / POSE_RATE, _generator(subject, 2)))
    _write(folder / MONO, [spoken[None]], SoundFormat("WAV", f"PCM_{bits}"))
    head, no_delay = prepared_head(subject.head.path, RATE)
    renderer = HrtfRenderer(
        head, room=subject.room, talker=True, seed=int(_generator(subject, 3).integers(1 << 31))
    )
    trajectory = Trajectory(np.arange(poses) / POSE_RATE, *from_tracked(rows))
    stream = renderer.stream(trajectory, RATE, no_delay=no_delay)
    peak = TruePeakMeter(RATE, 2)

    def ears() -> Iterator[Float32[np.ndarray, "2 frames"]]:
        left = frames
        for start in range(0, frames + BLOCK, BLOCK):
            part = spoken[start : start + BLOCK]
            block = (stream.push(part) if len(part) else stream.finish())[:, :left]
            left -= block.shape[1]
            peak.push(block)
            yield block

    _write(folder / _RENDERED, ears(), _FLOAT)
    peak.finish()
    return _Rendered(peak.true_peak, heard)


def _finish(place: Path, gain: float, bits: int, subject: Subject) -> None:
    """The binaural sound at the gain of all."""
    folder = place / subject.name
    blocks = (np.float32(gain) * block for block in open_sound(folder / _RENDERED).blocks(BLOCK))
    _write(folder / BINAURAL, blocks, SoundFormat("WAV", f"PCM_{bits}"))
    (folder / _RENDERED).unlink()


def _written_poses(folder: Path, poses: Poses) -> Float[np.ndarray, "poses 7"]:
    """Rows as they can be read back."""
    rows = to_tracked(poses).round(_DECIMALS)
    receiver = np.tile([0.0, 0, 0, 0, 0, 0, 1], (len(rows), 1))
    for name, columns in ((TRANSMITTER, rows), (RECEIVER, receiver)):
        np.savetxt(folder / name, columns, fmt=f"%.{_DECIMALS}f")
    return rows


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


def _facts(subject: Subject, made: _Rendered, heads: Path, speech: Path) -> dict[str, Any]:
    """What the manifest says of a recording."""
    heard = set(made.heard)
    return {
        "name": subject.name,
        "split": subject.split,
        "seed": list(subject.seed),
        "head": {**asdict(subject.head), "path": subject.head.path.relative_to(heads).as_posix()},
        "room": asdict(subject.room),
        "speech": [
            {**asdict(clip), "path": clip.path.relative_to(speech).as_posix()}
            for clip in subject.clips
            if clip.path in heard
        ],
    }


def _check(subjects: Sequence[int], minutes: float, seed: int, bits: int) -> None:
    if len(subjects) != len(SPLITS) or min(subjects) < 0 or not sum(subjects):
        raise OptionError("Subjects are three numbers, of train, valid and test, such as 8 1 2.")
    if not MINUTES[0] <= minutes <= MINUTES[1]:
        raise OptionError(f"A recording has {MINUTES[0]:g} to {MINUTES[1]:g} minutes.")
    if seed < 0:
        raise OptionError(f"A seed is 0 or more, not {seed}.")
    if bits not in BITS:
        raise OptionError(f"Sound is written with 16 or 24 bits, not {bits}.")


@contextmanager
def _beside(output: Path) -> Iterator[Path]:
    """A folder that takes the name of the output if all goes well, and is removed if not."""
    try:
        output.parent.mkdir(parents=True, exist_ok=True)
        place = Path(tempfile.mkdtemp(prefix=f".{output.name}-", dir=output.parent))
    except OSError as error:
        raise OutputError(f"{output} cannot be made ({error.strerror}).") from error
    try:
        yield place
        place.chmod(0o777 & ~_umask())
        if output.exists():
            output.rmdir()
        place.rename(output)
    except OSError as error:
        raise OutputError(f"{output} cannot be written ({error.strerror}).") from error
    finally:
        shutil.rmtree(place, ignore_errors=True)


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask


class _Steps:
    """Tells of every result that comes."""

    def __init__(self, total: int, progress: Progress | None) -> None:
        self._done, self._total, self._progress = 0, total, progress

    def taken(self, results: Iterator[Any]) -> list[Any]:
        """All of them."""
        gathered = []
        for result in results:
            gathered.append(result)
            self._done += 1
            if self._progress:
                self._progress(self._done, self._total)
        return gathered

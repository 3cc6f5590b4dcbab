"""A folder of results as a system of an evaluation: made by any program, in any format.

A result belongs to the clip of its name: the path of the clip without suffix, or the last part of
it, also with the "-stereo" that `soundstage upmix` adds. Another sample rate is converted. Results
are compared sample by sample, so a latency has to be removed first; up to `MAX_DIFFERENCE` seconds
may be missing or too many at the end, as from a program that works in whole frames.
"""

from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from soundstage.audio import Audio, expand_inputs, open_sound
from soundstage.audio.resampling import resample
from soundstage.corpora import Clip
from soundstage.errors import InputError, OptionError, SoundstageError
from soundstage.stereo import RATE

MAX_DIFFERENCE = 0.1  # seconds
SUFFIX = "-stereo"  # of the names that `soundstage upmix` gives


def find_results(system: str, folder: Path, clips: Sequence[Clip]) -> dict[str, Path]:
    """The result of every clip, by its name; each is opened, to report unusable ones early.

    Args:
        system: name of the system, for messages.
        folder: of the results.
        clips: of the collection.

    Raises:
        OptionError: a clip has no result, or several, or one that is not stereo of its length.
    """
    found = _by_name(folder)
    missing = [clip.name for clip in clips if not _matches(found, clip)]
    if missing:
        others = f" and for {len(missing) - 1} more" if len(missing) > 1 else ""
        raise OptionError(
            f"{folder}: there is no result for the clip {missing[0]}{others}: name each result of "
            f"{system} after its clip, with any suffix."
        )
    results = {}
    for clip in clips:
        paths = _matches(found, clip)
        if len(paths) > 1:
            raise OptionError(
                f"{folder}: {paths[0].name} and {paths[1].name} are both results for the clip "
                f"{clip.name}: keep one of them."
            )
        try:
            _check(paths[0], _length_of(clip))
        except SoundstageError as error:
            raise OptionError(f"{system}: {error}") from error
        results[clip.name] = paths[0]
    return results


def read_result(path: Path, clip: Clip, seconds: float, frames: int) -> Float[Tensor, "2 frames"]:
    """The part of a result that `load_eval_item` reads of its clip.

    Args:
        path: of the result.
        clip: its clip.
        seconds: length of the excerpt from the middle of the clip; 0 for the whole clip.
        frames: length of the excerpt at 44.1 kHz.

    Raises:
        InputError: the file cannot be read, is not stereo, or has another length.
    """
    sound = Audio.read(path)
    length, rate = _length_of(clip)
    _check(path, (length, rate))
    samples = resample(sound.samples.astype(np.float32, copy=False), sound.rate, rate)
    samples = _fitted(samples, length)
    excerpt = round(seconds * rate)
    if 0 < excerpt < length:
        start = (length - excerpt) // 2
        samples = samples[:, start : start + excerpt]
    return torch.from_numpy(_fitted(resample(samples, rate, RATE), frames))


def _by_name(folder: Path) -> dict[str, list[Path]]:
    """The sound files below a folder, by their path without suffix."""
    if not folder.is_dir():
        raise OptionError(f"{folder}: there is no such folder of results.")
    found: dict[str, list[Path]] = {}
    for path in expand_inputs([folder]):
        found.setdefault(path.relative_to(folder).with_suffix("").as_posix(), []).append(path)
    return found


def _matches(found: Mapping[str, list[Path]], clip: Clip) -> list[Path]:
    """The results of a clip: those of its whole name, or else those of its last part."""
    for name in dict.fromkeys([clip.name, clip.name.rpartition("/")[2]]):
        if paths := found.get(name, []) + found.get(name + SUFFIX, []):
            return paths
    return []


@cache
def _length_of(clip: Clip) -> tuple[int, int]:
    """Frames and sample rate of a clip, once a process: the mix, or the first of its stems."""
    return _length(clip.mix or clip.stems[0])


def _length(path: Path) -> tuple[int, int]:
    with open_sound(path) as sound:
        frames = sound.frames
        if frames is None:  # known only after decoding
            frames = sum(block.shape[1] for block in sound.blocks(sound.rate))
        return frames, sound.rate


def _check(path: Path, wanted: tuple[int, int]) -> None:
    with open_sound(path) as sound:
        channels = sound.channels
    if channels != 2:
        raise InputError(f"{path}: has {channels} channels, not 2: a result is stereo.")
    (frames, rate), (wanted_frames, wanted_rate) = _length(path), wanted
    if abs(frames / rate - wanted_frames / wanted_rate) > MAX_DIFFERENCE:
        raise InputError(
            f"{path}: has {frames / rate:.2f} s, but its clip {wanted_frames / wanted_rate:.2f} s: "
            "a result is as long as its clip."
        )


def _fitted(
    samples: Float[np.ndarray, "channels any"], frames: int
) -> Float[np.ndarray, "channels frames"]:
    """With silence or nothing beyond the end."""
    missing = max(frames - samples.shape[1], 0)
    return np.pad(samples[:, :frames], ((0, 0), (0, missing)))

"""Long speech joined from short clips.

Clips are leveled, keep their pauses, and fade in and out over a few milliseconds. If there are not
enough of them, they are repeated in another order.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from jaxtyping import Float32

from soundstage.audio import expand_inputs, open_sound
from soundstage.corpora.layouts import find_manifest, read_excerpt, read_manifest
from soundstage.errors import InputError

LEVEL = 10 ** (-30 / 20)  # rms of a clip, pauses excluded
SILENCE = 10 ** (-40 / 20)  # relative to the loudest 20 ms; below is pause
WINDOW = 0.02  # s
FADE = 0.01  # s
HIGHEST = 0.7  # largest sample of a clip, which limits its level


@dataclass(frozen=True)
class SpeechFile:
    """A clip of one speaker.

    Attributes:
        path: of the file.
        speaker: speakers do not share a split.
        license: quoted from the manifest.
    """

    path: Path
    speaker: str
    license: str


def speech_files(folder: Path) -> tuple[list[SpeechFile], list[str]]:
    """Find the mono clips below a folder; also returns a sentence for each unusable file.

    The speaker is the column `speaker` of a `manifest.csv`; without one it is the first folder
    below this one, or the clip itself.

    Raises:
        InputError: the folder does not exist, or has no mono clip.
    """
    if not folder.is_dir():
        raise InputError(f"{folder}: folder not found.")
    manifest = find_manifest(folder)
    rows = read_manifest(manifest) if manifest else {}
    clips, skipped = [], []
    for path in expand_inputs([folder]):
        try:
            with open_sound(path) as sound:
                if sound.channels != 1:
                    raise InputError(f"{path}: has {sound.channels} channels, not 1.")
        except InputError as error:
            skipped.append(str(error))
            continue
        row = rows.get(path.resolve(), {})
        parts = path.relative_to(folder).with_suffix("").parts
        clips.append(
            SpeechFile(path, row.get("speaker") or parts[0], row.get("license") or "not stated")
        )
    if not clips:
        reason = skipped[0] if skipped else "there is no sound file."
        raise InputError(f"{folder}: has no usable speech; {reason}")
    return clips, skipped


def join_clips(
    paths: Sequence[Path], frames: int, rate: int, generator: np.random.Generator
) -> tuple[Float32[np.ndarray, " frames"], list[Path]]:
    """Join clips in random order.

    Args:
        paths: of the clips.
        frames: of the result.
        rate: of the result, in Hz.
        generator: for the order.

    Returns:
        The sound, and the clips in their order in it.

    Raises:
        InputError: a clip cannot be read, or all are silent.
    """
    sound, used, filled = np.zeros(frames, np.float32), [], 0
    while filled < frames:
        before = filled
        for index in generator.permutation(len(paths)):
            clip = _leveled(read_excerpt(paths[index], rate)[0], rate)
            if clip is None or filled >= frames:
                continue
            part = clip[: frames - filled]
            sound[filled : filled + len(part)] = part
            filled += len(part)
            used.append(paths[index])
        if filled == before:
            raise InputError(f"{paths[0]}: is silent, and so are all other clips.")
    return sound, used


def _leveled(
    clip: Float32[np.ndarray, " frames"], rate: int
) -> Float32[np.ndarray, " frames"] | None:
    """A clip at `LEVEL`, faded at both ends; None if it is silent."""
    window, fade = round(WINDOW * rate), round(FADE * rate)
    if len(clip) < max(window, 2 * fade):
        return None
    power = np.square(clip[: len(clip) // window * window], dtype=np.float64)
    power = power.reshape(-1, window).mean(axis=1)
    if power.max() < 1e-10:
        return None
    loud = power[power > SILENCE**2 * power.max()]
    gain = min(LEVEL / np.sqrt(loud.mean()), HIGHEST / np.abs(clip).max())
    faded = (gain * clip).astype(np.float32)
    rise = (np.sin(np.pi / 2 * (np.arange(fade) + 0.5) / fade) ** 2).astype(np.float32)
    faded[:fade] *= rise
    faded[-fade:] *= rise[::-1]
    return faded

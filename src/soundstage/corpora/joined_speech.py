"""Long speech out of short clips: who speaks in them, and how they are joined.

Clips come at one level, with the pauses they have, and fade in and out within a few milliseconds
where they meet. A source that has fewer minutes than are wanted is heard again in another order.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from jaxtyping import Float32

from soundstage.audio import expand_inputs, open_sound
from soundstage.corpora.excerpts import read_excerpt
from soundstage.corpora.manifest import find_manifest, read_manifest
from soundstage.errors import InputError

LEVEL = 10 ** (-30 / 20)  # rms of a clip where there is speech
SILENCE = 10 ** (-40 / 20)  # of the loudest 20 ms: what is softer is pause
WINDOW = 0.02  # s
FADE = 0.01  # s
HIGHEST = 0.7  # no sample of a clip is beyond it, whatever the level


@dataclass(frozen=True)
class SpeechFile:
    """A clip of one speaker.

    Attributes:
        path: of the file.
        speaker: who; files of one speaker go together.
        license: as the manifest words it.
    """

    path: Path
    speaker: str
    license: str


def speech_files(folder: Path) -> tuple[list[SpeechFile], list[str]]:
    """Mono clips below a folder, and a sentence for each file that cannot be used.

    The speaker stands in the column `speaker` of a `manifest.csv`; without one it is the folder
    below this one that a clip lies in, or else the clip itself.

    Raises:
        InputError: there is no such folder, or no clip in it.
    """
    if not folder.is_dir():
        raise InputError(f"{folder}: there is no such folder.")
    manifest = find_manifest(folder)
    rows = read_manifest(manifest) if manifest else {}
    clips, left_out = [], []
    for path in expand_inputs([folder]):
        try:
            with open_sound(path) as sound:
                if sound.channels != 1:
                    raise InputError(f"{path}: has {sound.channels} channels, not 1.")
        except InputError as error:
            left_out.append(str(error))
            continue
        row = rows.get(path.resolve(), {})
        parts = path.relative_to(folder).with_suffix("").parts
        clips.append(
            SpeechFile(path, row.get("speaker") or parts[0], row.get("license") or "not stated")
        )
    if not clips:
        reason = left_out[0] if left_out else "there is no sound file."
        raise InputError(f"{folder}: holds no speech that can be used; {reason}")
    return clips, left_out


def joined(
    paths: Sequence[Path], frames: int, rate: int, generator: np.random.Generator
) -> tuple[Float32[np.ndarray, " frames"], list[Path]]:
    """Clips in an order that is drawn, one after the other.

    Args:
        paths: of the clips.
        frames: of the result.
        rate: of the result, in Hz.
        generator: draws the order.

    Returns:
        The sound, and the clips in the order they are heard in.

    Raises:
        InputError: a clip cannot be read, or all are silent.
    """
    sound, heard, made = np.zeros(frames, np.float32), [], 0
    while made < frames:
        before = made
        for place in generator.permutation(len(paths)):
            clip = _leveled(read_excerpt(paths[place], rate)[0], rate)
            if clip is None or made >= frames:
                continue
            part = clip[: frames - made]
            sound[made : made + len(part)] = part
            made += len(part)
            heard.append(paths[place])
        if made == before:
            raise InputError(f"{paths[0]}: is silent, as is all that would follow it.")
    return sound, heard


def _leveled(
    clip: Float32[np.ndarray, " frames"], rate: int
) -> Float32[np.ndarray, " frames"] | None:
    """At `LEVEL`, faded at both ends; None where it is silent."""
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

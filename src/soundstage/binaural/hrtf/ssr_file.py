"""HRTF sets of the horizontal plane in the WAV files of the SoundScape Renderer.

The file has two channels for each of n azimuths, in equal steps counter-clockwise from ahead:

    channel 2k: left ear,    channel 2k + 1: right ear,    azimuth 360°·k/n

(user manual of the SoundScape Renderer, "HRIR sets"). The usual 720 channels are steps of 1°.
Order of ears and sense of rotation agree with the data: in the sets of Debian's
`soundscaperenderer-common`, the dummy heads FABIAN and KEMAR, the left ear is 14 to 18 dB louder
and 0.7 ms earlier at 90°. The file states neither distance nor name.
"""

from pathlib import Path

import numpy as np

from soundstage.audio import open_sound
from soundstage.binaural.geometry import to_cartesian
from soundstage.binaural.hrtf.hrtf_set import HrtfSet
from soundstage.binaural.hrtf.sofa_file import MAX_TAPS
from soundstage.errors import InputError

MIN_AZIMUTHS = 12  # wider steps than 30° leave gaps; a file of few channels is a recording
MAX_AZIMUTHS = 720
DISTANCE = 1.7  # m, assumed: usual for such measurements


def read_ssr_hrirs(path: str | Path) -> HrtfSet:
    """Read the HRTF set of a WAV file of the SoundScape Renderer.

    Raises:
        InputError: the file cannot be read, has another number of channels, is too long, or has a
            silent response.
    """
    path = Path(path)
    with open_sound(path) as sound:
        rate, azimuths = sound.rate, sound.channels // 2
        if sound.channels % 2 or not MIN_AZIMUTHS <= azimuths <= MAX_AZIMUTHS:
            raise InputError(
                f"{path}: has {sound.channels:,} channel{'s' * (sound.channels > 1)}; an HRIR file "
                f"of the SoundScape Renderer has two for each of {MIN_AZIMUTHS} to {MAX_AZIMUTHS} "
                "azimuths, usually 720."
            )
        blocks, taps = [], 0
        for block in sound.blocks(MAX_TAPS + 1):
            taps += block.shape[1]
            if taps > MAX_TAPS:
                raise InputError(
                    f"{path}: its responses have more than {MAX_TAPS:,} samples; cut their ends."
                )
            blocks.append(block)
    channels = np.concatenate(blocks, axis=1)
    if not np.abs(channels).max(axis=1, initial=0.0).all():
        raise InputError(f"{path}: a direction is silent at an ear; choose another file.")
    directions = np.zeros((azimuths, 3))
    directions[:, 0] = np.arange(azimuths) * 360 / azimuths
    directions[:, 2] = 1
    return HrtfSet(
        to_cartesian(directions),
        np.full(azimuths, DISTANCE),
        channels.reshape(azimuths, 2, -1),
        np.zeros((azimuths, 2)),
        rate,
        name=path.stem,
    )

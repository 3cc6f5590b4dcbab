"""A plain folder of stereo records: the layout of a person's own collection."""

from pathlib import Path

from soundstage.audio import expand_inputs, open_sound
from soundstage.errors import InputError, SoundstageError


def stereo_tracks(folder: Path) -> tuple[list[Path], list[str]]:
    """Files of two channels below `folder`, sorted, and a sentence for each that was left out.

    Raises:
        InputError: there is no such folder, or no stereo file in it.
    """
    if not folder.is_dir():
        raise InputError(f"{folder}: there is no such folder.")
    records, left_out = [], []
    for path in expand_inputs([folder]):
        try:
            with open_sound(path) as sound:
                if sound.channels == 2:
                    records.append(path)
                else:
                    left_out.append(f"{path}: has {sound.channels} channels, not 2.")
        except SoundstageError as error:
            left_out.append(str(error))
    if not records:
        raise InputError(f"{folder}: holds no stereo file that can be read.")
    return records, left_out

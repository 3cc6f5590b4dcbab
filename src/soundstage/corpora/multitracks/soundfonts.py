"""Rendering of a part by FluidSynth, through its library.

The library is used in place of the command, since it loads a soundfont once for many parts, and
returns samples in floating point. Each part has a synthesizer of its own on the shared soundfont:
the order in which voices are added up, and so the rounding, would depend on the parts before it.
"""

import ctypes
import ctypes.util
import math
import os
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Float32

from soundstage.corpora.multitracks.arrangement import PITCH_BEND, Part
from soundstage.errors import InputError, SoundstageError

FOLDERS = (
    Path("/usr/share/sounds/sf3"),
    Path("/usr/share/sounds/sf2"),
    Path("/usr/share/soundfonts"),
)
INSTALL = "apt-get install fluidsynth fluid-soundfont-gm"
BLOCK = 64  # frames; the library applies events between blocks
_DRUM_CHANNEL, _DRUM_BANK = 9, 128
_POLYPHONY = 256


def find_soundfonts() -> list[Path]:
    """Soundfonts of the system, each file once.

    Raises:
        InputError: there is none.
    """
    found: dict[Path, Path] = {}
    for folder in FOLDERS:
        for path in sorted(folder.glob("*.sf[23]")):
            if not path.is_symlink():
                found.setdefault(path.resolve(), path)
    if not found:
        raise InputError(f"There is no soundfont on this system; {INSTALL}, or name a file.")
    return list(found.values())


@cache
def _library() -> Any:
    name = ctypes.util.find_library("fluidsynth")
    if name is None:
        raise SoundstageError(f"FluidSynth is not installed: {INSTALL}.")
    try:
        library = ctypes.CDLL(name)
    except OSError as error:
        raise SoundstageError(f"FluidSynth cannot be loaded ({error}): {INSTALL}.") from error
    pointer, integer, text = ctypes.c_void_p, ctypes.c_int, ctypes.c_char_p
    signatures: dict[str, tuple[Any, ...]] = {
        "new_fluid_settings": (pointer,),
        "new_fluid_synth": (pointer, pointer),
        "delete_fluid_settings": (None, pointer),
        "delete_fluid_synth": (None, pointer),
        "fluid_settings_setnum": (integer, pointer, text, ctypes.c_double),
        "fluid_settings_setint": (integer, pointer, text, integer),
        "fluid_synth_sfload": (integer, pointer, text, integer),
        "fluid_synth_get_sfont_by_id": (pointer, pointer, integer),
        "fluid_synth_pin_preset": (integer, pointer, integer, integer, integer),
        "fluid_synth_add_sfont": (integer, pointer, pointer),
        "fluid_synth_remove_sfont": (integer, pointer, pointer),
        "fluid_synth_bank_select": (integer, pointer, integer, integer),
        "fluid_synth_program_change": (integer, pointer, integer, integer),
        "fluid_synth_noteon": (integer, pointer, integer, integer, integer),
        "fluid_synth_noteoff": (integer, pointer, integer, integer),
        "fluid_synth_cc": (integer, pointer, integer, integer, integer),
        "fluid_synth_pitch_bend": (integer, pointer, integer, integer),
        "fluid_synth_write_float": (
            integer, pointer, integer, pointer, integer, integer, pointer, integer, integer,
        ),
        "fluid_set_log_function": (pointer, integer, pointer, pointer),
    }  # fmt: skip
    for function, (result, *arguments) in signatures.items():
        getattr(library, function).restype = result
        getattr(library, function).argtypes = arguments
    for level in range(5):
        library.fluid_set_log_function(level, None, None)
    return library


class SoundfontSynth:
    """FluidSynth with one soundfont.

    Args:
        soundfont: an SF2 or SF3 file.
        rate: sample rate in Hz.

    Raises:
        SoundstageError: FluidSynth is not installed, or cannot be started.
        InputError: the soundfont cannot be read.
    """

    def __init__(self, soundfont: Path, rate: int) -> None:
        if not soundfont.is_file():
            raise InputError(f"{soundfont}: there is no such soundfont; {INSTALL}.")
        if not _is_soundfont(soundfont):  # of others, the library complains on the terminal
            raise InputError(f"{soundfont} is not a soundfont (SF2 or SF3).")
        self._library = _library()
        self.rate = rate
        self._settings = self._library.new_fluid_settings()
        self._library.fluid_settings_setnum(self._settings, b"synth.sample-rate", float(rate))
        for name, value in (
            (b"synth.reverb.active", 0),
            (b"synth.chorus.active", 0),
            (b"synth.polyphony", _POLYPHONY),
            (b"synth.dynamic-sample-loading", 1),
            (b"synth.cpu-cores", 1),
        ):
            self._library.fluid_settings_setint(self._settings, name, value)
        self._loader = self._new_synth()
        number = self._library.fluid_synth_sfload(self._loader, os.fsencode(soundfont), 1)
        if number < 0:
            self.close()
            raise InputError(f"{soundfont} is not a soundfont (SF2 or SF3).")
        self._number = number
        self._sfont = self._library.fluid_synth_get_sfont_by_id(self._loader, number)

    def close(self) -> None:
        """Free the soundfont."""
        self._library.delete_fluid_synth(self._loader)
        self._library.delete_fluid_settings(self._settings)

    def render(self, part: Part, seconds: float) -> Float32[np.ndarray, " frames"]:
        """The sound of a part, mono: the mean of left and right.

        Args:
            part: played by a program or kit of the soundfont.
            seconds: duration of the result, with the tails of the last notes.
        """
        library, synth = self._library, self._new_synth()
        bank = _DRUM_BANK if part.sound.kit else 0
        # Pinned samples stay in memory for parts to come
        library.fluid_synth_pin_preset(self._loader, self._number, bank, part.sound.program)
        frames = -(-round(seconds * self.rate) // BLOCK) * BLOCK
        sound = np.zeros((2, frames), np.float32)
        library.fluid_synth_add_sfont(synth, self._sfont)
        try:
            channel = _DRUM_CHANNEL if part.sound.kit else 0
            if part.sound.kit:
                library.fluid_synth_bank_select(synth, channel, _DRUM_BANK)
            library.fluid_synth_program_change(synth, channel, part.sound.program)
            position = 0
            for time, function, arguments in _events(part):
                position = self._write(synth, sound, position, round(time * self.rate))
                getattr(library, function)(synth, channel, *arguments)
            self._write(synth, sound, position, frames)
        finally:
            library.fluid_synth_remove_sfont(synth, self._sfont)
            library.delete_fluid_synth(synth)
        return sound.mean(axis=0)[: round(seconds * self.rate)]

    def _new_synth(self) -> Any:
        synth = self._library.new_fluid_synth(self._settings)
        if not synth:
            raise SoundstageError("FluidSynth cannot be started; install another version of it.")
        return synth

    def _write(self, synth: Any, sound: np.ndarray, start: int, stop: int) -> int:
        """Render whole blocks up to a frame; return the first frame that is not rendered."""
        count = (min(stop, sound.shape[1]) - start) // BLOCK * BLOCK
        if count > 0:
            left, right = (row.ctypes.data for row in sound)
            self._library.fluid_synth_write_float(synth, count, left, start, 1, right, start, 1)
        return start + max(count, 0)


def _is_soundfont(path: Path) -> bool:
    try:
        with path.open("rb") as file:
            head = file.read(20)
    except OSError as error:
        raise InputError(f"{path} cannot be read: {error.strerror}.") from error
    return len(head) == 20 and head[:4] == b"RIFF" and head[8:16] == b"sfbkLIST"


def _events(part: Part) -> list[tuple[float, str, tuple[int, ...]]]:
    """Times in seconds, functions of the library and their arguments, in order.

    A note ends at the latest when its pitch starts again: its end would stop the new one.
    """
    events: list[tuple[float, int, str, tuple[int, ...]]] = []
    following: dict[int, float] = {}
    for note in reversed(part.notes):
        end = min(note.start + note.duration, following.get(note.pitch, math.inf))
        following[note.pitch] = note.start
        events.append((end, 0, "fluid_synth_noteoff", (note.pitch,)))
        events.append((note.start, 2, "fluid_synth_noteon", (note.pitch, note.velocity)))
    for change in part.changes:
        if change.controller == PITCH_BEND:
            bend = round(8192 + 8191 * change.value)
            events.append((change.start, 1, "fluid_synth_pitch_bend", (bend,)))
        else:
            value = round(change.value)
            events.append((change.start, 1, "fluid_synth_cc", (change.controller, value)))
    return [(time, function, arguments) for time, _, function, arguments in sorted(events)]

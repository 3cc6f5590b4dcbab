"""FluidSynth with a soundfont of one sine."""

import ctypes.util

import numpy as np
import pytest

from making_soundfonts import RATE, write_soundfont
from soundstage.corpora.multitracks import soundfonts
from soundstage.corpora.multitracks.arrangement import PITCH_BEND, Change, Note, Part, Sound
from soundstage.corpora.multitracks.soundfonts import SoundfontSynth, find_soundfonts
from soundstage.errors import InputError, SoundstageError

needs_fluidsynth = pytest.mark.skipif(
    ctypes.util.find_library("fluidsynth") is None, reason="FluidSynth is not installed"
)


def part(*notes: Note, changes: tuple[Change, ...] = (), sound: Sound | None = None) -> Part:
    return Part("sine", "object", sound or Sound(0), notes, changes, 0.0)


@pytest.fixture(scope="module")
def synth(tmp_path_factory):
    synth = SoundfontSynth(write_soundfont(tmp_path_factory.mktemp("sf") / "sine.sf2"), RATE)
    yield synth
    synth.close()


def loudest_hz(sound: np.ndarray) -> float:
    power = np.abs(np.fft.rfft(sound * np.hanning(len(sound))))
    return float(np.argmax(power) * RATE / len(sound))


@needs_fluidsynth
@pytest.mark.parametrize(("pitch", "hz"), [(69, 441.0), (57, 220.5), (81, 882.0)])
@pytest.mark.parametrize("kit", [False, True])
def test_a_note_has_its_pitch_and_place(synth, pitch: int, hz: float, kit: bool) -> None:
    sound = synth.render(part(Note(0.5, 1.0, pitch, 100), sound=Sound(0, kit)), 3.0)
    assert sound.shape == (3 * RATE,)
    assert abs(loudest_hz(sound[RATE : RATE + RATE // 2]) - hz) < 3
    loud = np.flatnonzero(np.abs(sound) > 0.05 * np.abs(sound).max()) / RATE
    assert 0.49 < loud[0] < 0.51
    assert 1.45 < loud[-1] < 1.6


@needs_fluidsynth
def test_programs_that_a_soundfont_lacks_are_played_by_another(synth) -> None:
    assert synth.render(part(Note(0, 0.5, 69, 100), sound=Sound(40)), 1.0).any()


@needs_fluidsynth
def test_a_repeated_note_is_not_cut_by_the_end_of_the_one_before(synth) -> None:
    notes = Note(0.0, 0.9, 69, 100), Note(0.5, 1.0, 69, 100)
    sound = synth.render(part(*notes), 2.0)
    assert np.abs(sound[RATE : RATE + RATE // 4]).max() > 0.5 * np.abs(sound).max()


@needs_fluidsynth
def test_bends_and_expression_are_applied(synth) -> None:
    note = Note(0.0, 2.0, 69, 100)
    changes = Change(1.0, PITCH_BEND, 1.0), Change(1.0, 11, 30)
    sound = synth.render(part(note, changes=changes), 2.0)
    before, after = sound[RATE // 4 : RATE], sound[RATE + RATE // 4 : 2 * RATE]
    assert abs(loudest_hz(after) / loudest_hz(before) - 2 ** (2 / 12)) < 0.01
    assert np.abs(after).max() < 0.3 * np.abs(before).max()


@needs_fluidsynth
def test_a_part_does_not_depend_on_parts_before_it(synth) -> None:
    chord = part(*(Note(0.01 * k, 1.0, 60 + k, 90) for k in range(12)))
    first = synth.render(chord, 2.0)
    synth.render(part(Note(0.0, 0.1, 40, 127)), 0.31)
    assert np.array_equal(first, synth.render(chord, 2.0))


@needs_fluidsynth
@pytest.mark.parametrize("content", [b"", b"nothing", b"RIFF\x04\0\0\0sfbk", b"RIFF\x04\0\0\0WAVE"])
def test_a_file_that_is_no_soundfont_is_refused(content: bytes, tmp_path, capfd) -> None:
    path = tmp_path / "noise.sf2"
    path.write_bytes(content)
    with pytest.raises(InputError, match=r"noise\.sf2 is not a soundfont"):
        SoundfontSynth(path, RATE)
    assert capfd.readouterr().err == ""


def test_a_missing_soundfont_is_one_sentence(tmp_path) -> None:
    with pytest.raises(InputError, match="there is no such soundfont"):
        SoundfontSynth(tmp_path / "none.sf2", RATE)


def test_a_system_without_soundfonts_says_what_to_install(monkeypatch, tmp_path) -> None:
    monkeypatch.setattr(soundfonts, "FOLDERS", (tmp_path,))
    with pytest.raises(InputError, match="apt-get install fluidsynth fluid-soundfont-gm"):
        find_soundfonts()


def test_links_are_no_soundfonts_of_their_own(monkeypatch, tmp_path) -> None:
    font = write_soundfont(tmp_path / "sine.sf2")
    (tmp_path / "default.sf2").symlink_to(font)
    monkeypatch.setattr(soundfonts, "FOLDERS", (tmp_path,))
    assert find_soundfonts() == [font]


def test_a_system_without_fluidsynth_says_what_to_install(monkeypatch, tmp_path) -> None:
    soundfonts._library.cache_clear()
    monkeypatch.setattr(ctypes.util, "find_library", lambda name: None)
    with pytest.raises(SoundstageError, match="FluidSynth is not installed: apt-get install"):
        SoundfontSynth(write_soundfont(tmp_path / "sine.sf2"), RATE)
    soundfonts._library.cache_clear()

"""Exceptions in the calls that libsndfile makes are raised, at whatever call they come."""

import io

import numpy as np
import pytest
import soundfile

from interrupting import Interrupting
from soundstage.audio.codecs.sequential_file import SequentialFile

SOUND = np.random.default_rng(0).uniform(-0.5, 0.5, (30_000, 1))
FORMATS = ["WAV", "FLAC", "OGG", "MP3", "AIFF"]


def write(file, kind):
    with SequentialFile(file, "w", 44_100, 1, format=kind) as sound:
        for start in range(0, len(SOUND), 4096):
            sound.write(SOUND[start : start + 4096])


def read(file):
    with SequentialFile(file) as sound:
        while len(sound.read(4096)):
            pass
        if sound.format != "MP3":  # which libsndfile cannot seek in here
            sound.seek(100)
            sound.read(100)


def moments(calls):
    return sorted({*range(min(calls, 25)), *range(0, calls, max(calls // 25, 1)), calls - 1})


@pytest.mark.parametrize("kind", FORMATS)
def test_ctrl_c_in_any_call_while_writing_is_raised(kind):
    whole = Interrupting()
    write(whole, kind)
    for moment in moments(whole.calls):
        with pytest.raises(KeyboardInterrupt):
            write(Interrupting(at=moment), kind)


@pytest.mark.parametrize("kind", FORMATS)
def test_ctrl_c_in_any_call_while_reading_is_raised(kind):
    content = io.BytesIO()
    soundfile.write(content, SOUND, 44_100, format=kind)
    whole = Interrupting(content.getvalue())
    read(whole)
    for moment in moments(whole.calls):
        with pytest.raises(KeyboardInterrupt):
            read(Interrupting(content.getvalue(), moment))


def test_samples_are_those_of_soundfile():
    content = io.BytesIO()
    write(content, "WAV")
    content.seek(0)
    with SequentialFile(content) as sound:
        assert sound.frames == len(SOUND)
        samples = sound.read(len(SOUND), always_2d=True)
    expected = io.BytesIO()
    soundfile.write(expected, SOUND, 44_100, format="WAV")
    assert content.getvalue() == expected.getvalue()
    assert np.abs(samples - SOUND).max() < 1e-4

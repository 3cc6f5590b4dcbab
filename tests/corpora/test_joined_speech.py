import numpy as np
import pytest
import soundfile

from making_recordings import write_speech
from soundstage.corpora.joined_speech import LEVEL, join_clips, speech_files
from soundstage.errors import InputError

RATE = 48_000


def test_the_speaker_is_from_the_manifest_or_the_folder(tmp_path) -> None:
    folder = write_speech(tmp_path / "speech", 2)
    clips, _ = speech_files(folder)
    assert [clip.speaker for clip in clips] == ["speaker0", "speaker0", "speaker1", "speaker1"]
    (folder / "manifest.csv").write_text(
        "file,speaker,license\nspeaker0/0.wav,anna,CC0\nspeaker1/1.wav,anna,CC BY\n"
    )
    clips, _ = speech_files(folder)
    assert [clip.speaker for clip in clips] == ["anna", "speaker0", "speaker1", "anna"]
    assert [clip.license for clip in clips] == ["CC0", "not stated", "not stated", "CC BY"]


def test_unusable_files_are_skipped_with_a_reason(tmp_path) -> None:
    folder = write_speech(tmp_path / "speech", 1)
    soundfile.write(folder / "stereo.wav", np.zeros((100, 2)), 16_000)
    (folder / "broken.wav").write_bytes(b"RIFF")
    clips, skipped = speech_files(folder)
    assert len(clips) == 2
    assert any("stereo.wav: has 2 channels" in reason for reason in skipped)
    assert any("broken.wav" in reason for reason in skipped)
    with pytest.raises(InputError, match="folder not found"):
        speech_files(tmp_path / "none")


def test_clips_are_leveled_and_repeated(tmp_path) -> None:
    folder = write_speech(tmp_path / "speech", 1, seconds=1.0)
    paths = [clip.path for clip in speech_files(folder)[0]]
    sound, used = join_clips(paths, 3 * RATE, RATE, np.random.default_rng(0))
    assert sound.shape == (3 * RATE,)
    assert set(used) == set(paths)
    assert len(used) == 3
    seconds = sound.reshape(3, RATE)  # one clip each
    np.testing.assert_allclose(seconds.std(axis=1), LEVEL, rtol=0.1)
    for edge in (0, RATE, 2 * RATE):
        assert np.abs(sound[max(edge - 20, 0) : edge + 20]).max() < 0.1 * LEVEL


def test_the_order_is_a_function_of_the_seed(tmp_path) -> None:
    paths = [clip.path for clip in speech_files(write_speech(tmp_path / "speech", 3))[0]]
    one, same, other = (
        join_clips(paths, 4 * RATE, RATE, np.random.default_rng(seed))[1] for seed in (1, 1, 2)
    )
    assert one == same != other


def test_silence_is_refused(tmp_path) -> None:
    soundfile.write(tmp_path / "silent.wav", np.zeros(16_000), 16_000)
    with pytest.raises(InputError, match="is silent"):
        join_clips([tmp_path / "silent.wav"], 100, RATE, np.random.default_rng(0))

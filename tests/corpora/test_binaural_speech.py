import numpy as np
import pytest
import soundfile
from hypothesis import given
from hypothesis import strategies as st
from scipy.spatial.transform import Rotation

from making_recordings import HOP, RATE, write_recording
from soundstage.binaural import from_tracked
from soundstage.corpora.binaural_speech import Chunks, Recording, open_binaural_speech
from soundstage.errors import InputError, OptionError

POSES = 240


@pytest.fixture(scope="module")
def published(tmp_path_factory):
    """A short copy of the published archive."""
    folder = tmp_path_factory.mktemp("binaural_dataset")
    for number in (1, 2, 10):
        write_recording(folder / "trainset" / f"subject{number}", POSES, seed=number)
    write_recording(folder / "testset" / "subject1", 60, seed=4)
    write_recording(folder / "testset" / "validation_sequence", 60, seed=5)
    return folder


@pytest.fixture(scope="module")
def recording(published):
    return Recording(published / "trainset" / "subject1")


def test_splits_are_the_folders_of_the_archive(published) -> None:
    def names(split):
        return [
            f"{each.folder.parent.name}/{each.name}"
            for each in open_binaural_speech(published, split)
        ]

    assert names("train") == [f"trainset/subject{number}" for number in (1, 2, 10)]
    assert names("valid") == ["testset/validation_sequence"]
    assert names("test") == ["testset/subject1"]
    assert len(names(None)) == 5


def test_a_part_and_a_single_recording_can_be_opened(published) -> None:
    assert len(open_binaural_speech(published / "trainset")) == 3
    assert len(open_binaural_speech(published / "trainset" / "subject2")) == 1


def test_missing_folders_and_splits_are_refused(published, tmp_path) -> None:
    with pytest.raises(InputError, match="folder not found"):
        open_binaural_speech(tmp_path / "none")
    with pytest.raises(InputError, match="no recording of the split 'test'"):
        open_binaural_speech(published / "trainset", "test")
    with pytest.raises(OptionError, match="train, valid or test"):
        open_binaural_speech(published, "dev")


def test_sound_is_read_from_the_files(recording) -> None:
    mono, _ = soundfile.read(recording.folder / "mono.wav", dtype="float32")
    ears, _ = soundfile.read(recording.folder / "binaural.wav", dtype="float32")
    assert recording.frames == POSES * HOP == mono.size
    assert np.array_equal(recording.mono(1234, 5000), mono[1234:6234])
    assert np.array_equal(recording.binaural(1234, 5000), ears[1234:6234].T)
    assert recording.mono(mono.size - 10, 5000).size == 10
    with pytest.raises(ValueError, match="are not within"):
        recording.mono(mono.size, 1)


def test_poses_are_those_of_the_talker(recording) -> None:
    tracked = np.loadtxt(recording.folder / "tx_positions.txt")
    expected, found = from_tracked(tracked), recording.poses(0, recording.frames)
    np.testing.assert_allclose(found.positions, expected.positions, atol=1e-12)
    np.testing.assert_allclose(found.orientations, expected.orientations, atol=1e-12)


def test_poses_are_interpolated(recording) -> None:
    tracked = recording.poses(0, recording.frames).positions
    between = recording.poses(100, 2 * HOP).positions
    np.testing.assert_allclose(between, 0.75 * tracked[:2] + 0.25 * tracked[1:3], atol=1e-12)
    assert len(recording.poses(100, 2 * HOP + 1).positions) == 3


def test_poses_are_relative_to_the_head(recording, tmp_path) -> None:
    write_recording(tmp_path / "turned", POSES)
    turn = Rotation.from_euler("ZYX", [70, 20, -10], degrees=True)  # in the axes of the data set
    for name in ("tx_positions.txt", "rx_positions.txt"):
        tracked = np.loadtxt(recording.folder / name)
        positions = turn.apply(tracked[:, :3]) + np.array([1.0, -2.0, 0.3])
        # Tracked quaternions are inverse
        quaternions = (turn * Rotation.from_quat(tracked[:, 3:]).inv()).inv().as_quat()
        np.savetxt(tmp_path / "turned" / name, np.column_stack([positions, quaternions]))
    one, other = recording.trajectory, Recording(tmp_path / "turned").trajectory
    np.testing.assert_allclose(other.positions, one.positions, atol=1e-9)
    signs = np.sign((one.orientations * other.orientations).sum(axis=1, keepdims=True))
    np.testing.assert_allclose(signs * other.orientations, one.orientations, atol=1e-9)


@pytest.mark.parametrize("name", ["mono.wav", "binaural.wav", "tx_positions.txt"])
def test_lengths_may_differ_by_one_pose(tmp_path, name: str) -> None:
    step = HOP if name.endswith("wav") else 1
    write_recording(tmp_path / "a", 60, more={name: step})
    assert Recording(tmp_path / "a").frames == 60 * HOP
    write_recording(tmp_path / "b", 60, more={name: 2 * step})
    with pytest.raises(InputError, match=rf"different lengths .*{name} 0\.51"):
        Recording(tmp_path / "b")


@pytest.mark.parametrize(
    ("name", "samples", "rate", "message"),
    [
        ("mono.wav", np.zeros((24_000, 2)), RATE, "has 2 channels, not 1"),
        ("binaural.wav", np.zeros((24_000, 1)), RATE, "has 1 channels, not 2"),
        ("mono.wav", np.zeros((24_000, 1)), 44_100, "sample rate of 44,100 Hz"),
    ],
)
def test_a_file_of_another_kind_is_refused(tmp_path, name, samples, rate, message) -> None:
    write_recording(tmp_path / "a", 60)
    soundfile.write(tmp_path / "a" / name, samples, rate)
    with pytest.raises(InputError, match=message):
        Recording(tmp_path / "a")


@pytest.mark.parametrize("name", ["mono.wav", "rx_positions.txt"])
def test_a_missing_file_is_named(tmp_path, name: str) -> None:
    write_recording(tmp_path / "a", 60)
    (tmp_path / "a" / name).unlink()
    with pytest.raises(InputError, match=name):
        Recording(tmp_path / "a")


def test_a_talker_inside_the_head_is_refused_by_line(tmp_path) -> None:
    write_recording(tmp_path / "a", 60)
    path = tmp_path / "a" / "tx_positions.txt"
    tracked = np.loadtxt(path)
    tracked[7, :3] = [-0.09, 0.0, -0.02]
    np.savetxt(path, tracked)
    with pytest.raises(InputError, match=r"tx_positions\.txt, line 8"):
        Recording(tmp_path / "a")


@given(frames=st.integers(5000, 100_000))
def test_segments_in_order_cover_every_sample_once(recording, frames: int) -> None:
    chunks = Chunks([recording], frames).in_order()
    whole = np.concatenate([chunk.mono for chunk in chunks])
    assert np.array_equal(whole, recording.mono(0, recording.frames))


@given(seed=st.integers(0, 100), step=st.integers(0, 1000))
def test_a_random_segment_has_its_poses(published, seed: int, step: int) -> None:
    chunks = Chunks(open_binaural_speech(published), 2000)
    chunk, again = chunks.draw(seed, step), chunks.draw(seed, step)
    assert (chunk.start, chunk.recording) == (again.start, again.recording)
    assert chunk.mono.shape == (2000,)
    np.testing.assert_allclose(chunk.binaural, [chunk.mono, -chunk.mono])
    assert np.array_equal(chunk.mono, chunk.recording.mono(chunk.start, 2000))
    at = chunk.recording.trajectory.at((chunk.start + HOP * np.arange(5)) / RATE)
    np.testing.assert_allclose(chunk.poses.positions, at.positions, atol=1e-12)


def test_random_segments_are_uniform_over_positions(published) -> None:
    recordings = open_binaural_speech(published)
    chunks = Chunks(recordings, 60 * HOP - 1)  # two start positions in the short ones
    drawn = [chunks.draw(0, step) for step in range(300)]
    long = [each for each in drawn if each.recording.frames == POSES * HOP]
    assert len(long) > 290
    starts = np.array([each.start for each in long]) / (POSES * HOP - 60 * HOP + 2)
    assert abs(starts.mean() - 0.5) < 0.06
    assert len({id(each.recording) for each in long}) == 3


def test_random_segments_stay_inside_a_recording(published) -> None:
    short = [*open_binaural_speech(published, "test"), *open_binaural_speech(published, "valid")]
    chunks = Chunks(short, 60 * HOP - 1)
    drawn = [chunks.draw(0, step) for step in range(40)]
    assert {(each.recording.name, each.start, each.mono.size) for each in drawn} == {
        (recording.name, start, 60 * HOP - 1) for recording in short for start in (0, 1)
    }


def test_short_recordings_are_skipped(published) -> None:
    chunks = Chunks(open_binaural_speech(published), 61 * HOP)
    assert {chunks.draw(0, step).recording.frames for step in range(50)} == {POSES * HOP}
    with pytest.raises(InputError, match="No recording has the"):
        Chunks(open_binaural_speech(published), 1_000_000).draw(0, 0)

"""Options of a user for the listener's head."""

from pathlib import Path

import numpy as np
import pytest

from soundstage.binaural import ListenerOptions
from soundstage.binaural.geometry import from_angles
from soundstage.binaural.listener_options import place_and_file
from soundstage.errors import InputError, OptionError


def test_without_options_there_is_no_listener():
    assert not ListenerOptions().is_set
    assert ListenerOptions().build() is None


def test_angles_turn_a_head_at_rest():
    options = ListenerOptions(yaw=30.0, roll=-5.0)
    assert options.is_set
    head = options.build()
    assert head.is_static
    assert not head.is_rotating
    expected = from_angles(np.array([[30.0, 0.0, -5.0]]))
    np.testing.assert_allclose(head.at(np.zeros(1)).orientations, expected)
    assert not head.positions.any()


def test_a_yaw_of_zero_is_a_listener_that_looks_ahead():
    assert ListenerOptions(yaw=0.0).build() is not None


def test_a_file_has_the_pose_over_time(tmp_path):
    path = tmp_path / "pose.csv"
    path.write_text("time,x,yaw\n0,0,0\n2,1,90\n")
    head = ListenerOptions(trajectory=path).build()
    pose = head.at(np.array([1.0]))
    np.testing.assert_allclose(pose.positions, [[0.5, 0, 0]])
    np.testing.assert_allclose(pose.orientations, from_angles(np.array([[45.0, 0, 0]])))


def test_angles_beside_a_file_are_refused():
    with pytest.raises(OptionError, match="leave out `yaw`, `roll`"):
        ListenerOptions(yaw=0.0, roll=1.0, trajectory=Path("pose.csv"))


def test_a_missing_file_and_an_angle_that_is_no_number_are_refused(tmp_path):
    with pytest.raises(InputError, match="pose"):
        ListenerOptions(trajectory=tmp_path / "pose.csv").build()
    with pytest.raises(OptionError, match="finite"):
        ListenerOptions(yaw=float("nan")).build()


@pytest.mark.parametrize(
    ("values", "place", "file"),
    [
        ([], None, None),
        (["2,2,1.5"], "2,2,1.5", None),
        (["walks/pose.JSON"], None, Path("walks/pose.JSON")),
        (["pose.csv", "2,2,1.5"], "2,2,1.5", Path("pose.csv")),
    ],
)
def test_a_place_in_the_room_and_a_file_are_told_apart(values, place, file):
    assert place_and_file(values) == (place, file)


def test_other_files_are_refused():
    with pytest.raises(OptionError, match=r"or a file of the pose \(\.csv, .*not 'pose\.wav'"):
        place_and_file(["pose.wav"])


@pytest.mark.parametrize("values", [["a.csv", "b.csv"], ["1,1,1", "2,2,2"]])
def test_two_of_a_kind_are_refused(values):
    with pytest.raises(OptionError, match=f"{values[0]} and {values[1]}"):
        place_and_file(values)

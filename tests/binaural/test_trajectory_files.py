import json
import os
import re

import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from soundstage.binaural.binaural_speech_poses import from_tracked, seen_by_receiver
from soundstage.binaural.geometry import rotate
from soundstage.binaural.listener import SeenTrajectory
from soundstage.binaural.trajectory_files import (
    KIND,
    listener_of_points,
    read_listener,
    read_tracked,
    read_trajectory,
)
from soundstage.errors import InputError

AHEAD = np.array([1.0, 0.0, 0.0])
SPHERICAL = "time,azimuth,elevation,radius\n0,90,0,2\n1,0,30,2\n"


def write(folder, name, content):
    path = folder / name
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    return path


def read(folder, name, content):
    return read_trajectory(write(folder, name, content))


def axes(path):
    return rotate(AHEAD, path.at(path.times).orientations)


def test_cartesian_points_are_connected_by_straight_lines(tmp_path):
    path = read(tmp_path, "path.csv", "time,x,y,z\n0,1,2,3\n2.5,1,-2,3\n")
    np.testing.assert_array_equal(path.times, [0, 2.5])
    np.testing.assert_array_equal(path.positions, [[1, 2, 3], [1, -2, 3]])
    assert path.orientations is None
    assert not path.along_sphere


def test_spherical_points_follow_the_sphere(tmp_path):
    path = read(tmp_path, "path.csv", SPHERICAL)
    assert path.along_sphere
    np.testing.assert_allclose(path.positions[0], [0, 2, 0], atol=1e-15)
    np.testing.assert_allclose(np.linalg.norm(path.at(np.linspace(0, 1, 9)).positions, axis=1), 2)


def test_elevation_and_radius_have_defaults(tmp_path):
    path = read(tmp_path, "path.csv", "time,azimuth\n0,-90\n1,180\n")
    np.testing.assert_allclose(path.positions, [[0, -1.5, 0], [-1.5, 0, 0]], atol=1e-15)


@pytest.mark.parametrize(
    "content",
    [
        "\ufeffTime , AZIMUTH,Radius,elevation\r\n0,90,2,0\r\n\r\n1,0,2,30\r\n,,,\r\n",
        'radius,azimuth,time,elevation\n2,90,0,0\n"2"," 0 ",1e0,+30',
    ],
)
def test_csv_dialects_are_read(content, tmp_path):
    ours, plain = read(tmp_path, "a.csv", content), read(tmp_path, "b.CSV", SPHERICAL)
    np.testing.assert_array_equal(ours.times, plain.times)
    np.testing.assert_array_equal(ours.positions, plain.positions)


def test_json_and_csv_are_equivalent(tmp_path):
    table = read(tmp_path, "path.csv", SPHERICAL)
    points = [
        {"time": 0, "azimuth": 90, "elevation": 0, "radius": 2.0},
        {"radius": 2, "elevation": 30, "azimuth": 0, "time": 1},
    ]
    for content in (points, {"points": points}):
        path = read(tmp_path, "path.json", json.dumps(content))
        np.testing.assert_array_equal(path.times, table.times)
        np.testing.assert_array_equal(path.positions, table.positions)
        assert path.along_sphere


@pytest.mark.parametrize(
    ("columns", "values", "ahead", "left"),
    [
        ("yaw", "90", (0, 1, 0), (-1, 0, 0)),
        ("pitch", "90", (0, 0, 1), (0, 1, 0)),
        ("roll", "90", (1, 0, 0), (0, 0, 1)),
        ("yaw,pitch", "90,45", (0, 0.5**0.5, 0.5**0.5), (-1, 0, 0)),
        ("roll,yaw", "90,180", (-1, 0, 0), (0, 0, 1)),
        ("qx,qy,qz,qw", "0,0,2,2", (0, 1, 0), (-1, 0, 0)),
    ],
)
def test_angles_rotate_in_the_documented_directions(columns, values, ahead, left, tmp_path):
    path = read(tmp_path, "path.csv", f"time,azimuth,{columns}\n0,0,{values}\n")
    orientations = path.at(path.times).orientations
    np.testing.assert_allclose(rotate(AHEAD, orientations), [ahead], atol=1e-14)
    np.testing.assert_allclose(rotate(np.array([0.0, 1, 0]), orientations), [left], atol=1e-14)


def test_tracked_poses_are_read_at_120_hz(tmp_path):
    generator = np.random.default_rng(0)
    positions = generator.uniform([0.5, -1, -1], 1, (50, 3))
    tracked = np.column_stack([positions, Rotation.random(50, generator).as_quat()])
    path = tmp_path / "tx_positions.txt"
    np.savetxt(path, tracked, fmt="%.12f")
    np.testing.assert_allclose(read_tracked(path), tracked, atol=1e-11)
    path, poses = read_trajectory(path), from_tracked(tracked)
    np.testing.assert_allclose(path.times, np.arange(50) / 120, atol=1e-15)
    np.testing.assert_allclose(path.positions, poses.positions, atol=1e-11)
    np.testing.assert_allclose(path.orientations, poses.orientations, atol=1e-11)


GOOD_POSE = "1 0 0 0 0 0 1\n"


@pytest.mark.parametrize(
    ("name", "content", "reason"),
    [
        ("a.csv", "", ": the file is empty"),
        ("a.csv", b"time,x\xff", ", line 1: is not text in UTF-8"),
        ("a.wav", "time", ": a trajectory is a .csv or .json file, or tracked poses in a .txt"),
        ("a.csv", "time,azimuth\n", ": the table has no points"),
        ("a.csv", "time,azimuth\n0,left\n", ", line 2: azimuth must be a number, not 'left'"),
        ("a.csv", "time,azimuth\n\n0,nan\n", ", line 3: azimuth must be a number, not 'nan'"),
        ("a.csv", "time,azimuth\n0\n", ", line 2: 1 values for 2 columns"),
        ("a.csv", "azimuth\n0\n", ", line 1: 'time' is missing"),
        ("a.csv", "time,radius\n0,1\n", ", line 1: 'azimuth' is missing"),
        ("a.csv", "time,x,y\n0,1,1\n", ", line 1: 'z' is missing"),
        ("a.csv", "time,azimuth,qx\n0,1,1\n", ", line 1: 'qy' is missing"),
        ("a.csv", "time;azimuth\n0;1\n", ", line 1: unknown 'time;azimuth'; known: time, x"),
        ("a.csv", "time,x,x,z\n0,1,1,1\n", ", line 1: 'x' appears twice"),
        ("a.csv", "time,x,y,z,radius\n0,1,1,1,1\n", ", line 1: a point has x.* or azi.* not both"),
        ("a.csv", "time,azimuth,qw,yaw\n0,1,1,1\n", ", line 1: a point has qx.* or yaw.* not both"),
        ("a.csv", 'time,azimuth\n0,"1\n', ", line 2: is not CSV"),
        ("a.csv", "time,azimuth\n1,0\n\n1,9\n", ", line 4: its time 1 s is not later than 1 s"),
        ("a.json", '[{"time": 0,\n "azimuth" 1}]', ", line 2: is not JSON"),
        ("a.json", "[" * 100_000, ": is nested too deeply"),
        ("a.json", '[{"time": ' + "9" * 5000 + "}]", ", line 1: a number has at most 40 digits"),
        ("a.json", "7", r': a trajectory is a list of objects, or {"points"'),
        ("a.json", '{"points": []}', ": the list has no points"),
        ("a.json", '[{"time": 0, "azimuth": true}]', ", point 1: azimuth must be .* not True"),
        ("a.json", '[{"time": 0, "azimuth": [1]}]', r", point 1: azimuth must .* not \[1\]"),
        ("a.json", '[{"time": 0, "azimuth": 1' + "0" * 400 + "}]", ", line 1: a number has at"),
        ("a.json", '[{"time": 0, "azimuth": 1}, {"time": 1}]', ", point 2: 'azimuth' is missing"),
        ("a.json", '[{"time":1,"azimuth":1},{"time":0,"azimuth":1}]', ", point 2: its time 0 s"),
        ("a.txt", GOOD_POSE + "\n1 0 0 0 0 0\n", ", line 3: a pose is seven numbers"),
        ("a.txt", GOOD_POSE + "1 0 0 0 0 0 one\n", ", line 2: a pose is .* not '1 0 0 0 0 0 one'"),
        ("a.txt", GOOD_POSE + "1 0 0 0 0 0 0\n", ", line 2: .* nonzero quaternion"),
        ("a.txt", "\n" + GOOD_POSE + "-0.09 0 0 0 0 0 1\n", ", line 3: the source is 0.02 m"),
    ],
)  # fmt: skip
def test_an_invalid_file_is_refused_with_its_line_or_point(name, content, reason, tmp_path):
    path = write(tmp_path, name, content)
    with pytest.raises(InputError, match=f"^{path}{reason}") as caught:
        read_trajectory(path)
    assert str(caught.value).endswith(".")
    assert len(str(caught.value)) < len(str(path)) + 200


def test_missing_files_and_folders_are_refused(tmp_path):
    folder = tmp_path / "folder.csv"
    folder.mkdir()
    for path, why in ((tmp_path / "none.csv", "there is no such"), (folder, "it is no plain")):
        with pytest.raises(InputError, match=rf"^{path}: cannot be read \({why} file\)."):
            read_trajectory(str(path))
    with pytest.raises(InputError, match="no such file"):
        read_tracked(tmp_path / "none.txt")


@pytest.mark.parametrize("name", ["a.csv", "a.json", "a.txt"])
def test_a_gigabyte_is_refused_before_reading(name, tmp_path):
    path = tmp_path / name
    path.touch()
    os.truncate(path, 1_000_000_000)  # sparse
    with pytest.raises(InputError, match=f"{path}: has 1,000,000,000 .* {KIND.most_bytes:,}"):
        read_trajectory(path)


def head(folder, name, content):
    return read_listener(write(folder, name, content))


def test_a_head_has_a_place_and_an_orientation(tmp_path):
    found = head(tmp_path, "pose.csv", "time,x,y,z,yaw,pitch\n0,1,2,0.5,90,0\n2,1,-2,0.5,90,30\n")
    np.testing.assert_array_equal(found.positions, [[1, 2, 0.5], [1, -2, 0.5]])
    looks = rotate(AHEAD, found.at(found.times).orientations)
    np.testing.assert_allclose(looks, [[0, 1, 0], [0, np.sqrt(0.75), 0.5]], atol=1e-12)


def test_a_head_is_in_the_origin_and_looks_ahead_by_default(tmp_path):
    turning = head(tmp_path, "turning.json", '[{"time": 0, "yaw": -90}, {"time": 1, "yaw": 90}]')
    assert not turning.positions.any()
    np.testing.assert_allclose(turning.at(np.array([0.5])).orientations, [[0, 0, 0, 1]], atol=1e-12)
    walking = head(tmp_path, "walking.csv", "time,y\n0,0\n1,2\n")
    assert walking.orientations is None
    np.testing.assert_array_equal(walking.positions[1], [0, 2, 0])


def test_wrapped_angles_of_a_head_tracker_turn_the_short_way(tmp_path):
    found = head(tmp_path, "pose.csv", "time,yaw\n0,170\n1,-170\n")
    look = rotate(AHEAD, found.at(np.array([0.5])).orientations)
    np.testing.assert_allclose(look, [[-1, 0, 0]], atol=1e-12)


@pytest.mark.parametrize(
    ("content", "what"),
    [
        ("time,azimuth\n0,30\n", "unknown 'azimuth'; known: time, x, y, z, qx"),
        ("time,yaw\n0,0\n1,360\n", "line 3: the yaw changes from 0 to 360 degrees, a turn"),
        ("time,x\n0,1001\n", "line 2: the head is 1001 m"),
        ("time,yaw,qx\n0,0,0\n", "not both"),
        ("yaw\n0\n", "'time' is missing"),
        ("time,yaw\n0,left\n", "line 2: yaw must be a number"),
        ("time,yaw\n", "no points"),
    ],
)
def test_a_head_that_cannot_be_is_refused_with_its_line(content, what, tmp_path):
    with pytest.raises(InputError, match=re.escape(what)):
        head(tmp_path, "pose.csv", content)


def test_points_of_a_head_are_numbered():
    with pytest.raises(InputError, match="listener, point 2: 'yaw' is missing"):
        listener_of_points([{"time": 0, "yaw": 1}, {"time": 1}], "listener")


def test_tracked_heads_see_sources_as_the_data_set_does(tmp_path):
    rng = np.random.default_rng(0)
    talker, receiver = (
        np.concatenate([place + 0.2 * rng.standard_normal((5, 3)), rng.standard_normal((5, 4))], 1)
        for place in ([2.0, 1.0, 0.0], [0.0, 0.0, 0.0])
    )
    files = []
    for name, poses in (("tx.txt", talker), ("rx.txt", receiver)):
        files.append(tmp_path / name)
        np.savetxt(files[-1], poses)
    seen = SeenTrajectory(read_trajectory(files[0]), read_listener(files[1]))
    found, expected = seen.at(np.arange(5) / 120), seen_by_receiver(talker, receiver)
    np.testing.assert_allclose(found.positions, expected.positions, atol=1e-9)
    np.testing.assert_allclose(
        rotate(AHEAD, found.orientations), rotate(AHEAD, expected.orientations), atol=1e-9
    )


def test_a_source_may_be_in_the_origin_of_a_head_that_walks(tmp_path):
    path = write(tmp_path, "path.csv", "time,x,y,z\n0,0,0,0\n1,1,0,0\n")
    assert not read_trajectory(path, around_head=False).positions[0].any()
    with pytest.raises(InputError, match="line 2: the source is 0 m"):
        read_trajectory(path)

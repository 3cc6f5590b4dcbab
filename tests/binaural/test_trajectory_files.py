import json
import os

import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from soundstage.binaural.binaural_speech_poses import from_tracked
from soundstage.binaural.geometry import rotate
from soundstage.binaural.trajectory_files import LARGEST, read_tracked, read_trajectory
from soundstage.errors import InputError

AHEAD = np.array([1.0, 0.0, 0.0])
SPHERICAL = "time,azimuth,elevation,radius\n0,90,0,2\n1,0,30,2\n"


def write(folder, name, content):
    path = folder / name
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    return path


def read(folder, name, content):
    return read_trajectory(write(folder, name, content))


def looks(way):
    return rotate(AHEAD, way.at(way.times).orientations)


def test_a_table_of_places_is_straight_ways(tmp_path):
    way = read(tmp_path, "way.csv", "time,x,y,z\n0,1,2,3\n2.5,1,-2,3\n")
    np.testing.assert_array_equal(way.times, [0, 2.5])
    np.testing.assert_array_equal(way.positions, [[1, 2, 3], [1, -2, 3]])
    assert way.orientations is None
    assert not way.along_sphere


def test_a_table_of_angles_follows_the_sphere(tmp_path):
    way = read(tmp_path, "way.csv", SPHERICAL)
    assert way.along_sphere
    np.testing.assert_allclose(way.positions[0], [0, 2, 0], atol=1e-15)
    np.testing.assert_allclose(np.linalg.norm(way.at(np.linspace(0, 1, 9)).positions, axis=1), 2)


def test_elevation_and_radius_may_be_left_out(tmp_path):
    way = read(tmp_path, "way.csv", "time,azimuth\n0,-90\n1,180\n")
    np.testing.assert_allclose(way.positions, [[0, -1.5, 0], [-1.5, 0, 0]], atol=1e-15)


@pytest.mark.parametrize(
    "content",
    [
        "\ufeffTime , AZIMUTH,Radius,elevation\r\n0,90,2,0\r\n\r\n1,0,2,30\r\n,,,\r\n",
        'radius,azimuth,time,elevation\n2,90,0,0\n"2"," 0 ",1e0,+30',
    ],
)
def test_tables_are_read_as_programs_write_them(content, tmp_path):
    ours, plain = read(tmp_path, "a.csv", content), read(tmp_path, "b.CSV", SPHERICAL)
    np.testing.assert_array_equal(ours.times, plain.times)
    np.testing.assert_array_equal(ours.positions, plain.positions)


def test_objects_say_the_same_as_a_table(tmp_path):
    table = read(tmp_path, "way.csv", SPHERICAL)
    points = [
        {"time": 0, "azimuth": 90, "elevation": 0, "radius": 2.0},
        {"radius": 2, "elevation": 30, "azimuth": 0, "time": 1},
    ]
    for content in (points, {"points": points}):
        way = read(tmp_path, "way.json", json.dumps(content))
        np.testing.assert_array_equal(way.times, table.times)
        np.testing.assert_array_equal(way.positions, table.positions)
        assert way.along_sphere


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
def test_orientations_turn_as_their_names_say(columns, values, ahead, left, tmp_path):
    way = read(tmp_path, "way.csv", f"time,azimuth,{columns}\n0,0,{values}\n")
    orientations = way.at(way.times).orientations
    np.testing.assert_allclose(rotate(AHEAD, orientations), [ahead], atol=1e-14)
    np.testing.assert_allclose(rotate(np.array([0.0, 1, 0]), orientations), [left], atol=1e-14)


def test_poses_of_the_speech_data_set_are_read_at_their_rate(tmp_path):
    generator = np.random.default_rng(0)
    places = generator.uniform([0.5, -1, -1], 1, (50, 3))
    rows = np.column_stack([places, Rotation.random(50, generator).as_quat()])
    path = tmp_path / "tx_positions.txt"
    np.savetxt(path, rows, fmt="%.12f")
    np.testing.assert_allclose(read_tracked(path), rows, atol=1e-11)
    way, poses = read_trajectory(path), from_tracked(rows)
    np.testing.assert_allclose(way.times, np.arange(50) / 120, atol=1e-15)
    np.testing.assert_allclose(way.positions, poses.positions, atol=1e-11)
    np.testing.assert_allclose(way.orientations, poses.orientations, atol=1e-11)


GOOD_POSE = "1 0 0 0 0 0 1\n"


@pytest.mark.parametrize(
    ("name", "content", "said"),
    [
        ("a.csv", "", ": the file is empty"),
        ("a.json", " \n\t", ": the file is empty"),
        ("a.txt", "\n\n", ": the file is empty"),
        ("a.csv", b"time,x\xff", ": holds no text .byte 6 is not UTF-8"),
        ("a.wav", "time", ": a trajectory is a .csv, a .json, or a .txt of tracked poses"),
        ("a.csv", "time,azimuth\n", ": the table has no points"),
        ("a.csv", "time,azimuth\n0,left\n", ", line 2: azimuth is a number, not 'left'"),
        ("a.csv", "time,azimuth\n\n0,nan\n", ", line 3: azimuth is a number, not 'nan'"),
        ("a.csv", "time,azimuth\n0,\n", ", line 2: azimuth is a number, not ''"),
        ("a.csv", "time,azimuth\n0\n", ", line 2: has 1 values for 2 columns"),
        ("a.csv", "time,azimuth\n0,0,0\n", ", line 2: has 3 values for 2 columns"),
        ("a.csv", "azimuth\n0\n", ", line 1: 'time' is missing beside azimuth"),
        ("a.csv", "time,radius\n0,1\n", ", line 1: 'azimuth' is missing beside time, radius"),
        ("a.csv", "time,x,y\n0,1,1\n", ", line 1: 'z' is missing"),
        ("a.csv", "time,azimuth,qx\n0,1,1\n", ", line 1: 'qy' is missing"),
        ("a.csv", "time;azimuth\n0;1\n", ", line 1: 'time;azimuth' is none of time, x"),
        ("a.csv", "time,azimuth,elevatoin\n0,1,1\n", ", line 1: 'elevatoin' is none of"),
        ("a.csv", "time,x,x,z\n0,1,1,1\n", ", line 1: 'x' is there twice"),
        ("a.csv", "time,x,y,z,radius\n0,1,1,1,1\n", ", line 1: a point has x.* or azi.* not both"),
        ("a.csv", "time,azimuth,qw,yaw\n0,1,1,1\n", ", line 1: a point has qx.* or yaw.* not both"),
        ("a.csv", 'time,azimuth\n0,"1\n', ", line 2: is no CSV"),
        ("a.csv", "time,azimuth\n1,0\n\n1,9\n", ", line 4: 1 s comes after 1 s, and times ascend"),
        ("a.csv", "time,azimuth,radius\n1,0,0.01\n", ", line 2: the source is 0.01 m"),
        ("a.csv", "time,azimuth\n0,0\n9,360\n", ", line 3: .* a turn or more; give points between"),
        ("a.csv", "time,x,y,z\n0,1,0,0\n1,-1,0,0\n", ", line 3: on the straight way"),
        ("a.csv", "time,azimuth,qx,qy,qz,qw\n0,0,0,0,0,0\n", ", line 2: .* is no rotation"),
        ("a.json", '[{"time": 0,\n "azimuth" 1}]', ", line 2: is no JSON"),
        ("a.json", "[" * 100_000, ": the JSON is too deep"),
        ("a.json", '[{"time": ' + "9" * 5000 + "}]", ": the JSON is too deep, or a number"),
        ("a.json", "7", r': a trajectory is a list of objects, or {"points"'),
        ("a.json", '{"point": []}', ": a trajectory is a list of objects"),
        ("a.json", "[[0, 1]]", ": a trajectory is a list of objects"),
        ("a.json", '{"points": []}', ": the list has no points"),
        ("a.json", '[{"time": 0, "azimuth": "ahead"}]', ", point 1: azimuth is a number, not 'ah"),
        ("a.json", '[{"time": 0, "azimuth": true}]', ", point 1: azimuth is a number, not True"),
        ("a.json", '[{"time": 0, "azimuth": NaN}]', ", point 1: azimuth is a number, not nan"),
        ("a.json", '[{"time": 0, "azimuth": [1]}]', r", point 1: azimuth is a number, not \[1\]"),
        ("a.json", '[{"time": 0, "azimuth": 1' + "0" * 400 + "}]", ", point 1: azimuth is a num"),
        ("a.json", '[{"time": 0, "azimuth": 1}, {"time": 1}]', ", point 2: 'azimuth' is only"),
        ("a.json", '[{"time": 0, "angle": 1}]', ", point 1: 'angle' is none of time"),
        ("a.json", '[{"time":1,"azimuth":1},{"time":0,"azimuth":1}]', ", point 2: 0 s comes after"),
        ("a.txt", GOOD_POSE + "\n1 0 0 0 0 0\n", ", line 3: a pose is seven numbers"),
        ("a.txt", "1 0 0\n", ", line 1: a pose is seven numbers"),
        ("a.txt", GOOD_POSE + "1 0 0 0 0 0 one\n", ", line 2: a pose is .* not '1 0 0 0 0 0 one'"),
        ("a.txt", GOOD_POSE + "1 0 nan 0 0 0 1\n", ", line 2: a pose is seven numbers"),
        ("a.txt", GOOD_POSE + "1 0 0 0 0 0 0\n", ", line 2: .* that is not 0"),
        ("a.txt", "\n" + GOOD_POSE + "-0.09 0 0 0 0 0 1\n", ", line 3: the source is 0.02 m"),
    ],
)  # fmt: skip
def test_what_is_no_trajectory_is_refused_in_a_sentence_with_its_place(
    name, content, said, tmp_path
):
    path = write(tmp_path, name, content)
    with pytest.raises(InputError, match=f"^{path}{said}") as caught:
        read_trajectory(path)
    assert str(caught.value).endswith(".")
    assert len(str(caught.value)) < len(str(path)) + 160


def test_files_that_are_not_there_or_no_files_are_refused(tmp_path):
    folder = tmp_path / "folder.csv"
    folder.mkdir()
    for path in (tmp_path / "none.csv", folder):
        with pytest.raises(InputError, match=f"^{path}: there is no such file.$"):
            read_trajectory(str(path))
    with pytest.raises(InputError, match="there is no such file"):
        read_tracked(tmp_path / "none.txt")


@pytest.mark.parametrize("name", ["a.csv", "a.json", "a.txt"])
def test_a_gigabyte_is_refused_before_it_is_read(name, tmp_path):
    path = tmp_path / name
    path.touch()
    os.truncate(path, 1_000_000_000)  # sparse
    with pytest.raises(InputError, match=f"{path}: has 1,000 MB, .* up to {LARGEST / 1e6:g} MB"):
        read_trajectory(path)
